# 不共享参数的 ALBERT 学得更好吗 / Does ALBERT learn better with blocks of their own?
# 文章 Article  https://kexue.fm/archives/7187
# 数据 Data     情感分类、三元组、阅读理解 / sentiment, triples and answers
# 结果 Expect   不共享的学得快，结果不差，见 docs/albert_unshared.md；约 5 分钟
#              unshared blocks learn faster and end no worse, see docs/albert_unshared.md; 5 minutes

import time

import settings

import keras
import numpy as np
from data.albert import make_texts, pretrain_albert
from data.reading import make_questions
from data.reviews import make_reviews
from data.triples import PREDICATES, make_triples
from keras import ops

from bert4keras.backend import multilabel_categorical_crossentropy
from bert4keras.data import sequence_padding
from bert4keras.layers import FirstToken, GlobalPointer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, WarmupCosineDecay
from bert4keras.tokenizers import load_tokenizer

steps = 1000  # 预训练的批数  batches of pretraining
items = 800  # 每个任务的样本数  samples of a task
seeds = 2  # 每个模型训练几次  runs of a model
maxlen = 32  # 各行的长度，不用更长的文本  tokens of all rows; longer texts are left out
batch_size = 16
learning_rate = 1e-3
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if settings.is_smoke():
    items, seeds = 48, 1
checkpoint = pretrain_albert("albert_unshared", make_texts(9000), steps)
tokenizer = load_tokenizer(checkpoint)


def load_sentiment(split, number):
    """文本和它的情感 / Token ids, segment ids and labels of reviews"""
    reviews = make_reviews(3 * number, split)
    reviews = [review for review in reviews if len(review[0]) < maxlen - 1][:number]
    token_ids = sequence_padding([tokenizer.encode(text)[0] for text, _ in reviews], maxlen)
    return token_ids, np.zeros_like(token_ids), np.array([label for _, label in reviews])


def load_triples(split, number):
    """句子，和各关系的首尾矩阵 / Sentences, and where triples have first and last tokens"""
    sentences = make_triples(3 * number, split)
    sentences = [x for x in sentences if len(x["text"]) < maxlen - 1][:number]
    encodings = [tokenizer.encode_with_offsets(x["text"]) for x in sentences]
    labels = np.zeros((number, 2 * len(PREDICATES), maxlen, maxlen), "uint8")
    for row, sentence, encoding in zip(labels, sentences, encodings):
        for triple in sentence["spo_list"]:
            text, kind = sentence["text"], 2 * PREDICATES.index(triple["predicate"])
            start, place = text.index(triple["subject"]), text.index(triple["object"])
            subject = encoding.find_tokens(start, start + len(triple["subject"]))
            object = encoding.find_tokens(place, place + len(triple["object"]))
            row[kind, subject[0], object[0]] = row[kind + 1, subject[1], object[1]] = 1
    token_ids = sequence_padding([x.token_ids for x in encodings], maxlen)
    return token_ids, np.zeros_like(token_ids), labels


def load_answers(split, number):
    """段落、问题和答案，标签是后一个 token / Passages, questions, answers, and the next tokens"""
    token_ids, segment_ids = [], []
    for item in make_questions(6 * number, split, passages=1):
        for row in item["passages"]:
            source = tokenizer.encode(row["passage"], item["question"])[0]
            target = tokenizer.encode(row["answer"])[0][1:]
            if row["answer"] and len(source + target) <= maxlen:
                token_ids.append(source + target)
                segment_ids.append([0] * len(source) + [1] * len(target))
    token_ids = sequence_padding(token_ids[:number], maxlen)
    segment_ids = sequence_padding(segment_ids[:number], maxlen)
    following = np.roll(token_ids * segment_ids, -1, axis=1)
    return token_ids, segment_ids, following


# 模型 / Model ----------------------------------------------------------------------------------


def build_model(task, family):
    """各任务的模型，family 是 albert 或 albert_unshared / A model of a task, by its family"""
    if task == "answers":
        return build_transformer_model(checkpoint, model=family, application="unilm", with_mlm=True)
    bert = build_transformer_model(checkpoint, model=family)
    if task == "sentiment":
        outputs = keras.layers.Dense(2, activation="softmax")(FirstToken()(bert.output))
    else:
        outputs = GlobalPointer(2 * len(PREDICATES), 16, tril_mask=False)(bert.output)
    return keras.Model(bert.inputs, outputs)


def pointer_loss(true, scores):
    """标了 1 的分数都应大于 0，其余都应小于 0 / What is 1 scores above 0, all else below"""
    shape = (-1, 2 * len(PREDICATES), maxlen * maxlen)
    true, scores = ops.reshape(true, shape), ops.reshape(scores, shape)
    return ops.sum(multilabel_categorical_crossentropy(true, scores), axis=1)


# 评分 / Scores ---------------------------------------------------------------------------------


def compute_accuracy(labels, scores):
    """分类的准确率 / Share of the reviews that are classified right"""
    return np.mean(scores.argmax(axis=1) == labels)


def compute_f1(labels, scores):
    """首尾位置的 F1 / F1 of the pairs of first and of last tokens"""
    is_right = (scores > 0) & (labels > 0)
    return 2 * is_right.sum() / ((scores > 0).sum() + labels.sum())


def compute_exact_match(labels, scores):
    """每个 token 都对的答案的比例 / Share of the answers all of whose tokens are right"""
    return np.mean(((scores.argmax(axis=2) == labels) | (labels == 0)).all(axis=1))


# 训练 / Training -------------------------------------------------------------------------------

answer_loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
tasks = {  # 数据、损失、评分、轮数  data, loss, score, epochs
    "sentiment": (load_sentiment, "sparse_categorical_crossentropy", compute_accuracy, 3),
    "triples": (load_triples, pointer_loss, compute_f1, 5),
    "answers": (load_answers, answer_loss, compute_exact_match, 7),
}
table = ["| task | model | epoch 1 | middle | best | seconds |", "|---|---|---:|---:|---:|---:|"]
for task, (load, loss, compute_score, epochs) in tasks.items():
    epochs = 1 if settings.is_smoke() else epochs
    *inputs, labels = load("train", items)
    *valid_inputs, valid_labels = load("valid", items // 3)
    for family in ("albert", "albert_unshared"):
        curves = np.zeros((seeds, epochs))
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            model = build_model(task, family)
            schedule = WarmupCosineDecay(learning_rate, epochs * -(-items // batch_size))
            model.compile(Adam(schedule, clipnorm=1.0), loss)
            for epoch in range(epochs):
                start = time.process_time()
                model.fit(inputs, labels, batch_size, verbose=0)
                seconds = time.process_time() - start
                scores = model.predict(valid_inputs, verbose=0)
                curves[seed, epoch] = compute_score(valid_labels, scores)
            print(task, family, "seed", seed, curves[seed].round(3), flush=True)
        columns = [task, family]
        for values in (curves[:, 0], curves[:, epochs // 2], curves.max(axis=1)):
            columns.append(f"{values.mean():.3f} ± {values.std():.3f}")
        table.append(f"| {' | '.join(columns)} | {seconds:.1f} |")
print(*table, sep="\n")
