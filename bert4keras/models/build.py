"""``build_transformer_model``: a model from a configuration and a checkpoint, in one call."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from bert4keras.checkpoints import Checkpoint, MismatchError, open_checkpoint
from bert4keras.checkpoints.hub import resolve_hub_path
from bert4keras.checks import check_string, check_strings, describe
from bert4keras.models.checkpointing import family_match_score
from bert4keras.models.config import (
    check_argument_names,
    check_required_settings,
    check_supported,
    describe_source,
    parameters,
    read_config,
)
from bert4keras.models.config_keys import check_config, warn_of_unknown
from bert4keras.models.families.albert import ALBERT, ALBERT_Unshared
from bert4keras.models.families.bert import BERT
from bert4keras.models.families.deberta import DeBERTaV2
from bert4keras.models.families.distilbert import DistilBERT
from bert4keras.models.families.electra import ELECTRA
from bert4keras.models.families.ernie import ERNIE
from bert4keras.models.families.gau_alpha import GAU_alpha
from bert4keras.models.families.gpt import GPT
from bert4keras.models.families.gpt2 import GPT2
from bert4keras.models.families.gpt2_ml import GPT2_ML
from bert4keras.models.families.llama import LLaMA, Mistral, Qwen2
from bert4keras.models.families.modernbert import ModernBERT
from bert4keras.models.families.nezha import NEZHA
from bert4keras.models.families.roberta import RoBERTa
from bert4keras.models.families.roformer import RoFormer
from bert4keras.models.families.roformer_v2 import RoFormerV2
from bert4keras.models.families.t5 import T5, T5_Decoder, T5_Encoder
from bert4keras.models.families.t5_base import T5_VERSIONS
from bert4keras.models.mixins import (
    extend_with_causal_mask,
    extend_with_language_model,
    extend_with_unified_language_model,
)
from bert4keras.models.settings import check_scale, check_settings
from bert4keras.models.transformer import Transformer

# To add a family, follow "Add a family" in CONTRIBUTING.md.
FAMILIES: dict[str, type[Transformer]] = {
    "bert": BERT,
    "roberta": BERT,  # in the Chinese checkpoints' sense
    "xlm_roberta": RoBERTa,
    "distilbert": DistilBERT,
    "electra": ELECTRA,
    "ernie": ERNIE,
    "deberta_v2": DeBERTaV2,
    "modernbert": ModernBERT,
    "albert": ALBERT,
    "albert_unshared": ALBERT_Unshared,
    "nezha": NEZHA,
    "roformer": RoFormer,
    "roformer_v2": RoFormerV2,
    "gau_alpha": GAU_alpha,
    "gpt": GPT,
    "gpt2": GPT2,
    "gpt2_ml": GPT2_ML,
    "llama": LLaMA,
    "mistral": Mistral,
    "qwen2": Qwen2,
    **{
        f"{version}{part}": family
        for version in ("t5", *T5_VERSIONS)
        for part, family in (("", T5), ("_encoder", T5_Encoder), ("_decoder", T5_Decoder))
    },
}
_IMPLIED_SETTINGS = {  # a name in FAMILIES -> arguments that it stands for
    f"{version}{part}": {"version": version}
    for version in T5_VERSIONS
    for part in ("", "_encoder", "_decoder")
}
_MODEL_TYPES = {  # model_type of transformers -> family, where more than dashes differ
    "camembert": "xlm_roberta",
    "openai-gpt": "gpt",
    "roberta": "xlm_roberta",
    "mt5": "mt5.1.1",
}
_ARCHITECTURES = {  # classes of transformers that are a part of the model_type's family
    "MT5EncoderModel": "mt5.1.1_encoder",
    "T5EncoderModel": "t5_encoder",
}
_CORRECT = "Correct the configuration."
APPLICATIONS: dict[str, Callable[[type[Transformer]], type[Transformer]]] = {
    "encoder": lambda family: family,
    "lm": extend_with_language_model,
    "unilm": extend_with_unified_language_model,
}


def build_transformer_model(
    config_path: Any = None,
    checkpoint_path: Any = None,
    model: str | type[Transformer] | None = None,
    application: str | None = None,
    return_keras_model: bool = True,
    **kwargs: Any,
) -> Any:
    """Build a model by its configuration and fill it from a checkpoint.

    Args:
        config_path: a JSON file in Google's or Hugging Face's keys, a folder that holds it, a dict,
            or None when all settings are given as arguments. A folder given without a checkpoint
            is searched for one. A folder of Hugging Face's hub is ``"hf://organisation/name"``.
        checkpoint_path: weights to load: a TF1 prefix ``.../bert_model.ckpt``, a safetensors,
            ``pytorch_model.bin`` or HDF5 file, a folder, a dict of arrays, or an open checkpoint,
            which stays open; None for random weights.
        model: a name in ``FAMILIES``, in any case, or a class; by default the ``model_type`` of the
            configuration, or "bert" if it has none.
        application: "encoder"; "lm", a language model; "unilm", sequence to sequence by segments;
            by default "encoder", with a causal mask if ``is_decoder`` of the configuration is true,
            and "lm" if it also names such a class of ``transformers``.
        return_keras_model: False returns the ``Transformer`` object, whose ``model`` is the Keras
            model.
        **kwargs: arguments of the class and of its ``build``; they go before the configuration.

    Returns:
        A functional Keras model, or the object that built it.

    Raises:
        TypeError: an argument that the model does not take, or of a wrong type.
        ValueError: an unknown model or application, one that the family cannot be, a setting that
            is missing, out of range or not computed here, a checkpoint that does not fit. No model
            is left half loaded.
        FileNotFoundError: a path leads nowhere.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_mlm=True)
        >>> model.output_shape
        (None, None, 50)
    """
    if not isinstance(checkpoint_path, str | PathLike | Mapping | None):
        raise TypeError(
            "Expected checkpoint_path to be a path, a dict of arrays or an open checkpoint, got "
            f"{describe(checkpoint_path)}."
        )
    config_path, checkpoint_path = map(resolve_hub_path, (config_path, checkpoint_path))
    file_config = read_config(config_path)
    base, settings = family_of(model, file_config)
    if application is not None:
        extend = _look_up(check_string("application", application), APPLICATIONS, "application")
        check_supported(base, kwargs, application)
    else:
        extend = _extension_by_config(file_config, base)
        check_supported(base, kwargs, base.config_spec.applications[0])
    family = extend(base)
    takes, build_takes = parameters(family, "__init__"), parameters(family, "build")
    check_argument_names(kwargs, [*takes, *build_takes], base)
    check_settings(kwargs, base.config_spec.checks)
    source = describe_source(config_path)
    file_config, unknown_keys = check_config(base, file_config, takes, source)
    config = {**family.parse_config(file_config), **settings, **kwargs}
    check_required_settings(config, config_path)
    warn_of_unknown(base, unknown_keys, source)
    if checkpoint_path is None and isinstance(config_path, str | Path):
        checkpoint_path = config_path if Path(config_path).is_dir() else None
    if checkpoint_path is None:
        transformer = family(**_select(config, takes))
        check_scale(transformer)
        transformer.build(**_select(config, build_takes))
    else:
        with open_checkpoint(checkpoint_path) as checkpoint:
            config = family.adapt_config(config, checkpoint)
            transformer = family(**_select(config, takes))
            check_scale(transformer, checkpoint)
            try:
                transformer.build_from_checkpoint(checkpoint, **_select(config, build_takes))
            except MismatchError as error:
                raise _suggest_family(error, family, checkpoint) from None
    return transformer.model if return_keras_model else transformer


def family_of(
    model: str | type[Transformer] | None, config: Mapping[str, Any]
) -> tuple[type[Transformer], dict[str, Any]]:
    """Return the class that ``model=`` means, and the settings that its name implies.

    Args:
        model: a name in ``FAMILIES``, a class, or None for the one that the configuration names. A
            name that the configuration has too means what ``transformers`` means by it.
        config: the configuration as it stands in its file.
    """
    kind = config.get("model_type") or "bert"
    if not isinstance(kind, str):
        raise ValueError(f"Expected model_type to be a str, got {describe(kind)}. {_CORRECT}")
    classes = _classes_of(config)
    if model is None or (isinstance(model, str) and model.lower() == kind):
        parts = [] if model else [_ARCHITECTURES.get(name) for name in classes]
        model = next(filter(None, parts), _MODEL_TYPES.get(kind, kind.replace("-", "_")))
        if model not in FAMILIES:
            raise ValueError(
                f"The configuration names the architecture {kind!r}, which is not known here. "
                f"Known are {', '.join(FAMILIES)}: give model=... if it is one of them."
            )
    if isinstance(model, type) and issubclass(model, Transformer):
        return model, {}
    name = check_string("model", model, "Pass a name in FAMILIES, or a class.").lower()
    return _look_up(name, FAMILIES, "model"), _IMPLIED_SETTINGS.get(name, {})


def _classes_of(config: Mapping[str, Any]) -> list[str]:
    """Return the classes of ``transformers`` that a configuration names."""
    try:
        return check_strings("architectures", config.get("architectures") or [], _CORRECT)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _extension_by_config(
    config: Mapping[str, Any], family: type[Transformer]
) -> Callable[[type[Transformer]], type[Transformer]]:
    """Return what makes a family causal where a configuration says so; ``transformers`` does so.

    The class does not count: without ``is_decoder`` every position of it sees all others.
    """
    can_be_causal = "lm" in family.config_spec.applications
    has_token_head = any(x.endswith(("LMHeadModel", "ForCausalLM")) for x in _classes_of(config))
    is_causal = family.mask_kind == "causal" or bool(config.get("is_decoder"))
    if has_token_head and can_be_causal and not is_causal:
        warnings.warn(
            f"The configuration names {config['architectures'][0]}, but is_decoder is not true: "
            "as in transformers, each position sees all others. For a causal mask, pass "
            "application='lm'.",
            stacklevel=3,
        )
    if not (is_causal and can_be_causal):
        return APPLICATIONS["encoder"]
    return APPLICATIONS["lm"] if has_token_head else extend_with_causal_mask


def _suggest_family(
    error: MismatchError, family: type[Transformer], checkpoint: Checkpoint
) -> MismatchError:
    """Add to an error the family whose names the checkpoint has, if it is another one."""
    families = {name: x for name, x in FAMILIES.items() if x.__module__ != family.__module__}
    scores = {name: family_match_score(x, checkpoint) for name, x in families.items()}
    likely = max(scores, key=lambda name: scores[name])
    if scores[likely] <= max(0, family_match_score(family, checkpoint)):
        return error
    return MismatchError(f"{error}\nIt looks like one of model={likely!r}.")


def _select(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _look_up(name: str, table: Mapping[str, Any], argument: str) -> Any:
    if name.lower() not in table:
        raise ValueError(f"{argument} must be one of {', '.join(table)}; got {name!r}")
    return table[name.lower()]
