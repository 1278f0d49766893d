#! -*- coding: utf-8 -*-
# Pairs of sentences: Subtract, Multiply, Dot, class weights, sample weights
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

from keras.layers import Subtract, Multiply, Concatenate, Dot, GlobalAveragePooling1D, Input

base = build_transformer_model(config_path, checkpoint_path)
vector = Lambda(lambda x: x[:, 0])(base.output)
encoder = Model(base.inputs, vector)
inputs = [Input((None,)) for _ in range(4)]
u, v = encoder(inputs[:2]), encoder(inputs[2:])
x = Concatenate()([u, v, Subtract()([u, v]), Multiply()([u, v]), Dot(axes=1)([u, v])])
model = Model(inputs, Dense(1, activation='sigmoid')(x))
model.compile(loss='binary_crossentropy', optimizer=Adam(1e-3), metrics=['acc'])
data = [ids, segments, ids[::-1], segments]
model.fit(data, np.array([0, 1]), class_weight={0: 1.0, 1: 2.0}, epochs=1, verbose=0)
model.fit(data, [0, 1], sample_weight=np.array([1.0, 0.5]), epochs=1, verbose=0)
model.fit_generator(iter([(data, np.array([0, 1]))] * 2), steps_per_epoch=2, class_weight={0: 1., 1: 3.}, verbose=0)
assert model.predict(data, batch_size=1, verbose=0).shape == (2, 1)
