"""Reader of math word problems with the equations that solve them."""

import warnings

from bert4keras.backend.types import StrPath
from bert4keras.data.records import check_some, read_records, refuse
from bert4keras.text import compute_equation, normalize_equation

_KEYS = ("original_text", "equation", "ans")
_TOLERANCE = 1e-4


def load_math_problems(path: StrPath, encoding: str = "utf-8") -> list[tuple[str, str]]:
    """Read word problems of Ape210K (arXiv:2009.11506) or Math23K: JSON lines or one array.

    Args:
        path: the file, or a ``.gz`` of it. Each record has ``original_text``, ``equation`` and
            ``ans``.
        encoding: encoding of the file.

    Returns:
        Pairs of a problem and its equation in the signs of ``normalize_equation``. Problems whose
        equation does not give their answer are left out; a warning counts them.

    Raises:
        ValueError: a record has another form, or no problem is left; with file and line.

    Example:
        >>> import os, tempfile
        >>> from bert4keras.data import atomic_write, load_math_problems
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "train.json")
        ...     with atomic_write(path) as file:
        ...         _ = file.write('{"original_text": "三加四？", "equation": "x=3+4", "ans": "7"}')
        ...     load_math_problems(path)
        [('三加四？', '3+4')]
    """
    samples, num_skipped = [], 0
    for place, record in read_records(path, encoding, _KEYS):
        text, equation, answer = (str(record[key]) for key in _KEYS)
        if not text.strip():
            refuse(place, None, "a problem in original_text", record)
        equation = normalize_equation(equation)
        if _has_value(equation, normalize_equation(answer)):
            samples.append((text, equation))
        else:
            num_skipped += 1
    check_some(samples, path, "problems whose equation gives their answer")
    if num_skipped:
        warnings.warn(
            f"{path}: {num_skipped} problems whose equation does not give their answer are left "
            "out.",
            stacklevel=2,
        )
    return samples


def _has_value(equation: str, answer: str) -> bool:
    try:
        return abs(compute_equation(equation) - compute_equation(answer)) < _TOLERANCE
    except ValueError:
        return False
