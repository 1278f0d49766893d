# 用掩码语言模型填空 / A masked language model fills in what is masked in a text
# 文章 Article  https://arxiv.org/abs/1810.04805
# 数据 Data     文本，要填的地方写 [MASK] / texts with [MASK] where a token is missing
#              “这次的小说，文笔真是[MASK][MASK]，[MASK]得推荐。”
# 结果 Expect   自带数据：填“细腻”一类的词，约 2 分钟；有 MLM 头的预训练模型不用训练
#              synthetic data: words that fit, 2 minutes; a checkpoint with an MLM head at once

import settings

import keras
import numpy as np
from data.reviews import make_reviews
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.pipelines import MaskFiller
from bert4keras.tokenizers import load_tokenizer

checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
text = ""  # 要填的文本；留空用下面的例子  text to fill in; empty: the examples below
top_k = 5  # 每个掩码列出几个 token  number of tokens for each mask
batch_size = 32
epochs = 12  # 小模型训练几轮  for a small model
learning_rate = 2e-3
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if text:
    texts = [text]
elif checkpoint:
    texts = ["科学[MASK][MASK]是第一生产力。"]
else:
    texts = [
        "这家酒店，房间一点也不[MASK][MASK]，[MASK]值得买。",
        "这次的小说，文笔真是[MASK][MASK]，[MASK]得推荐。",
        "说说这个[MASK][MASK]，屏幕很清晰。",
    ]


class TrainGenerator(DataGenerator):
    """随机遮住 15% 的 token，让模型说出来 / A mask hides 15% of the tokens, which are the labels"""

    def __iter__(self, random=False):
        for reviews in self.batches(random):
            token_ids = [tokenizer.encode(review)[0] for review in reviews]
            token_ids = sequence_padding(token_ids, multiple=16)
            is_text = token_ids > tokenizer.mask_id  # 特殊 token 不遮  no special tokens
            is_masked = (np.random.random(token_ids.shape) < 0.15) & is_text
            inputs = np.where(is_masked, tokenizer.mask_id, token_ids)
            yield [inputs, np.zeros_like(inputs)], token_ids, is_masked.astype("float32")


# 模型 / Model ----------------------------------------------------------------------------------

is_new = not checkpoint
if is_new:
    reviews = [review for review, _ in make_reviews(200 if settings.is_smoke() else 4000)]
    checkpoint = make_checkpoint("masked_language_model", reviews)
tokenizer = load_tokenizer(checkpoint)
model = build_transformer_model(checkpoint, with_mlm=True)

# 训练 / Training -------------------------------------------------------------------------------

if is_new:
    generator = TrainGenerator(reviews, batch_size, length_func=len)
    steps = len(generator)
    optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight"),
        weighted_metrics=["sparse_categorical_accuracy"],
    )
    model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs)

# 使用 / Use ------------------------------------------------------------------------------------

# 每个掩码的候选 token 和概率 / candidates for each mask, with their probabilities
filler = MaskFiller(model, tokenizer)
for text in texts:
    print(text)
    masks = filler(text, top_k=top_k)
    if text.count("[MASK]") == 1:
        masks = [masks]
    for candidates in masks:
        print("   ", *(f"{record['token_str']} {record['score']:.3f}" for record in candidates))
