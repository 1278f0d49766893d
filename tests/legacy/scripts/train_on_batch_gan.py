#! -*- coding: utf-8 -*-
# Two models in turn by train_on_batch, one frozen inside the other
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

from keras.layers import Input

z = Input((4,))
generator = Model(z, Dense(8, activation='tanh')(z))
h = Input((8,))
discriminator = Model(h, Dense(1, activation='sigmoid')(h))
discriminator.compile(loss='binary_crossentropy', optimizer=keras.optimizers.Adam(1e-2))
discriminator.trainable = False
gan = Model(z, discriminator(generator(z)))
gan.compile(loss='binary_crossentropy', optimizer=keras.optimizers.Adam(1e-2), metrics=['acc'])
base = build_transformer_model(config_path, checkpoint_path)
encoder = Model(base.input, Lambda(lambda x: x[:, 0])(base.output))
moves = []
for i in range(2):
    real = encoder.predict([ids, segments])
    fake = generator.predict(np.random.normal(size=(2, 4)))
    before = [discriminator.get_weights()[0], generator.get_weights()[0]]
    x, y = np.concatenate([real, fake]), np.array([1, 1, 0, 0])
    d_loss = discriminator.train_on_batch(x, y)
    middle = [discriminator.get_weights()[0], generator.get_weights()[0]]
    g_loss, g_acc = gan.train_on_batch(np.random.normal(size=(2, 4)), np.ones(2))
    after = [discriminator.get_weights()[0], generator.get_weights()[0]]
    moves.append([np.abs(a - b).max() for a, b in zip(before + middle, middle + after)])
    assert np.isfinite(d_loss) and np.isfinite(g_loss)
for d_first, g_first, d_second, g_second in moves:
    assert d_first > 0 and g_first == 0 and d_second == 0 and g_second > 0, moves
