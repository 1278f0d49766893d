#! -*- coding: utf-8 -*-
# A vocabulary without special tokens, the first name of build_transformer_model, scores as JSON
import json
import numpy as np
from bert4keras.backend import custom_objects as of_backend
from bert4keras.bert import build_bert_model
from bert4keras.layers import custom_objects as of_layers
from bert4keras.optimizers import custom_objects as of_optimizers
from bert4keras.snippets import *
from bert4keras.tokenizers import Tokenizer
from keras.callbacks import TensorBoard

characters = ['[PAD]'] + list('0123456789')
tokenizer = Tokenizer(dict(zip(characters, range(len(characters)))))
tokenizer._token_unk_id = 0
tokenizer._token_start_id, tokenizer._token_end_id = None, None
assert tokenizer.encode('1 2 x') == ([0, 2, 3, 0, 0], [0] * 5)
assert tokenizer._token_start == '[CLS]' and tokenizer.pad_id == 0

config = 'bert/bert_config.json'
for kwargs in [{'config_path': config, 'checkpoint_path': 'bert/bert_model.ckpt'},
               {'config_path': config, 'checkpoint_file': 'bert/bert_model.ckpt'}]:
    model = build_bert_model(with_pool=True, **kwargs)
    again = build_bert_model(config, 'bert/bert_model.ckpt', with_pool=True)
    ids = np.array([[2, 6, 3]])
    assert np.allclose(model.predict([ids, ids * 0]), again.predict([ids, ids * 0]))

score = 0
for part in np.array([0.5, 0.25], 'float32'):
    score = score + part
assert json.dumps({'score': score}) == '{"score": 0.75}'
try:
    json.dumps(np.zeros(1, 'int32'))
    raise SystemExit('an array is no JSON')
except TypeError:
    pass

assert set(of_optimizers) == {'Adam', 'AdaFactor'} and 'LayerNormalization' in of_layers
assert unicodedata.name('a') and defaultdict(int)['a'] == 0 and sys.version
try:
    import tensorboard
except ImportError:
    try:
        TensorBoard(log_dir='logs')
        raise SystemExit('no package')
    except RuntimeError as error:
        assert 'Install it: pip install tensorboard' in str(error), error
