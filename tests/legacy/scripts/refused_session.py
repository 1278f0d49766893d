#! -*- coding: utf-8 -*-
# REFUSED What a session would have to compute
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

import tensorflow as tf

model = build_transformer_model(config_path, checkpoint_path)
sess = K.get_session()
sess.run(model.output, feed_dict={model.input[0]: ids, model.input[1]: segments})
