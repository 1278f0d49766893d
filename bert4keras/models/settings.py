"""Types and ranges of settings: one table for configurations and for arguments."""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert4keras import backend
from bert4keras.checks import check_boolean, check_integer, check_number, check_string, describe

Check = Callable[[str, Any, str], Any]  # name, value, remedy -> the value; it raises for a bad one

_MOST_WEIGHTS = 2 * 10**11  # 800 GB in float32; a larger model does not fit one machine
_FEW_WEIGHTS = 10**8  # 400 MB: their allocation takes no time
_NOT_ACTIVATIONS = ("Sinusoidal", "initializer", "multilabel_categorical_crossentropy")


def whole_number(minimum: int | None = 1, maximum: int = 10**8) -> Check:
    """Return the check of a whole number in a range."""
    return lambda name, value, remedy: check_integer(name, value, minimum, maximum, remedy)


def _number(**limits: float) -> Check:
    """Return the check of a finite number within limits."""
    return lambda name, value, remedy: check_number(name, value, **limits, remedy=remedy)


def _instance(types: Any, description: str) -> Check:
    """Return the check of a type.

    Args:
        description: the type in words.
    """

    def check(name: str, value: Any, remedy: str) -> Any:
        if not isinstance(value, types):
            raise TypeError(
                f"Expected {name} to be {description}, got {describe(value)}. {remedy}".strip()
            )
        return value

    return check


def _optional(check: Check) -> Check:
    """Return a check that also accepts None."""
    return lambda name, value, remedy: None if value is None else check(name, value, remedy)


def _check_flag(name: str, value: Any, remedy: str) -> Any:
    """Return True or False, or a number that equals one of them; raise for anything else."""
    return check_boolean(name, value, remedy, is_optional=False)


def _check_activation(name: str, value: Any, remedy: str) -> Any:
    """Return the name of an activation, or a function; raise for any other value."""
    if callable(value):
        return value
    check_string(name, value, remedy or "Pass a name or a function.")
    if value in HF_ACTIVATIONS:
        return value
    with contextlib.suppress(ValueError, TypeError):
        if value not in _NOT_ACTIVATIONS and callable(backend.get_activation(value)):
            return value
    raise ValueError(
        f"Expected {name} to be the name of an activation, got {value!r}, which is none of those "
        f"known here: {', '.join(sorted(HF_ACTIVATIONS))}, relu, tanh, swish and others of Keras. "
        "Pass a function as the argument instead, if it is another one."
    )


def _check_activations(name: str, value: Any, remedy: str) -> Any:
    """Return an activation, or a list of those of a gated layer."""
    if not isinstance(value, list | tuple):
        return _check_activation(name, value, remedy)
    if not value:
        raise ValueError(f"Expected {name} to name an activation, got an empty list. {remedy}")
    return [_check_activation(f"{name}[{i}]", item, remedy) for i, item in enumerate(value)]


def check_gated_activations(name: str, value: Any, remedy: str) -> Any:
    """Return activations as T5's configurations name them: also one such as "gated-gelu"."""
    is_gated = isinstance(value, str) and value.startswith("gated-")
    _check_activations(name, value.removeprefix("gated-") if is_gated else value, remedy)
    return value


def _check_head(name: str, value: Any, remedy: str) -> Any:
    """Return what asks for a head: True, False, None, or an activation."""
    if value is None or isinstance(value, bool | np.bool_ | int):
        return value if value is None else _check_flag(name, value, remedy)
    return _check_activation(name, value, remedy)


def _check_hierarchy(name: str, value: Any, remedy: str) -> Any:
    """Return True, False, None, or a weight between 0 and 1."""
    if value is None or isinstance(value, bool | np.bool_) or value == 0:
        return value
    remedy = remedy or "True is the weight 0.4."
    return check_number(name, value, above=0, below=1, remedy=remedy)


def _list_of(check: Check) -> Check:
    """Return the check of a list whose items pass another check."""

    def check_items(name: str, value: Any, remedy: str) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise TypeError(
                f"Expected {name} to be a list, got {describe(value)}. {remedy}".strip()
            )
        return [check(f"{name}[{i}]", item, remedy) for i, item in enumerate(value)]

    return check_items


def _check_terms(name: str, value: Any, remedy: str) -> Any:
    """Return terms of attention: a string, a list of strings, or None."""
    if value is None or isinstance(value, str):
        return value
    return _list_of(check_string)(name, value, remedy)


