#! -*- coding: utf-8 -*-
# Functions of TensorFlow on tensors of models, outside of layers; a model inside a layer; a model
# saved for serving
import os
os.environ['TF_KERAS'] = '1'
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from keras.layers import Lambda, Dense, Input, Layer
from keras.models import Model, load_model

config_path = 'bert/bert_config.json'
checkpoint_path = 'bert/bert_model.ckpt'
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
segments = np.zeros_like(ids)


class Generator(Layer):
    """BERT and a head as one layer"""

    def __init__(self, config_path="bert/bert_config.json", **kwargs):
        super(Generator, self).__init__(**kwargs)
        self.bert = build_transformer_model(config_path=config_path)

    def build(self, input_shape):
        super(Generator, self).build(input_shape)
        self.head = Dense(units=30, activation="softmax")

    def call(self, inputs, **kwargs):
        return self.head(self.bert(inputs))


class Best(Layer):
    """What its shape says is not so, which nobody asked"""

    def call(self, inputs, **kwargs):
        return tf.argmax(inputs, axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape[:-1] + (1,)


def masked_loss(y_true, y_pred, mask):
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="none")(y_true, y_pred)
    mask = tf.cast(mask, dtype=loss.dtype)
    loss *= mask
    return tf.reduce_mean(loss)


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

token_ids, segment_ids, target_ids = Input((None,)), Input((None,)), Input((None,))
probas = Generator()([token_ids, segment_ids])
best = Best()(probas)
assert len(best.shape) == 2 and "int" in K.dtype(best)
model = Model([token_ids, segment_ids, target_ids], [probas, best])
loss = masked_loss(target_ids, probas, tf.equal(token_ids, 6))
loss += 2.0 * masked_loss(target_ids, probas, tf.not_equal(token_ids, 6))
model.add_loss(loss)
indices = tf.where(tf.equal(token_ids, 6))
model.add_metric(tf.reduce_mean(tf.gather_nd(probas, indices)), name="seen", aggregation="mean")
model.compile(optimizer=tf.keras.optimizers.Adam(1e-3))
history = model.fit([ids, segments, ids], verbose=0)
assert set(history.history) == {"loss", "seen"} and history.history["loss"][0] > 0

pooled = tf.concat([tf.reduce_mean(probas, axis=1), probas[:, 0]], axis=-1)
flat = tf.reshape(tf.stack([pooled, pooled], axis=1), [tf.shape(pooled)[0], 120])
scores = tf.nn.softmax(tf.expand_dims(flat, 1))
assert Model([token_ids, segment_ids], scores).predict([ids, segments]).shape == (2, 1, 120)
