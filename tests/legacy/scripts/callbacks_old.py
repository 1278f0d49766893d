#! -*- coding: utf-8 -*-
# Callbacks that watch val_acc, files of any name, the rate by lr
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

from keras.callbacks import *

model.compile(
    loss='categorical_crossentropy', optimizer=keras.optimizers.Adam(lr=1e-3), metrics=['accuracy']
)
rates = []


class Rates(Callback):
    def __init__(self, model):
        super(Rates, self).__init__()
        self.model = model
        self.num_passed = 0

    def on_batch_begin(self, batch, logs=None):
        self.num_passed += 1
        K.set_value(self.model.optimizer.lr, 1e-3 / self.num_passed)

    def on_epoch_end(self, epoch, logs=None):
        rates.append(float(K.get_value(self.model.optimizer.lr)))
        assert logs.get('val_acc') is not None and 'acc' in logs, logs
        assert {'loss', 'val_loss'} <= set(self.params['metrics']) and self.params['epochs'] == 2
        self.params['metrics'].append('f1')


y = keras.utils.to_categorical([0, 1], 2)
checkpoint = ModelCheckpoint(
    'best-{epoch:02d}-{val_acc:.2f}.hdf5',
    monitor='val_acc',
    verbose=0,
    save_best_only=True,
    save_weights_only=True,
    mode='max',
    period=1,
)
stopping = EarlyStopping(monitor='val_acc', patience=3)
plateau = ReduceLROnPlateau(monitor='val_loss', factor=0.5, patience=1, epsilon=1e-3)
history = model.fit(
    [ids, segments],
    y,
    batch_size=1,
    nb_epoch=2,
    validation_data=[[ids, segments], y],
    callbacks=[Rates(model), checkpoint, stopping, plateau, TerminateOnNaN()],
    verbose=2,
)
assert len(rates) == 2 and abs(rates[0] - 5e-4) < 1e-6, rates
import glob
saved = glob.glob('best-01-*.hdf5')
assert len(saved) == 1, glob.glob('*')
model.load_weights(saved[0])
assert len(history.history['lr']) == 2
