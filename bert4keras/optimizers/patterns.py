"""Regular expressions that select variables by path: ``Transformer-0-FeedForward-Norm/gamma``."""

import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import keras

Patterns: TypeAlias = str | Iterable[str] | None


def validate_patterns(patterns: Patterns, argument: str) -> tuple[str, ...]:
    """Return patterns as a tuple: a string becomes one pattern, None becomes none.

    Raises:
        ValueError: a pattern is not a regular expression.
    """
    patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns or ())
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"Expected regular expressions in {argument}, searched in the paths of variables, "
                f"got {pattern!r} ({error}). Give a part of a path, such as 'Norm' or 'bias'; "
                "re.escape turns any text into a pattern"
            ) from error
    return patterns


def get_variable_path(optimizer: keras.optimizers.Optimizer, variable: Any) -> str:
    """Return the path of a variable that the optimizer was built with.

    Keras passes its own variable to ``update_step``, except on TensorFlow: there it is the
    ``tf.Variable`` inside, which has no path. So we look it up by its index.
    """
    return optimizer._trainable_variables[optimizer._get_variable_index(variable)].path


def matches_any(patterns: Iterable[str], path: str) -> bool:
    """True if one of the patterns occurs in the path."""
    return any(re.search(pattern, path) for pattern in patterns)


def warn_unmatched(
    patterns: Iterable[str],
    variables: list[keras.Variable],
    argument: str,
    match: Callable[[str, str], Any] = re.search,
) -> None:
    """Warn of the patterns for which ``match(pattern, path)`` is false for every variable."""
    idle_patterns = [p for p in patterns if not any(match(p, v.path) for v in variables)]
    if idle_patterns and variables:
        warnings.warn(
            f"{argument} {idle_patterns} matches the path of no trainable variable, so it has no "
            f"effect. Paths look like {variables[-1].path!r}. Correct it or remove it",
            stacklevel=3,
        )
