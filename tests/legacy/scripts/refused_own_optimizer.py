#! -*- coding: utf-8 -*-
# REFUSED An optimizer that asks another for its updates
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

from keras.optimizers import Optimizer


class Every(Optimizer):
    def __init__(self, optimizer, steps=2, **kwargs):
        super(Every, self).__init__(**kwargs)
        self.optimizer, self.steps = optimizer, steps

    def get_updates(self, loss, params):
        self.optimizer.get_gradients = lambda loss, params: self.get_gradients(loss, params)
        return self.optimizer.get_updates(loss, params)


base = build_transformer_model(config_path, checkpoint_path, with_pool=True)
model = Model(base.input, Dense(2, activation='softmax')(base.output))
model.compile(loss='sparse_categorical_crossentropy', optimizer=Every(keras.optimizers.Adam(1e-3)))
model.fit([ids, segments], np.array([0, 1]), verbose=0)
