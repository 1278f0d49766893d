#! -*- coding: utf-8 -*-
# A perturbation inside the loss layer: K.gradients of a loss by embeddings
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

from bert4keras.backend import search_layer
from bert4keras.layers import Loss

bert = build_transformer_model(config_path, checkpoint_path, with_mlm=True, return_keras_model=False)


class PenalizedCrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_mask = K.cast(K.not_equal(y_true, 0), K.floatx())
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        loss = K.sum(loss * y_mask) / K.sum(y_mask)
        table = search_layer(y_pred, 'Embedding-Token').embeddings
        gradient = K.gradients(loss, [table])[0]
        penalty = K.sum(K.square(gradient))
        self.add_metric(penalty, name='penalty')
        return loss + 0.5 * penalty


target = keras.layers.Input((None,))
output = PenalizedCrossEntropy(1)([target, bert.model.output])
model = Model(bert.model.inputs + [target], output)
model.compile(optimizer=Adam(1e-3))
history = model.fit([ids, segments, ids], epochs=2, verbose=0)
assert history.history['penalty'][0] > 0
assert bert.model.predict([ids, segments]).shape[:2] == (2, 4)

# The same of a loss outside of layers, given to add_loss
encoder = build_transformer_model(config_path, checkpoint_path)
x_in, s_in, label = [keras.layers.Input((None,)) for _ in range(3)]
p = Dense(2, activation='softmax')(Lambda(lambda x: x[:, 0])(encoder([x_in, s_in])))


def loss_with_gradient_penalty(y_true, y_pred, epsilon=1):
    y_true = K.cast(K.reshape(y_true, K.shape(y_pred)[:-1]), 'int32')
    loss = K.mean(K.categorical_crossentropy(K.one_hot(y_true, K.shape(y_pred)[-1]), y_pred))
    table = search_layer(y_pred, 'Embedding-Token').embeddings
    gp = K.sum(K.gradients(loss, [table])[0].values**2)
    return [loss, loss + 0.5 * epsilon * gp]


losses = []
for loss in loss_with_gradient_penalty(label, p):
    train_model = Model([x_in, s_in, label], p)
    train_model.add_loss(loss)
    train_model.compile(optimizer=Adam(0.0))
    losses += train_model.fit([ids, segments, np.array([[0], [1]])], verbose=0).history['loss']
assert losses[1] > losses[0]
