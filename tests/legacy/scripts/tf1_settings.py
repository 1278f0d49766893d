#! -*- coding: utf-8 -*-
# The preamble of a shared GPU: configurations, sessions, seeds, a graph
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
from keras.backend.tensorflow_backend import set_session
from distutils.util import strtobool

os.environ['CUDA_VISIBLE_DEVICES'] = '0'
config = tf.ConfigProto()
config.gpu_options.allow_growth = True
config.gpu_options.per_process_gpu_memory_fraction = 0.5
sess = tf.Session(config=config)
K.set_session(sess)
set_session(sess)
tf.set_random_seed(1)
tf.logging.set_verbosity(tf.logging.ERROR)
tf.compat.v1.disable_eager_execution()
import tensorflow.compat.v1 as tf1
tf1.disable_v2_behavior()
assert tf1 is tf.compat.v1 and tf1.keras is keras
graph = tf.get_default_graph()
with sess.as_default():
    sess.run(tf.global_variables_initializer())
assert strtobool('yes') == 1
keras.backend.tensorflow_backend.set_session(tf.compat.v1.InteractiveSession(config=config))
assert keras.engine.topology.Layer is keras.engine.Layer is keras.layers.Layer
assert keras.layers.core.Lambda is Lambda and callable(tf.train.AdamOptimizer)
sums = tf.reduce_sum(tf.expand_dims(tf.constant([1., 2.]), dim=0), axis=1, keep_dims=True)
assert sums.numpy().tolist() == [[3.0]]
assert K.eval(K.reverse(K.constant([[1, 2]]), 1)).tolist() == [[2.0, 1.0]]

bert = build_transformer_model(config_path, checkpoint_path, return_keras_model=False)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(2, activation='softmax', kernel_initializer=bert.initializer, name='head')(output)
model = Model(bert.model.input, output)

adam = tf.train.experimental.enable_mixed_precision_graph_rewrite(Adam(1e-3))
model.compile(loss='sparse_categorical_crossentropy', optimizer=adam, metrics=['accuracy'])
model.fit([ids, segments], np.array([[0], [1]]), epochs=2, verbose=0)
model._make_predict_function()
with graph.as_default():
    assert model.predict([ids, segments]).shape == (2, 2)
K.clear_session()
