#! -*- coding: utf-8 -*-
# A class as a condition of all norms: layer_norm_cond, keep_tokens
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

from keras.layers import Input, Embedding, Reshape

c_in = Input(shape=(1,))
c = Embedding(2, 6)(c_in)
c = Reshape((6,))(c)
model = build_transformer_model(
    config_path,
    checkpoint_path,
    application='lm',
    keep_tokens=[0, 1, 2, 3, 6, 7, 8, 9],
    layer_norm_cond=c,
    additional_input_layers=c_in,
    layer_norm_cond_hidden_size=4,
    layer_norm_cond_hidden_act='relu',
)
small = np.array([[2, 4, 5, 3], [2, 6, 3, 0]])
target = model.input[0][:, 1:]
mask = K.cast(K.not_equal(target, 0), 'float32')
cross_entropy = K.sparse_categorical_crossentropy(target, model.output[:, :-1])
model.add_loss(K.sum(cross_entropy * mask) / K.sum(mask))
model.compile(optimizer=Adam(1e-2))
model.fit([small, small * 0, np.array([0, 1])], epochs=2, verbose=0)
same = model.predict([small[:1], small[:1] * 0, np.array([0])])
assert same.shape == (1, 4, 8)
