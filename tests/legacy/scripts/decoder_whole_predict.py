#! -*- coding: utf-8 -*-
# A decoder that asks model.predict(...)[:, -1]: it gets the cache, with the same numbers
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.snippets import AutoRegressiveDecoder
from bert4keras.tokenizers import Tokenizer

tokenizer = Tokenizer("bert/vocab.txt", do_lower_case=True)
model = build_transformer_model(
    "bert/bert_config.json", "bert/bert_model.ckpt", application="unilm"
)
differences, cached = [], []


class Title(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        token_ids, segment_ids = inputs
        token_ids = np.concatenate([token_ids, output_ids], 1)
        segment_ids = np.concatenate([segment_ids, np.ones_like(output_ids)], 1)
        probas = model.predict([token_ids, segment_ids])[:, -1]
        whole = model.predict_on_batch([token_ids, segment_ids])[:, -1]
        differences.append(np.abs(probas - whole).max())
        cached.append(self.last_token(model).rows is not None)
        return probas


title = Title(start_id=None, end_id=tokenizer._token_end_id, maxlen=6)
ids = title.beam_search(list(tokenizer.encode("今天天气好")), topk=3)
assert 1 <= len(ids) <= 6
assert len(differences) and max(differences) < 1e-4, differences
assert all(cached)
whole = model.predict([np.array([[2, 6, 3]]), np.array([[0, 0, 0]])])
assert type(whole) is np.ndarray and whole.shape[:2] == (1, 3)
