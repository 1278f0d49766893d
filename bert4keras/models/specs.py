"""Specifications of a family: the weights in its checkpoints, the keys of its configuration.

A family holds one of each as class attributes, most often another family's with changes::

    checkpoint_spec = BERT.checkpoint_spec.replace(hugging_face=_HUGGING_FACE)
    config_spec = BERT.config_spec.replace(model_type="ernie")
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bert4keras.checkpoints import Dialect
from bert4keras.models.hugging_face import Unsupported


@dataclass(frozen=True)
class CheckpointSpec:
    """Names and layout of a family's weights in checkpoints.

    Args:
        weights: layer name -> names of its variables, in Google's names and in the order of the
            layer's weights; ``{i}`` stands for the number of the block.
        vocabulary: variables with a row for each token id, which ``keep_tokens`` selects from.
        transposed_variables: variables that a checkpoint holds transposed.
        hugging_face: dialect of ``transformers``, to read and to write; None where ``transformers``
            does not have the family.
        dialects: further dialects that can be read, tried before it.
        optional: layers that published checkpoints do not hold: they stay as initialised, with a
            warning.
    """

    weights: dict[str, list[str]] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()
    transposed_variables: tuple[str, ...] = ()
    hugging_face: Dialect | None = None
    dialects: tuple[Dialect, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def readable_dialects(self) -> tuple[Dialect, ...]:
        """All dialects that can be read."""
        return self.dialects + ((self.hugging_face,) if self.hugging_face else ())

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True)
class ConfigSpec:
    """Settings of a family: keys of its ``config.json``, and arguments that it does not take.

    Args:
        model_type: name of the family in a ``config.json``.
        keys: argument -> its key, where they differ; arguments of the family's own stand here too,
            to be written.
        defaults: settings that a ``config.json`` of ``transformers`` may leave out.
        required_values: settings of which the family computes one value only; a configuration with
            another value is refused.
        used_keys: further keys of a ``config.json`` that hooks of the family read.
        keys_without_effect: key -> reason why it changes nothing in this family.
        checks: argument -> check, where the family's range differs from that of all families.
        unsupported_args: arguments of its base classes that mean nothing here: refused.
        ignored_args: the same, but scripts of 0.x pass them: ignored with a warning.
        applications: values of ``application`` that the family can be built with.
        hf_unsupported: properties of a model that ``transformers`` cannot compute: writing a folder
            is refused.
    """

    model_type: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    required_values: Mapping[str, Any] = field(default_factory=dict)
    used_keys: tuple[str, ...] = ()
    keys_without_effect: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    unsupported_args: tuple[str, ...] = ()
    ignored_args: tuple[str, ...] = ()
    applications: tuple[str, ...] = ("encoder", "lm", "unilm")
    hf_unsupported: frozenset[Unsupported] = frozenset()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)
