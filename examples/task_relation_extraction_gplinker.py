# 用 GPLinker 抽取三元组 / Triple extraction by GPLinker
# 文章 Article  https://kexue.fm/archives/8888
# 数据 Data     每行一个 JSON（LIC2019）/ one JSON record on each line:
#              {"text": "《春山》的作者是李明", "spo_list":
#               [{"subject": "春山", "predicate": "作者", "object": "李明"}]}
# 结果 Expect   自带数据 F1 0.998，约 4 分钟；LIC2019 的 2601 句 0.665（12 层小模型）
#              synthetic data: F1 0.993, 3 minutes; 2,601 sentences of LIC2019: 0.665

import settings

import keras
import numpy as np
from data.small_model import make_checkpoint
from data.triples import make_files
from keras import ops

from bert4keras.backend import multilabel_categorical_crossentropy
from bert4keras.data import DataGenerator, load_triples, sequence_padding
from bert4keras.layers import EfficientGlobalPointer
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
epochs = 4
learning_rate = 1e-4
pointer_learning_rate = 1e-3  # 指针是新的，学得快些  the pointers are new, and learn faster
output = "output/gplinker"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file = make_files()
train_data, valid_data = load_triples(train_file), load_triples(valid_file)
print(train_data[0])  # ("《春山》的作者是李明", [("春山", "作者", "李明")])
predicates = sorted({predicate for _, triples in train_data for _, predicate, _ in triples})

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    texts = [text for text, _ in train_data]
    checkpoint = make_checkpoint(
        "gplinker", texts, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def find_span(encoding, text, name):
    """名字的首尾 token，被截断则为 None / First and last token of a name; None if it is cut off"""
    start = text.find(name)
    return encoding.find_tokens(start, start + len(name))


def encode(sample):
    """一句话的 token，以及三组首尾矩阵 / The tokens of a sentence, and three sets of matrices

    spans：主语、宾语各一个，片段的首和尾  of subjects and of objects: first and last token of each
    heads：每个关系一个，主语的首和宾语的首  of each predicate: first tokens of subject and object
    tails：每个关系一个，主语的尾和宾语的尾  of each predicate: last tokens of subject and object
    """
    text, triples = sample
    encoding = tokenizer.encode_with_offsets(text, maxlen=maxlen)
    length = len(encoding.token_ids)
    spans = np.zeros((2, length, length), "uint8")
    heads = np.zeros((len(predicates), length, length), "uint8")
    tails = np.zeros((len(predicates), length, length), "uint8")
    for subject, predicate, object in triples:
        subject, object = find_span(encoding, text, subject), find_span(encoding, text, object)
        if subject and object:
            spans[0][subject] = spans[1][object] = 1
            heads[predicates.index(predicate), subject[0], object[0]] = 1
            tails[predicates.index(predicate), subject[1], object[1]] = 1
    return encoding.token_ids, spans, heads, tails


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, *labels = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            segment_ids = np.zeros_like(token_ids)
            labels = [sequence_padding(x, seq_dims=3, multiple=(1, 16, 16)) for x in labels]
            yield [token_ids, segment_ids], labels


# 模型 / Model ----------------------------------------------------------------------------------

# 宾语可以在主语之前，所以 heads 和 tails 不遮住下三角，也不用相对位置
# Objects may stand before subjects: heads and tails have no triangular mask, and no distances
bert = build_transformer_model(checkpoint)
anywhere = {"RoPE": False, "tril_mask": False}
spans = EfficientGlobalPointer(2, 64, name="span_pointer")
heads = EfficientGlobalPointer(len(predicates), 64, name="head_pointer", **anywhere)
tails = EfficientGlobalPointer(len(predicates), 64, name="tail_pointer", **anywhere)
outputs = [spans(bert.output), heads(bert.output), tails(bert.output)]
model = keras.Model(bert.inputs, outputs)


def pointer_loss(true, scores):
    """每个矩阵中，标了 1 的分数都应大于 0，其余都应小于 0
    In each matrix, what is 1 should score above 0, and all else below
    """
    batch, kinds, length, _ = ops.shape(scores)
    true = ops.reshape(true, (batch, kinds, length * length))
    scores = ops.reshape(scores, (batch, kinds, length * length))
    return ops.sum(multilabel_categorical_crossentropy(true, scores), axis=1)


# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"_pointer": pointer_learning_rate / learning_rate},
)
model.compile(optimizer, [pointer_loss, pointer_loss, pointer_loss])

# 三组分数都大于 0 的就是三元组；每轮结束算一次 F1，最好的模型存到 output，按 Ctrl-C 也不会丢
# What scores above 0 in all three is a triple.
# Each epoch ends with an F1; the best model is in output, even after Ctrl-C
extractor = RelationExtractor(model, tokenizer, predicates, truncate=True)
best = BestPipeline(extractor, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

extractor = load_pipeline(output)
for text, _ in valid_data[:3]:
    print(text)
    for triple in extractor(text):
        print("   ", triple["subject"]["text"], triple["predicate"], triple["object"]["text"])
