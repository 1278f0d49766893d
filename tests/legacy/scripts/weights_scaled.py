#! -*- coding: utf-8 -*-
# A wrapper that has a layer learn faster: its weights become multiples of themselves
import numpy as np
from bert4keras.backend import keras, K


class Faster:
    def __init__(self, layer, lamb, is_ada=False):
        self.layer = layer
        self.lamb = lamb
        self.is_ada = is_ada

    def __call__(self, inputs):
        with K.name_scope(self.layer.name):
            if not self.layer.built:
                self.layer.build(K.int_shape(inputs))
                self.layer.built = True
                if self.layer._initial_weights is not None:
                    self.layer.set_weights(self.layer._initial_weights)
        for key in ['kernel', 'bias', 'embeddings', 'recurrent_kernel', 'gamma', 'beta']:
            if hasattr(self.layer, key):
                weight = getattr(self.layer, key)
                lamb = self.lamb if self.is_ada else self.lamb**0.5
                K.set_value(weight, K.eval(weight) / lamb)
                setattr(self.layer, key, weight * lamb)
        return self.layer(inputs)


place = keras.layers.Input((None, 3))
x = Faster(keras.layers.Conv1D(4, 3, padding='same', kernel_initializer='he_normal'), 20, True)(place)
x = Faster(keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True)), 20, True)(x)
x = keras.layers.GlobalAveragePooling1D()(x)
dense = keras.layers.Dense(2)
x_in = keras.layers.Input((4,))
head = keras.models.Model(x_in, Faster(dense, 20, True)(x_in))
kernel = 20 * K.eval(dense.kernel)
assert np.allclose(head.predict(np.ones((1, 4))), kernel.sum(axis=0), atol=1e-5)
model = keras.models.Model(place, keras.layers.Activation('softmax')(head(x)))
model.compile(keras.optimizers.Adam(1e-3), 'sparse_categorical_crossentropy')
before = model.get_weights()
model.fit(np.random.RandomState(0).rand(4, 5, 3), np.array([[0], [0], [0], [1]]), verbose=0)
changes = [np.abs(a - b).max() for a, b in zip(before, model.get_weights())]
assert min(changes) > 0, changes
# 20 * w, whose gradient is 20 times as large: 400 times as fast
slow = keras.layers.Dense(2)
plain = keras.models.Model(x_in, slow(x_in))
plain.set_weights([20 * w for w in head.get_weights()])
moved = []
for one, layer, scale in [(head, dense, 20.0), (plain, slow, 1.0)]:
    one.compile(keras.optimizers.SGD(1e-5), 'mse')
    start = layer.get_weights()[0] * scale
    one.fit(np.ones((4, 4)), np.zeros((4, 2)), verbose=0)
    moved.append(layer.get_weights()[0] * scale - start)
assert 300 < np.abs(moved[0]).mean() / np.abs(moved[1]).mean() < 500, moved
