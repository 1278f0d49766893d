#! -*- coding: utf-8 -*-
# numpy.int, rows of unequal lengths, collections.Iterable, json with an encoding, print_function
from __future__ import print_function, division
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

import collections
import io
import json
import time
import warnings

warnings.filterwarnings('ignore', category=np.VisibleDeprecationWarning)
rows = np.array([(u'今天', u'天气', np.array([0., 1.])), (u'我', u'爱', np.array([1., 0.]))])
assert rows.shape == (2, 3) and rows[[1], :][0, 2].tolist() == [1.0, 0.0]
assert np.array([[1, 2], [3]]).tolist() == [[1, 2], [3]] and np.array([1, 2]).dtype == int
assert np.isnan(np.NaN) and np.Inf > 1 and issubclass(np.unicode_, str)

start = time.clock()
labels = np.array([0, 1]).astype(np.int)
mask = np.ones((2, 4), dtype=np.float)
flags = np.zeros(2, dtype=np.bool)
assert isinstance([], collections.Iterable)
settings = json.load(io.open(config_path, encoding='utf-8'), encoding='utf-8')
base = build_transformer_model(config_path, checkpoint_path, with_pool=True)
p = Dense(settings['type_vocab_size'], activation='softmax')(base.output)
model = Model(base.input, p)
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['accuracy'])
history = model.fit([ids, segments], labels, epochs=2, verbose=0, validation_data=([ids, segments], labels))
for key in ['acc', 'val_acc', 'loss', 'val_loss']:
    assert len(history.history[key]) == 2
assert model.predict([ids, segments]).shape == (2, 2) and time.clock() >= start
