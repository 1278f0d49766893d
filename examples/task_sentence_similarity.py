# 判断两句话是否同义 / Do two sentences mean the same?
# 文章 Article  https://arxiv.org/abs/1810.04805
# 数据 Data     每行“句子<tab>句子<tab>数”，数是 0 或 1（LCQMC），或 0 到 5 的相似度（STS-B）
#              a sentence, a tab, a sentence, a tab and a number on each line: 0 or 1 (LCQMC), or a
#              similarity from 0 to 5 (STS-B): 谁写了春山<tab>春山的作者是谁<tab>1
# 结果 Expect   自带数据准确率 0.72，约 5 分钟 / synthetic data: accuracy 0.72, 5 minutes

import settings

import keras
import numpy as np
from data.pairs import make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_table, sequence_padding
from bert4keras.layers import FirstToken
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.pipelines import PairScorer, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
test_file = ""  # 测试集，可以不给  test data, optional
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 32
epochs = 7
learning_rate = 3e-5
output = "output/sentence_similarity"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals(), predict="TEXT TEXT")

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files(20000)
columns = {"text": [0, 1], "label": 2, "label_type": float}
train_data, valid_data = load_table(train_file, **columns), load_table(valid_file, **columns)
print(train_data[0])  # (("谁写了春山", "春山的作者是谁"), 1.0)
highest = max(number for _, number in train_data)

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint(
        "similarity", (first + second for (first, second), _ in train_data)
    )
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def encode(sample):
    """两句话连成一个序列，目标从 0 到 1 / Two sentences in one sequence; a target from 0 to 1"""
    (first, second), number = sample
    token_ids, segment_ids = tokenizer.encode(first, second, maxlen=maxlen)
    return token_ids, segment_ids, number / highest


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, segment_ids, targets = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            segment_ids = sequence_padding(segment_ids, multiple=16)
            yield [token_ids, segment_ids], np.array(targets)[:, None]


# 模型 / Model ----------------------------------------------------------------------------------

# 一个相似度，用交叉熵训练：目标是 0、1，或两者之间的数
# One similarity, trained by cross-entropy: a target is 0, 1 or a number between them
bert = build_transformer_model(checkpoint)
cls = FirstToken()(bert.output)
vector = keras.layers.Dense(cls.shape[-1], "tanh")(cls)
vector = keras.layers.Dropout(0.1)(vector)
similarity = keras.layers.Dense(1, "sigmoid", dtype="float32")(vector)
model = keras.Model(bert.inputs, similarity)

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda x: len(x[0][0] + x[0][1]))
steps = len(generator)
optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
model.compile(optimizer, "binary_crossentropy")

# 每轮结束算一次相关系数（0、1 标签也算准确率），最好的模型存到 output，按 Ctrl-C 也不会丢
# Each epoch ends with correlations, and the accuracy of labels 0 and 1; the best model is in
# output, even after Ctrl-C
scorer = PairScorer(model, tokenizer, maxlen=maxlen, truncate=True)
best = BestPipeline(scorer, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

scorer = load_pipeline(output)
if test_file:
    print("test:", scorer.evaluate(load_table(test_file, **columns)))
for (first, second), number in valid_data[:3]:
    record = scorer((first, second))
    print(first, second, f"-> {record['score']:.3f} / {number / highest:.3f}")