def _check_ids(name: str, value: Any, remedy: str) -> Any:
    """Return an id, or a list of ids."""
    check = whole_number(None)
    return (_list_of(check) if isinstance(value, list | tuple) else check)(name, value, remedy)


HF_ACTIVATIONS = {  # names of transformers -> ours; those that are equal stand here too
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "hardswish": "hard_silu",
    "linear": "linear",
    "mish": "mish",
    "relu": "relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "swish",
    "swish": "swish",
    "tanh": "tanh",
}

_SIZE = whole_number(1, 2**17)
_DEPTH = whole_number(1, 1000)
_FLAG = _check_flag
_RATE = _optional(_number(minimum=0, maximum=1))
_BASE = _number(above=0)
_STRING = _optional(check_string)

SETTINGS: dict[str, Check] = {  # argument, or key of a configuration -> its check
    "vocab_size": whole_number(),
    "hidden_size": _SIZE,
    "num_hidden_layers": _DEPTH,
    "num_decoder_layers": _optional(_DEPTH),
    "num_attention_heads": whole_number(1, 2**14),
    "intermediate_size": whole_number(1, 2**21),
    "hidden_act": _check_activations,
    "dropout_rate": _RATE,
    "attention_dropout_rate": _RATE,
    "embedding_size": _optional(_SIZE),
    "attention_head_size": _optional(_SIZE),
    "attention_key_size": _optional(_SIZE),
    "layer_norm_eps": _optional(_number(above=0, below=1)),
    "pad_token_id": _optional(whole_number(0)),
    "bos_token_id": _optional(_check_ids),
    "eos_token_id": _optional(_check_ids),
    "sep_token_id": _optional(_check_ids),
    "max_position": whole_number(),
    "segment_vocab_size": whole_number(0),
    "key_value_heads": _optional(whole_number(1, 2**14)),
    "rope_theta": _BASE,
    "rope_scaling": _optional(_instance(Mapping, "a dict of settings")),
    "rope_parameters": _optional(_instance(Mapping, "a dict of settings")),
    "global_rope_theta": _BASE,
    "local_rope_theta": _optional(_BASE),
    "local_attention": whole_number(1),
    "global_attn_every_n_layers": whole_number(1),
    "layer_types": _optional(_list_of(check_string)),
    "sliding_window": _optional(whole_number(1)),
    "use_sliding_window": _optional(_FLAG),
    "max_relative_position": whole_number(1, 10**6),
    "position_buckets": whole_number(None),
    "max_relative_positions": whole_number(None),
    "pos_att_type": _check_terms,
    "norm_rel_ebd": check_string,
    "conv_kernel_size": whole_number(0, 10**4),
    "conv_act": _check_activation,
    "pooler_hidden_act": _check_activation,
    "classifier_activation": _check_activation,
    "relative_attention_num_buckets": whole_number(4, 10**6),
    "relative_attention_max_distance": whole_number(2),
    "use_task_id": _FLAG,
    "task_type_vocab_size": whole_number(1, 10**6),
    "task_id": _optional(whole_number(None)),
    "first_position": _optional(whole_number(None)),
    "version": check_string,
    # arguments alone
    "sequence_length": _optional(whole_number(1)),
    "compound_tokens": _optional(_instance(list | tuple, "a list of lists of ids")),
    "layers": _optional(_instance(dict, "a dict of layers by name")),
    "prefix": _STRING,
    "name": _STRING,
    "hierarchical_position": _check_hierarchy,
    "attention_caches": _optional(_instance(Mapping, "a dict of tensors by layer name")),
    "layer_norm_cond_hidden_size": _optional(_SIZE),
    "layer_norm_cond_hidden_act": _optional(_check_activation),
    "final_activation": _check_activation,
    **dict.fromkeys(
        ("with_pool", "with_mlm", "with_lm", "with_generator", "with_discriminator"), _check_head
    ),
    **dict.fromkeys(
        ("tie_word_embeddings", "scale_decoder_outputs", "is_decoder", "with_nsp"), _optional(_FLAG)
    ),
    **dict.fromkeys(
        (
            "residual_attention_scores",
            "ignore_invalid_weights",
            "autoresize_weights",
            "recompute",
            "custom_position_ids",
            "shared_segment_embeddings",
            "rotary_value",
            "share_att_key",
            "classifier_bias",
            "position_biased_input",
            "projection_bias",
            "mlp_bias",
            "cross_position_bias",
            "context_mask",
        ),
        _FLAG,
    ),
}


