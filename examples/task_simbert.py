# SimBERT：一个 UniLM 既检索又改写句子 / SimBERT: one UniLM retrieves and writes paraphrases
# 文章 Article  https://kexue.fm/archives/7427
# 数据 Data     每行“句子<tab>句子<tab>0 或 1”（LCQMC），如“谁写了春山<tab>春山的作者是谁<tab>1”
#              a sentence, a tab, a sentence, a tab and 0 or 1 on each line (LCQMC)
# 结果 Expect   自带数据：最近的句子 0.99 是同义句，生成的句子 0.94 同义，约 3 分钟
#              synthetic data: 0.99 of the nearest sentences and 0.94 of the generated ones are
#              paraphrases, 3 minutes

import settings

import keras
import numpy as np
from data.pairs import find_meaning, make_files
from data.small_model import make_checkpoint
from keras import ops

from bert4keras.data import DataGenerator, load_table, sequence_padding
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay, extend_with_parameter_wise_lr
from bert4keras.pipelines import SentenceEncoder, TextWriter, load_pipeline
from bert4keras.tokenizers import load_tokenizer
from bert4keras.training import BestPipeline

train_file = ""  # 训练集；留空用自带数据  training data; empty: synthetic data
valid_file = ""  # 验证集  validation data
checkpoint = ""  # 预训练模型的文件夹；留空用小模型  folder of a checkpoint; empty: a small model
new_head = False  # 预训练模型没有 MLM 头时设为 True  True if the checkpoint has no MLM head
maxlen = 32  # 一句话的最大长度，以 token 计  of a sentence, in tokens
batch_size = 32  # 句对数；每对正反各一次  number of pairs, each of which is used in both directions
epochs = 4
learning_rate = 1e-4
output = "output/simbert"  # 训练好的模型存在这里  folder for the trained model
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

is_synthetic = not train_file
if is_synthetic:
    train_file, valid_file = make_files(16000)
columns = {"text": [0, 1], "label": 2, "label_type": float}
train_data, valid_data = load_table(train_file, **columns), load_table(valid_file, **columns)
print(train_data[0])  # (("谁写了春山", "春山的作者是谁"), 1.0)
train_pairs = [pair for pair, label in train_data if label == 1]  # 只学同义句  paraphrases only
valid_pairs = [pair for pair, label in valid_data if label == 1]

head_rate = 10 if new_head else 1  # 新的 MLM 头学得快 10 倍  a new head learns ten times as fast
if not checkpoint:  # 从头训练小模型，学习率大 20 倍  from scratch, at twenty times the rate
    texts = (first + second for first, second in train_pairs)
    checkpoint = make_checkpoint("simbert", texts, dropout=0.0)
    learning_rate *= 20
    new_head, head_rate = True, 1
tokenizer = load_tokenizer(checkpoint)


def encode(first, second):
    """由第一句预测第二句 / The first sentence predicts the second

    第二句的 token 由前一个位置预测。新的 MLM 头还要学会认出读到的 token，这样很快就会复制。
    The place before predicts a token of the second sentence. A new head also learns to name the
    token that it reads, so that it soon copies.
    """
    first_ids, _ = tokenizer.encode(first, maxlen=maxlen)
    second_ids = tokenizer.encode(second, maxlen=maxlen)[0][1:]  # 不要 [CLS]  without [CLS]
    segment_ids = [0] * len(first_ids) + [1] * len(second_ids)
    targets = first_ids[:-1] + second_ids + [0]
    copy_weight = len(second_ids) / len(first_ids) if new_head else 0.0
    weights = [copy_weight] * (len(first_ids) - 1) + [1.0] * len(second_ids) + [0.0]
    return first_ids + second_ids, segment_ids, targets, weights


