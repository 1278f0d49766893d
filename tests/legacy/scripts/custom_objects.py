#! -*- coding: utf-8 -*-
# Functions and layers of one's own in load_model, get_custom_objects, to_json
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

from keras.utils import get_custom_objects
from keras.models import load_model, model_from_json


def quick_gelu(x):
    return x * K.sigmoid(1.702 * x)


class Pool(keras.layers.Layer):
    def call(self, x):
        return K.mean(x, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[2])


get_custom_objects().update({'my_gelu': keras.layers.Activation(quick_gelu)})
base = build_transformer_model(config_path, checkpoint_path)
x = Dense(6, activation=quick_gelu)(Pool()(base.output))
model = Model(base.inputs, Dense(2, activation='softmax')(x))
model.compile(loss='categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([ids, segments], np.eye(2), epochs=2, verbose=0)
model.save('own.h5')
again = load_model('own.h5', custom_objects={'quick_gelu': quick_gelu, 'Pool': Pool})
assert np.allclose(again.predict([ids, segments]), model.predict([ids, segments]), atol=1e-6)
third = model_from_json(model.to_json(), custom_objects={'quick_gelu': quick_gelu, 'Pool': Pool})
third.set_weights(model.get_weights())
assert np.allclose(third.predict([ids, segments]), model.predict([ids, segments]), atol=1e-6)
