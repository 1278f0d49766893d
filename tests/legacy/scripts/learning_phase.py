#! -*- coding: utf-8 -*-
# K.learning_phase() in layers, in models of one's own, in a Lambda
import numpy as np
from tensorflow.python.keras.utils import tf_utils
from bert4keras.backend import keras, K
from keras.layers import Dense, Dropout, Input, Lambda, Layer


class Noise(Layer):
    def call(self, inputs):
        def noised():
            return inputs + 3.

        return tf_utils.smart_cond(K.learning_phase(), noised, lambda: inputs * 1.)


class Scorer(keras.Model):
    def __init__(self, **kwargs):
        super(Scorer, self).__init__(**kwargs)
        self.noise = Noise()
        self.drop = Dropout(0.5)
        self.dense = Dense(1, kernel_initializer='ones')

    def call(self, inputs):
        return self.dense(self.drop(self.noise(inputs)))


def spread(y_true, y_pred):
    return K.max(y_pred) - K.min(y_pred)


x = np.zeros((64, 2), 'float32')
if K.backend() != 'jax':
    scorer = Scorer()
    scorer.compile('adam', loss=lambda y_true, y_pred: K.mean(y_pred), metrics=[spread])
    history = scorer.fit(x, np.zeros((64, 1)), batch_size=64, verbose=0).history
    assert 4 < history['loss'][0] < 8 and history['spread'][0] > 5, history
    assert np.allclose(scorer.predict(x), 0, atol=0.1)
    assert scorer.evaluate(x, np.zeros((64, 1)), verbose=0)[1] == 0

place = Input(shape=(2,))
noised = Lambda(lambda x: K.switch(K.learning_phase(), x * 2, x))(Noise()(place))
model = keras.models.Model(place, noised)
assert np.allclose(model.predict(x), 0)
assert np.allclose(model(x, training=True), 6)
