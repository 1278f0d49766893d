#! -*- coding: utf-8 -*-
# MEMM, and a rate for each part by its name
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

from bert4keras.layers import MaximumEntropyMarkovModel
from bert4keras.optimizers import extend_with_parameter_wise_lr

base = build_transformer_model(config_path, checkpoint_path)
output = Dense(5)(base.output)
MEMM = MaximumEntropyMarkovModel(lr_multiplier=100)
output = MEMM(output)
model = Model(base.input, output)
AdamLR = extend_with_parameter_wise_lr(Adam, name='AdamLR')
optimizer = AdamLR(1e-4, paramwise_lr_schedule={'dense': 10})
model.compile(loss=MEMM.sparse_loss, optimizer=optimizer, metrics=[MEMM.sparse_accuracy])
model.fit([ids, segments], np.array([[0, 1, 2, 0], [0, 3, 0, 0]]), epochs=2, verbose=0)
assert model.predict([ids, segments]).shape == (2, 4, 5)
