#! -*- coding: utf-8 -*-
# Ids and segments as floats, targets as floats, dictionaries of inputs
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

model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['acc'])
x = [ids.astype('float32'), segments.astype('float64')]
model.fit(x, np.array([[0.], [1.]]), epochs=1, verbose=0)
model.fit({'Input-Token': ids, 'Input-Segment': segments}, np.array([0, 1]), epochs=1, verbose=0)
floats = model.predict(x)
assert np.allclose(floats, model.predict([ids, segments]), atol=1e-6)
assert np.allclose(floats, model.predict([ids.tolist(), segments.tolist()]), atol=1e-6)
assert np.allclose(floats[:1], model.predict([[list(ids[0])], [list(segments[0])]]), atol=1e-5)
loss, acc = model.evaluate(x, [[0], [1]], verbose=0)
assert K.floatx() == 'float32' and 0 <= acc <= 1
