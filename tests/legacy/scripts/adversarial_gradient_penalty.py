#! -*- coding:utf-8 -*-
# A gradient penalty on the embeddings, in the loss
import numpy as np
from bert4keras.backend import keras, set_gelu, K, search_layer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from keras.layers import Lambda, Dense

bert = build_transformer_model(
    "bert/bert_config.json", "bert/bert_model.ckpt", return_keras_model=False
)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(units=2, activation="softmax", kernel_initializer=bert.initializer)(output)
model = keras.models.Model(bert.model.input, output)


def sparse_categorical_crossentropy(y_true, y_pred):
    """自定义稀疏交叉熵"""
    y_true = K.reshape(y_true, K.shape(y_pred)[:-1])
    y_true = K.cast(y_true, "int32")
    y_true = K.one_hot(y_true, K.shape(y_pred)[-1])
    return K.categorical_crossentropy(y_true, y_pred)


def loss_with_gradient_penalty(y_true, y_pred, epsilon=1):
    """带梯度惩罚的loss"""
    loss = K.mean(sparse_categorical_crossentropy(y_true, y_pred))
    embeddings = search_layer(y_pred, "Embedding-Token").embeddings
    gp = K.sum(K.gradients(loss, [embeddings])[0].values ** 2)
    return loss + 0.5 * epsilon * gp


x = [np.array([[2, 6, 7, 3], [2, 8, 9, 3]]), np.zeros((2, 4))]
y = np.array([[0], [1]])


def loss_of(loss):
    model.compile(loss=loss, optimizer=Adam(1e-3), metrics=["sparse_categorical_accuracy"])
    return model.test_on_batch(x, y)[0]


plain = loss_of("sparse_categorical_crossentropy")
assert loss_of(loss_with_gradient_penalty) > plain + 1e-6
model.fit(x, y, batch_size=1, epochs=1, verbose=0)
assert model.predict(x).shape == (2, 2)
