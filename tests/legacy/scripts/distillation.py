#! -*- coding: utf-8 -*-
# A teacher and a student: soft labels, kld, temperature in a Lambda
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

from keras.losses import kld, mse

teacher = build_transformer_model(config_path, checkpoint_path, with_pool=True)
t = Dense(3, name='logits')(teacher.output)
teacher = Model(teacher.inputs, t)
teacher.trainable = False
student = build_transformer_model(config_path, with_pool=True, prefix='Student-')
s = Dense(3)(student.output)
soft = Lambda(lambda x: K.softmax(x / 2.0), name='soft')
t_soft, s_soft = soft(teacher(student.inputs)), soft(s)
model = Model(student.inputs, Lambda(K.softmax, name='hard')(s))
distance = K.mean(kld(t_soft, s_soft))
model.add_loss(distance)
model.add_metric(distance, name='distance', aggregation='mean')
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['acc'])
before = teacher.get_weights()
history = model.fit([ids, segments], np.array([0, 2]), epochs=2, verbose=0)
assert all(np.array_equal(a, b) for a, b in zip(before, teacher.get_weights()))
assert {'loss', 'acc', 'distance'} <= set(history.history), history.history
assert model.predict([ids, segments]).shape == (2, 3)
