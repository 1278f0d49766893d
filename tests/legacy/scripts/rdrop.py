#! -*- coding:utf-8 -*-
# R-Drop: each sample twice, the divergence of keras.losses
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.snippets import sequence_padding, DataGenerator
from keras.layers import Lambda, Dense
from keras.losses import kullback_leibler_divergence as kld

data = [([2, 6, 7, 3], 0), ([2, 8, 3], 1), ([2, 9, 10, 11, 3], 1)]


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_labels = [], []
        for is_end, (ids, label) in self.sample(random):
            for i in range(2):
                batch_token_ids.append(ids)
                batch_labels.append([label])
            if len(batch_token_ids) == self.batch_size * 2 or is_end:
                batch_token_ids = sequence_padding(batch_token_ids)
                yield (
                    [batch_token_ids, np.zeros_like(batch_token_ids)],
                    sequence_padding(batch_labels),
                )
                batch_token_ids, batch_labels = [], []


bert = build_transformer_model(
    "bert/bert_config.json", "bert/bert_model.ckpt", dropout_rate=0.3, return_keras_model=False
)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(2, activation="softmax", kernel_initializer=bert.initializer)(output)
model = keras.models.Model(bert.model.input, output)


def crossentropy_with_rdrop(y_true, y_pred, alpha=4):
    """配合R-Drop的交叉熵损失"""
    y_true = K.reshape(y_true, K.shape(y_pred)[:-1])
    y_true = K.cast(y_true, "int32")
    loss1 = K.mean(K.sparse_categorical_crossentropy(y_true, y_pred))
    loss2 = kld(y_pred[::2], y_pred[1::2]) + kld(y_pred[1::2], y_pred[::2])
    return loss1 + K.mean(loss2) / 4 * alpha


model.compile(
    loss=crossentropy_with_rdrop, optimizer=Adam(2e-5), metrics=["sparse_categorical_accuracy"]
)
train_generator = data_generator(data, 2)
model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=1, verbose=0)
assert model.evaluate(*next(iter(train_generator)), verbose=0)[0] > 0
