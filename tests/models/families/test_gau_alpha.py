"""GAU-alpha by its formulas: no checkpoint of it is at hand."""

import numpy as np
import pytest
from support import assert_close

from bert4keras.models import build_transformer_model

CONFIG = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "attention_key_size": 4,
    "intermediate_size": 12,
    "hidden_act": "swish",
}
IDS = np.array([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])


def checkpoint():
    """Random weights under the names of the release."""
    numbers, tensors = np.random.default_rng(0), {}
    shapes = {"word_embeddings": (30, 8), "token_type_embeddings": (2, 8)}
    tensors |= {f"bert/embeddings/{x}": numbers.normal(size=s) for x, s in shapes.items()}
    unit = {
        "i_dense/kernel": (8, 28),
        "q_scaleoffset/gamma": (4,),
        "k_scaleoffset/gamma": (4,),
        "o_dense/kernel": (12, 8),
    }
    for i in range(2):
        for name, shape in unit.items():
            tensors[f"GAU_alpha/encoder/layer_{i}/gau/{name}"] = numbers.normal(size=shape)
    return tensors


def build(**options):
    return build_transformer_model(CONFIG, checkpoint(), model="gau_alpha", **options)


def norm(x):
    return x / np.sqrt((x**2).mean(-1, keepdims=True))


def rotate(x):
    """Rotate pairs of features, as complex numbers, by position over wavelength."""
    n, d = x.shape
    angles = np.arange(n)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    z = (x[:, ::2] + 1j * x[:, 1::2]) * np.exp(1j * angles)
    return np.stack([z.real, z.imag], axis=-1).reshape(n, d)


def unit(x, tensors):
    """One gated attention unit on one text (L, D)."""
    h = x @ tensors["i_dense/kernel"]
    h = h / (1 + np.exp(-h))
    u, v, qk = h[:, :12], h[:, 12:24], h[:, 24:]
    q, k = rotate(qk * tensors["q_scaleoffset/gamma"]), rotate(qk * tensors["k_scaleoffset/gamma"])
    scores = np.exp(q @ k.T / 2 * np.log(max(len(x), 16)) / np.log(512))
    weights = scores / scores.sum(-1, keepdims=True)
    return (u * (weights @ v)) @ tensors["o_dense/kernel"]


def by_hand(ids, segments):
    tensors = checkpoint()
    table = tensors["bert/embeddings/word_embeddings"]
    x = norm(table[ids] + tensors["bert/embeddings/token_type_embeddings"][segments])
    for i in range(2):
        prefix = f"GAU_alpha/encoder/layer_{i}/gau/"
        block = {n.removeprefix(prefix): w for n, w in tensors.items() if n.startswith(prefix)}
        x = norm(x + unit(x, block))
    return x, x @ table.T


def test_it_computes_its_formulas_on_the_names_of_the_release():
    vectors = build().predict([IDS, SEGMENTS], verbose=0)
    scores = build(with_mlm="linear").predict([IDS, SEGMENTS], verbose=0)
    for row, length in ((0, 5), (1, 3)):
        x, logits = by_hand(IDS[row, :length], SEGMENTS[row, :length])
        assert_close(vectors[row, :length], x, 1e-4)
        assert_close(scores[row, :length], logits, 1e-4)


def test_its_layers_have_the_names_of_the_release():
    names = [layer.name for layer in build(dropout_rate=0.1).layers]
    unit = "Transformer-1-GatedAttentionUnit"
    assert names[-4:] == [unit, f"{unit}-Dropout", f"{unit}-Add", f"{unit}-Norm"]


def test_what_one_head_without_scores_cannot_do_is_refused():
    for name in ("residual_attention_scores", "attention_caches", "layer_norm_cond"):
        with pytest.raises(ValueError, match=f"GAU_alpha has no {name}"):
            build(**{name: True})
