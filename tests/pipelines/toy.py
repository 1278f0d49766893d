"""Toy parts of pipelines: a tokenizer of single characters, models whose numbers are known."""

import keras
import numpy as np

from bert4keras.layers import Embedding, FirstToken, GlobalAveragePooling1D
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

CHARACTERS = "天地玄黄宇宙洪荒日月盈昃"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS]
CONFIG = {
    "vocab_size": len(TOKENS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_act": "gelu",
    "max_position_embeddings": 24,
}
# Characters that tokenizers drop, split or change: accents, full width, controls, emoji.
ODD_CHARACTERS = "天地日x é\u0301ＡｂⅫ\u200b\x00\t\U0001f600👩‍👩‍👧한ﬃ。,\u3000[UNK]"


def make_tokenizer():
    return Tokenizer({token: i for i, token in enumerate(TOKENS)})


def make_bert(seed=0, **options):
    """Return a small BERT with random weights."""
    keras.utils.set_random_seed(seed)
    model = build_transformer_model(CONFIG, **options)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return model


def make_table(vectors, pools=False):
    """Return a model that looks up the given vector (V, D) of each token, or their mean."""
    ids, segments = (keras.Input((None,), dtype="int32") for _ in range(2))
    table = Embedding(*np.shape(vectors), mask_zero=True)
    output = table(ids)
    output = GlobalAveragePooling1D()(output) if pools else output
    model = keras.Model([ids, segments], output)
    table.set_weights([np.array(vectors, "float32")])
    return model


def make_classifier(num_labels=3, activation="softmax", **options):
    """Return a small BERT that classifies."""
    bert = make_bert(**options)
    output = keras.layers.Dense(num_labels, activation=activation)(FirstToken()(bert.output))
    return keras.Model(bert.inputs, output)


def make_texts(count, seed=0, characters=CHARACTERS, longest=20):
    """Return random texts of 1 to ``longest`` characters, none of them blank."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list(characters), n)) for n in rng.integers(1, longest + 1, count)]
    return [text if text.strip() else "天" for text in texts]
