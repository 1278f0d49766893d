#! -*- coding: utf-8 -*-
# Functions of TensorFlow outside of layers, as tf.keras took them; a model inside a layer
import os

os.environ["TF_KERAS"] = "1"
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from keras.layers import Dense, Input, Layer
from keras.models import Model


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


token_ids, segment_ids, target_ids = Input((None,)), Input((None,)), Input((None,))
probas = Generator()([token_ids, segment_ids])
best = Best()(probas)
assert len(best.shape) == 2 and "int" in K.dtype(best)
model = Model([token_ids, segment_ids, target_ids], [probas, best])
loss = masked_loss(target_ids, probas, tf.equal(token_ids, 4))
loss += 2.0 * masked_loss(target_ids, probas, tf.not_equal(token_ids, 4))
model.add_loss(loss)
indices = tf.where(tf.equal(token_ids, 4))
model.add_metric(tf.reduce_mean(tf.gather_nd(probas, indices)), name="seen", aggregation="mean")
model.compile(optimizer=tf.keras.optimizers.Adam(1e-3))
ids = np.array([[2, 6, 7, 4, 3]])
history = model.fit([ids, ids * 0, ids], epochs=2, verbose=0)
assert set(history.history) == {"loss", "seen"} and history.history["loss"][0] > 0

pooled = tf.concat([tf.reduce_mean(probas, axis=1), probas[:, 0]], axis=-1)
flat = tf.reshape(tf.stack([pooled, pooled], axis=1), [tf.shape(pooled)[0], 120])
scores = tf.nn.softmax(tf.expand_dims(flat, 1))
assert Model([token_ids, segment_ids], scores).predict([ids, ids * 0]).shape == (1, 1, 120)

# a model made layer by layer has an input and an output
images = keras.Sequential([Input((4, 4, 3)), keras.layers.Conv2D(4, 3)])
features = keras.layers.GlobalAveragePooling2D()(images.output)
lm = build_transformer_model(
    "bert/bert_config.json",
    "bert/bert_model.ckpt",
    application="lm",
    layer_norm_cond=features,
    additional_input_layers=images.input,
)
assert lm.predict([ids, ids * 0, np.zeros((1, 4, 4, 3))]).shape[:2] == (1, 5)
