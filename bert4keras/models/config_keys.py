"""Keys of a ``config.json``: which are settings, which change nothing, and which are refused.

Each key is one of these:

- a setting of the family: an argument of its class, under the name in ``ConfigSpec.keys``, or one
  of ``ConfigSpec.used_keys``;
- a key of ``ConfigSpec.required_values`` or ``REFUSED_VALUES``: the family computes one value only;
- a key without effect, in ``KEYS_WITHOUT_EFFECT`` or ``ConfigSpec.keys_without_effect``;
- an argument of the caller, such as ``keep_tokens``: a file may not choose it;
- unknown: a warning names it.
"""

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bert4keras.checks import describe
from bert4keras.models.settings import SETTINGS, Check
from bert4keras.models.specs import ConfigSpec

ARGUMENTS = {  # keys of config.json that have another name as arguments
    "hidden_dropout_prob": "dropout_rate",
    "attention_probs_dropout_prob": "attention_dropout_rate",
    "max_position_embeddings": "max_position",
    "type_vocab_size": "segment_vocab_size",
}
REQUIRED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
)
USED_KEYS = ("model_type", "architectures", "is_decoder")  # of each family

_ALIASES = (  # names of settings that configurations of transformers may have for each family
    *("hidden_size", "num_hidden_layers", "num_attention_heads"),
    "max_position_embeddings",
)
_OWN_SETTINGS = (  # of bert4keras alone, but for families that name them in ``used_keys``
    "attention_head_size",
    "attention_key_size",
    "embedding_size",
    "hierarchical_position",
    "residual_attention_scores",
    "shared_segment_embeddings",
)
_ROPE_KEYS = (
    *("rope_type", "type", "rope_theta", "partial_rotary_factor"),
    *("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    *("full_attention", "sliding_attention"),
)
_REASONS = {  # reason why keys change nothing -> keys
    "they describe the file": (
        "transformers_version _name_or_path name_or_path _commit_hash tokenizer_class language "
        "_attn_implementation attn_implementation _attn_implementation_autoset "
        "_attn_implementation_internal is_composition vocab_path model_name"
    ),
    "the type of numbers follows the dtype policy of Keras": (
        "torch_dtype dtype use_bfloat16 torchscript"
    ),
    "they choose what transformers returns": (
        "return_dict use_return_dict output_hidden_states output_attentions output_past use_cache"
    ),
    "build_task_model reads them, or the loss of a task is the user's": (
        "id2label label2id num_labels _num_labels problem_type finetuning_task "
        "task_specific_params classifier_dropout classifier_dropout_prob summary_type "
        "summary_use_proj summary_activation summary_last_dropout summary_first_dropout "
        "summary_proj_to_labels tf_legacy_loss"
    ),
    "they are ids that the tokenizer and the decoding know": (
        "cls_token_id mask_token_id unk_token_id decoder_start_token_id "
        "forced_bos_token_id forced_eos_token_id"
    ),
    "they are options of decoding": (
        "max_length max_new_tokens min_length min_new_tokens do_sample early_stopping num_beams "
        "num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty "
        "length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids "
        "num_return_sequences output_scores return_dict_in_generate remove_invalid_values "
        "exponential_decay_length_penalty suppress_tokens begin_suppress_tokens"
    ),
    "the initial values of weights are those of bert4keras": (
        "initializer_range initializer_factor initializer_cutoff_factor"
    ),
    "they trade memory for time": "gradient_checkpointing chunk_size_feed_forward",
    "no code has ever read them": (
        "directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers "
        "pooler_size_per_head pooler_type"
    ),
}
KEYS_WITHOUT_EFFECT = {key: reason for reason, keys in _REASONS.items() for key in keys.split()}

_QUANTIZED = "its weights are quantized. Take the folder from before the quantization"
REFUSED_VALUES: dict[str, tuple[Any, str]] = {  # key -> the one value computed, and the reason
    "quantization_config": (None, _QUANTIZED),
    "quantization": (None, _QUANTIZED),
    "compression_config": (None, _QUANTIZED),
    "pruned_heads": ({}, "blocks have unequal numbers of heads"),
    "add_cross_attention": (False, "each block attends to a second model"),
    "cross_attention_hidden_size": (None, "each block attends to a second model"),
    "is_encoder_decoder": (False, "an encoder and a decoder"),
    "tie_encoder_decoder": (False, "an encoder and a decoder share their weights"),
}
_CALLER_ARGUMENTS = (  # of the classes and of ``build``: what to do with a model
    "autoresize_weights",
    "compound_tokens",
    "context_mask",
    "custom_position_ids",
    "final_activation",
    "first_position",
    "ignore_invalid_weights",
    "keep_tokens",
    "layers",
    "name",
    "prefix",
    "recompute",
    "sequence_length",
    "task_id",
    "additional_input_layers",
    "attention_caches",
    "layer_norm_cond",
    "layer_norm_cond_hidden_act",
    "layer_norm_cond_hidden_size",
)


def is_caller_argument(name: str, spec: ConfigSpec) -> bool:
    """True for an argument that a configuration may not choose."""
    if name in spec.keys:
        return False
    return name in _CALLER_ARGUMENTS or name.startswith("with_")


def argument_names(spec: ConfigSpec) -> dict[str, str]:
    """Return the keys of a family that have another name as arguments, and that name."""
    return ARGUMENTS | {key: argument for argument, key in spec.keys.items()}


def check_config(
    family: Any, config: Mapping[str, Any], parameter_names: Collection[str], source: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of a configuration; raise for each that is wrong or not computed.

    Args:
        family: a class of models.
        config: settings as a file has them.
        parameter_names: arguments of the class and its base classes.
        source: where the configuration is from, for messages, such as " in config.json".

    Returns:
        The settings with whole floats as integers, and the unknown keys that have a value.
    """
    spec = family.config_spec
    for key, value in config.items():
        _check_key(family, key, value, source)
    known_keys = list_known_keys(spec, parameter_names)
    if config.get("model_type") and family.checkpoint_spec.hugging_face:
        _check_slope(family, config, source)
        known_keys -= _keys_unread_by_transformers(spec)
    names, checks = argument_names(spec), {**SETTINGS, **spec.checks}
    settings = {
        key: _check_value(checks, names.get(key, key), key, value, source)
        for key, value in config.items()
        if key in known_keys
    }
    return settings, _list_unknown(spec, config, known_keys)


def _list_unknown(spec: ConfigSpec, config: Mapping[str, Any], known_keys: set[str]) -> list[str]:
    """Return the unknown keys that have a value, and one that the setting itself does not have."""
    twins = {**spec.keys, "embedding_size": spec.keys.get("hidden_size", "hidden_size")}
    empty = (None, {}, [], "")
    unknown_keys = [
        str(key)
        for key, value in config.items()
        if key not in known_keys
        and not any(value is x or value == x for x in empty)
        and value != config.get(twins.get(key, ""))
    ]
    for key in {"rope_scaling", "rope_parameters"} & known_keys & {*config}:
        unknown_keys += [
            f"{name} of {key}"
            for name, value in (config[key] or {}).items()
            if name not in _ROPE_KEYS and value is not None
        ]
    return sorted(unknown_keys)


def warn_of_unknown(family: Any, unknown_keys: Collection[str], source: str) -> None:
    """Warn once, by name, of keys of a configuration that nothing here knows."""
    if unknown_keys:
        warnings.warn(
            f"{family.__name__} does not know these settings of the configuration{source}, and "
            f"ignores them: {', '.join(unknown_keys)}. If one of them changes the model, the "
            "outputs differ.",
            stacklevel=3,
        )


def _check_key(family: Any, key: str, value: Any, source: str) -> None:
    """Raise a ValueError for a key that a configuration may not have with such a value."""
    if value is None:
        return
    if is_caller_argument(key, family.config_spec):
        raise ValueError(
            f"Expected settings of the architecture{source}, got {key}={describe(value)}. That is "
            "for the caller to choose: remove it there, and pass it as an argument."
        )
    if key not in REFUSED_VALUES or key in family.config_spec.keys:
        return
    valid_value, reason = REFUSED_VALUES[key]
    if value != valid_value:
        raise ValueError(
            f"{family.__name__} can compute {key}={valid_value!r} alone, the configuration{source} "
            f"says {describe(value)}: {reason}."
        )


def _check_slope(family: Any, config: Mapping[str, Any], source: str) -> None:
    """Raise a ValueError for the one activation whose name means another function here."""
    for key, argument in {"hidden_act": "hidden_act", **argument_names(family.config_spec)}.items():
        value = config.get(key)
        if isinstance(value, str) and value.removeprefix("gated-") == "leaky_relu":
            raise ValueError(
                f"Expected another activation than {key}={value!r}{source}: it has the slope 0.01 "
                f"in transformers, and 0.2 in bert4keras. Pass a function as {argument}=..."
            )


def _keys_unread_by_transformers(spec: ConfigSpec) -> set[str]:
    """Return settings under our names, which mean nothing in a configuration of transformers."""
    names = {**argument_names(spec), **{name: name for name in _OWN_SETTINGS}}
    read = {*spec.keys.values(), *spec.used_keys, *spec.required_values, *_ALIASES}
    for key, argument in ARGUMENTS.items():
        read |= {key} if argument not in spec.keys else set()
    return {*names, *names.values()} - read


def list_known_keys(spec: ConfigSpec, parameter_names: Iterable[str]) -> set[str]:
    """Return all keys that a family uses, ignores for a reason, or refuses."""
    return {
        *USED_KEYS,
        *KEYS_WITHOUT_EFFECT,
        *REFUSED_VALUES,
        *ARGUMENTS,
        *spec.keys.values(),
        *spec.used_keys,
        *spec.required_values,
        *spec.keys_without_effect,
        *spec.keys,
        *(x for x in parameter_names if not is_caller_argument(x, spec)),
    }


def _check_value(
    checks: Mapping[str, Check], argument: str, key: str, value: Any, source: str
) -> Any:
    """Return a value of a setting of the right type and range; raise a ValueError for another.

    Args:
        checks: argument -> its check.
        argument: the name of the setting in this table.
        key: its name in the configuration.
    """
    check = checks.get(argument)
    is_required = argument in REQUIRED  # null there is as good as no key: an error lists them all
    if check is None or (value is None and is_required):
        return value
    name, remedy = f"{key}{source}", "Correct the configuration."
    if value is None and argument == "tie_word_embeddings":  # versions of transformers differ
        raise ValueError(f"Expected {name} to be True or False, got None. {remedy}")
    try:
        return check(name, value, remedy)
    except TypeError as error:
        if isinstance(value, float) and value.is_integer():  # in JSON, 40.0 and 40 are equal
            return check(name, int(value), remedy)
        raise ValueError(str(error)) from None
