#! -*- coding: utf-8 -*-
# Siamese sentences (the model called twice), mean pooling with a mask, then SimCSE's loss
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.snippets import sequence_padding
from keras.layers import *
from keras.models import Model
from keras.optimizers import Adam

encoder = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt")


def mean_pooling(inputs):
    x, ids = inputs
    mask = K.cast(K.greater(ids, 0), K.floatx())
    mask = K.expand_dims(mask, 2)
    return K.sum(x * mask, axis=1) / K.sum(mask, axis=1)


pooled = Lambda(mean_pooling)([encoder.output, encoder.inputs[0]])
encoder = Model(encoder.inputs, pooled)
a1, a2, b1, b2 = [Input((None,)) for _ in range(4)]
u, v = encoder([a1, a2]), encoder([b1, b2])
d = Lambda(lambda x: K.abs(x[0] - x[1]))([u, v])
x = Concatenate()([u, v, d])
x = Dropout(0.1)(x)
x = Dense(2, activation="softmax", use_bias=False)(x)
model = Model([a1, a2, b1, b2], x)
model.compile(loss="categorical_crossentropy", optimizer=Adam(lr=1e-3, decay=1e-4), metrics=["acc"])
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
x_train = [ids, ids * 0, ids[::-1], ids * 0]
y_train = keras.utils.to_categorical([0, 1], num_classes=2)
history = model.fit(x_train, y_train, epochs=2, verbose=0, validation_split=0.5)
assert "val_acc" in history.history


def simcse_loss(y_true, y_pred):
    """用于SimCSE训练的loss"""
    idxs = K.arange(0, K.shape(y_pred)[0])
    idxs_1 = idxs[None, :]
    idxs_2 = (idxs + 1 - idxs % 2 * 2)[:, None]
    y_true = K.equal(idxs_1, idxs_2)
    y_true = K.cast(y_true, K.floatx())
    y_pred = K.l2_normalize(y_pred, axis=1)
    similarities = K.dot(y_pred, K.transpose(y_pred))
    similarities = similarities - K.eye(K.shape(y_pred)[0]) * 1e12
    similarities = similarities * 20
    loss = K.categorical_crossentropy(y_true, similarities, from_logits=True)
    return K.mean(loss)


encoder.compile(loss=simcse_loss, optimizer=Adam(1e-5))


def generator():
    while True:
        batch = np.repeat(ids, 2, axis=0)
        yield [batch, np.zeros_like(batch)], np.zeros((len(batch), 1))


encoder.fit(generator(), steps_per_epoch=2, epochs=1, verbose=0)
short = encoder.predict([ids[1:, :3], ids[1:, :3] * 0])
assert np.allclose(encoder.predict([ids, ids * 0])[1:], short, atol=1e-5)
