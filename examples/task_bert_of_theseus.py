# BERT-of-Theseus：用一半的层逐步替换全部的层 / Half the layers replace all layers step by step
# 文章 Article  https://kexue.fm/archives/7575
# 数据 Data     表头“label<tab>text_a”，下面每行如“1<tab>房间很干净”（ChnSentiCorp）
#              this header, then a label, a tab and a text on each line (ChnSentiCorp)
# 结果 Expect   自带数据准确率：一半的层 0.990，全部的层 0.922，约 3 分钟
#              synthetic data, accuracy: half the layers 0.990, all layers 0.922, 3 minutes

import settings

import keras
import numpy as np
from data.reviews import make_files
from data.small_model import make_checkpoint

from bert4keras.data import DataGenerator, load_table, sequence_padding
from bert4keras.layers import FirstToken
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.pipelines import TextClassifier, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 16
epochs = 2  # 每个阶段的轮数  of each stage
learning_rate = 1e-4
output = "output/bert_of_theseus"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file, _ = make_files(5000)
# 没有表头、文本在前的文件：load_table(file) / For files without header, the text first
train_data = load_table(train_file, text="text_a", label="label")
valid_data = load_table(valid_file, text="text_a", label="label")
print(train_data[0])  # ("房间很干净", "1")
labels = sorted({label for _, label in train_data})

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    texts = (text for text, _ in train_data)
    checkpoint = make_checkpoint("bert_of_theseus", texts, dropout=0.0, num_hidden_layers=6)
    learning_rate *= 10
tokenizer = load_tokenizer(checkpoint)


def encode(sample):
    """一段文本的 token 和标签 / The tokens of a text, and its label"""
    text, label = sample
    token_ids, _ = tokenizer.encode(text, maxlen=maxlen)
    return token_ids, labels.index(label)


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, targets = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            yield [token_ids, np.zeros_like(token_ids)], np.array(targets)


# 模型 / Model ----------------------------------------------------------------------------------


class RandomChoice(keras.layers.Layer):
    """训练时随机取一个输入，预测时取第二个
    One of two inputs by chance in training, the second one in prediction
    """

    def __init__(self):
        super().__init__()
        self.supports_masking = True
        self.generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        first, second = inputs
        if not training:
            return second
        is_first = keras.random.uniform((), seed=self.generator) < 0.5
        return keras.ops.where(is_first, first, second)

    def compute_mask(self, inputs, mask):
        return mask[1]


def build(prefix, **options):
    """一个 BERT，层名以 prefix 开头 / A BERT whose names of layers begin with a prefix"""
    return build_transformer_model(checkpoint, prefix=prefix, return_keras_model=False, **options)


predecessor = build("Predecessor-")
half = predecessor.num_hidden_layers // 2
successor = build("Successor-", num_hidden_layers=half)
dense = keras.layers.Dense(len(labels), "softmax", dtype="float32")


def classify(inputs, vectors):
    """[CLS] 的向量分类；各阶段共用一个全连接层
    Classification by the vector of [CLS]; all stages share one dense layer
    """
    return keras.Model(inputs, dense(FirstToken()(vectors)))


# 训练 / Training -------------------------------------------------------------------------------


def train(model, callbacks=None):
    """训练一个阶段 / Train one stage"""
    generator = TrainGenerator(train_data, batch_size, length_func=lambda x: len(x[0]))
    steps = len(generator)
    optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=callbacks)


def make_classifier(model):
    return TextClassifier(model, tokenizer, labels, maxlen=maxlen, truncate=True)


# 第一步：训练全部的层，然后固定 / First: all layers are trained, then frozen
predecessor_model = classify(predecessor.inputs, predecessor.model.output)
train(predecessor_model)
accuracy = make_classifier(predecessor_model).evaluate(valid_data)["accuracy"]
print(f"all layers: accuracy {accuracy:.4f}")
predecessor_model.trainable = False

# 第二步：后继从前一半的层开始，每批随机用一层替换两层
# Second: the successor starts as the lower half; in each batch, each of its layers replaces two by
# chance
for layer in successor.model.layers:
    twin = predecessor.model.get_layer(layer.name.replace("Successor-", "Predecessor-"))
    layer.set_weights(twin.get_weights())
x = predecessor.apply_embeddings(predecessor.inputs)
for i in range(half):
    first = predecessor.apply_main_layers(x, 2 * i)
    first = predecessor.apply_main_layers(first, 2 * i + 1)
    second = successor.apply_main_layers(x, i)
    x = RandomChoice()([first, second])
train(classify(predecessor.inputs, x))

# 第三步：后继单独训练，最好的模型存到 output，按 Ctrl-C 也不会丢
# Third: the successor is trained alone; the best model is in output, even after Ctrl-C
dense.trainable = True
successor_model = classify(successor.inputs, successor.model.output)
best = BestPipeline(make_classifier(successor_model), valid_data, output)
train(successor_model, [best])

# 使用 / Use ------------------------------------------------------------------------------------

classifier = load_pipeline(output)
for text, _ in valid_data[:3]:
    prediction = classifier(text)
    print(text, "->", prediction["label"], f"{prediction['score']:.3f}")
