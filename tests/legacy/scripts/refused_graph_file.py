#! -*- coding: utf-8 -*-
# REFUSED A graph that is frozen and written for TensorFlow Serving
import tensorflow as tf
from keras import backend as K
from bert4keras.models import build_transformer_model
from tensorflow.python.framework.graph_util import convert_variables_to_constants

model = build_transformer_model('bert/bert_config.json', 'bert/bert_model.ckpt')
K.set_learning_phase(0)
session = K.get_session()
with session.graph.as_default():
    names = [tensor.op.name for tensor in model.outputs] + [v.op.name for v in tf.global_variables()]
    frozen = convert_variables_to_constants(session, session.graph.as_graph_def(), names)
tf.train.write_graph(frozen, '.', 'model.pb', as_text=False)
