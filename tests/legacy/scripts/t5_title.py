#! -*- coding: utf-8 -*-
# Titles by T5: encoder, decoder and model, the context computed once
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

from bert4keras.layers import Loss
from bert4keras.snippets import AutoRegressiveDecoder


class CrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_true = y_true[:, 1:]
        y_mask = K.cast(mask[1], K.floatx())[:, :-1]
        y_pred = y_pred[:, :-1]
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * y_mask) / K.sum(y_mask)


t5 = build_transformer_model(
    config_path=config_path, model='t5.1.1', return_keras_model=False, name='T5'
)
encoder, decoder, model = t5.encoder, t5.decoder, t5.model
output = CrossEntropy(1)([model.inputs[1], model.outputs[0]])
model = Model(model.inputs, output)
model.compile(optimizer=Adam(1e-3))
model.fit([ids, ids], epochs=2, verbose=0)


class AutoTitle(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype='probas')
    def predict(self, inputs, output_ids, states):
        c_encoded = inputs[0]
        return self.last_token(decoder).predict([c_encoded, output_ids])

    def generate(self, c_token_ids, topk=1):
        c_encoded = encoder.predict(np.array([c_token_ids]))[0]
        return self.beam_search([c_encoded], topk=topk)


title = AutoTitle(start_id=0, end_id=1, maxlen=5)
assert title.generate([2, 6, 7, 3], topk=2)[0] == 0
