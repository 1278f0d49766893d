#! -*- coding: utf-8 -*-
# Other families by name: NEZHA, RoFormer, ELECTRA, GPT by its old name
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

import json

config = json.load(open(config_path))
for name in ['nezha', 'roformer', 'electra', 'albert_unshared']:
    bert = build_transformer_model(config_path=config_path, model=name, return_keras_model=False)
    x = Lambda(lambda x: x[:, 0])(bert.model.output)
    model = Model(bert.model.inputs, Dense(2, activation='softmax')(x))
    long = model.predict([ids[1:], segments[1:]])
    assert np.allclose(long, model.predict([ids[1:, :3], segments[1:, :3]]), atol=1e-5), name
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([ids, segments], np.array([0, 1]), epochs=2, verbose=0)
gpt = build_transformer_model(config_path, model='gpt_openai')
assert gpt.predict([ids, segments] if len(gpt.inputs) == 2 else ids).shape[:2] == (2, 4)
gpt2 = build_transformer_model(config_path, model='gpt2_ml')
assert gpt2.predict(ids).shape[:2] == (2, 4)
