# 用 BERT 和 GlobalPointer 做命名实体识别 / Named entities by BERT and a GlobalPointer
# 文章 Article  https://kexue.fm/archives/8373
# 数据 Data     每行一个字和它的标签，如“张 B-人名”，句间空一行（CoNLL）
#              a character and its tag on each line, an empty line between sentences (CoNLL)
# 结果 Expect   自带数据 F1 0.992，约 1.5 分钟；简历 NER 测试集 0.946（12 层小模型）
#              synthetic data: F1 0.992, 1.5 minutes; resume NER, test: 0.946 (a small model)

import settings

import keras
import numpy as np
from data.entities import make_files
from data.small_model import make_checkpoint
from keras import ops

from bert4keras.backend import multilabel_categorical_crossentropy
from bert4keras.data import DataGenerator, load_conll, sequence_padding
from bert4keras.layers import GlobalPointer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import EntityRecognizer, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 16
epochs = 3
learning_rate = 1e-4
pointer_learning_rate = 1e-3  # 指针是新的，学得快些  the pointer is new, and learns faster
is_nested = False  # 实体之间是否可以重叠  whether entities may overlap
output = "output/ner_global_pointer"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_conll(train_file), load_conll(valid_file)
print(train_data[0])  # ("张三住在北京", [(0, 2, "人名"), (4, 6, "地名")])
types = sorted({kind for _, entities in train_data for _, _, kind in entities})

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("ner_global_pointer", (text for text, _ in train_data))
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def encode(sample):
    """一句话的 token，以及每类实体的首尾矩阵 / The tokens of a sentence, and a matrix for each type

    是实体的片段，在“首、尾”处为 1  A span that is an entity has a 1 at its first and last token
    """
    text, entities = sample
    encoding = tokenizer.encode_with_offsets(text, maxlen=maxlen)
    length = len(encoding.token_ids)
    labels = np.zeros((len(types), length, length), "uint8")
    for start, end, kind in entities:
        span = encoding.find_tokens(start, end)
        if span is not None:  # 没有被截断  not cut off
            first, last = span
            labels[types.index(kind), first, last] = 1
    return encoding.token_ids, labels


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, labels = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            segment_ids = np.zeros_like(token_ids)
            labels = sequence_padding(labels, seq_dims=3, multiple=(1, 16, 16))
            yield [token_ids, segment_ids], labels


# 模型 / Model ----------------------------------------------------------------------------------

# 给每类实体的每个片段打分。换成 EfficientGlobalPointer，各类共用 query 和 key，参数少得多
# A score for each type and span. EfficientGlobalPointer shares queries and keys between the types
bert = build_transformer_model(checkpoint)
pointer = GlobalPointer(heads=len(types), head_size=64, name="Pointer")
model = keras.Model(bert.inputs, pointer(bert.output))


def pointer_loss(true, scores):
    """每类之中，实体的分数都应大于 0，其余片段都应小于 0
    Of each type, entities should score above 0, and all other spans below
    """
    shape = (-1, len(types), ops.shape(scores)[-1] ** 2)
    return multilabel_categorical_crossentropy(ops.reshape(true, shape), ops.reshape(scores, shape))


# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"Pointer": pointer_learning_rate / learning_rate},
)
model.compile(optimizer, pointer_loss)

# 分数大于 0 的片段就是实体。GlobalPointer 能找出嵌套的实体；语料里没有嵌套时，重叠的片段只留最高分
# 每轮结束算一次 F1，最好的模型存到 output，按 Ctrl-C 也不会丢
# Spans above 0 are entities, nested ones too. Where the data has none, the best score counts of
# spans that overlap. Each epoch ends with an F1; the best model is in output, even after Ctrl-C
recognizer = EntityRecognizer(
    model, tokenizer, types, is_nested=is_nested, maxlen=maxlen, truncate=True
)
best = BestPipeline(recognizer, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

recognizer = load_pipeline(output)
for text, _ in valid_data[:3]:
    print(text)
    for entity in recognizer(text):
        print("   ", entity["type"], entity["text"], f"{entity['score']:.1f}")
