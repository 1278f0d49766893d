#! -*- coding: utf-8 -*-
# The middle of a model by K.function, with and without a learning phase
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

model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([ids, segments], np.array([[0], [1]]), epochs=2, verbose=0)
middle = K.function(model.inputs, [model.get_layer('Transformer-0-FeedForward-Norm').output, model.output])
hidden, probas = middle([ids, segments])
assert hidden.shape == (2, 4, 8)
assert np.allclose(probas, model.predict([ids, segments]), atol=1e-5)
phased = K.function(model.inputs + [K.learning_phase()], [model.output])
still = phased([ids, segments, 0])[0]
assert np.allclose(still, probas, atol=1e-5)
trained = [phased([ids, segments, 1])[0] for _ in range(3)]
assert np.abs(trained[0] - trained[1]).max() + np.abs(trained[0] - trained[2]).max() > 0
