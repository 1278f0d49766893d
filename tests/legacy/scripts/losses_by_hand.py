#! -*- coding: utf-8 -*-
# Focal loss, smoothed labels, balanced weights, masks in losses and metrics
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


def focal_loss(gamma=2.0, alpha=0.25):
    def focal_loss_fixed(y_true, y_pred):
        pt_1 = K.switch(K.equal(y_true, 1), y_pred, K.ones_like(y_pred))
        pt_0 = K.switch(K.equal(y_true, 0), y_pred, K.zeros_like(y_pred))
        pt_1, pt_0 = K.clip(pt_1, 1e-6, 1 - 1e-6), K.clip(pt_0, 1e-6, 1 - 1e-6)
        return -K.mean(alpha * K.pow(1. - pt_1, gamma) * K.log(pt_1)) - K.mean(
            (1 - alpha) * K.pow(pt_0, gamma) * K.log(1. - pt_0))
    return focal_loss_fixed


def recall(y_true, y_pred):
    true_positives = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
    possible_positives = K.sum(K.round(K.clip(y_true, 0, 1)))
    return true_positives / (possible_positives + K.epsilon())


def masked_loss(y_true, y_pred):
    mask = K.cast(K.not_equal(y_true, 0), K.floatx())
    loss = K.binary_crossentropy(K.cast(y_true > 1, K.floatx()), y_pred)
    return K.sum(loss * mask) / K.sum(mask)


base = build_transformer_model(config_path, checkpoint_path, with_pool=True)
p = Dense(1, activation='sigmoid', name='cls')(base.output)
token_base = build_transformer_model(config_path, checkpoint_path, prefix='second-')
q = Lambda(lambda x: K.squeeze(K.sigmoid(x), 2), name='tokens')(Dense(1)(token_base.output))
model = Model(base.inputs + token_base.inputs, [p, q])
model.compile(
    loss={'cls': focal_loss(2.0), 'tokens': masked_loss},
    loss_weights={'cls': 1.0, 'tokens': 0.5},
    optimizer=Adam(1e-3),
    metrics={'cls': [recall]},
)
x = [ids, segments, ids, segments]
labels = np.array([[1, 2, 1, 2], [2, 1, 0, 0]])
history = model.fit(x, [np.array([1, 0]), labels], batch_size=2, epochs=2, verbose=0)
assert {'loss', 'cls_loss', 'tokens_loss', 'cls_recall'} <= set(history.history), history.history
p, q = model.predict(x)
assert p.shape == (2, 1) and q.shape == (2, 4)
