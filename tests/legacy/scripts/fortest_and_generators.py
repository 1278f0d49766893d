#! -*- coding: utf-8 -*-
# fortest, forfit twice, a generator of tuples, batches of one length by chance
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

from bert4keras.snippets import DataGenerator, sequence_padding


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        X, Y = [], []
        for is_end, (x, y) in self.sample(random):
            X.append(x)
            Y.append([y])
            if len(X) == self.batch_size or is_end:
                X = sequence_padding(X)
                yield [X, np.zeros_like(X)], sequence_padding(Y)
                X, Y = [], []


data = [([2, 6, 3], 0), ([2, 7, 3], 1), ([2, 8, 9, 3], 1), ([2, 8, 9, 10, 3], 0)]
train, test = data_generator(data, 1), data_generator(data, 2)
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['accuracy'])
model.fit_generator(train.forfit(random=False), steps_per_epoch=len(train), epochs=1, verbose=0)
model.fit(train.forfit(), steps_per_epoch=len(train), epochs=1, validation_data=test.forfit(), validation_steps=len(test), verbose=0)
p = model.predict_generator(test.fortest(), steps=len(test))
assert p.shape == (4, 2)
q = np.concatenate([model.predict(x) for x, y in test])
assert np.allclose(p, q, atol=1e-5)
