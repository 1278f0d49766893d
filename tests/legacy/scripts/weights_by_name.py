#! -*- coding: utf-8 -*-
# Weights between two models: by name, and of a wider model
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

base = build_transformer_model(config_path, checkpoint_path)
x = Dense(3, activation='softmax', name='first-head')(base.output)
first = Model(base.inputs, x)
first.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
first.fit([ids, segments], np.zeros((2, 4, 1)), epochs=2, verbose=0)
first.save_weights('pretrained.weight')
other = build_transformer_model(config_path)
y = Dense(5, name='second-head')(other.output)
second = Model(other.inputs, y)
assert not np.allclose(base.predict([ids, segments]), other.predict([ids, segments]))
second.load_weights('pretrained.weight', by_name=True)
assert np.allclose(base.predict([ids, segments]), other.predict([ids, segments]), atol=1e-5)
base.save_weights('./encoder')
second.load_weights('./encoder', by_name=True, skip_mismatch=True)
assert second.predict([ids, segments]).shape == (2, 4, 5)
