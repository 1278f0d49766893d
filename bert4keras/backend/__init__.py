"""Backend: activations, masks, attention weights, positions, and what scripts call on ``K``.

``dispatch`` comes first: it chooses the backend before Keras is imported, and it is the only file
that asks which backend runs. Old scripts take ``keras``, ``K``, ``np`` and ``tf`` from here.
"""

from bert4keras.backend.dispatch import (  # isort: split
    LazyModule,
    assert_that,
    backend_name,
    compile_function,
    compiles_each_shape,
    get_available_gpus,
    get_mask,
    is_env_on,
    is_tf_keras,
    is_traced,
    seed_dropout,
    set_mask,
    sync_weights,
    tf,
    value_and_grad,
    write_row,
)

import keras
import numpy as np

from bert4keras.backend import keras2 as K
from bert4keras.backend.activations import (
    activation_config,
    custom_objects,
    gelu_erf,
    gelu_tanh,
    get_activation,
    leaky_relu,
    root_mean_square,
    set_gelu,
    swish,
)
from bert4keras.backend.attention import attention_normalize
from bert4keras.backend.graph import output_at, search_layer
from bert4keras.backend.keras2 import dtype, flatten, graph_mode_decorator, reshape, symbolic, where
from bert4keras.backend.losses import (
    multilabel_categorical_crossentropy,
    sparse_multilabel_categorical_crossentropy,
)
from bert4keras.backend.masking import align, sequence_masking
from bert4keras.backend.positions import (
    Sinusoidal,
    apply_rotary_position_embeddings,
    sin_cos,
    sinusoidal_embeddings,
)
from bert4keras.backend.recompute import do_recompute, recompute_grad
from bert4keras.backend.schedules import piecewise_linear
from bert4keras.backend.sequences import batch_gather, divisible_temporal_padding, pool1d

__all__ = [
    "K",
    "LazyModule",
    "Sinusoidal",
    "activation_config",
    "align",
    "apply_rotary_position_embeddings",
    "assert_that",
    "attention_normalize",
    "backend_name",
    "compiles_each_shape",
    "batch_gather",
    "compile_function",
    "custom_objects",
    "divisible_temporal_padding",
    "do_recompute",
    "dtype",
    "flatten",
    "gelu_erf",
    "gelu_tanh",
    "get_activation",
    "get_available_gpus",
    "get_mask",
    "graph_mode_decorator",
    "is_env_on",
    "is_tf_keras",
    "is_traced",
    "keras",
    "leaky_relu",
    "multilabel_categorical_crossentropy",
    "np",
    "output_at",
    "piecewise_linear",
    "pool1d",
    "recompute_grad",
    "reshape",
    "root_mean_square",
    "search_layer",
    "seed_dropout",
    "sequence_masking",
    "set_gelu",
    "set_mask",
    "sin_cos",
    "sinusoidal_embeddings",
    "sparse_multilabel_categorical_crossentropy",
    "swish",
    "symbolic",
    "sync_weights",
    "tf",
    "value_and_grad",
    "where",
    "write_row",
]
