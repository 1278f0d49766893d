#! -*- coding: utf-8 -*-
# Pretraining on several GPUs as it was written, on a machine that has not two
import os

os.environ["TF_KERAS"] = "1"
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_weight_decay
from bert4keras.optimizers import extend_with_gradient_accumulation
from bert4keras.snippets import DataGenerator
from keras.layers import Dense
from tensorflow.keras.callbacks import ModelCheckpoint
from tensorflow.compat.v1.keras.backend import set_session


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        for is_end, ids in self.sample(random):
            yield ids, [0] * len(ids), ids


class CrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_mask = K.cast(K.not_equal(y_true, 0), K.floatx())
        accuracy = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        accuracy = K.sum(accuracy * y_mask) / K.sum(y_mask)
        self.add_metric(accuracy, name="accuracy", aggregation="mean")
        loss = K.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return K.sum(loss * y_mask) / K.sum(y_mask)


strategy = tf.distribute.MirroredStrategy()
with strategy.scope():
    bert = build_transformer_model(
        "bert/bert_config.json", checkpoint_path=None, with_mlm="linear", return_keras_model=False
    )
    y_in = keras.layers.Input(shape=(None,), name="Input-Label")
    outputs = CrossEntropy(1)([y_in, bert.model.output])
    train_model = keras.models.Model(bert.model.inputs + [y_in], outputs)
    AdamW = extend_with_weight_decay(Adam, name="AdamW")
    AdamWG = extend_with_gradient_accumulation(AdamW, name="AdamWG")
    train_model.compile(optimizer=AdamWG(learning_rate=1e-4, grad_accum_steps=2))
    bert.load_weights_from_checkpoint("bert/bert_model.ckpt")  # 必须最后才加载预训练权重

train_generator = data_generator([[2, 6, 7, 3], [2, 8, 3], [2, 9, 3]], 2, 10**5)
dataset = train_generator.to_dataset(
    types=("float32", "float32", "float32"),
    shapes=([None], [None], [None]),
    names=("Input-Token", "Input-Segment", "Input-Label"),
    padded_batch=True,
)
path = "saved/epoch_{epoch:02d}_acc_{accuracy:.2f}.ckpt"
checkpoint = ModelCheckpoint(path, save_weights_only=True, monitor="loss", save_best_only=True)
history = train_model.fit(dataset, steps_per_epoch=2, epochs=2, callbacks=[checkpoint], verbose=0)
assert set(history.history) == {"loss", "accuracy"} and os.listdir("saved")
assert strategy.num_replicas_in_sync >= 1

# the strategy after the model
x = keras.layers.Input((3,))
hidden = Dense(4)(x)
with tf.distribute.MultiWorkerMirroredStrategy().scope():
    model = keras.models.Model(x, Dense(2, activation="softmax")(hidden))
    model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(1e-4))
vectors, labels = np.ones((2, 3)), np.array([0, 1])
model.fit(vectors, labels, verbose=0)

# copies of a model, and one optimizer for several tasks
from bert4keras.models import data_parallel

encoder = data_parallel(keras.models.Model(x, hidden))
optimizer = AdamW(learning_rate=1e-3, weight_decay_rate=0.01)
heads = [Dense(n, activation="softmax")(encoder.output) for n in (2, 3)]
tasks = [keras.models.Model(encoder.inputs, head) for head in heads]
for task in tasks:
    task.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
for step in range(3):
    assert np.isfinite(tasks[step % 2].train_on_batch(vectors, labels))
assert int(K.get_value(optimizer.iterations)) == 3

# 先训练顶层，再训练全部
for trainable in (False, True):
    for layer in encoder.layers:
        layer.trainable = trainable
    tasks[0].compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
    before = encoder.get_weights()
    tasks[0].train_on_batch(vectors, labels)
    moved = any((a != b).any() for a, b in zip(before, encoder.get_weights()))
    assert moved == trainable