def check_settings(arguments: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Raise for an argument of a wrong type, or out of range.

    Args:
        arguments: arguments of a family by name; those that have no check pass.
        checks: checks of the family that differ from ``SETTINGS``.
    """
    checks = {**SETTINGS, **checks}
    for name, value in arguments.items():
        if name in checks:
            checks[name](name, value, "")


def check_vocabulary(
    vocab_size: int,
    keep_tokens: Sequence[int] | None,
    compound_tokens: Sequence[Any] | None,
    pad_token_id: int | None,
) -> int:
    """Return the number of ids of a model; raise for ids outside its vocabulary.

    Args:
        vocab_size: number of ids in the checkpoint's vocabulary; 0 for a model of your own that
            takes no ids.
        keep_tokens: ids of the checkpoint, or None for all.
        compound_tokens: lists of ids counted after ``keep_tokens``, or None.
        pad_token_id: the id of padding, counted after both; None if no id is padding.
    """
    size = check_integer("vocab_size", vocab_size, 0)
    if size == 0 and keep_tokens is None and not compound_tokens:
        return size
    if keep_tokens is not None:
        _check_vocabulary_ids(keep_tokens, size, "keep_tokens")
        size = len(keep_tokens)
    for i, item in enumerate(compound_tokens or ()):
        ids = item[0] if isinstance(item, tuple) and len(item) == 2 else item
        _check_vocabulary_ids(ids, size, f"compound_tokens[{i}]")
    size += len(compound_tokens or ())
    if pad_token_id is not None:
        remedy = (
            "It counts after keep_tokens. Give the argument pad_token_id=None if no id is padding."
        )
        check_integer("pad_token_id", pad_token_id, 0, size - 1, remedy)
    return size


def _check_vocabulary_ids(ids: Any, vocab_size: int, name: str) -> None:
    """Raise for a list that does not hold ids of the vocabulary.

    Args:
        name: the argument, for messages.
    """
    remedy = "Make it from the vocabulary of this checkpoint."
    array = np.asarray(ids) if isinstance(ids, list | tuple | range | np.ndarray) else None
    if array is None or array.ndim != 1:
        raise TypeError(f"Expected {name} to be a list of ids, got {describe(ids)}. {remedy}")
    if not array.size:
        raise ValueError(f"Expected {name} to hold one id or more, got none. {remedy}")
    if array.dtype.kind not in "iu":
        item = next((x for x in ids if not isinstance(x, int | np.integer)), ids)
        raise TypeError(f"Expected {name} to hold ids, got {describe(item)}. {remedy}")
    for i in (array.argmin(), array.argmax()):
        check_integer(f"{name}[{i}]", array[i], 0, vocab_size - 1, remedy)


def count_weights(model: Any) -> int:
    """Return a lower limit of the number of weights of a model that may be unbuilt."""
    blocks = len({model.block_name(i) for i in range(model.num_hidden_layers)})
    table = model.vocab_size * model.embedding_size
    return table + blocks * model.hidden_size * model.intermediate_size


def check_scale(model: Any, checkpoint: Any = None) -> None:
    """Raise a ValueError for a model that no machine holds, or no checkpoint of this size fills.

    It is raised before the first layer is built: a wrong number in a configuration may ask for
    a thousand blocks or for tables of terabytes.

    Args:
        model: an unbuilt ``Transformer``.
        checkpoint: an open checkpoint, or None.
    """
    count = count_weights(model)
    if count > _MOST_WEIGHTS:
        raise ValueError(
            f"The configuration asks for {count:.1e} weights or more, which no machine holds. "
            "Correct its sizes."
        )
    if checkpoint is None or model.ignore_invalid_weights or model.autoresize_weights:
        return
    blocks = len({model.block_name(i) for i in range(model.num_hidden_layers)})
    remedy = "Take the configuration that comes with the checkpoint."
    if blocks > len(checkpoint) + 100:  # a block has at least a tensor of its own
        raise ValueError(
            f"The configuration asks for {blocks} blocks, but {checkpoint.path} holds "
            f"{len(checkpoint)} tensors. {remedy}"
        )
    if count <= _FEW_WEIGHTS:
        return
    size = sum(math.prod(checkpoint.shape(name)) for name in checkpoint)
    if count > 4 * size:
        raise ValueError(
            f"The configuration asks for {count:.1e} weights or more, but {checkpoint.path} holds "
            f"{size:.1e}. {remedy}"
        )
