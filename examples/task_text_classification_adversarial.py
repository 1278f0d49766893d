# 文本分类，用对抗训练 / Text classification with adversarial training
# 文章 Article  https://kexue.fm/archives/7234
# 数据 Data     表头“label<tab>text_a”，下面每行如“1<tab>房间很干净”（ChnSentiCorp）
#              this header, then a label, a tab and a text on each line (ChnSentiCorp)
# 结果 Expect   测试集准确率：自带数据 0.886（fgm），约 1 分钟；ChnSentiCorp 0.875（none，12 层）
#              accuracy on test: synthetic data 0.886 (fgm), 1 minute; ChnSentiCorp 0.875 (none)

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
from bert4keras.training import (
    FGM,
    PGD,
    VAT,
    AdversarialModel,
    BestPipeline,
    GradientPenalty,
    RDrop,
)

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
test_file = ""  # 测试集，可以不给  test data, optional
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
method = "fgm"  # 方法，gp 是梯度惩罚  none, fgm, pgd, vat, gp (gradient penalty) or rdrop
epsilon = 0.5  # 扰动的大小  size of the perturbation
number_labeled = 0  # 只用这么多标签，vat 也学其余的文本；0 为全部  number of labels; 0: all
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 32
epochs = 5
learning_rate = 5e-5
output = "output/text_classification"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file, test_file = make_files()
# 没有表头、文本在前的文件：load_table(file) / For files without header, the text first
train_data = load_table(train_file, text="text_a", label="label")
valid_data = load_table(valid_file, text="text_a", label="label")
print(train_data[0])  # ("房间很干净", "1")
labels = sorted({label for _, label in train_data})

if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    checkpoint = make_checkpoint("text_classification", (text for text, _ in train_data))
    learning_rate *= 10
    epsilon /= 10  # 新模型的词向量短  the vectors of a new model are short
tokenizer = load_tokenizer(checkpoint)

# 没有标签的文本权重为 0，只有 vat 用得上 / Texts without a label have the weight 0; vat uses them
number_labeled = number_labeled or len(train_data)
weights = [float(i < number_labeled) for i in range(len(train_data))]
samples = list(zip(train_data, weights))
if method != "vat":
    samples = samples[:number_labeled]


def encode(sample):
    """一段文本的 token、标签和权重 / The tokens of a text, its label and its weight"""
    (text, label), weight = sample
    token_ids, _ = tokenizer.encode(text, maxlen=maxlen)
    return token_ids, labels.index(label), weight


class TrainGenerator(DataGenerator):
    """补齐成批，长度取 16 的倍数 / Padded batches; lengths are multiples of 16"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids, targets, weights = zip(*map(encode, samples))
            token_ids = sequence_padding(token_ids, multiple=16)
            segment_ids = np.zeros_like(token_ids)
            yield [token_ids, segment_ids], np.array(targets), np.array(weights)


# 模型 / Model ----------------------------------------------------------------------------------

bert = build_transformer_model(checkpoint)
cls = FirstToken()(bert.output)
probabilities = keras.layers.Dense(len(labels), "softmax", dtype="float32")(cls)
model = keras.Model(bert.inputs, probabilities)

# fgm 和 pgd 沿梯度扰动词向量，vat 让输出不怕扰动，gp 惩罚梯度，rdrop 让两次 dropout 一致
# fgm and pgd perturb the token embedding along the gradient; vat makes the output smooth, gp
# penalizes the gradient, rdrop makes two dropouts agree
recipes = {
    "none": [],
    "fgm": FGM(epsilon=epsilon),
    "pgd": PGD(epsilon=2 * epsilon, alpha=0.6 * epsilon, steps=3),
    "vat": VAT(epsilon=2 * epsilon, xi=20 * epsilon),
    "gp": GradientPenalty(epsilon=4 * epsilon**2),
    "rdrop": RDrop(alpha=4.0),
}
if method not in recipes:
    raise ValueError(f"Expected --method to be one of {', '.join(recipes)}, got {method}.")
train_model = AdversarialModel(model, recipes[method])

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(samples, batch_size, length_func=lambda sample: len(sample[0][0]))
steps = len(generator)
optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
train_model.compile(optimizer, "sparse_categorical_crossentropy")

# 每轮结束算一次准确率，最好的模型存到 output，按 Ctrl-C 也不会丢
# Each epoch ends with the accuracy; the best model is in output, even after Ctrl-C
classifier = TextClassifier(model, tokenizer, labels, maxlen=maxlen, truncate=True)
best = BestPipeline(classifier, valid_data, output)
train_model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

classifier = load_pipeline(output)
if test_file:
    test_data = load_table(test_file, text="text_a", label="label")
    print(f"test: accuracy {classifier.evaluate(test_data)['accuracy']:.4f}")
for text, _ in valid_data[:3]:
    prediction = classifier(text)
    print(text, "->", prediction["label"], f"{prediction['score']:.3f}")
