#! -*- coding: utf-8 -*-
# A class of batches, lists for tuples, fit_generator and its kin
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


class data_generator:
    def __init__(self, data, batch_size=2):
        self.data = data
        self.batch_size = batch_size
        self.steps = len(self.data) // self.batch_size
        if len(self.data) % self.batch_size != 0:
            self.steps += 1

    def __len__(self):
        return self.steps

    def __iter__(self):
        while True:
            idxs = list(range(len(self.data)))
            np.random.shuffle(idxs)
            X1, X2, Y = [], [], []
            for i in idxs:
                x, y = self.data[i]
                X1.append(x)
                X2.append([0] * len(x))
                Y.append([y])
                if len(X1) == self.batch_size or i == idxs[-1]:
                    L = max(map(len, X1))
                    X1 = np.array([x + [0] * (L - len(x)) for x in X1])
                    X2 = np.array([x + [0] * (L - len(x)) for x in X2])
                    yield [[X1, X2], np.array(Y)]
                    [X1, X2, Y] = [], [], []


data = [([2, 6, 7, 3], 0), ([2, 8, 3], 1), ([2, 9, 3], 1)]
train_D, valid_D = data_generator(data), data_generator(data)
model.compile(
    loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['accuracy']
)
history = model.fit_generator(
    train_D.__iter__(),
    steps_per_epoch=len(train_D),
    epochs=2,
    validation_data=valid_D.__iter__(),
    validation_steps=len(valid_D),
    max_queue_size=4,
    workers=1,
    use_multiprocessing=False,
)
assert len(history.history['val_acc']) == 2
loss, acc = model.evaluate_generator(valid_D.__iter__(), steps=len(valid_D))
assert 0 <= acc <= 1


def inputs():
    yield [ids, segments]
    yield [ids[:1], segments[:1]]


assert model.predict_generator(inputs(), steps=2).shape == (3, 2)
