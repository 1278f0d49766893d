#! -*- coding: utf-8 -*-
# Two models that share layers, a prefix, the tied embedding in dense mode
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

from bert4keras.layers import Embedding

first = build_transformer_model(config_path, checkpoint_path, return_keras_model=False)
second = build_transformer_model(
    config_path, layers=first.layers, with_pool=True, return_keras_model=False
)
assert second.layers['Embedding-Token'] is first.layers['Embedding-Token']
third = build_transformer_model(config_path, checkpoint_path, prefix='Third-')
assert third.get_layer('Third-Embedding-Token').get_weights()[0].shape[1] == 8
table = first.model.get_layer('Embedding-Token')
scores = table(first.model.output, mode='dense')
scores = Lambda(lambda x: K.softmax(x))(scores)
model = Model(first.model.inputs, scores)
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
before = K.get_value(table.embeddings)
model.fit([ids, segments], np.expand_dims(ids, 2), epochs=2, verbose=0)
assert np.abs(K.eval(table.embeddings) - before).max() > 0
K.set_value(table.embeddings, before)
assert np.allclose(K.batch_get_value([table.embeddings])[0], before)
assert second.model.predict([ids, segments]).shape == (2, 8)
assert model.predict([ids, segments]).shape == (2, 4, before.shape[0])
