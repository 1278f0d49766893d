"""From a configuration and a checkpoint to a model in one call."""

from contextlib import nullcontext
from pathlib import Path

from bert4keras.checkpoints import open_checkpoint
from bert4keras.models.albert import ALBERT, ALBERT_Unshared
from bert4keras.models.bert import BERT
from bert4keras.models.config import check_arguments, check_complete, parameters, read_config
from bert4keras.models.masks import (
    extend_with_language_model,
    extend_with_unified_language_model,
)

FAMILIES = {
    "bert": BERT,
    "roberta": BERT,
    "albert": ALBERT,
    "albert_unshared": ALBERT_Unshared,
}
APPLICATIONS = {
    "encoder": lambda family: family,
    "lm": extend_with_language_model,
    "unilm": extend_with_unified_language_model,
}


def build_transformer_model(
    config_path=None,
    checkpoint_path=None,
    model="bert",
    application="encoder",
    return_keras_model=True,
    **kwargs,
):
    """Build a model by its configuration and fill it from a checkpoint.

    Args:
        config_path: a JSON file in Google's or Hugging Face's keys, a folder that holds it, a dict,
            or None when all settings are given as arguments. A folder given without a checkpoint
            is searched for one.
        checkpoint_path: weights to load: a TF1 prefix ``.../bert_model.ckpt``, a safetensors,
            ``pytorch_model.bin`` or HDF5 file, a folder, or a dict of arrays; None for random
            weights.
        model: a name in ``FAMILIES``, in any case, or a class.
        application: "encoder"; "lm", a language model; "unilm", sequence to sequence by segments.
        return_keras_model: False returns the ``Transformer`` object, whose ``model`` is the Keras
            model.
        **kwargs: arguments of the class and of its ``build``; they go before the configuration.

    Returns:
        A functional Keras model, or the object that built it.

    Raises:
        TypeError: an argument that the model does not take.
        ValueError: an unknown model or application, a setting that lacks, a checkpoint that does
            not fit. No model is left half loaded.
        FileNotFoundError: a path leads nowhere.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_mlm=True)
        >>> model.output_shape
        (None, None, 50)
    """
    family = _chosen(model, FAMILIES, "model") if isinstance(model, str) else model
    family = _chosen(application, APPLICATIONS, "application")(family)
    takes, builds = parameters(family, "__init__"), parameters(family, "build")
    check_arguments(kwargs, [*takes, *builds], _named(model))
    config = {**read_config(config_path), **kwargs}
    check_complete(config, config_path)
    if (
        checkpoint_path is None
        and isinstance(config_path, str | Path)
        and Path(config_path).is_dir()
    ):
        checkpoint_path = config_path
    with nullcontext() if checkpoint_path is None else open_checkpoint(checkpoint_path) as opened:
        if opened is not None:
            config = family.config_for(config, opened)
        transformer = family(**{key: config[key] for key in takes if key in config})
        transformer.build(**{key: config[key] for key in builds if key in config})
        if opened is not None:
            transformer.load_weights_from_checkpoint(opened)
    return transformer.model if return_keras_model else transformer


def _chosen(name, table, argument):
    if name.lower() not in table:
        raise ValueError(f"{argument} must be one of {', '.join(table)}; got {name!r}")
    return table[name.lower()]


def _named(model):
    return f"model={model!r}" if isinstance(model, str) else model.__name__
