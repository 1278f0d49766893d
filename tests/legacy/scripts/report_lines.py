#! -*- coding: utf-8 -*-
# A handful of idioms, for the report
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

model.compile(loss='sparse_categorical_crossentropy', optimizer=keras.optimizers.Adam(lr=1e-3))
model.fit_generator(iter([([ids, segments], np.array([[0], [1]]))] * 2), steps_per_epoch=2, verbose=0)
model.save_weights('model.weights')
model.predict([[[2, 6, 3]], [[0, 0, 0]]])
