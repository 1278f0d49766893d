#! -*- coding: utf-8 -*-
# A layer of the old kind: add_weight by position, masks, K.rnn, get_config
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

from keras.engine.topology import Layer
from keras import initializers, activations, regularizers


class Attention(Layer):
    def __init__(self, units, init='glorot_uniform', **kwargs):
        self.units = units
        self.init = initializers.get(init)
        self.supports_masking = True
        super(Attention, self).__init__(**kwargs)

    def build(self, input_shape):
        self.W = self.add_weight('W', (input_shape[-1], self.units), initializer=self.init)
        self.v = self.add_weight(
            name='v', shape=(self.units, 1), initializer=lambda shape: K.ones(shape) * 0.1
        )
        self.built = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, x, mask=None):
        e = K.dot(K.tanh(K.dot(x, self.W)), self.v)
        if mask is not None:
            mask = K.expand_dims(K.cast(mask, K.floatx()), 2)
            e -= (1 - mask) * 1e12
        a = K.softmax(e, axis=1)
        return K.sum(a * x, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        config = {'units': self.units}
        base_config = super(Attention, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))


class Decay(Layer):
    """A loop over time by K.rnn."""
    def call(self, x):
        def step(inputs, states):
            h = 0.5 * states[0] + inputs
            return h, [h]

        last, outputs, _ = K.rnn(step, x, [K.zeros_like(x[:, 0])])
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape


base = build_transformer_model(config_path, checkpoint_path)
x = Attention(5)(base.output)
y = Lambda(lambda x: x[:, -1])(Decay()(base.output))
p = Dense(2, activation='softmax')(keras.layers.concatenate([x, y]))
model = Model(base.input, p)
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['acc'])
model.fit([ids, segments], np.array([[0], [1]]), epochs=2, verbose=0)
assert model.layers[-1].output_shape == (None, 2) and K.int_shape(x) == (None, 8)
assert x.get_shape().as_list() == [None, 8] and x._keras_shape == (None, 8)
short = Model(base.input, x).predict([ids[1:, :3], segments[1:, :3]])
assert np.allclose(Model(base.input, x).predict([ids[1:], segments[1:]]), short, atol=1e-5)
