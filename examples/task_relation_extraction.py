# 用“半指针-半标注”抽取三元组 / Triple extraction by half pointers and half tags
# 文章 Article  https://kexue.fm/archives/7161
# 数据 Data     每行一个 JSON（LIC2019）/ one JSON record on each line:
#              {"text": "《春山》的作者是李明", "spo_list":
#               [{"subject": "春山", "predicate": "作者", "object": "李明"}]}
# 结果 Expect   自带数据 F1 0.988，约 4 分钟；LIC2019 的 2601 句 0.694（12 层小模型）
#              synthetic data: F1 0.988, 4 minutes; 2,601 sentences of LIC2019: 0.694

import settings

import keras
import numpy as np
from data.small_model import make_checkpoint
from data.triples import make_files
from keras import ops
from keras.layers import Dense, Input, Reshape

from bert4keras.backend import batch_gather
from bert4keras.data import DataGenerator, load_triples, sequence_padding
from bert4keras.layers import LayerNormalization
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import (
    Adam,
    WarmupCosineDecay,
    extend_with_exponential_moving_average,
    extend_with_parameter_wise_lr,
)
from bert4keras.pipelines import RelationExtractor, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = (
    ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small new model
)
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 16
epochs = 4
learning_rate = 1e-4
pointer_learning_rate = 1e-3  # 指针是新的，学得快些  the pointers are new, and learn faster
output = "output/relation_extraction"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_triples(train_file), load_triples(valid_file)
print(train_data[0])  # ("《春山》的作者是李明", [("春山", "作者", "李明")])
predicates = sorted({predicate for _, triples in train_data for _, predicate, _ in triples})

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("relation_extraction", (text for text, _ in train_data))
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def encode(sample):
    """一句话，和随机取的一个主语 / A sentence, and one subject of it drawn at random"""
    text, triples = sample
    encoding = tokenizer.encode_with_offsets(text, maxlen=maxlen)
    length = len(encoding.token_ids)
    answers = {}  # {主语: [(宾语, 关系)]}，主语和宾语是首尾位置  subject and object as places
    for subject, predicate, object in triples:
        start, place = text.find(subject), text.find(object)
        subject = encoding.find_tokens(start, start + len(subject))
        object = encoding.find_tokens(place, place + len(object))
        if subject and object:  # 没有被截断  not cut off
            answers.setdefault(subject, []).append((object, predicates.index(predicate)))
    subject_labels = np.zeros((length, 2), "float32")
    for start, end in answers:
        subject_labels[start, 0] = subject_labels[end, 1] = 1
    # 首尾分开取：不是主语的片段要学会没有宾语
    # Start and end are drawn apart: what is no subject has to learn to have no objects
    starts, ends = np.array(list(answers) or [(1, 1)]).T
    start = np.random.choice(starts)
    end = np.random.choice(ends[ends >= start])
    object_labels = np.zeros((length, len(predicates), 2), "float32")
    for (first, last), predicate in answers.get((start, end), []):
        object_labels[first, predicate, 0] = object_labels[last, predicate, 1] = 1
    return encoding.token_ids, (start, end), subject_labels, object_labels


class TrainGenerator(DataGenerator):
    """补齐成批，标签补 -1 / Padded batches; the labels of padding are -1"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, subjects, subject_labels, object_labels = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            inputs = [token_ids, np.zeros_like(token_ids), np.array(subjects)]
            subject_labels = sequence_padding(subject_labels, value=-1, multiple=16)
            object_labels = sequence_padding(object_labels, value=-1, multiple=16)
            yield inputs, [subject_labels, object_labels]


# 模型 / Model ----------------------------------------------------------------------------------


def point(x, size, power, name):
    """首尾的概率。正例很少，所以取幂，偏置从负数开始
    Probabilities of starts and ends. Few are true: hence the power, and a bias that starts below 0
    """
    bias = keras.initializers.Constant(-1.6)
    return Dense(size, "sigmoid", bias_initializer=bias, name=name)(x) ** power


bert = build_transformer_model(checkpoint)
subjects = point(bert.output, 2, 2, "Pointer-Subject")
model = keras.Model(bert.inputs, [subjects, bert.output])

# 主语首尾两个向量作为条件，进入 Conditional LayerNorm
# The vectors of the subject's first and last token are the condition of a Conditional LayerNorm
vectors, subject_input = Input((None, bert.output.shape[-1])), Input((2,), dtype="int32")
condition = Reshape((-1,))(batch_gather(vectors, subject_input))
objects = LayerNormalization(conditional=True)([vectors, condition])
objects = point(objects, 2 * len(predicates), 4, "Pointer-Object")
objects = Reshape((-1, len(predicates), 2))(objects)
object_model = keras.Model([vectors, subject_input], objects)
object_model.supports_masking = True  # 补齐的部分由损失函数去掉  the loss leaves padding out

objects = object_model([bert.output, subject_input])
train_model = keras.Model([*bert.inputs, subject_input], [subjects, objects])


def pointer_loss(true, scores):
    """交叉熵，不计补齐的部分 / Cross-entropy without padding"""
    mask = ops.cast(true >= 0, "float32")
    entropy = ops.binary_crossentropy(true * mask, scores)
    return ops.sum(entropy * mask) / ops.sum(mask)


# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
# 评估和保存的是权重的滑动平均 / Averages of the weights are scored and saved
Optimizer = extend_with_exponential_moving_average(extend_with_parameter_wise_lr(Adam))
optimizer = Optimizer(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    ema_momentum=max(0.5, 1 - 8 / steps),
    paramwise_lr_schedule={"Pointer": pointer_learning_rate / learning_rate},
)
losses = [pointer_loss, pointer_loss]
train_model.compile(optimizer, losses, loss_weights=[1, len(predicates)])
extractor = RelationExtractor(model, tokenizer, predicates, object_model, truncate=True)
best = BestPipeline(extractor, valid_data, output, uses_ema=True)
train_model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

extractor = load_pipeline(output)
for text, _ in valid_data[:3]:
    print(text)
    for triple in extractor(text):
        print("   ", triple["subject"]["text"], triple["predicate"], triple["object"]["text"])
