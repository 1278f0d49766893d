#! -*- coding: utf-8 -*-
# A classifier with nameless Lambda layers, loaded from a file that this process did not save
from __future__ import print_function
import shutil
import numpy as np
from bert4keras.backend import keras, K, set_gelu
from keras.layers import Dense, Input, Lambda
from keras.models import Model, load_model

known = [
    lambda x: x[:, 0],
    lambda x: x[:, -1],
    lambda x: x[:, 1:],
    lambda x: x[:, 1:-1],
    lambda x: x[..., 1],
    lambda x: K.mean(x, axis=1),
    lambda t: K.max(t, 1),
    lambda x: K.sum(x, axis=1, keepdims=True),
    lambda x: K.expand_dims(x, -1),
    lambda x: K.l2_normalize(x, axis=-1),
    lambda x: 1 - x,
    lambda x: x * 0.5,
]


def save(function, name):
    x = Input(shape=(3, 4))
    model = Model(x, Lambda(function, name=name)(x))
    model.save('here.h5')
    shutil.copy('here.h5', 'there.h5')
    return model


inputs = np.random.random((2, 3, 4)) - .5
for function in known:
    model = save(function, 'part')
    assert np.allclose(load_model('there.h5').predict(inputs), model.predict(inputs))

print_when_called = lambda x: print('executed') or x
for function in [print_when_called, lambda x: K.sum(x, axis=1) + K.eval(1), lambda x, y=1: x[:, y]]:
    try:
        save(function, 'unknown')
        load_model('there.h5')
        raised = 'nothing'
    except RuntimeError as error:
        raised = str(error)
    assert "for the layer 'unknown'). Pass custom_objects" in raised, raised
