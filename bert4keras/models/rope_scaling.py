"""How fast rotary positions turn, and how that is changed for longer texts."""

import numpy as np


def linear(frequencies, factor):
    """All turn more slowly, as if positions were closer by a factor (arXiv:2306.15595)."""
    return frequencies / factor


def llama3(frequencies, factor, low_freq_factor, high_freq_factor, original):
    """Slow turns become slower by a factor, fast ones stay, those between are blended.

    Args:
        factor: how much slower the slow ones become.
        low_freq_factor: slow is what turns less often than this within ``original`` positions.
        high_freq_factor: fast is what turns more often than this.
        original: number of positions that the model was trained on at first.
    """
    turns = original * frequencies / (2 * np.pi)
    kept = np.clip((turns - low_freq_factor) / (high_freq_factor - low_freq_factor), 0, 1)
    return frequencies * (kept + (1 - kept) / factor)


SCALINGS = {  # rope_type -> how it changes the frequencies, and the settings that it needs
    "default": (lambda frequencies: frequencies, ()),
    "linear": (linear, ("factor",)),
    "llama3": (
        llama3,
        ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    ),
}


def rotary_frequencies(size, theta=10000.0, scaling=None):
    """By how many radians each pair of features turns from one position to the next.

    Args:
        size: features of a head, an even number.
        theta: base of the frequencies ``theta^(-2i/size)``.
        scaling: how they are changed, in Hugging Face's terms, such as
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
    scale, settings = _scaling(scaling or {})
    frequencies = np.power(float(theta), -2.0 * np.arange(size // 2) / size)
    return scale(frequencies, *settings).tolist()


def _scaling(scaling):
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind not in SCALINGS:
        raise ValueError(
            f"rope_type must be one of {', '.join(SCALINGS)}, the configuration says {kind!r}: "
            "another model. Take a checkpoint that was trained so."
        )
    if scaling.get("partial_rotary_factor", 1) != 1:
        raise ValueError(
            "partial_rotary_factor must be 1: all features of a head turn. The configuration says "
            f"{scaling['partial_rotary_factor']}: another model."
        )
    scale, names = SCALINGS[kind]
    lacking = [name for name in names if scaling.get(name) is None]
    if lacking:
        raise ValueError(f"rope_type={kind!r} lacks {', '.join(lacking)}: correct {scaling}")
    return scale, [scaling[name] for name in names]
