"""Methods of ``Transformer`` that read and write checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bert4keras.backend.types import StrPath
from bert4keras.models import loading

if TYPE_CHECKING:
    from bert4keras.models.transformer import Transformer


def load_weights_from_checkpoint(
    self: Transformer,
    checkpoint: StrPath | Mapping[str, Any],
    mapping: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Fill the model from a checkpoint, or change nothing and report all that does not fit.

    Args:
        checkpoint: a path of any format that ``open_checkpoint`` reads, or {name: array}.
        mapping: layer name -> variable names; ``variable_mapping()`` by default.

    Raises:
        ValueError: variables are missing or of another shape, the file is missing, damaged or
            not safe to open.
    """
    loading.read(self, checkpoint, mapping)


def expect(self: Transformer, checkpoint: Mapping[str, Any]) -> None:
    """Build without drawing the weights that a checkpoint is about to give."""
    loads = type(self).load_weights_from_checkpoint is load_weights_from_checkpoint
    if loads and not self.ignore_invalid_weights and not self.layers:
        self.filled = frozenset(self.mapping_of(checkpoint)) - {*self.checkpoint_spec.optional}


def save_weights_as_checkpoint(
    self: Transformer,
    filename: StrPath,
    mapping: Mapping[str, Sequence[str]] | None = None,
    dtype: Any = None,
) -> None:
    """Write the weights under the names of pretrained checkpoints.

    Args:
        filename: ``*.safetensors`` is written with Hugging Face's names, ``*.h5`` with Google's;
            anything else is the prefix of a TF1 checkpoint.
        mapping: layer name -> variable names; that of the family by default.
        dtype: type of the numbers; that of the weights by default.
    """
    loading.write(self, filename, mapping, dtype)


def save_pretrained(
    self: Transformer, folder: StrPath, dtype: Any = None, tokenizer: Any = None
) -> None:
    """Write a folder that ``build_transformer_model`` opens in one argument.

    It holds ``config.json`` and ``model.safetensors``; ``transformers`` opens it too, if it has the
    family.

    Args:
        folder: path of the folder; made if it does not exist.
        dtype: type of the numbers; that of the weights by default.
        tokenizer: its vocabulary is written next to them; none by default.

    Raises:
        ValueError: ``transformers`` has the family, but cannot compute what this model does.
    """
    loading.write_folder(self, folder, dtype, tokenizer)
