#! -*- coding: utf-8 -*-
# Noise that is there in training alone, masking by random_binomial
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

from bert4keras.layers import Layer


class RandomMasking(Layer):
    """训练时随机mask"""
    def call(self, x, training=None):
        def masked():
            keep = K.random_binomial(K.shape(x)[:2], p=0.5)
            return x * K.expand_dims(keep, 2)
        return K.in_train_phase(masked, x, training=training)


class Noise(Layer):
    def call(self, x):
        noise = K.random_uniform(K.shape(x)) - 0.5
        return x + noise * 0.0 + K.in_train_phase(noise, K.zeros_like(noise))


base = build_transformer_model(config_path, checkpoint_path)
x = Noise()(RandomMasking()(base.output))
x = Lambda(lambda x: K.max(x, axis=1))(x)
model = Model(base.input, Dense(2, activation='softmax')(x))
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([ids, segments], np.array([0, 1]), epochs=2, verbose=0)
assert np.allclose(model.predict([ids, segments]), model.predict([ids, segments]))
