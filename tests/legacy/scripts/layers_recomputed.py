#! -*- coding: utf-8 -*-
# Layers whose call is recomputed and takes no mask; devices; folds in one process
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

import os
import tensorflow as tf
from bert4keras.backend import recompute_grad
from bert4keras.layers import ConditionalRandomField

os.environ['RECOMPUTE'] = '1'


class MyDense(Dense):
    @recompute_grad
    def call(self, inputs):
        return super(MyDense, self).call(inputs)


class MyCRF(ConditionalRandomField):
    @recompute_grad
    def call(self, inputs):
        return super(MyCRF, self).call(inputs)


labels = np.array([[0, 1, 2, 0], [0, 1, 0, 0]])
for fold in range(2):
    K.clear_session()
    with tf.device('/gpu:1'):
        base = build_transformer_model(config_path, checkpoint_path)
    CRF = MyCRF(lr_multiplier=1000)
    output = base.get_layer('Transformer-0-FeedForward-Norm').output
    model = Model(base.input, CRF(MyDense(3)(output)))
    model.compile(loss=CRF.sparse_loss, optimizer=Adam(1e-3), metrics=[CRF.sparse_accuracy])
    history = model.fit([ids, segments], labels, verbose=0)
    assert 0 <= history.history['sparse_accuracy'][0] <= 1
    model.save_weights('fold-%d.weights' % fold)
model.load_weights('fold-0.weights', reshape=True)
assert np.isfinite(K.eval(CRF.trans)).all()
