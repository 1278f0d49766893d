#! -*- coding: utf-8 -*-
# lr, decay, clipnorm, names in lower case, every extension in turn
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

from bert4keras.optimizers import *

AdamW = extend_with_weight_decay(keras.optimizers.Adam, 'AdamW')
AdamWLR = extend_with_piecewise_linear_lr(AdamW, 'AdamWLR')
AdamWLRG = extend_with_gradient_accumulation(AdamWLR, 'AdamWLRG')
LookaheadAdam = extend_with_lookahead(Adam)
LazyAdam = extend_with_lazy_optimization(Adam)
choices = [
    keras.optimizers.Adam(lr=1e-3, decay=1e-2, epsilon=None),
    keras.optimizers.SGD(lr=0.01, momentum=0.9, nesterov=True),
    AdamWLRG(
        learning_rate=1e-3,
        weight_decay_rate=0.01,
        exclude_from_weight_decay=['Norm', 'bias'],
        lr_schedule={1000: 1, 2000: 0.01},
        grad_accum_steps=2,
    ),
    LookaheadAdam(lr=1e-3, steps_per_slow_update=2, slow_step_size=0.5),
    LazyAdam(1e-3, include_in_lazy_optimization=['Embedding-Token/embeddings']),
]
for optimizer in choices:
    model.compile(loss='sparse_categorical_crossentropy', optimizer=optimizer)
    before = model.get_weights()
    model.train_on_batch([ids, segments], np.array([0, 1]))
    model.train_on_batch([ids, segments], np.array([0, 1]))
    moved = [np.abs(a - b).max() for a, b in zip(before, model.get_weights())]
    assert max(moved) > 0, optimizer
assert abs(float(K.get_value(choices[1].lr)) - 0.01) < 1e-6
choices[1].lr = 0.5
assert abs(float(K.get_value(choices[1].learning_rate)) - 0.5) < 1e-6
assert model.predict([ids, segments]).shape == (2, 2)
