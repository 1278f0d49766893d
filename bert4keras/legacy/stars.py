"""What ``from bert4keras.layers import *`` and its kin brought along: names of their imports."""

import json
import os
import re

import keras
import numpy as np
from keras import activations, initializers

from bert4keras import backend, models, snippets, tokenizers
from bert4keras.backend import K, tf

BASICS = {"K": K, "keras": keras, "np": np, "tf": tf, "is_tf_keras": backend.is_tf_keras}
MASKING = "align apply_rotary_position_embeddings attention_normalize flatten recompute_grad"
MASKING += " search_layer sequence_masking sinusoidal_embeddings"
MATCHING = "delete_arguments insert_arguments is_one_of is_string orthogonally_resize"
MATCHING += " string_matching"


def _of(module, words):
    return {name: getattr(module, name) for name in words.split() if hasattr(module, name)}


LAYERS = {
    **BASICS,
    **_of(backend, MASKING),
    "activations": activations,
    "initializers": initializers,
}
BROUGHT = {  # module -> {name: what it is}
    "bert4keras.layers": LAYERS,
    "bert4keras.models": {
        **LAYERS,
        **_of(snippets, MATCHING),
        "Model": models.Model,
        "json": json,
        "os": os,
    },
    "bert4keras.optimizers": {
        **BASICS,
        **_of(snippets, MATCHING),
        **_of(backend, "piecewise_linear root_mean_square"),
        "re": re,
    },
    "bert4keras.snippets": {**_of(snippets, "K keras np tf"), "json": json, "os": os, "re": re},
    "bert4keras.tokenizers": {
        **_of(tokenizers, "load_vocab save_vocab"),
        **_of(snippets, "convert_to_unicode is_string lowercase_and_normalize open"),
        **_of(snippets, "truncate_sequences"),
        "re": re,
    },
}


def furnish(modules):
    """Give these names to their modules, and to those who import everything of them.

    Args:
        modules: {name: module}.
    """
    for place, names in BROUGHT.items():
        module = modules[place]
        for name, value in names.items():
            vars(module).setdefault(name, value)
        module.__all__ = sorted({*module.__all__, *names})
