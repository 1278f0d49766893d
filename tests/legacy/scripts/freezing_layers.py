#! -*- coding: utf-8 -*-
# Frozen blocks, rates by hand, a callback that schedules them
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

for layer in model.layers:
    if 'Embedding' in layer.name or layer.name.startswith('Transformer-0-MultiHead'):
        layer.trainable = False
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(lr=1e-2), metrics=['acc'])
rates = []


class LearningRate(keras.callbacks.Callback):
    def __init__(self):
        self.passed = 0

    def on_batch_begin(self, batch, logs=None):
        """第一个epoch用来warmup"""
        if self.passed < self.params['steps']:
            lr = (self.passed + 1.) / self.params['steps'] * 1e-2
            K.set_value(self.model.optimizer.lr, lr)
            rates.append(lr)
            self.passed += 1


decay = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-2 * 0.5 ** epoch)
frozen = model.get_layer('Embedding-Token').get_weights()[0]
free = model.get_layer('head').get_weights()[0]
model.fit([ids, segments], np.array([0, 1]), batch_size=1, epochs=2, callbacks=[LearningRate(), decay], verbose=0)
assert np.array_equal(frozen, model.get_layer('Embedding-Token').get_weights()[0])
assert np.abs(free - model.get_layer('head').get_weights()[0]).max() > 0
assert len(rates) == 2, rates
assert model.predict([ids, segments]).shape == (2, 2)
