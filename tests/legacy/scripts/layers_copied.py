#! -*- coding: utf-8 -*-
# Layers copied out of the library of the time; K with lists, whole random numbers, sizes not known
import numpy as np
from bert4keras.backend import keras, K, sequence_masking
from keras.layers import *
from keras_preprocessing.sequence import pad_sequences
from tensorflow.keras.experimental import CosineDecay


class Embedding(keras.layers.Embedding):
    def compute_mask(self, inputs, mask=None):
        if self._current_mode == 'embedding':
            mask = super(Embedding, self).compute_mask(inputs, mask)
            return K.concatenate([K.ones_like(mask[:, :1], dtype='bool'), mask[:, 1:]], 1)
        return mask

    def call(self, inputs, mode='embedding'):
        self._current_mode = mode
        if mode == 'embedding':
            return super(Embedding, self).call(inputs)
        return K.dot(inputs, K.transpose(self.embeddings))

    def compute_output_shape(self, input_shape):
        if self._current_mode == 'embedding':
            return super(Embedding, self).compute_output_shape(input_shape)
        return input_shape[:2] + (K.int_shape(self.embeddings)[0],)


class Pooled(Layer):
    def call(self, inputs, mask=None):
        mask = K.cast(mask, K.floatx())
        return K.sum(sequence_masking(inputs, mask, 0, 1), axis=1) / K.sum(mask, axis=1)[:, None]


class Sampled(Layer):
    def build(self, input_shape):
        super(Sampled, self).build(input_shape)
        self.cache = self.add_weight(name='cache', shape=(9,), initializer='zero', trainable=False)

    def call(self, inputs):
        idxs = K.random_uniform(K.shape(inputs[..., :1]), 0, 9, dtype='int32')
        return inputs + K.gather(self.cache, idxs)


def ranking(y_true, y_pred):
    y_true, y_pred = y_true[:, 0], y_pred[:, 0]
    y_true = K.cast(y_true[:, None] < y_true[None, :], K.floatx())
    y_pred = y_pred[:, None] - y_pred[None, :]
    y_pred = K.reshape(y_pred - (1 - y_true) * 1e12, [-1])
    return K.logsumexp(K.concatenate([[0], y_pred], axis=0))


x = pad_sequences([[1, 2, 3], [4, 5]], padding='post')
place = Input(shape=(None,))
table = Embedding(9, 4, mask_zero=True)
vectors = table(place)
assert vectors.shape[-1].value == 4 and vectors.get_shape()[-1].value == 4 and vectors.shape == (None, None, 4)
scores = Activation('softmax')(table(vectors, mode='dense'))
words = keras.models.Model(place, scores)
words.compile(keras.optimizers.Adam(CosineDecay(1e-3, 10)), 'sparse_categorical_crossentropy')
words.fit(x, x[:, :, None], verbose=0)
assert words.predict(x).shape == (2, 3, 9)

ranked = keras.models.Model(place, Dense(1)(Sampled()(Pooled()(vectors))))
ranked.compile('adam', ranking)
ranked.fit(x, np.array([[0], [1]]), verbose=0)
assert np.allclose(ranked.predict(x)[1:], ranked.predict(x[1:, :2]), atol=1e-6)

label = Input(shape=(1,))
hot = K.one_hot(K.cast(K.reshape(label, K.shape(ranked.output)[:-1]), 'int32'), 3)
assert K.int_shape(hot)[-1] == 3
