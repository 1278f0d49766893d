#! -*- coding: utf-8 -*-
# Functions of TensorFlow on tensors of models, outside of layers; a model saved for serving
import os
os.environ['TF_KERAS'] = '1'
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from keras.layers import Lambda, Dense, Input
from keras.models import Model, load_model

config_path = 'bert/bert_config.json'
checkpoint_path = 'bert/bert_model.ckpt'
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
segments = np.zeros_like(ids)

base = build_transformer_model(config_path, checkpoint_path)
labels = Input(shape=(None, 2))
spans = Dense(2, activation='sigmoid')(base.output)
weights = tf.nn.softmax(Dense(1)(base.output), axis=1)
vector = tf.squeeze(tf.matmul(weights, base.output, transpose_a=True), 1)
both = tf.concat([base.output[:, 0], vector * 0.5], axis=-1)
both = Lambda(lambda x: K.l2_normalize(x, axis=-1))(both)
encoder = Model(base.inputs, both)
train_model = Model(base.inputs + [labels], spans)
right = tf.cast(labels, tf.float32)
loss = -0.25 * right * K.pow(1 - spans, 2) * K.log(spans)
train_model.add_loss(tf.reduce_mean(loss, keep_dims=True))
train_model.compile(optimizer=Adam(1e-3))
x = [ids, segments, np.ones((2, 4, 2))]
p = train_model.predict(x)
history = train_model.fit(x, verbose=0, batch_size=2)
assert np.isclose(history.history['loss'][0], np.mean(-0.25 * (1 - p) ** 2 * np.log(p)), rtol=0.2)

vectors = encoder.predict([ids, segments])
encoder.save('encoder.h5')
assert np.allclose(load_model('encoder.h5').predict([ids, segments]), vectors, atol=1e-5)
inputs = {'token': encoder.inputs[0], 'segment': encoder.inputs[1]}
tf.saved_model.simple_save(K.get_session(), 'serve/1', inputs=inputs, outputs={'vector': encoder.output})
serve = tf.saved_model.load('serve/1').signatures['serving_default']
given = {'token': tf.constant(ids, tf.float32), 'segment': tf.constant(segments, tf.float32)}
assert np.allclose(serve(**given)['vector'], vectors, atol=1e-5)
