#! -*- coding: utf-8 -*-
# GPLinker: three pointers, sparse labels, three losses
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

from bert4keras.backend import sparse_multilabel_categorical_crossentropy
from bert4keras.layers import GlobalPointer, EfficientGlobalPointer
from bert4keras.snippets import sequence_padding

base = build_transformer_model(config_path, checkpoint_path)
entity_output = GlobalPointer(heads=2, head_size=4)(base.output)
head_output = EfficientGlobalPointer(heads=3, head_size=4, RoPE=False, tril_mask=False)(base.output)
tail_output = GlobalPointer(heads=3, head_size=4, RoPE=False, tril_mask=False)(base.output)
outputs = [entity_output, head_output, tail_output]
model = Model(base.inputs, outputs)


def globalpointer_crossentropy(y_true, y_pred):
    """给GlobalPointer设计的交叉熵"""
    shape = K.shape(y_pred)
    y_true = y_true[..., 0] * K.cast(shape[2], K.floatx()) + y_true[..., 1]
    y_pred = K.reshape(y_pred, (-1, K.prod(shape[1:][:1]), K.prod(shape[2:])))
    loss = sparse_multilabel_categorical_crossentropy(y_true, y_pred, mask_zero=True)
    return K.mean(K.sum(loss, axis=1))


model.compile(loss=[globalpointer_crossentropy] * 3, optimizer=Adam(1e-3))


def generator():
    while True:
        labels = [np.random.randint(0, 4, size=(2, heads, 2, 2)) for heads in (2, 3, 3)]
        yield [ids, segments], labels


model.fit(generator(), steps_per_epoch=2, epochs=1, verbose=0)
assert [x.shape for x in model.predict([ids, segments])] == [(2, 2, 4, 4), (2, 3, 4, 4), (2, 3, 4, 4)]
