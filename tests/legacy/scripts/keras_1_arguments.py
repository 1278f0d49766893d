#! -*- coding: utf-8 -*-
# Names of Keras 1 that lived on: output_dim, init, p, nb_epoch, input=
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

from keras.layers import Embedding, LSTM, Conv1D, Dropout, Input, MaxPooling1D, Flatten
from keras.layers.core import Activation

x_in = Input(shape=(4,))
x = Embedding(20, 8, init='uniform')(x_in)
a = LSTM(output_dim=6, init='glorot_uniform', inner_init='orthogonal', return_sequences=True)(x)
b = Conv1D(nb_filter=6, filter_length=3, border_mode='same', activation='relu')(x)
x = keras.layers.add([a, b])
x = MaxPooling1D(pool_length=2)(x)
x = Flatten()(x)
x = Dropout(p=0.2)(x)
x = Dense(output_dim=2, init='glorot_normal', bias=True)(x)
x = Activation('softmax')(x)
model = Model(input=x_in, output=x)
model.compile(loss='sparse_categorical_crossentropy', optimizer='sgd', metrics=['accuracy'])
model.fit(ids, np.array([0, 1]), nb_epoch=2, verbose=0)
assert model.predict(ids).shape == (2, 2)
