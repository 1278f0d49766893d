#! -*- coding: utf-8 -*-
# Decoders of spring 2020: set_rtype, and a step in place of states
import numpy as np
from bert4keras.models import build_transformer_model
from bert4keras.snippets import AutoRegressiveDecoder
from bert4keras.tokenizers import Tokenizer

tokenizer = Tokenizer("bert/vocab.txt")
model = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt", application="lm")
steps = []


class ArticleCompletion(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.set_rtype("probas")
    def predict(self, inputs, output_ids, step):
        steps.append(step)
        token_ids = np.concatenate([inputs[0], output_ids], 1)
        segment_ids = np.zeros_like(token_ids)
        return model.predict([token_ids, segment_ids])[:, -1]


class Plain(AutoRegressiveDecoder):
    def predict(self, inputs, output_ids, step, rtype="probas"):
        token_ids = np.concatenate([inputs[0], output_ids], 1)
        probas = model.predict([token_ids, np.zeros_like(token_ids)])[:, -1]
        return probas if rtype == "probas" else np.log(probas + 1e-12)


token_ids, _ = tokenizer.encode("我爱")
completion = ArticleCompletion(start_id=None, end_id=3, maxlen=5, minlen=5)
results = completion.random_sample([token_ids[:-1]], 2, topk=5)
assert len(results) == 2 and steps == [0, 1, 2, 3, 4], steps
best = completion.beam_search([token_ids[:-1]], topk=2)
plain = Plain(start_id=None, end_id=3, maxlen=5, minlen=5).beam_search([token_ids[:-1]], topk=2)
assert best.tolist() == plain.tolist()
assert isinstance(tokenizer.decode(best), str)
