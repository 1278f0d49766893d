#! -*- coding: utf-8 -*-
# Lambda with K inside, arguments, output_shape and masks
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


def seq_maxpool(x):
    """seq是[None, seq_len, s_size]的格式，mask是[None, seq_len, 1]的格式"""
    seq, mask = x
    seq -= (1 - mask) * 1e10
    return K.max(seq, 1)


def seq_and_vec(x):
    seq, vec = x
    vec = K.expand_dims(vec, 1)
    vec = K.zeros_like(seq[:, :, :1]) + vec
    return K.concatenate([seq, vec], 2)


mask = Lambda(lambda x: K.cast(K.greater(K.expand_dims(x, 2), 0), 'float32'))(base.input[0])
pooled = Lambda(seq_maxpool)([base.output, mask])
x = Lambda(seq_and_vec, output_shape=(None, 16))([base.output, pooled])
x = Dense(4, activation='relu')(x)
x = Lambda(lambda x, power: K.pow(x, power), arguments={'power': 2.0})(x)
x = Lambda(lambda x: K.reshape(x, (-1, K.shape(x)[1], 2, 2)))(x)
x = Lambda(lambda x: K.mean(x, axis=[1, 2]))(x)
x = Lambda(lambda x: x[0] * x[1] + K.sigmoid(x[0]))([x, x])
p = Dense(1, activation='sigmoid')(x)
model = Model(base.input, p)
model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['accuracy'])
model.fit([ids, segments], [0, 1], epochs=2, verbose=0)
assert model.predict([ids.tolist(), segments.tolist()]).shape == (2, 1)
assert np.allclose(Model(base.input, pooled).predict([ids[1:], segments[1:]]),
                   Model(base.input, pooled).predict([ids[1:, :3], segments[1:, :3]]), atol=1e-5)
