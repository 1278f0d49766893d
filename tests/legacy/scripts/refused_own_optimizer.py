#! -*- coding: utf-8 -*-
# REFUSED An optimizer of one's own by get_updates
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


class Slow(Optimizer):
    def __init__(self, lr=0.01, **kwargs):
        super(Slow, self).__init__(**kwargs)
        self.lr = K.variable(lr)

    @interfaces.legacy_get_updates_support
    def get_updates(self, loss, params):
        return [K.update(p, p - self.lr * g) for p, g in zip(params, self.get_gradients(loss, params))]


optimizer = Slow(0.1)
