#! -*- coding: utf-8 -*-
# Two tasks, the losses as layers with metrics of their own; the old class hook
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from keras.layers import Input, Lambda, Dense
from keras.models import Model

base = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt")
pooled = Lambda(lambda x: x[:, 0])(base.output)
first = Dense(2, activation="softmax", name="first")(pooled)
second = Dense(3, activation="softmax", name="second")(pooled)
y1, y2 = Input((1,)), Input((1,))


class MultiTaskLoss(Loss):
    def compute_loss(self, inputs, mask=None):
        y1, y2, p1, p2 = inputs
        loss1 = K.mean(K.sparse_categorical_crossentropy(y1, p1))
        self.add_metric(loss1, name="loss1", aggregation="mean")
        acc1 = keras.metrics.sparse_categorical_accuracy(y1, p1)
        self.add_metric(acc1, name="acc1", aggregation="mean")
        loss2 = K.mean(K.sparse_categorical_crossentropy(y2, p2))
        self.add_metric(loss2, name="loss2")
        return loss1 + 0.5 * loss2


outputs = MultiTaskLoss([2, 3])([y1, y2, first, second])
train_model = Model(base.inputs + [y1, y2], outputs)
train_model.compile(optimizer=Adam(1e-3))
model = Model(base.inputs, [first, second])


def batches():
    while True:
        ids = np.random.randint(5, 20, size=(2, 5))
        yield [ids, np.zeros_like(ids), np.array([0, 1]), np.array([2, 1])], None


history = train_model.fit_generator(
    batches(), steps_per_epoch=2, epochs=1, validation_data=batches(), validation_steps=1
)
for name in ["loss", "loss1", "loss2", "acc1", "val_loss", "val_acc1"]:
    assert np.isfinite(history.history[name]).all(), (name, history.history)
p1, p2 = model.predict([np.array([[2, 6, 3]]), np.array([[0, 0, 0]])])
assert p1.shape == (1, 2) and p2.shape == (1, 3)
