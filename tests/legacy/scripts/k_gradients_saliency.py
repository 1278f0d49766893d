#! -*- coding: utf-8 -*-
# Which tokens matter: K.gradients of an output by embeddings
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

bert = build_transformer_model(config_path, checkpoint_path, return_keras_model=False)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(2, activation='softmax', kernel_initializer=bert.initializer, name='head')(output)
model = Model(bert.model.input, output)

model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([ids, segments], np.array([[0], [1]]), epochs=2, verbose=0)
embedded = model.get_layer('Embedding-Norm').output
gradients = K.gradients(model.output[:, 1], embedded)[0]
f = K.function(model.inputs, [gradients, embedded])
g, e = f([ids, segments])
assert g.shape == e.shape == (2, 4, 8) and np.abs(g).max() > 0
saliency = np.sqrt((g**2).sum(axis=2))
assert saliency.shape == (2, 4)
assert model.predict([ids, segments]).shape == (2, 2)
