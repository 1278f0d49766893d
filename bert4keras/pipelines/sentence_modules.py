"""Writer of the folders of ``sentence-transformers``, and the names of their modules."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from keras import ops

from bert4keras.backend.types import StrPath
from bert4keras.checkpoints import write_safetensors
from bert4keras.files import replace_files

MODULES_FILE = "modules.json"
CONFIG_FILE = "config_sentence_transformers.json"
_PREFIX = "sentence_transformers.models."  # what all versions read
POOLING = {  # name in the files -> ours, in the order of their vectors
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weighted_mean",
    "lasttoken": "last",
}
POOLING_FLAGS = {  # pooling_mode_... of older files -> name in the newer ones
    f"pooling_mode_{name}": name.removesuffix("_tokens").removesuffix("_token")
    for name in ("cls_token", "max_tokens", "mean_tokens", "weightedmean_tokens", "lasttoken")
} | {"pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens"}
ACTIVATIONS = {  # last part of a class of torch -> name in Keras
    "Identity": "linear",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
}


def write_sentence_transformers(encoder: Any, folder: StrPath, dtype: str | None = None) -> None:
    """Write a folder that ``sentence-transformers`` opens.

    Args:
        encoder: a ``SentenceEncoder`` that was made of a ``Transformer`` object.
        folder: the folder, created if it is missing.
        dtype: type of the weights in the files; their own by default.

    Raises:
        ValueError: ``sentence-transformers`` cannot compute what the encoder does.
    """
    _check_writable(encoder)
    names = ["Transformer", "Pooling", *["Dense"] * len(encoder.dense)]
    names += ["Normalize"] if encoder.normalize else []
    paths = ["", *(f"{i}_{name}" for i, name in enumerate(names[1:], 1))]
    with replace_files(folder) as part:
        encoder.transformer.save_pretrained(part, dtype, encoder.tokenizer)
        _write_json(
            part / MODULES_FILE,
            [
                {"idx": i, "name": str(i), "path": path, "type": _PREFIX + name}
                for i, (name, path) in enumerate(zip(names, paths))
            ],
        )
        _write_json(part / CONFIG_FILE, _list_settings(encoder))
        settings = {"max_seq_length": encoder.maxlen, "do_lower_case": False}
        _write_json(part / "sentence_bert_config.json", settings)
        _write_json(part / paths[1] / "config.json", _list_pooling(encoder))
        for layer, path in zip(encoder.dense, paths[2:]):
            _write_dense(layer, part / path, dtype)
        for path in paths[2 + len(encoder.dense) :]:
            _write_json(part / path / "config.json", {})


def _check_writable(encoder: Any) -> None:
    if encoder.transformer is None:
        raise ValueError(
            "Expected an encoder of a Transformer object to write a folder of "
            "sentence-transformers, got one of a Keras model, which does not know its "
            "configuration. Pass build_transformer_model(..., return_keras_model=False) as model."
        )
    modes = list(POOLING.values())
    places = [modes.index(name) for name in encoder.pooling if name in modes]
    if not places or len(places) != len(encoder.pooling) or places != sorted({*places}):
        raise ValueError(
            f"Expected a pooling of sentence-transformers, got {encoder.pooling}. It has "
            f"{', '.join(modes)}, and concatenates them in this order."
        )
    for layer in encoder.dense:
        _find_activation(layer)


def _list_settings(encoder: Any) -> dict[str, Any]:
    return {
        "prompts": encoder.prompts,
        "default_prompt_name": encoder.default_prompt_name,
        "similarity_fn_name": encoder.similarity_function,
        "truncate_dim": encoder.dimensions,
    }


def _list_pooling(encoder: Any) -> dict[str, Any]:
    modes = {name for name, mode in POOLING.items() if mode in encoder.pooling}
    return {
        "word_embedding_dimension": encoder.transformer.hidden_size,
        **{flag: name in modes for flag, name in POOLING_FLAGS.items()},
        "include_prompt": bool(encoder.include_prompt),
    }


def _find_activation(layer: Any) -> str:
    """Return the class of torch that is a dense layer's activation."""
    activations = {keras.activations.get(name): kind for kind, name in ACTIVATIONS.items()}
    kind = activations.get(getattr(layer, "activation", None))
    if not isinstance(layer, keras.layers.Dense) or kind is None:
        raise ValueError(
            "Expected dense to be keras.layers.Dense with an activation of "
            f"{', '.join(ACTIVATIONS.values())}, got {layer.name}."
        )
    place = "linear" if kind == "Identity" else "activation"
    return f"torch.nn.modules.{place}.{kind}"


def _write_dense(layer: Any, folder: Path, dtype: str | None) -> None:
    arrays = [ops.convert_to_numpy(x).T for x in layer.weights]
    names = ["linear.weight", "linear.bias"][: len(arrays)]
    config = {
        "in_features": arrays[0].shape[1],
        "out_features": arrays[0].shape[0],
        "bias": len(arrays) > 1,
        "activation_function": _find_activation(layer),
    }
    _write_json(folder / "config.json", config)
    write_safetensors(folder / "model.safetensors", zip(names, arrays), dtype=dtype)


def _write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
