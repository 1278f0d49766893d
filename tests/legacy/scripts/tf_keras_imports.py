#! -*- coding: utf-8 -*-
# TF_KERAS set inside, everything from tensorflow.keras
import os
os.environ['TF_KERAS'] = '1'
import numpy as np
import tensorflow as tf
from tensorflow import keras as tfk
from tensorflow.keras import backend as BackendK
from tensorflow.keras.layers import Lambda, Dense
from tensorflow.keras.models import Model
from tensorflow.keras.losses import SparseCategoricalCrossentropy
from tensorflow.python.keras.layers import Layer
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model

assert tfk is keras and Layer is keras.layers.Layer
config_path = 'bert/bert_config.json'
checkpoint_path = 'bert/bert_model.ckpt'
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
segments = np.zeros_like(ids)


bert = build_transformer_model(config_path, checkpoint_path, return_keras_model=False)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(2, activation='softmax', kernel_initializer=bert.initializer, name='head')(output)
model = Model(bert.model.input, output)

keras.utils.set_random_seed(3)
K.clear_session()
model.compile(
    loss=SparseCategoricalCrossentropy(from_logits=False),
    optimizer=tf.keras.optimizers.Adam(learning_rate=1e-3),
    metrics=[tf.keras.metrics.SparseCategoricalAccuracy(name='acc')],
)
dataset = tf.data.Dataset.from_tensor_slices(((ids, segments), np.array([0, 1]))).batch(1).repeat()
history = model.fit(dataset, steps_per_epoch=2, epochs=2, verbose=0)
assert len(history.history['acc']) == 2
ending = (((ids, segments), np.array([0, 1])) for _ in range(3))  # tf.keras took those
assert len(model.fit(ending, verbose=0).history['acc']) == 1
assert tf.keras.backend.floatx() == 'float32' and isinstance(model, tf.keras.Model)
x = BackendK.constant([1.0, 4.0])
assert BackendK.eval(BackendK.sqrt(x)).tolist() == [1.0, 2.0]
assert model.predict([ids, segments]).shape == (2, 2)
