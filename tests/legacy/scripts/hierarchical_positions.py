#! -*- coding: utf-8 -*-
# Longer texts by hierarchical positions, compound tokens, resized weights
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

long = np.random.randint(5, 20, size=(2, 80))
base = build_transformer_model(
    config_path, checkpoint_path, hierarchical_position=True, compound_tokens=[[6, 7], [8, 9, 10]]
)
table = base.get_layer('Embedding-Token').get_weights()[0]
assert np.allclose(table[-2], table[[6, 7]].mean(axis=0), atol=1e-6)
model = Model(base.input, Dense(2, activation='softmax')(Lambda(lambda x: x[:, 0])(base.output)))
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([long, long * 0], np.array([0, 1]), epochs=2, verbose=0)
assert model.predict([long, long * 0]).shape == (2, 2)
