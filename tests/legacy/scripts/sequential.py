#! -*- coding: utf-8 -*-
# Sequential models, np_utils, pad_sequences, predict_classes
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

from keras.models import Sequential
from keras.layers import Embedding, GlobalAveragePooling1D, Dropout
from keras.layers.recurrent import GRU
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer as Words
from keras.utils import np_utils, to_categorical
from keras.utils.np_utils import to_categorical as categorical
from sys import version_info

words = Words(num_words=20)
texts = ['a b', 'b c d', 'a d']
words.fit_on_texts(texts)
x = pad_sequences(words.texts_to_sequences(texts), maxlen=4, padding='post')
y = np_utils.to_categorical([0, 1, 1], 2)
assert np.array_equal(y, categorical([0, 1, 1], 2))
model = Sequential()
model.add(Embedding(20, 8, input_length=4, mask_zero=True))
model.add(GRU(6))
model.add(Dropout(0.1))
model.add(Dense(2, activation='softmax'))
model.compile('rmsprop', 'categorical_crossentropy', ['accuracy'])
model.fit(x, y, batch_size=2, epochs=2, verbose=0)
assert set(model.predict_classes(x)) <= {0, 1} and model.predict_proba(x).shape == (3, 2)
model.save_weights('small')
model.load_weights('small')

images = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(4, 3)])
features = keras.layers.GlobalAveragePooling2D()(images.output)
lm = build_transformer_model(
    config_path,
    checkpoint_path,
    application='lm',
    layer_norm_cond=features,
    additional_input_layers=images.input,
)
assert lm.predict([ids, segments, np.zeros((2, 4, 4, 3))]).shape[:2] == (2, 4)