class TrainGenerator(DataGenerator):
    """同义句是一批中的邻居 / Paraphrases are neighbours in a batch"""

    def __iter__(self, random=False):
        for pairs in self.batches(random):
            rows = []
            for first, second in pairs:
                rows += [encode(first, second), encode(second, first)]
            token_ids, segment_ids, targets, weights = [
                sequence_padding(column, multiple=16) for column in zip(*rows)
            ]
            partners = np.arange(len(rows)) ^ 1  # 1, 0, 3, 2, ...
            ones = np.ones(len(rows))
            yield [token_ids, segment_ids], [partners, targets], [ones, weights.astype("float32")]


# 模型 / Model ----------------------------------------------------------------------------------

# 输出是 [CLS] 的向量，和每个位置的 MLM 预测 / Outputs: a vector of [CLS], and scores of tokens
model = build_transformer_model(
    checkpoint,
    application="unilm",
    with_pool="linear",
    with_mlm="linear",
    ignore_invalid_weights=new_head,
)
vectors, scores = model.outputs


def similarity_loss(partners, vectors):
    """在一批中找出同义句，按余弦的 20 倍 / Find the partner in a batch, by 20 times the cosine"""
    vectors = ops.normalize(ops.cast(vectors, "float32"), axis=1)
    similarity = 20 * ops.matmul(vectors, ops.transpose(vectors))
    similarity -= 1e4 * ops.eye(ops.shape(vectors)[0])  # 不能选自己  not the sentence itself
    return ops.sparse_categorical_crossentropy(partners, similarity, from_logits=True)


# 训练 / Training -------------------------------------------------------------------------------

generator = TrainGenerator(train_pairs, batch_size, length_func=lambda x: len(x[0] + x[1]))
steps = len(generator)
optimizer = extend_with_parameter_wise_lr(Adam)(
    WarmupCosineDecay(learning_rate, steps * epochs),
    clipnorm=1.0,
    paramwise_lr_schedule={"MLM": head_rate},
)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True, reduction="mean_with_sample_weight"
)
model.compile(optimizer, [similarity_loss, cross_entropy], loss_weights=[1, 2])

# 每轮结束，检索用相关系数、改写用 ROUGE 评分，各存最好的
# Each epoch ends with scores of similarity and of writing; the best of each is saved
options = {"maxlen": maxlen, "truncate": True}
encoder = SentenceEncoder(keras.Model(model.inputs, vectors), tokenizer, **options)
sampling = {"do_sample": True, "top_p": 0.9, "max_new_tokens": maxlen, "seed": 0}
writer = TextWriter(keras.Model(model.inputs, scores), tokenizer, generation=sampling, **options)
best = [
    BestPipeline(encoder, valid_data, f"{output}/encoder"),
    BestPipeline(writer, valid_pairs, output),
]
model.fit(generator.forfit(), steps_per_epoch=steps, epochs=epochs, callbacks=best)

# 使用 / Use ------------------------------------------------------------------------------------

encoder, writer = load_pipeline(f"{output}/encoder"), load_pipeline(output)

# 检索：最近的是不是同义句 / Retrieval: is the nearest sentence the paraphrase?
first, second = [list(texts) for texts in zip(*valid_pairs)]
nearest = encoder.similarity(encoder(first), encoder(second)).argmax(axis=1)
print(f"nearest: {np.mean(nearest == np.arange(len(first))):.3f}")


def paraphrase(text):
    """采样 8 句，取最近的 / The nearest of eight sentences that are sampled"""
    records = writer(text, num_return_sequences=8)
    texts = sorted({record["generated_text"] for record in records} - {text, ""}) or [text]
    similarity = encoder.similarity(encoder(text), encoder(texts))
    return texts[similarity.argmax()]


for text in first[:3]:
    print(text, "->", paraphrase(text))
if is_synthetic:  # 生成的句子是不是同义  does the generated sentence mean the same?
    is_same = [find_meaning(text) == find_meaning(paraphrase(text)) for text in first[:64]]
    print(f"same meaning: {np.mean(is_same):.3f}")
