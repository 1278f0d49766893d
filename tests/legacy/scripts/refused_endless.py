#! -*- coding: utf-8 -*-
# A generator without end, and no steps_per_epoch
import numpy as np
from bert4keras.backend import keras
from keras.layers import Dense, Input


def batches():
    while True:
        yield np.ones((4, 3)), np.ones((4, 1))


place = Input(shape=(3,))
model = keras.models.Model(place, Dense(1)(place))
model.compile('adam', 'mse')
for function in [model.evaluate_generator, model.predict_generator]:
    try:
        function(batches())
    except RuntimeError as error:
        assert 'without its number of steps' in str(error)
    else:
        raise AssertionError(function)
model.fit_generator(batches(), epochs=2)
