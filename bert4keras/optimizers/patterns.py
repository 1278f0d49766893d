"""Patterns that choose variables by their path, as ``Transformer-0-FeedForward-Norm/gamma``."""

import re
import warnings


def checked(patterns, argument):
    """Patterns as a tuple; one may come as a string, none as None.

    Raises:
        ValueError: one that is no regular expression.
    """
    patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns or ())
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"{argument} takes regular expressions that are searched in the paths of "
                f"variables, got {pattern!r} ({error}). Give a part of a path, such as 'Norm' or "
                "'bias'; re.escape makes a pattern of any text"
            ) from error
    return patterns


def path_of(optimizer, variable):
    """The path of a variable that an optimizer was built for; TensorFlow hands on a bare one."""
    return optimizer._trainable_variables[optimizer._get_variable_index(variable)].path


def chooses(patterns, path):
    """Whether one of the patterns is found in a path."""
    return any(re.search(pattern, path) for pattern in patterns)


def warn_of_idle(parts, variables, argument, found=re.search):
    """Name the parts that are ``found(part, path)`` in the path of no variable."""
    idle = [part for part in parts if not any(found(part, v.path) for v in variables)]
    if idle and variables:
        warnings.warn(
            f"{argument} {idle} is found in the path of no trainable variable, so it changes "
            f"nothing. Paths look like {variables[-1].path!r}; mend it or leave it out",
            stacklevel=3,
        )
