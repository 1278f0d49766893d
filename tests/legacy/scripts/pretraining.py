#! -*- coding: utf-8 -*-
# RoBERTa's pretraining as it was: losses through Lambda layers, compiled by name
import os

os.environ["TF_KERAS"] = "1"
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.optimizers import extend_with_weight_decay
from bert4keras.optimizers import extend_with_layer_adaptation
from bert4keras.optimizers import extend_with_piecewise_linear_lr
from bert4keras.optimizers import extend_with_gradient_accumulation
from keras.layers import Input, Lambda
from keras.models import Model
from keras.callbacks import Callback, CSVLogger

floatx = K.floatx()


def build_transformer_model_with_mlm():
    """带mlm的bert模型"""
    bert = build_transformer_model(
        "bert/bert_config.json", with_mlm="linear", return_keras_model=False
    )
    proba = bert.model.output
    token_ids = Input(shape=(None,), dtype="int64", name="token_ids")  # 目标id
    is_masked = Input(shape=(None,), dtype=floatx, name="is_masked")  # mask标记

    def mlm_loss(inputs):
        """计算loss的函数，需要封装为一个层"""
        y_true, y_pred, mask = inputs
        loss = K.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        loss = K.sum(loss * mask) / (K.sum(mask) + K.epsilon())
        return loss

    def mlm_acc(inputs):
        """计算准确率的函数，需要封装为一个层"""
        y_true, y_pred, mask = inputs
        y_true = K.cast(y_true, floatx)
        acc = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        acc = K.sum(acc * mask) / (K.sum(mask) + K.epsilon())
        return acc

    mlm_loss = Lambda(mlm_loss, name="mlm_loss")([token_ids, proba, is_masked])
    mlm_acc = Lambda(mlm_acc, name="mlm_acc")([token_ids, proba, is_masked])
    train_model = Model(bert.model.inputs + [token_ids, is_masked], [mlm_loss, mlm_acc])
    loss = {
        "mlm_loss": lambda y_true, y_pred: y_pred,
        "mlm_acc": lambda y_true, y_pred: K.stop_gradient(y_pred),
    }
    return bert, train_model, loss


bert, train_model, loss = build_transformer_model_with_mlm()
optimizer = extend_with_weight_decay(Adam)
optimizer = extend_with_layer_adaptation(optimizer)
optimizer = extend_with_piecewise_linear_lr(optimizer)
optimizer = extend_with_gradient_accumulation(optimizer)
optimizer = optimizer(
    learning_rate=0.00176,
    lr_schedule={2: 1.0, 100: 0.0},
    weight_decay_rate=0.01,
    exclude_from_weight_decay=["Norm", "bias"],
    bias_correction=False,
    grad_accum_steps=2,
)
train_model.compile(loss=loss, optimizer=optimizer)


class ModelCheckpoint(keras.callbacks.Callback):
    """自动保存最新模型"""

    def on_epoch_end(self, epoch, logs=None):
        bert.save_weights_as_checkpoint("saved.ckpt")


ids = np.random.randint(5, 20, size=(4, 6))
x = {
    "Input-Token": ids,
    "Input-Segment": np.zeros_like(ids),
    "token_ids": ids,
    "is_masked": np.ones(ids.shape),
}
y = {"mlm_loss": np.zeros(4), "mlm_acc": np.zeros(4)}
csv_logger = CSVLogger("training.log")
history = train_model.fit(
    x, y, batch_size=2, epochs=1, callbacks=[ModelCheckpoint(), csv_logger], verbose=0
)
assert np.isfinite(history.history["mlm_loss_loss"]).all(), history.history
again = build_transformer_model("bert/bert_config.json", "saved.ckpt")
assert again.predict([ids, ids * 0]).shape == (4, 6, 8)
