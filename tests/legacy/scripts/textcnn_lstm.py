#! -*- coding: utf-8 -*-
# Convolutions and recurrences on BERT, pooling, from keras.layers import *
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

from keras.layers import *
from bert4keras.layers import *

base = build_transformer_model(config_path, checkpoint_path)
x = SpatialDropout1D(0.1)(base.output)
pools = []
for size in [2, 3]:
    c = Conv1D(filters=4, kernel_size=size, padding='same', activation='relu')(x)
    pools.append(GlobalMaxPooling1D()(c))
pools.append(GlobalAveragePooling1D()(x))
r = Bidirectional(GRU(4, return_sequences=True))(x)
r = TimeDistributed(Dense(3))(r)
pools.append(Lambda(lambda x: K.mean(x, axis=1))(r))
x = concatenate(pools)
x = BatchNormalization()(x)
x = Dense(8)(x)
x = LeakyReLU(alpha=0.1)(x)
x = Activation('tanh')(x)
p = Dense(2, activation='softmax')(x)
model = Model(base.input, p)
model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
model.fit([ids, segments], np.array([0, 1]), epochs=2, verbose=0)
assert model.predict([ids, segments]).shape == (2, 2)
