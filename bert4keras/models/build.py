"""From a configuration and a checkpoint to a model in one call."""

from contextlib import nullcontext
from pathlib import Path

from bert4keras.checkpoints import CheckpointError, open_checkpoint
from bert4keras.checkpoints.hub import local
from bert4keras.models.config import (
    check_argument_names,
    check_required_settings,
    check_supported,
    parameters,
    read_config,
)
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
from bert4keras.models.loading import resemblance
from bert4keras.models.mixins import (
    extend_with_language_model,
    extend_with_unified_language_model,
)

FAMILIES = {
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
MODEL_TYPES = {  # what transformers calls them, where it is not the same but for dashes
    "camembert": "xlm_roberta",
    "openai-gpt": "gpt",
    "roberta": "xlm_roberta",
    "mt5": "mt5.1.1",
}
ARCHITECTURES = {  # classes of transformers that are a part of what their model_type names
    "MT5EncoderModel": "mt5.1.1_encoder",
    "T5EncoderModel": "t5_encoder",
}
APPLICATIONS = {
    "encoder": lambda family: family,
    "lm": extend_with_language_model,
    "unilm": extend_with_unified_language_model,
}


def build_transformer_model(
    config_path=None,
    checkpoint_path=None,
    model=None,
    application=None,
    return_keras_model=True,
    **kwargs,
):
    """Build a model by its configuration and fill it from a checkpoint.

    Args:
        config_path: a JSON file in Google's or Hugging Face's keys, a folder that holds it, a dict,
            or None when all settings are given as arguments. A folder given without a checkpoint
            is searched for one. A folder of Hugging Face's hub is ``"hf://organisation/name"``.
        checkpoint_path: weights to load: a TF1 prefix ``.../bert_model.ckpt``, a safetensors,
            ``pytorch_model.bin`` or HDF5 file, a folder, or a dict of arrays; None for random
            weights.
        model: a name in ``FAMILIES``, in any case, or a class; by default what the configuration
            calls its ``model_type``, or "bert" if it calls nothing.
        application: "encoder"; "lm", a language model; "unilm", sequence to sequence by segments;
            by default "lm" where the configuration names such a class of ``transformers``, and
            "encoder" elsewhere.
        return_keras_model: False returns the ``Transformer`` object, whose ``model`` is the Keras
            model.
        **kwargs: arguments of the class and of its ``build``; they go before the configuration.

    Returns:
        A functional Keras model, or the object that built it.

    Raises:
        TypeError: an argument that the model does not take.
        ValueError: an unknown model or application, one that the family cannot be, a setting that
            is lacking, a checkpoint that does not fit. No model is left half loaded.
        FileNotFoundError: a path leads nowhere.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_mlm=True)
        >>> model.output_shape
        (None, None, 50)
    """
    config_path, checkpoint_path = local(config_path), local(checkpoint_path)
    written = read_config(config_path)
    base, settings = family_of(model, written)
    application = application or application_of(written, base)
    extend = _chosen(application, APPLICATIONS, "application")
    check_supported(base, kwargs, application)
    family = extend(base)
    takes, builds = parameters(family, "__init__"), parameters(family, "build")
    check_argument_names(kwargs, [*takes, *builds], base)
    config = {**family.parse_config(written), **settings, **kwargs}
    check_required_settings(config, config_path)
    if checkpoint_path is None and isinstance(config_path, str | Path):
        checkpoint_path = config_path if Path(config_path).is_dir() else None
    with nullcontext() if checkpoint_path is None else open_checkpoint(checkpoint_path) as opened:
        if opened is not None:
            config = family.adapt_config(config, opened)
        transformer = family(**{key: config[key] for key in takes if key in config})
        if opened is not None:
            transformer.expect(opened)
        transformer.build(**{key: config[key] for key in builds if key in config})
        if opened is not None:
            _load(transformer, opened)
    return transformer.model if return_keras_model else transformer


def family_of(model, config):
    """The class that ``model=`` means, and the settings that its name implies.

    Args:
        model: a name in ``FAMILIES``, a class, or None for what the configuration names. A name
            that the configuration gives itself means what ``transformers`` means by it.
        config: the configuration as it is written.
    """
    kind = config.get("model_type", "bert")
    if model is None or (isinstance(model, str) and model.lower() == kind):
        parts = [] if model else [ARCHITECTURES.get(x) for x in config.get("architectures") or ()]
        model = next(filter(None, parts), MODEL_TYPES.get(kind, kind.replace("-", "_")))
        if model not in FAMILIES:
            raise ValueError(
                f"The configuration names the architecture {kind!r}, which is not known here. "
                f"Known are {', '.join(FAMILIES)}: give model=... if it is one of them."
            )
    if not isinstance(model, str):
        return model, {}
    name = model.lower()
    return _chosen(name, FAMILIES, "model"), _IMPLIED_SETTINGS.get(name, {})


def application_of(config, family):
    """What a configuration says that a model is used as."""
    classes = config.get("architectures") or ()
    decodes = any(name.endswith(("LMHeadModel", "ForCausalLM")) for name in classes)
    return "lm" if decodes and "lm" in family.config_spec.applications else "encoder"


def _load(transformer, checkpoint):
    """Fill a model; where that fails, say whose checkpoint it looks like."""
    try:
        transformer.load_weights_from_checkpoint(checkpoint)
    except CheckpointError:
        raise
    except ValueError as error:
        own = type(transformer)
        others = {n: x for n, x in FAMILIES.items() if x.__module__ != own.__module__}
        share = {name: resemblance(family, checkpoint) for name, family in others.items()}
        likely = max(share, key=share.get)
        if share[likely] <= max(0, resemblance(own, checkpoint)):
            raise
        raise ValueError(f"{error}\nIt looks like one of model={likely!r}.") from None


def _chosen(name, table, argument):
    if name.lower() not in table:
        raise ValueError(f"{argument} must be one of {', '.join(table)}; got {name!r}")
    return table[name.lower()]
