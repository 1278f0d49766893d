# 用 BERT 和 CRF 做中文分词 / Words of Chinese text by BERT and a CRF
# 文章 Article  https://kexue.fm/archives/7196
# 数据 Data     每行一句，词之间是空格，如“今天  天气  很  好”（SIGHAN，icwb2-data）
#              a sentence on each line, with spaces between its words (SIGHAN, icwb2-data)
# 结果 Expect   自带数据 F1 1.000，约 1 分钟 / synthetic data: F1 1.000, 1 minute

import settings

import keras
import numpy as np
from data.small_model import make_checkpoint
from data.words import make_files

from bert4keras.data import DataGenerator, load_words, sequence_padding
from bert4keras.layers import ConditionalRandomField
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.pipelines import EntityRecognizer, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
maxlen = 256  # 最大长度，以 token 计  in tokens
batch_size = 16
epochs = 2
learning_rate = 1e-4
crf_lr_multiplier = 100  # 转移矩阵学得快得多  the transitions learn much faster
output = "output/cws_crf"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_words(train_file), load_words(valid_file)
print(train_data[0])  # ("今天很好", [(0, 2, "word"), (2, 3, "word"), (3, 4, "word")])

# 标签：S 是单字词，B、M、E 是多字词的首、中、尾
# Tags: S for a word of one token; B, M and E for the begin, the middle and the end of a longer one
tags = ["S-word", "B-word", "M-word", "E-word"]

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("cws_crf", (text for text, _ in train_data))
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def encode(sample):
    """一句话的 token，以及每个 token 的标签 / The tokens of a sentence, and a tag for each

    [CLS] 和 [SEP] 的标签是 S  The tag of [CLS] and [SEP] is S
    """
    text, words = sample
    encoding = tokenizer.encode_with_offsets(text, maxlen=maxlen)
    labels = np.zeros(len(encoding.token_ids), "int32")
    for start, end, _ in words:
        span = encoding.find_tokens(start, end)
        if span is not None and span[0] < span[1]:  # 多个 token，没有被截断  longer, not cut off
            first, last = span
            labels[first] = tags.index("B-word")
            labels[first + 1 : last] = tags.index("M-word")
            labels[last] = tags.index("E-word")
    return encoding.token_ids, labels


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, labels = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            segment_ids = np.zeros_like(token_ids)
            yield [token_ids, segment_ids], sequence_padding(labels, multiple=16)


# 模型 / Model ----------------------------------------------------------------------------------

bert = build_transformer_model(checkpoint)
scores = keras.layers.Dense(len(tags))(bert.output)
crf = ConditionalRandomField(lr_multiplier=crf_lr_multiplier)
model = keras.Model(bert.inputs, crf(scores))

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
model.compile(optimizer, loss=crf.sparse_loss)

# 解码用 Viterbi 算法，只走合法的路径（如 B 后面只能是 M 或 E）
# 每轮结束算一次词的 F1，最好的模型存到 output，按 Ctrl-C 也不会丢
# Decoding is by Viterbi, along paths that the tags allow: only M or E stands behind B
# Each epoch ends with an F1 of words; the best model is in output, even after Ctrl-C
segmenter = EntityRecognizer(
    model, tokenizer, tags, is_constrained=True, maxlen=maxlen, truncate=True
)
best = BestPipeline(segmenter, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

segmenter = load_pipeline(output)
for text, _ in valid_data[:5]:
    words = [record["text"] for record in segmenter(text)]
    print(" ".join(words))
