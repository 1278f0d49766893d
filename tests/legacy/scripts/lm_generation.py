#! -*- coding: utf-8 -*-
# A causal model: a loss layer, random samples, a decoder with states
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

model = build_transformer_model(config_path, checkpoint_path, application='lm', with_mlm=True)


class CrossEntropy(Loss):
    """交叉熵作为loss，并mask掉padding部分"""
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        if mask[1] is None:
            y_mask = 1.0
        else:
            y_mask = K.cast(mask[1], K.floatx())[:, 1:]
        y_true = y_true[:, 1:]
        y_pred = y_pred[:, :-1]
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        loss = K.sum(loss * y_mask) / K.sum(y_mask)
        return loss


output = CrossEntropy(1)([model.inputs[0], model.outputs[0]])
model = Model(model.inputs, output)
model.compile(optimizer=Adam(1e-3))
model.fit([ids, segments], None, epochs=2, verbose=0)


class Stories(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype='probas', use_states=True)
    def predict(self, inputs, output_ids, states):
        token_ids = np.concatenate([inputs[0], output_ids], 1)
        states = (states or 0) + 1
        return model.predict([token_ids, np.zeros_like(token_ids)])[:, -1, :], states


stories = Stories(start_id=None, end_id=3, maxlen=4, minlen=2)
assert len(stories.random_sample([[2, 6]], 2, topp=0.95, temperature=0.9)) == 2
assert 1 <= len(stories.beam_search([[2, 6]], 2)) <= 4
