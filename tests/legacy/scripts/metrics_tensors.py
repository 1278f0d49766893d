#! -*- coding: utf-8 -*-
# metrics_names and metrics_tensors, by append, as in Keras 2.2
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

base = build_transformer_model(config_path, checkpoint_path, with_mlm=True)
target = keras.layers.Input((None,))
train_model = Model(base.inputs + [target], base.output)
mask = K.cast(K.not_equal(target, 0), 'float32')
loss = K.sparse_categorical_crossentropy(target, base.output)
loss = K.sum(loss * mask) / K.sum(mask)
right = K.cast(K.equal(K.argmax(base.output, 2), K.cast(target, 'int64')), 'float32')
accuracy = K.sum(right * mask) / K.sum(mask)
train_model.add_loss(loss)
train_model.compile(optimizer=Adam(1e-3))
train_model.metrics_names.append('token_acc')
train_model.metrics_tensors.append(accuracy)
train_model.add_metric(loss, name='mlm_loss', aggregation='mean')
history = train_model.fit([ids, segments, ids], epochs=2, batch_size=1, verbose=0)
assert {'loss', 'token_acc', 'mlm_loss'} <= set(history.history), history.history
assert np.allclose(history.history['loss'], history.history['mlm_loss'], atol=1e-4)
assert 0 <= history.history['token_acc'][0] <= 1
assert base.predict([ids, segments]).shape[:2] == (2, 4)
