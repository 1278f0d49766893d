#! -*- coding: utf-8 -*-
# Sums of masked and unmasked tensors keep the padding mask, as in Keras 2
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

from keras.layers import Add, Multiply, Dropout, Embedding, Input, add, LSTM

x_in, s_in = Input((None,)), Input((None,))
x = add([Embedding(20, 8, mask_zero=True)(x_in), Embedding(2, 8)(s_in)])
x = Multiply()([Dropout(0.1)(x), x])
x = LSTM(6)(Add()([x, Dense(8)(x)]))
model = Model([x_in, s_in], Dense(2, activation='softmax')(x))
model.compile(loss='sparse_categorical_crossentropy', optimizer='adam')
model.fit([ids, segments], np.array([0, 1]), epochs=2, verbose=0)
short = model.predict([ids[1:, :3], segments[1:, :3]])
assert np.allclose(model.predict([ids, segments])[1:], short, atol=1e-5)
