#! -*- coding: utf-8 -*-
# Losses and metrics that Python computes in TensorFlow's graph, which knows no shapes then
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from keras.layers import Dense, Input


class Equal(keras.metrics.Metric):
    def __init__(self, name='equal', **kwargs):
        super(Equal, self).__init__(name=name, **kwargs)
        self.right = self.add_weight(name='right', initializer='zeros')
        self.total = self.add_weight(name='total', initializer='zeros')

    def update_state(self, y_true, y_pred, sample_weight=None):
        def count(a, b):
            return np.float32((a.round() == b.round()).sum())

        self.right.assign_add(tf.numpy_function(count, [y_true, y_pred], tf.float32))
        size = tf.py_function(lambda a: a.numpy().size, [y_true], tf.int64)
        self.total.assign_add(tf.cast(size, tf.float32))

    def result(self):
        return self.right / self.total


def distance(y_true, y_pred):
    def mean(a, b):
        return tf.reduce_mean(tf.square(a - b))

    return tf.py_function(mean, [y_true, y_pred], tf.float32)


def weighed(y_true, y_pred):
    weights = tf.numpy_function(lambda a: np.ones(len(a), 'float32'), [y_true], tf.float32)
    return weights * K.mean(K.square(y_true - y_pred), axis=-1)


place = Input(shape=(3,))
for loss in [distance, weighed]:
    model = keras.models.Model(place, Dense(2, kernel_initializer='zeros')(place))
    model.compile('adam', loss, metrics=[distance, Equal()])
    history = model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0).history
    assert np.allclose([history['loss'], history['distance']], 1), history
    assert np.allclose(model.evaluate(np.ones((8, 3)), np.zeros((8, 2)), verbose=0)[2], 1)
