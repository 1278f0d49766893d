#! -*- coding: utf-8 -*-
# Autumn 2019, bert4keras 0.2: titles with a loss on the model, a decoder by hand
from __future__ import print_function
import json
import numpy as np
from tqdm import tqdm
from bert4keras.bert import load_pretrained_model
from bert4keras.utils import SimpleTokenizer, load_vocab
import os

os.environ["TF_KERAS"] = "1"
from keras.layers import *
from keras.models import Model
from keras import backend as K
from keras.callbacks import Callback
from keras.optimizers import Adam

max_input_len = 16
_token_dict = load_vocab("bert/vocab.txt")
token_dict, keep_words = {}, []
for t in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused1]"]:
    token_dict[t] = len(token_dict)
    keep_words.append(_token_dict[t])
for t in "我爱北京今天气好不你":
    if t not in token_dict:
        token_dict[t] = len(token_dict)
        keep_words.append(_token_dict[t])
tokenizer = SimpleTokenizer(token_dict)


def padding(x):
    """padding至batch内的最大长度"""
    ml = max([len(i) for i in x])
    return np.array([i + [0] * (ml - len(i)) for i in x])


def data_generator():
    while True:
        X, S = [], []
        for content, title in [("今天天气好", "天气好"), ("我爱北京", "北京")]:
            x, s = tokenizer.encode(content, title)
            X.append(x)
            S.append(s)
            if len(X) == 2:
                yield [padding(X), padding(S)], None
                X, S = [], []


model = load_pretrained_model(
    "bert/bert_config.json", "bert/bert_model.ckpt", seq2seq=True, keep_words=keep_words
)
model.summary()

# 交叉熵作为loss，并mask掉输入部分的预测
y_in = model.input[0][:, 1:]  # 目标tokens
y_mask = model.input[1][:, 1:]
y = model.output[:, :-1]  # 预测tokens，预测与目标错开一位
cross_entropy = K.sparse_categorical_crossentropy(y_in, y)
cross_entropy = K.sum(cross_entropy * y_mask) / K.sum(y_mask)
model.add_loss(cross_entropy)
model.compile(optimizer=Adam(1e-3))


def gen_sent(s, topk=2):
    """beam search解码"""
    token_ids, segment_ids = tokenizer.encode(s[:max_input_len])
    target_ids = [[] for _ in range(topk)]
    target_scores = [0] * topk
    for i in range(5):
        _target_ids = [token_ids + t for t in target_ids]
        _segment_ids = [segment_ids + [1] * len(t) for t in target_ids]
        _probas = model.predict([_target_ids, _segment_ids])[:, -1, 3:]
        _log_probas = np.log(_probas + 1e-6)
        _topk_arg = _log_probas.argsort(axis=1)[:, -topk:]
        _candidate_ids, _candidate_scores = [], []
        for j, (ids, sco) in enumerate(zip(target_ids, target_scores)):
            if i == 0 and j > 0:
                continue
            for k in _topk_arg[j]:
                _candidate_ids.append(ids + [k + 3])
                _candidate_scores.append(sco + _log_probas[j][k])
        _topk_arg = np.argsort(_candidate_scores)[-topk:]
        target_ids = [_candidate_ids[k] for k in _topk_arg]
        target_scores = [_candidate_scores[k] for k in _topk_arg]
    return tokenizer.decode(target_ids[np.argmax(target_scores)])


class Evaluate(Callback):
    def __init__(self):
        self.lowest = 1e10

    def on_epoch_end(self, epoch, logs=None):
        if logs["loss"] <= self.lowest:
            self.lowest = logs["loss"]
            model.save_weights("./best_model.weights")
        self.title = gen_sent("今天天气好")


evaluator = Evaluate()
model.fit_generator(data_generator(), steps_per_epoch=2, epochs=1, callbacks=[evaluator])
assert np.isfinite(evaluator.lowest) and evaluator.title is not None
