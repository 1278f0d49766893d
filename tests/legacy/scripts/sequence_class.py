#! -*- coding: utf-8 -*-
# A keras.utils.Sequence of lists, fit and fit_generator
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


class Batches(keras.utils.Sequence):
    def __init__(self, count):
        self.count = count
        self.ended = 0

    def __len__(self):
        return self.count

    def __getitem__(self, idx):
        length = 3 + idx % 2
        x = np.random.randint(5, 20, size=(2, length))
        return [x, np.zeros_like(x)], np.array([0, 1])

    def on_epoch_end(self):
        self.ended += 1


model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['accuracy'])
batches = Batches(2)
model.fit_generator(batches, epochs=2, validation_data=Batches(1), verbose=0)
model.fit(batches, epochs=1, verbose=0)
assert batches.ended >= 1
assert len(model.evaluate(Batches(2), verbose=0)) == 2
assert model.predict([ids, segments]).shape == (2, 2)
