#! -*- coding: utf-8 -*-
# Losses, weights of losses, targets and weights of samples by the names of the outputs
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras
from keras.layers import Dense, Input
from keras.models import Model

inputs = Input(shape=(3,), name='Input')
arrays = {'Input': np.ones((4, 3), 'float32')}
targets = {'z': np.full((4, 2), 1., 'float32'), 'a': np.full((4, 2), 2., 'float32')}
weights = {'z': np.full(4, 2., 'float32'), 'a': np.full(4, 3., 'float32')}


def build(names):
    outputs = [Dense(2, kernel_initializer='zeros', name=name)(inputs) for name in names]
    return Model(inputs, outputs if len(names) > 1 else outputs[0])


def fit(model, *parts):
    """三种数据，同样的结果"""
    def forever():
        while True:
            yield parts

    parts = (arrays,) + parts
    dataset = tf.data.Dataset.from_tensor_slices(parts).batch(2).repeat()
    kwargs = {'sample_weight': parts[2]} if len(parts) > 2 else {}
    losses = [
        model.fit(*parts[:2], verbose=0, **kwargs).history['loss'],
        model.fit(dataset, steps_per_epoch=2, epochs=1, verbose=0).history['loss'],
        model.fit_generator(forever(), steps_per_epoch=2, epochs=1, verbose=0).history['loss'],
        [model.train_on_batch(*parts[:2], **kwargs)],
    ]
    losses[-1] = np.ravel(losses[-1])[:1]
    assert np.allclose(losses, losses[0][0], atol=1e-4), losses
    return losses[0][0]


one = build(['z'])
one.compile(loss='mse', optimizer=keras.optimizers.SGD(0.))
assert fit(one, {'z': targets['z']}) == 1
assert fit(one, {'z': targets['z']}, {'z': weights['z']}) == 2

for loss, loss_weights, factor in [
    ('mse', [3., .5], .5),
    ({'a': 'mse', 'z': 'mse'}, {'a': .5, 'z': 3.}, .5),
    (['mse', 'mse'], {'z': 3.}, 1.),
]:
    two = build(['z', 'a'])  # 顺序和字母表不同
    two.compile(loss=loss, loss_weights=loss_weights, optimizer=keras.optimizers.SGD(0.))
    assert two.test_on_batch(arrays, targets)[0] == 3 * 1 + factor * 4
assert fit(two, targets, weights) == 3 * 1 * 2 + 4 * 3
assert two.test_on_batch(arrays, targets, {'a': weights['a']})[0] == 3 * 1 + 4 * 3
lists = [list(x.values()) for x in [targets, weights]]
history = two.fit(arrays, lists[0], sample_weight=lists[1], verbose=0).history
assert history['loss'] == [18.]
assert two.evaluate(arrays, lists[0], sample_weight=lists[1], verbose=0)[0] == 18
