#! -*- coding: utf-8 -*-
# train_step as in TensorFlow 2.2 to 2.8: compiled_loss, compiled_metrics, optimizer.minimize
import numpy as np
import tensorflow as tf
from tensorflow import keras
from keras.engine import data_adapter
from tensorflow.keras.layers import Dense, Embedding, Flatten, Input


class Scorer(keras.Model):
    def train_step(self, data):
        x, y, sample_weight = data_adapter.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, sample_weight, regularization_losses=self.losses)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        self.compiled_metrics.update_state(y, y_pred, sample_weight)
        return {m.name: m.result() for m in self.metrics}


class Adversarial(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compiled_loss(y, self(x, training=True))
        table = self.trainable_variables[0]
        gradient = tf.zeros_like(table) + tape.gradient(loss, [table])[0]
        delta = 0.5 * gradient / (tf.math.sqrt(tf.reduce_sum(gradient**2)) + 1e-8)
        table.assign_add(delta)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        table.assign_sub(delta)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.compiled_metrics.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


place = Input((4,))
output = Dense(2, activation='softmax')(Flatten()(Embedding(7, 3)(place)))
x, y = np.arange(32).reshape((8, 4)) % 7, np.array([[0], [1]] * 4)
for family in [Scorer, Adversarial]:
    model = family(place, output)
    model.compile('adam', 'sparse_categorical_crossentropy', metrics='accuracy')
    before = model.get_weights()
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    assert set(history) == {'loss', 'accuracy', 'val_loss', 'val_accuracy'}, history
    assert 0.3 < history['loss'][0] < 1.5
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights()))
