#! -*- coding: utf-8 -*-
# K from keras.backend, losses through it, a Callback from keras.callbacks
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

import keras.backend as KB
from keras.backend import sum as ksum, cast
from keras import backend
from keras.objectives import categorical_crossentropy

assert KB.int_shape(model.output) == (None, 2) and backend.epsilon() == 1e-7


def pairs_loss(y_true, y_pred):
    p = categorical_crossentropy(y_true, y_pred)
    n = KB.logsumexp(KB.stack([y_pred[:, 0], y_pred[:, 1]], axis=0), axis=0)
    top = KB.gather(KB.transpose(y_pred), KB.constant([0, 1], dtype='int32'))
    return p + 0.1 * n + 0.0 * KB.mean(KB.permute_dimensions(top, (1, 0)), axis=-1) + KB.cumsum(p) * 0


model.compile(loss=pairs_loss, optimizer=Adam(1e-3), metrics=[lambda y, p: ksum(cast(p > 0.5, 'float32'))])
model.fit([ids, segments], np.eye(2), epochs=2, verbose=0)
assert KB.eval(KB.batch_dot(KB.ones((2, 3)), KB.ones((2, 3)), axes=1)).shape == (2, 1)
assert KB.get_value(KB.dot(KB.ones((2, 3)), KB.ones((3, 4)))).shape == (2, 4)
assert model.predict([ids, segments]).shape == (2, 2)
