#! -*- coding: utf-8 -*-
# Answers as spans: two softmaxes over masked positions, two targets
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.snippets import sequence_padding
from keras.layers import Dense, Lambda, Permute, Layer
from keras.models import Model


class MaskedSoftmax(Layer):
    """在序列长度那一维进行softmax，并mask掉padding部分"""

    def __init__(self, **kwargs):
        super(MaskedSoftmax, self).__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, inputs, mask=None):
        if mask is not None:
            mask = K.cast(mask, K.floatx())
            mask = K.expand_dims(mask, 2)
            inputs = inputs - (1.0 - mask) * 1e12
        return K.softmax(inputs, 1)


model = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt")
output = Dense(2)(model.output)
output = MaskedSoftmax()(output)
output = Permute((2, 1))(output)
model = Model(model.input, output)


def sparse_categorical_crossentropy(y_true, y_pred):
    y_true = K.reshape(y_true, K.shape(y_pred)[:-1])
    y_true = K.cast(y_true, "int32")
    y_true = K.one_hot(y_true, K.shape(y_pred)[2])
    return K.mean(K.categorical_crossentropy(y_true, y_pred))


def sparse_accuracy(y_true, y_pred):
    y_true = K.reshape(y_true, K.shape(y_pred)[:-1])
    y_true = K.cast(y_true, "int32")
    y_pred = K.cast(K.argmax(y_pred, axis=2), "int32")
    return K.mean(K.cast(K.equal(y_true, y_pred), K.floatx()))


model.compile(loss=sparse_categorical_crossentropy, optimizer=Adam(1e-3), metrics=[sparse_accuracy])


def batches():
    for length in [5, 5, 7, 6]:  # the first two of one length, by chance
        ids = np.random.randint(5, 20, size=(2, length))
        ids[1, -1] = 0
        yield [ids, np.zeros_like(ids)], np.array([[1, 2], [2, 3]])


model.fit_generator(batches(), steps_per_epoch=4, epochs=1)
probas = model.predict([np.array([[2, 6, 7, 3, 0]]), np.zeros((1, 5))])[0]
assert probas.shape == (2, 5) and np.allclose(probas.sum(axis=1), 1, atol=1e-5)
assert probas[:, 4].max() < 1e-6
