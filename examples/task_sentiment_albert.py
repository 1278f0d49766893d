# 用 ALBERT 做情感分类 / Sentiment of reviews by ALBERT
# 文章 Article  https://kexue.fm/archives/7187
# 数据 Data     表头“label<tab>text_a”，下面每行如“1<tab>房间很干净”（ChnSentiCorp）
#              this header, then a label, a tab and a text on each line (ChnSentiCorp)
# 结果 Expect   自带数据测试集准确率 0.946，各层不共享 0.978，约 3 分钟，其中 2 分钟预训练
#              synthetic data, accuracy on test: 0.946, with unshared layers 0.978; 3 minutes, of
#              which pretraining takes 2

import settings

import keras
import numpy as np
from data.albert import make_texts, pretrain_albert
from data.reviews import make_files

from bert4keras.data import DataGenerator, load_table, sequence_padding
from bert4keras.layers import FirstToken
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.pipelines import TextClassifier, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
test_file = ""  # 测试集，可以不给  test data, optional
checkpoint = ""  # ALBERT 的文件夹；留空则预训练小模型  folder of an ALBERT; empty: a small one
family = "albert"  # albert，或各层不共享的 albert_unshared  or albert_unshared: without sharing
maxlen = 128  # 最大长度，以 token 计  in tokens
batch_size = 32
epochs = 5
learning_rate = 1e-4
output = "output/sentiment_albert"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

is_synthetic = not train_file
if is_synthetic:
    train_file, valid_file, test_file = make_files()
# 没有表头、文本在前的文件：load_table(file) / For files without header, the text first
train_data = load_table(train_file, text="text_a", label="label")
valid_data = load_table(valid_file, text="text_a", label="label")
print(train_data[0])  # ("房间很干净", "1")
labels = sorted({label for _, label in train_data})

if not checkpoint:  # 预训练一个小的，学习率大 10 倍  pretrain a small one; ten times the rate
    texts = make_texts() if is_synthetic else [text for text, _ in train_data]
    checkpoint = pretrain_albert("sentiment_albert", texts)
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
            segment_ids = np.zeros_like(token_ids)
            yield [token_ids, segment_ids], np.array(targets)


# 模型 / Model ----------------------------------------------------------------------------------

# albert_unshared 是有同样初始权重的 BERT / albert_unshared is a BERT with the same initial weights
albert = build_transformer_model(checkpoint, model=family)
cls = FirstToken()(albert.output)
probabilities = keras.layers.Dense(len(labels), "softmax", dtype="float32")(cls)
model = keras.Model(albert.inputs, probabilities)

# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
optimizer = Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0)
model.compile(optimizer, "sparse_categorical_crossentropy")

# 每轮结束算一次准确率，最好的模型存到 output，按 Ctrl-C 也不会丢
# Each epoch ends with the accuracy; the best model is in output, even after Ctrl-C
classifier = TextClassifier(model, tokenizer, labels, maxlen=maxlen, truncate=True)
best = BestPipeline(classifier, valid_data, output)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

classifier = load_pipeline(output)
if test_file:
    test_data = load_table(test_file, text="text_a", label="label")
    print(f"test: accuracy {classifier.evaluate(test_data)['accuracy']:.4f}")
for text, _ in valid_data[:3]:
    prediction = classifier(text)
    print(text, "->", prediction["label"], f"{prediction['score']:.3f}")
