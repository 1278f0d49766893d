#! -*- coding: utf-8 -*-
# with_pool, with_nsp, with_mlm, sequence_length; arguments nobody knew
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

a = build_transformer_model(config_path, checkpoint_path, with_pool=True, seq_len=128, training=False)
b = build_transformer_model(config_path, model='BERT', with_nsp=True, with_mlm='linear')
c = build_transformer_model(config_path, checkpoint_path, num_hidden_layers=1, sequence_length=4)
assert a.predict([ids, segments]).shape == (2, 8)
assert [x.shape[0] for x in b.predict([ids, segments])] == [2, 2]
p = Dense(2, activation='softmax')(a.output)
model = Model(inputs=a.input, outputs=[p])
model.compile(loss=['sparse_categorical_crossentropy'], optimizer=Adam(1e-3), metrics=['accuracy'])
model.fit([ids, segments], [np.array([0, 1])], epochs=2, verbose=0)
q = Lambda(lambda x: x * 2)(model.output)
assert Model(model.inputs, q).predict([ids, segments]).shape == (2, 2)
assert c.predict([ids, segments]).shape == (2, 4, 8)
