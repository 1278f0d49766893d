# 用 BERT 和 CRF 做命名实体识别 / Named entities by BERT and a CRF
# 文章 Article  https://kexue.fm/archives/7196
# 数据 Data     每行一个字和它的标签，如“张 B-人名”，句间空一行（CoNLL）
#              a character and its tag on each line, an empty line between sentences (CoNLL)
# 结果 Expect   自带数据 F1 0.999，约 1 分钟；简历 NER 测试集 0.945（12 层小模型）
#              synthetic data: F1 0.999, 1 minute; resume NER, test: 0.945 (a small model)

import settings

import keras
import numpy as np
from data.entities import make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_conll, sequence_padding
from bert4keras.layers import ConditionalRandomField
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.pipelines import EntityRecognizer, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 16
epochs = 2
learning_rate = 1e-4
crf_lr_multiplier = 100  # 转移矩阵学得快得多  the transitions learn much faster
output = "output/ner_crf"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_conll(train_file), load_conll(valid_file)
print(train_data[0])  # ("张三住在北京", [(0, 2, "人名"), (4, 6, "地名")])

# 标签：O 在实体外，B-x 是实体 x 的开头，I-x 是其余部分
# Tags: O outside of entities, B-x for the first token of an entity, I-x for the rest of it
types = sorted({kind for _, entities in train_data for _, _, kind in entities})
tags = ["O"]
for kind in types:
    tags += [f"B-{kind}", f"I-{kind}"]

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("ner_crf", (text for text, _ in train_data))
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def encode(sample):
    """一句话的 token，以及每个 token 的标签 / The tokens of a sentence, and a tag for each"""
    text, entities = sample
    encoding = tokenizer.encode_with_offsets(text, maxlen=maxlen)
    labels = np.zeros(len(encoding.token_ids), "int32")
    for start, end, kind in entities:
        span = encoding.find_tokens(start, end)
        if span is not None:  # 没有被截断  not cut off
            first, last = span
            labels[first] = tags.index(f"B-{kind}")
            labels[first + 1 : last + 1] = tags.index(f"I-{kind}")
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

# 解码用 Viterbi 算法；每轮结束算一次 F1，最好的模型存到 output，按 Ctrl-C 也不会丢
# Decoding is by Viterbi. Each epoch ends with an F1; the best model is in output, even after Ctrl-C
recognizer = EntityRecognizer(model, tokenizer, tags, maxlen=maxlen, truncate=True)
best = BestPipeline(recognizer, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

recognizer = load_pipeline(output)
for text, _ in valid_data[:3]:
    print(text)
    for entity in recognizer(text):
        print("   ", entity["type"], entity["text"], f"{entity['score']:.3f}")
