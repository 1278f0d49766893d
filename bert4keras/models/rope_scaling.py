"""Frequencies of rotary positions (RoPE), and their scaling for longer texts."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_number


def _scale_linear(frequencies: NDArray[Any], factor: float) -> NDArray[Any]:
    """Divide all frequencies by a factor, as if positions were closer (arXiv:2306.15595)."""
    return frequencies / factor


def _scale_llama3(
    frequencies: NDArray[Any],
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_positions: int,
) -> NDArray[Any]:
    """Divide low frequencies by a factor, leave high ones, and blend those between.

    Args:
        factor: what the low ones are divided by.
        low_freq_factor: low is less turns than this within ``original_positions``.
        high_freq_factor: high is more turns than this.
        original_positions: number of positions that the model was trained on at first.
    """
    turns = original_positions * frequencies / (2 * np.pi)
    weight = np.clip((turns - low_freq_factor) / (high_freq_factor - low_freq_factor), 0, 1)
    return frequencies * (weight + (1 - weight) / factor)


_SCALINGS = {  # rope_type -> its function, and the settings that it needs
    "default": (lambda frequencies: frequencies, ()),
    "linear": (_scale_linear, ("factor",)),
    "llama3": (
        _scale_llama3,
        ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    ),
}


def rotary_frequencies(
    size: int, theta: float = 10000.0, scaling: Mapping[str, Any] | None = None
) -> list[float]:
    """Return the angles in radians by which pairs of features turn from position to position.

    Args:
        size: features of a head, an even number.
        theta: base of the frequencies ``theta^(-2i/size)``.
        scaling: how they are scaled, in Hugging Face's terms, such as
            ``{"rope_type": "linear", "factor": 2.0}``; None for not at all.

    Returns:
        A list of ``size / 2`` numbers.

    Raises:
        ValueError: a scaling that is not known here or lacks a setting, an odd size.

    Example:
        >>> rotary_frequencies(4, 10000, {"rope_type": "linear", "factor": 2})
        [0.5, 0.005]
    """
    if size % 2:
        raise ValueError(f"Rotary positions turn pairs: a head's size must be even, got {size}")
    scale, settings = _parse_scaling(scaling or {})
    theta = check_number("rope_theta", theta, above=0)
    frequencies = np.power(float(theta), -2.0 * np.arange(size // 2) / size)
    return scale(frequencies, *settings).tolist()


def _parse_scaling(scaling: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if not isinstance(kind, str) or kind not in _SCALINGS:
        raise ValueError(
            f"rope_type must be one of {', '.join(_SCALINGS)}, the configuration says {kind!r}: "
            "another model. Take a checkpoint that was trained so."
        )
    if scaling.get("partial_rotary_factor") not in (None, 1):
        raise ValueError(
            "partial_rotary_factor must be 1: all features of a head turn. The configuration says "
            f"{scaling['partial_rotary_factor']}: another model."
        )
    scale, names = _SCALINGS[kind]
    missing = [name for name in names if scaling.get(name) is None]
    if missing:
        raise ValueError(f"rope_type={kind!r} lacks {', '.join(missing)}: correct {scaling}")
    settings = {
        name: check_number(f"{name} of rope_scaling", scaling[name], above=0) for name in names
    }
    if settings.get("low_freq_factor", 1) >= settings.get("high_freq_factor", math.inf):
        raise ValueError(
            "Expected low_freq_factor of rope_scaling to be below high_freq_factor, got "
            f"{settings['low_freq_factor']} and {settings['high_freq_factor']}. Correct them."
        )
    return scale, list(settings.values())
