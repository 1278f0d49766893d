# 用“半指针-半标注”抽取三元组 / Triple extraction by half pointers and half tags
# 文章 Article  https://kexue.fm/archives/7161
# 数据 Data     每行一个 JSON（LIC2019）/ one JSON record on each line:
#              {"text": "《春山》的作者是李明", "spo_list":
#               [{"subject": "春山", "predicate": "作者", "object": "李明"}]}
# 结果 Expect   自带数据 F1 0.996，约 6 分钟；LIC2019 的 2601 句 0.694（12 层小模型）
#              synthetic data: F1 0.996, 6 minutes; 2,601 sentences of LIC2019: 0.694

import random

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
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import RelationExtractor, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 16
epochs = 8
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
    texts = [text for text, _ in train_data]
    checkpoint = make_checkpoint("relation_extraction", texts, dropout=0.0)
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def find_span(encoding, text, name):
    """名字的首尾 token，被截断则为 None / First and last token of a name; None if it is cut off"""
    start = text.find(name)
    return encoding.find_tokens(start, start + len(name))


def encode(sample):
    """一句话，和随机取的一个主语 / A sentence, and one subject of it drawn at random"""
    text, triples = sample
    encoding = tokenizer.encode_with_offsets(text, maxlen=maxlen)
    length = len(encoding.token_ids)
    subject_labels = np.zeros((length, 2), "float32")
    object_labels = np.zeros((length, len(predicates), 2), "float32")
    answers = {}  # {主语: [(宾语, 关系)]}，主语和宾语是首尾位置  subject and object as places
    for subject, predicate, object in triples:
        subject, object = find_span(encoding, text, subject), find_span(encoding, text, object)
        if subject and object:
            answers.setdefault(subject, []).append((object, predicates.index(predicate)))
            subject_labels[subject, [0, 1]] = 1
    # 首尾分开取：不是主语的片段要学会没有宾语
    # Start and end are drawn apart: what is no subject has to learn to have no objects
    subjects = list(answers) or [(1, 1)]
    start, _ = random.choice(subjects)
    end = random.choice([last for _, last in subjects if last >= start])
    for object, predicate in answers.get((start, end), []):
        object_labels[object, predicate, [0, 1]] = 1
    return encoding.token_ids, (start, end), subject_labels, object_labels


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, subjects, subject_labels, object_labels = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            subject_labels = sequence_padding(subject_labels, multiple=16)
            object_labels = sequence_padding(object_labels, multiple=16)
            inputs = [token_ids, np.zeros_like(token_ids), np.array(subjects)]
            mask = (token_ids != 0).astype("float32")  # 补齐的部分不算  padding does not count
            labels = {"subject": subject_labels, "object": object_labels}
            yield inputs, labels, {"subject": mask, "object": mask}


# 模型 / Model ----------------------------------------------------------------------------------


def point(x, size, power, name):
    """首尾的概率。正例很少，所以取幂，偏置从负数开始
    Probabilities of starts and ends. A power and a negative bias help, because few are true
    """
    bias = keras.initializers.Constant(-1.6)
    return Dense(size, "sigmoid", bias_initializer=bias, dtype="float32", name=name)(x) ** power


bert = build_transformer_model(checkpoint)
subjects = point(bert.output, 2, 2, "Pointer-Subject")
model = keras.Model(bert.inputs, [subjects, bert.output])

# 主语首尾两个向量作为条件，进入 Conditional LayerNorm
# The vectors of the subject's first and last token are the condition of a Conditional LayerNorm
vectors, subject_input = Input((None, bert.output.shape[-1])), Input((2,), dtype="int32")
condition = Reshape((-1,))(batch_gather(vectors, subject_input))
norm = LayerNormalization(conditional=True, name="Pointer-Norm")
objects = point(norm([vectors, condition]), 2 * len(predicates), 4, "Pointer-Object")
objects = Reshape((-1, len(predicates), 2))(objects)
object_model = keras.Model([vectors, subject_input], objects)
object_model.supports_masking = True

objects = object_model([bert.output, subject_input])
inputs = bert.inputs + [subject_input]
train_model = keras.Model(inputs, {"subject": subjects, "object": objects})


def cross_entropy(true, scores):
    """每个位置的交叉熵 / Cross-entropy of each place"""
    entropy = ops.binary_crossentropy(true, scores)
    return ops.mean(entropy, axis=tuple(range(2, len(entropy.shape))))


# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"Pointer": pointer_learning_rate / learning_rate},
)
losses = {"subject": cross_entropy, "object": cross_entropy}
train_model.compile(optimizer, losses, loss_weights={"subject": 1, "object": len(predicates)})

# 先找主语，再找每个主语的宾语；每轮结束算一次 F1，最好的模型存到 output，按 Ctrl-C 也不会丢
# First subjects, then the objects of each; the best model is in output, even after Ctrl-C
extractor = RelationExtractor(model, tokenizer, predicates, object_model, truncate=True)
best = BestPipeline(extractor, valid_data, output)
train_model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

extractor = load_pipeline(output)
for text, _ in valid_data[:3]:
    print(text)
    for triple in extractor(text):
        print("   ", triple["subject"]["text"], triple["predicate"], triple["object"]["text"])
