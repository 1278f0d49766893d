#! -*- coding: utf-8 -*-
# A training function of one's own, which fit and train_on_batch call (TensorFlow 1)
import numpy as np
from bert4keras.backend import keras, K
from keras.layers import Add, Dense, Input
from keras.models import Model

x, z = Input(shape=(3,)), Input(shape=(3,))
model = Model([x, z], Dense(2, kernel_initializer='zeros')(Add()([x, z])))
model.compile(loss='mse', optimizer='sgd')
model._make_train_function()
old_train_function = model.train_function
calls = []


def train_function(inputs):
    assert len(inputs) == 3
    calls.append([np.shape(part) for part in inputs])
    return old_train_function([inputs[0] * 0] + inputs[1:])  # 第一个输入没有作用


model.train_function = train_function
data = [np.ones((4, 3)), np.zeros((4, 3))], np.ones((4, 2))
model.fit(*data, verbose=0)
assert model.train_on_batch(*data) < 1
assert calls == [[(4, 3), (4, 3), (4, 2)]] * 2, calls
kernel, bias = model.get_weights()
assert not kernel.any() and bias.all()
