#! -*- coding: utf-8 -*-
# Triples with a loss by hand, whose mask is that of a layer; padding with vectors
import numpy as np
from bert4keras.backend import keras, K, batch_gather
from bert4keras.layers import LayerNormalization
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.snippets import sequence_padding
from keras.layers import Input, Dense, Lambda, Reshape
from keras.models import Model

bert = build_transformer_model('bert/bert_config.json', 'bert/bert_model.ckpt', return_keras_model=False)
subject_labels = Input(shape=(None, 2), name='Subject-Labels')
subject_ids = Input(shape=(2,), name='Subject-Ids')
object_labels = Input(shape=(None, 3, 2), name='Object-Labels')


def subject_of(inputs):
    output, ids = inputs
    ids = K.cast(ids, 'int32')
    start, end = batch_gather(output, ids[:, :1]), batch_gather(output, ids[:, 1:])
    return K.concatenate([start, end], 2)[:, 0]


output = Dense(2, activation='sigmoid', kernel_initializer=bert.initializer)(bert.model.output)
subject_preds = Lambda(lambda x: x**2)(output)
subject_model = Model(bert.model.inputs, subject_preds)
output = bert.model.layers[-2].get_output_at(-1)
output = LayerNormalization(conditional=True)([output, Lambda(subject_of)([output, subject_ids])])
output = Dense(6, activation='sigmoid', kernel_initializer=bert.initializer)(output)
object_preds = Reshape((-1, 3, 2))(Lambda(lambda x: x**4)(output))
object_model = Model(bert.model.inputs + [subject_ids], object_preds)
train_model = Model(
    bert.model.inputs + [subject_labels, subject_ids, object_labels], [subject_preds, object_preds]
)
mask = bert.model.get_layer('Embedding-Token').output_mask
assert bert.model.get_layer('Transformer-0-FeedForward').get_output_mask_at(0) is not None
mask = K.cast(mask, K.floatx())
subject_loss = K.mean(K.binary_crossentropy(subject_labels, subject_preds), 2)
subject_loss = K.sum(subject_loss * mask) / K.sum(mask)
object_loss = K.sum(K.mean(K.binary_crossentropy(object_labels, object_preds), 3), 2)
object_loss = K.sum(object_loss * mask) / K.sum(mask)
train_model.add_loss(subject_loss + object_loss)
train_model.compile(optimizer=Adam(0.0))

rows = [[2, 6, 7, 3], [2, 8, 3]]
ids = sequence_padding(rows)
subjects = sequence_padding([np.zeros((len(row), 2)) for row in rows], padding=np.zeros(2))
objects = sequence_padding([np.zeros((len(row), 3, 2)) for row in rows], padding=np.zeros((3, 2)))


def batches():
    while True:
        yield [ids, ids * 0, subjects, np.array([[1, 2], [1, 1]]), objects], None


p, q = train_model.predict(next(batches())[0])
seen = ids > 0
expected = -np.log(1 - p)[seen].mean() - np.log(1 - q)[seen].mean(-1).sum(-1).mean()
found = train_model.evaluate_generator(batches(), steps=1)
assert np.isclose(found, expected, rtol=1e-3), (found, expected)
history = train_model.fit_generator(batches(), steps_per_epoch=2, epochs=1, verbose=0)
assert np.isfinite(history.history['loss'][0])
assert subject_model.predict([ids, ids * 0]).shape == (2, 4, 2)
