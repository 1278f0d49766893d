#! -*- coding: utf-8 -*-
# Several outputs: one list of metrics for all, dicts by name, also of an only output
import glob
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

from keras.losses import kullback_leibler_divergence

base = build_transformer_model(config_path, checkpoint_path)
vector = Lambda(lambda x: x[:, 0])(base.output)
logits = Dense(3)(vector)
hard = keras.layers.Activation('softmax', name='hard')(logits)
soft = keras.layers.Activation('softmax', name='even')(Lambda(lambda x: x / 4)(logits))
student = Model(base.inputs, [hard, soft])
student.compile(
    loss=['categorical_crossentropy', kullback_leibler_divergence],
    loss_weights=[1, 16],
    optimizer=Adam(1e-3),
    metrics=['acc'],
)
y = np.eye(3)[[0, 1]]


def batches(*items):
    while True:
        yield items


history = student.fit_generator(batches([ids, segments], [y, y]), steps_per_epoch=2, verbose=0)
assert set(history.history) == {'loss', 'hard_loss', 'even_loss', 'hard_acc', 'even_acc'}
found = student.evaluate([ids, segments], [y, y], verbose=0)
assert student.metrics_names == ['loss', 'hard_loss', 'even_loss', 'hard_acc', 'even_acc']
p, q = student.predict([ids, segments])
expected = [-np.log(p[y > 0]).mean(), (y[y > 0] * np.log(1 / q[y > 0])).mean()]
assert np.allclose(found[1:3], expected, atol=1e-3), (found, expected)
student.compile(loss='categorical_crossentropy', optimizer='adam',
                metrics=[keras.metrics.CategoricalAccuracy(name='right'), 'mse'])
student.fit([ids, segments], [y, y], verbose=0)
assert student.metrics_names[3:] == ['hard_right', 'hard_mse', 'even_right', 'even_mse']

for losses in [{'hard': 'mse'}, {'hard': 'mse', 'even': None}, ['mse', None]]:  # for some alone
    student.compile(loss=losses, optimizer='adam')
    history = student.fit_generator(batches([ids, segments], y), steps_per_epoch=2, verbose=0)
    assert set(history.history) <= {'loss', 'hard_loss'}, (losses, history.history)
student.fit([ids, segments], [y, None], verbose=0)
student.fit([ids, segments], {'hard': y}, verbose=0)

alone = Model(base.input, outputs=[Dense(3, activation='softmax', name='intent')(vector)])
alone.compile(optimizer='adam', loss={'intent': 'categorical_crossentropy'}, metrics={'intent': 'accuracy'})
x, y = {'Input-Token': ids, 'Input-Segment': segments}, {'intent': y}
history = alone.fit_generator(batches(x, y), steps_per_epoch=2, validation_data=batches(x, y), validation_steps=1, verbose=0)
assert set(history.history) == {'loss', 'accuracy', 'val_loss', 'val_accuracy'}
path = 'intents-{epoch:02d}-{acc:.4f}-{val_acc:.4f}.hdf5'
checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True)
alone.fit(x, y, validation_data=(x, y), class_weight='auto', callbacks=[checkpoint], verbose=0)
(file,) = glob.glob('intents*.hdf5')
alone.load_weights(file, by_name=True, skip_mismatch=True, reshape=True)
loss, accuracy = alone.evaluate(x, y, verbose=0)
assert alone.metrics_names == ['loss', 'accuracy'] and 0 <= accuracy <= 1
