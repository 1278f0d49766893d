# 哪些字决定了分类：积分梯度 / Which tokens decide? Integrated gradients of a classifier
# 文章 Article  https://kexue.fm/archives/7533, https://arxiv.org/abs/1703.01365
# 数据 Data     表头“label<tab>text_a”，下面每行如“1<tab>房间很干净”（ChnSentiCorp）
#              this header, then a label, a tab and a text on each line (ChnSentiCorp)
# 结果 Expect   自带数据：0.84 的评论中，最重要的字确实决定标签，约 2 分钟
#              synthetic data: in 0.84 of the reviews, the most important token determines the
#              label, 2 minutes

import settings

import keras
import numpy as np
from data.reviews import find_deciding, make_files
from data.small_model import make_checkpoint

from bert4keras.backend import value_and_grad
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
epochs = 3
learning_rate = 1e-4
parts = 32  # 积分分成的份数  number of parts of the integral
figure = ""  # 图的文件名；留空不画  name of a figure, such as tokens.png; empty: none
font = "Noto Sans CJK SC"  # 图中的中文字体  font of the figure
output = "output/integrated_gradients"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

is_synthetic = not train_file
if is_synthetic:
    train_file, valid_file, _ = make_files(6000)
# 没有表头、文本在前的文件：load_table(file) / For files without header, the text first
train_data = load_table(train_file, text="text_a", label="label")
valid_data = load_table(valid_file, text="text_a", label="label")
print(train_data[0])  # ("房间很干净", "1")
labels = sorted({label for _, label in train_data})

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    texts = (text for text, _ in train_data)
    checkpoint = make_checkpoint("integrated_gradients", texts)
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

bert = build_transformer_model(checkpoint)
cls = FirstToken()(bert.output)
probabilities = keras.layers.Dense(len(labels), "softmax", dtype="float32")(cls)
model = keras.Model(bert.inputs, probabilities)

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
model.compile(optimizer, "sparse_categorical_crossentropy")
classifier = TextClassifier(model, tokenizer, labels, maxlen=maxlen, truncate=True)
best = BestPipeline(classifier, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

# 模型分成两段：token 的向量，和从向量到概率的模型
# The model in two parts: the vectors of tokens, and a model from vectors to probabilities
model = load_pipeline(output).model
embedding = model.get_layer("Embedding-Token")
upper_model = keras.Model([embedding.output, model.inputs[1]], model.output)


def integrate(text):
    """从零走到词向量，沿途梯度的平均值乘以词向量，就是每个 token 对概率的贡献
    From zeros to the vectors of tokens: the mean gradient on the way, times the vectors, is what
    each token adds to the probability
    """
    token_ids = np.array([tokenizer.encode(text, maxlen=maxlen)[0]])
    segment_ids = np.zeros_like(token_ids)
    label = model.predict_on_batch([token_ids, segment_ids])[0].argmax()
    vectors = keras.ops.convert_to_numpy(embedding(token_ids))
    shares = (np.arange(parts) + 0.5) / parts  # 每份的中点  the middle of each part
    points = shares[:, None, None] * vectors
    segment_ids = keras.ops.zeros((parts, len(vectors[0])), "int32")

    def compute_probability(points):
        probabilities = upper_model([points[0], segment_ids], training=False)
        return keras.ops.sum(probabilities[:, label]), probabilities

    _, gradients = value_and_grad(compute_probability, [keras.ops.cast(points, "float32")])
    mean_gradient = keras.ops.convert_to_numpy(gradients[0]).mean(axis=0)
    return labels[label], (mean_gradient * vectors[0]).sum(axis=-1)


results = []
for text, _ in valid_data[:8]:
    label, gains = integrate(text)
    tokens = tokenizer.tokenize(text, maxlen=maxlen)
    results.append((label, tokens, gains))
    print(f"{label}:", *[f"{token}{100 * gain:+.0f}" for token, gain in zip(tokens, gains)])

if is_synthetic:  # 最重要的 token 是不是决定标签的字  does the token that counts most decide?
    is_deciding = []
    for text, _ in valid_data[:100]:
        _, gains = integrate(text)
        place = np.argmax(gains[1:-1])  # 不算 [CLS] 和 [SEP]  without [CLS] and [SEP]
        is_deciding.append(place in find_deciding(text))
    print(f"the most important token determines the label in {np.mean(is_deciding):.3f}")

if figure:  # 红色支持这个标签，蓝色反对  red speaks for the label, blue against it
    import matplotlib.pyplot as plt

    plt.rcParams["font.family"] = font
    _, axes = plt.subplots(len(results), figsize=(12, len(results)))
    for axis, (label, tokens, gains) in zip(axes, results):
        limit = abs(gains).max()
        axis.imshow(gains[None], cmap="bwr", vmin=-limit, vmax=limit)
        axis.set_xticks(range(len(tokens)), tokens)
        axis.set_yticks([0], [label])
    plt.savefig(figure, bbox_inches="tight")
