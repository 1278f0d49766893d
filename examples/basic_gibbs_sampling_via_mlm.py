# 用 MLM 做 Gibbs 采样，写出整篇文字 / Whole texts from a masked language model by Gibbs sampling
# 文章 Article  https://arxiv.org/abs/1902.04094
# 数据 Data     不需要；没有预训练模型时，先让小模型学填诗里的字
#              none; without a checkpoint a small model first learns to fill masks in poems
# 结果 Expect   自带数据 16 首都合格式，8 首押韵，约 2.5 分钟
#              synthetic data: 16 of 16 poems are regular, 8 rhyme, 2.5 minutes

import settings

import keras
import numpy as np
from data.poems import has_rhyme, is_regular, make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_table, sequence_padding, softmax
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.tokenizers import load_tokenizer

checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
text = ""  # 从这段文字开始；留空则全是 [MASK]  a text to begin with; empty: masks alone
length = 24  # 长度，以 token 计  in tokens
number = 16  # 写几篇  how many texts
sweeps = 80  # 每个位置平均采样几次  how many times each place is drawn on average
temperature = 1.0  # 越低越保守，越高越大胆  lower is more careful, higher is bolder
epochs = 16  # 小模型学几轮  of the small model
settings.override(globals())

# 模型 / Model ----------------------------------------------------------------------------------

poems = []
if not checkpoint:
    poems = [poem for poem in load_table(make_files()[0], label=None) if len(poem) == length]
    checkpoint = make_checkpoint("gibbs_sampling", poems, dropout=0.0)
tokenizer = load_tokenizer(checkpoint)
mask_id = tokenizer.mask_id
model = build_transformer_model(checkpoint, with_mlm="linear")


class TrainGenerator(DataGenerator):
    """每首诗遮住随机比例的字，要预测这些字 / A random share of a poem is masked and predicted"""

    def __iter__(self, random=False):
        for texts in self.batches(random):
            token_ids = sequence_padding([tokenizer.encode(text)[0] for text in texts])
            # 遮得少像采样的结尾，遮得多像采样的开头
            # Few masks are like the end of the sampling, many like its beginning
            share = np.random.random((len(texts), 1))
            is_masked = np.random.random(token_ids.shape) < share
            is_masked &= token_ids > mask_id  # 不遮 [CLS] 和 [SEP]  special tokens stay
            inputs = np.where(is_masked, mask_id, token_ids)
            yield [inputs, np.zeros_like(inputs)], token_ids * is_masked


if poems:  # 标签是 0 的位置不计 / Places whose label is 0 do not count
    generator = TrainGenerator(poems, batch_size=32)
    steps = len(generator)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(Adam(WarmupCosineDecay(1e-3, steps * epochs), clipnorm=1.0), loss)
    model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs)

# 采样 / Sampling -------------------------------------------------------------------------------

# 从一段文字开始，或从全是 [MASK] 开始 / Begin with a text, or with masks alone
if text:
    begin_ids, _ = tokenizer.encode(text)
else:
    begin_ids = [tokenizer.start_id] + [mask_id] * length + [tokenizer.end_id]
token_ids = np.array([begin_ids] * number)
segment_ids = np.zeros_like(token_ids)
length = len(begin_ids) - 2

# 每步遮住一个字，按其余的字重新采样；第一遍从左到右，以后位置随机
# Each step masks one token and draws it anew, given all others: at first from left to right, then
# anywhere
for step in range(length * sweeps):
    place = 1 + step
    if step >= length:
        place = np.random.randint(1, length + 1)
    token_ids[:, place] = mask_id
    scores = model.predict_on_batch([token_ids, segment_ids])
    scores = scores[:, place].astype("float64")
    scores[:, : mask_id + 1] = -np.inf  # 不要特殊 token  no special tokens
    # 温度低时概率更集中 / A low temperature concentrates the probabilities
    probabilities = softmax(scores / temperature)
    for row in range(number):
        token_ids[row, place] = np.random.choice(scores.shape[1], p=probabilities[row])

# 自带数据的诗，可以数合格式的和押韵的 / Of synthetic poems it can be counted how many are good
texts = [tokenizer.decode(ids) for ids in token_ids]
print("", *texts, sep="\n")
if poems:
    print("合格式 / regular:", sum(map(is_regular, texts)))
    print("押韵 / rhyme:", sum(map(has_rhyme, texts)))
