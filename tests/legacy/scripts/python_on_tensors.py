#! -*- coding: utf-8 -*-
# if, for, range and len on tensors, which tf.keras converted: in losses, metrics and layers
import os
os.environ['TF_KERAS'] = '1'
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from keras.layers import Dense, Input, Layer
from keras.models import Model, Sequential


def loss_of_odd_rows(y_true, y_pred):
    rows = tf.squeeze(tf.where(tf.range(tf.shape(y_pred)[0]) % 2 != 0), axis=1)
    n = tf.cast(len(rows), 'float32')
    return tf.reduce_mean(tf.square(y_true - y_pred)) * n


class SumOfRows(keras.losses.Loss):
    def call(self, y_true, y_pred):
        total = tf.zeros(())
        for i in tf.range(tf.shape(y_pred)[0]):
            total += tf.reduce_sum(tf.square(y_true[i] - y_pred[i]))
        return total


def is_large(y_true, y_pred):
    if tf.reduce_mean(y_true) > 0.5:
        return tf.constant(1.)
    else:
        return tf.constant(0.)


class Largest(keras.metrics.Metric):
    def __init__(self, name='largest', **kwargs):
        super(Largest, self).__init__(name=name, **kwargs)
        self.value = self.add_weight(name='value', initializer='zeros')

    def update_state(self, y_true, y_pred, sample_weight=None):
        largest = K.max(y_true)
        if largest > self.value:
            self.value.assign(largest)

    def result(self):
        return self.value


class Halved(Layer):
    def call(self, inputs):
        if K.mean(inputs) > 0:
            outputs = inputs / 2
        else:
            outputs = inputs
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape


for loss, expected in [(loss_of_odd_rows, 4 * 2), (SumOfRows(), 4 * 2 * 4)]:
    model = Sequential([Dense(2, kernel_initializer='zeros', input_shape=(3,))])
    model.compile(keras.optimizers.SGD(0.), loss, metrics=[is_large, Largest()])
    history = model.fit(np.zeros((4, 3)), np.full((4, 2), 2), verbose=0).history
    assert history['loss'] == [expected], history
    assert history['is_large'] == [1] and history['largest'] == [2], history

place = Input(shape=(3,))
model = Model(place, Halved()(place))
assert (model.predict(np.ones((2, 3))) == .5).all()
assert (model.predict(-np.ones((2, 3))) == -1).all()
