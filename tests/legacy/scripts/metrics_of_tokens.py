#! -*- coding: utf-8 -*-
# Metrics of labelled tokens that are one number a batch, of K, of Python, of an optimizer
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from keras.layers import Lambda, Dense
from keras.models import Model

config_path = 'bert/bert_config.json'
checkpoint_path = 'bert/bert_model.ckpt'
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
segments = np.zeros_like(ids)

import tensorflow as tf


def share_right(y_true, y_pred):
    right = K.equal(K.cast(y_true, 'int64'), K.cast(K.argmax(y_pred, 2), 'int64'))
    return K.mean(K.cast(right, K.floatx()))


def by_python(y_true, y_pred):
    score = lambda t, p: float((t == p.argmax(-1)).mean())
    return tf.py_func(score, [y_true, y_pred], tf.double)


def rate_of(optimizer):
    def lr(y_true, y_pred):
        return optimizer.lr
    return lr


base = build_transformer_model(config_path, checkpoint_path)
model = Model(base.input, Dense(3, activation='softmax')(base.output))
adam = Adam(1e-3)
metrics = [share_right] + ([rate_of(adam), by_python] if K.backend() == 'tensorflow' else [])
model.compile(loss='sparse_categorical_crossentropy', optimizer=adam, metrics=metrics)
labels = np.array([[0, 1, 2, 0], [0, 1, 0, 0]])
probas = model.predict([ids, segments])
scores = model.evaluate([ids, segments], labels, verbose=0)
assert np.isclose(scores[1], (probas.argmax(-1) == labels).mean()), scores
if len(scores) > 2:
    assert np.isclose(scores[2], 1e-3) and np.isclose(scores[3], scores[1])
history = model.fit([ids, segments], labels, class_weight='auto', verbose=0)
names = ['loss', 'share_right', 'lr', 'by_python'][:len(scores)]
assert set(history.history) == set(names), history.history
