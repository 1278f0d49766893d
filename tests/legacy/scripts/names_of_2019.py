#! -*- coding: utf-8 -*-
# Names of the first releases; those that are gone say what to write
import json
import numpy as np
from bert4keras.bert import get_bert_encoder_from_config
from bert4keras.utils import SimpleTokenizer, load_weights_from_checkpoint
from bert4keras.train import add_weight_decay_into
from keras.optimizers import TFOptimizer
from keras.wrappers.scikit_learn import KerasClassifier

config = json.load(open('bert/bert_config.json'))
model = get_bert_encoder_from_config(config)
x = [np.array([[2, 6, 3]]), np.zeros((1, 3))]
before = model.predict(x)
load_weights_from_checkpoint(model, 'bert/bert_model.ckpt', config)
assert np.abs(model.predict(x) - before).max() > 1e-3


def refusal(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return str(error)


def contrib():
    from tensorflow.contrib import layers


assert 'Use bert4keras.optimizers.extend_with_weight_decay' in refusal(
    add_weight_decay_into, model, 0.01, exclude_from=['Norm', 'bias']
)
assert 'Use keras.optimizers.Adam' in refusal(TFOptimizer, 'an optimizer')
assert 'Use keras.wrappers.SKLearnClassifier' in refusal(KerasClassifier, build_fn=refusal)
assert 'a name of TensorFlow 1' in refusal(contrib)
try:
    from tensorflow.contrib.layers import flatten
except ImportError:
    flatten = None
