#! -*- coding: utf-8 -*-
# max_length, first_length, first, padding, pre_tokenize, translated tokens, a simplified vocabulary
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

from bert4keras.snippets import is_py2, sequence_padding
from bert4keras.tokenizers import Tokenizer, load_vocab, save_vocab

assert not is_py2

tokenizer = Tokenizer('bert/vocab.txt', do_lower_case=True)
token_ids, segment_ids = tokenizer.encode(u'今天天气好', max_length=5)
assert len(token_ids) == len(segment_ids) == 5
token_ids, segment_ids = tokenizer.encode(u'今天', u'天气好', first_length=6, second_length=5)
assert len(token_ids) == 11 and segment_ids == [0] * 6 + [1] * 5
assert tokenizer.tokenize(u'今天', max_length=3)[0] == '[CLS]'
assert tokenizer.encode(first=u'今天', second=u'天气') == tokenizer.encode(u'今天', u'天气')
assert sequence_padding([[1], [1, 2]], padding=7).tolist() == [[1, 7], [1, 2]]
special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]']
token_dict, keep_tokens = load_vocab(dict_path='bert/vocab.txt', simplified=True, startwith=special)
assert keep_tokens[:4] == [0, 1, 2, 3] and token_dict['[SEP]'] == 3
words = Tokenizer('bert/vocab.txt', pre_tokenize=lambda s: [s[:2], s[2:]])
assert words.encode(u'今天天气')[0][0] == tokenizer._token_start_id
base = build_transformer_model(config_path, checkpoint_path, with_pool=True)
model = Model(base.input, Dense(2, activation='softmax')(base.output))
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['accuracy'])
texts = [u'今天天气好', u'我爱北京', u'不好']
X1, X2 = [], []
for t in texts:
    x1, x2 = tokenizer.encode(first_text=t, max_length=8)
    X1.append(x1 + [0] * (8 - len(x1)))
    X2.append(x2 + [0] * (8 - len(x2)))
model.fit([X1, X2], [0, 1, 1], epochs=2, batch_size=2, verbose=0)
assert model.predict([X1, X2]).shape == (3, 2)
assert isinstance(tokenizer.decode(X1[0]), str)
