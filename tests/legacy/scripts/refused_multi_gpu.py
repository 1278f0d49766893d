#! -*- coding: utf-8 -*-
# REFUSED Copies on several devices
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

from keras.utils import multi_gpu_model

model = build_transformer_model(config_path, checkpoint_path)
parallel_model = multi_gpu_model(model, gpus=2)
