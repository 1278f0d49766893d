#! -*- coding: utf-8 -*-
# Optimizers of one's own by get_updates: a new one, and a decay of weights on Adam
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

from keras.legacy import interfaces
from keras.optimizers import Optimizer


class Heavy(Optimizer):
    def __init__(self, lr=0.01, momentum=0.9, warmup=2, **kwargs):
        super(Heavy, self).__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype='int64', name='iterations')
            self.lr = K.variable(lr, name='lr')
            self.warmup = K.variable(warmup, name='warmup')
        self.momentum = momentum

    @interfaces.legacy_get_updates_support
    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        t = K.cast(self.iterations, K.floatx()) + 1
        lr = K.switch(t <= self.warmup, self.lr * t / self.warmup, self.lr)
        moments = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        self.weights = [self.iterations] + moments
        for p, g, m in zip(params, grads, moments):
            v = self.momentum * m + g
            self.updates.append(K.update(m, v))
            self.updates.append(K.update(p, p - lr * v))
        return self.updates


class SignDecay(keras.optimizers.SGD):
    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        lr = self.lr if self.initial_decay == 0 else None
        return [K.update(p, p - lr * (K.sign(g) + 0.1 * p)) for p, g in zip(params, grads)]


x, y = np.array([[1.]]), np.array([[1.]])
line = keras.models.Sequential([Dense(1, use_bias=False, kernel_initializer='ones', input_shape=(1,))])
optimizer = Heavy(0.1)
line.compile(loss='mse', optimizer=optimizer)
w, v = 3.0, 0.0
line.set_weights([np.array([[w]])])
for t in [1, 2, 3]:
    line.train_on_batch(x, y)
    v = 0.9 * v + 2 * (w - 1)
    w -= 0.1 * min(t / 2, 1) * v
    assert np.isclose(line.get_weights()[0][0, 0], w, atol=1e-5)
assert K.get_value(optimizer.iterations) == 3
assert {(w, 'm'): 1 for w in line.weights}[(line.weights[0], 'm')] == 1  # slots by variable
line.compile(loss='mse', optimizer=SignDecay(lr=0.5))
line.set_weights([np.array([[3.0]])])
line.fit(x, y, verbose=0)
assert np.isclose(line.get_weights()[0][0, 0], 3 - 0.5 * (1 + 0.3), atol=1e-5)

base = build_transformer_model(config_path, checkpoint_path, with_pool=True)
model = Model(base.input, Dense(2, activation='softmax')(base.output))
model.compile(loss='sparse_categorical_crossentropy', optimizer=Heavy(0.05), metrics=['acc'])
history = model.fit([ids, segments], np.array([0, 1]), epochs=3, verbose=0)
K.set_value(model.optimizer.lr, 0.0)
before = model.get_weights()
model.fit([ids, segments], np.array([0, 1]), verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
assert np.isfinite(history.history['loss']).all()
