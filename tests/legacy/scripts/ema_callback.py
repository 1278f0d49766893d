#! -*- coding: utf-8 -*-
# The average of weights as a callback, from bert4keras.train and optimizers
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

from bert4keras.optimizers import ExponentialMovingAverage
from bert4keras.train import PiecewiseLinearLearningRate

optimizer = PiecewiseLinearLearningRate(Adam(1e-2), {2: 1.0, 4: 0.1})
model.compile(loss='sparse_categorical_crossentropy', optimizer=optimizer, metrics=['accuracy'])
EMAer = ExponentialMovingAverage(0.9)


class Evaluator(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        plain = model.predict([ids, segments])
        EMAer.apply_ema_weights()
        averaged = model.predict([ids, segments])
        EMAer.reset_old_weights()
        assert np.abs(plain - averaged).max() > 0
        assert np.allclose(plain, model.predict([ids, segments]))


model.fit([ids, segments], np.array([0, 1]), batch_size=1, epochs=2, callbacks=[EMAer, Evaluator()], verbose=0)
