# 按情感写评论：Conditional LayerNorm / Reviews of a given sentiment: Conditional LayerNorm
# 文章 Article  https://kexue.fm/archives/7124
# 数据 Data     有表头 label 和 text_a 的表格，如“1<tab>房间很干净。”（ChnSentiCorp）
#              a table under the header "label<tab>text_a" (ChnSentiCorp)
# 结果 Expect   自带数据全部评论符合要求的情感（由分类模型判断），约 3 分钟；
#              4000 条真实评论 0.750（12 层小模型，没有 MLM 头）
#              synthetic data: all have the sentiment asked for, says a classifier, 3 minutes;
#              4,000 real reviews: 0.750, from a small model without an MLM head

import settings

import keras
import numpy as np
from data.reviews import make_files
from data.small_model import make_checkpoint
from keras.layers import Dense, Input, Reshape

from bert4keras.data import DataGenerator, load_table, sequence_padding
from bert4keras.layers import Embedding, GlobalAveragePooling1D
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import ConditionalWriter, TextClassifier, load_pipeline
from bert4keras.tokenizers import Tokenizer, load_vocab
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 64  # 最大长度，以 token 计  in tokens
top_p = 0.9  # 采样时保留的概率  tokens are drawn from those that have this probability together
batch_size = 16
epochs = 4
learning_rate = 1e-4
output = "output/conditional_language_model"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals(), predict="LABEL")

# 数据 / Data -----------------------------------------------------------------------------------

if not train_file:
    train_file, valid_file, _ = make_files(8000)
train_data = load_table(train_file, text="text_a", label="label")
valid_data = load_table(valid_file, text="text_a", label="label")
print(train_data[0])  # ("房间很干净。", "1")
labels = sorted({label for _, label in train_data})

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 10 倍  from scratch, at ten times the rate
    texts = [text for text, _ in train_data]
    checkpoint = make_checkpoint("conditional_language_model", texts, dropout=0.0)
    learning_rate *= 10
    new_head, head_rate = True, 1

# 精简词表：去掉中文 BERT 用不到的 token / tokens that a Chinese BERT never uses are left out
special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
tokens, keep_tokens = load_vocab(
    f"{checkpoint}/vocab.txt", simplified=True, startswith=special_tokens
)
tokenizer = Tokenizer(tokens, do_lower_case=True)


class ReviewGenerator(DataGenerator):
    """补齐成批的评论和它们的标签 / Padded batches of reviews with their labels"""

    def __iter__(self, random=False):
        for samples in self.batches(random):
            token_ids = [tokenizer.encode(text, maxlen=maxlen)[0] for text, _ in samples]
            label_ids = [[labels.index(label)] for _, label in samples]
            token_ids = sequence_padding(token_ids, multiple=16)
            yield [token_ids, np.zeros_like(token_ids)], np.array(label_ids)


class WriterGenerator(ReviewGenerator):
    """标签是条件；每个 token 由前一个位置预测 / with labels; a place predicts the next"""

    def __iter__(self, random=False):
        for [token_ids, segment_ids], label_ids in super().__iter__(random):
            yield [token_ids[:, :-1], segment_ids[:, :-1], label_ids], token_ids[:, 1:]


# 模型 / Model ----------------------------------------------------------------------------------

# 标签的向量作为条件，进入每个 LayerNorm / The vector of a label is the condition of all norms
label_input = Input((1,), dtype="int32", name="Label")
condition = Reshape((128,))(Embedding(len(labels), 128)(label_input))
model = build_transformer_model(
    checkpoint,
    application="lm",  # 每个 token 只看得到前文  a token sees only those before it
    with_mlm="linear",
    keep_tokens=keep_tokens,
    layer_norm_cond=condition,
    additional_input_layers=label_input,
    ignore_invalid_weights=new_head,
)

# 分类模型，用来判断写出的评论 / A classifier, which judges the reviews that are written
bert = build_transformer_model(checkpoint, keep_tokens=keep_tokens)
vector = GlobalAveragePooling1D()(bert.output)
judge_model = keras.Model(bert.inputs, Dense(len(labels), "softmax")(vector))

# 训练 / Training -------------------------------------------------------------------------------

generator = ReviewGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
steps = len(generator)
judge_model.compile(
    Adam(WarmupCosineDecay(learning_rate, steps * epochs), clipnorm=1.0),
    loss="sparse_categorical_crossentropy",
)
judge = TextClassifier(judge_model, tokenizer, labels, maxlen=maxlen, truncate=True)
best = BestPipeline(judge, valid_data, f"{output}/judge")
judge_model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])
judge = load_pipeline(f"{output}/judge")


def score_reviews(labels, texts):
    """分类模型认为情感符合要求的比例 / The share of reviews that the classifier finds right"""
    records = judge([text or "。" for text in texts])
    hits = [record["label"] == label for record, label in zip(records, labels)]
    return {"control": sum(hits) / len(hits)}


generator = WriterGenerator(train_data, batch_size, length_func=lambda sample: len(sample[0]))
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"MLM": head_rate},
)
# 0 是补齐的部分，不计 / 0 is padding, which does not count
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
model.compile(optimizer, cross_entropy)

# 每轮结束写 200 条评论；符合要求最多的模型存到 output，按 Ctrl-C 也不会丢
# Each epoch ends with 200 reviews; the model with the most that are right is in output, even after
# Ctrl-C
options = {"do_sample": True, "top_p": top_p, "max_new_tokens": maxlen - 1}
writer = ConditionalWriter(model, tokenizer, labels, generation=options)
tests = [(label, label) for label in labels * (200 // len(labels))]
best = BestPipeline(writer, tests, output, score=score_reviews)
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=[best])

# 使用 / Use ------------------------------------------------------------------------------------

writer = load_pipeline(output)
for label in labels:
    for record in writer([label] * 5):
        print(label, record["generated_text"])
