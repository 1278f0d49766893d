"""Arguments of constructors, given and taken away by decorators."""

import functools


def insert_arguments(**defaults):
    """Give an `__init__` more keyword arguments, kept as attributes of the object.

    Args:
        defaults: Name and default of each argument.

    Returns:
        A decorator of `__init__`; the attributes are there before its body runs.

    Example:
        >>> class Model:
        ...     @insert_arguments(with_pool=False)
        ...     def __init__(self, size):
        ...         self.size = size
        >>> Model(8).with_pool, Model(8, with_pool=True).with_pool
        (False, True)
    """

    def decorator(init):
        @functools.wraps(init)
        def wrapper(self, *args, **kwargs):
            for name, default in defaults.items():
                setattr(self, name, kwargs.pop(name, default))
            return init(self, *args, **kwargs)

        return wrapper

    return decorator


def delete_arguments(*names):
    """Take keyword arguments away from an `__init__` that would pass them on.

    Args:
        names: The arguments no longer accepted.

    Returns:
        A decorator of `__init__`.

    Raises:
        TypeError: by the decorated `__init__`, when one of them is given.

    Example:
        >>> class Model:
        ...     @delete_arguments("with_mlm")
        ...     def __init__(self, **kwargs):
        ...         self.options = kwargs
        >>> Model(with_pool=True).options
        {'with_pool': True}
    """

    def decorator(init):
        @functools.wraps(init)
        def wrapper(self, *args, **kwargs):
            for name in names:
                if name in kwargs:
                    raise TypeError(
                        f"{type(self).__name__} takes no argument {name!r}; leave it out"
                    )
            return init(self, *args, **kwargs)

        return wrapper

    return decorator


def is_one_of(x, ys):
    """Whether `x` is one of `ys`: the same object, not merely equal to one.

    Args:
        x: Anything; tensors too, which cannot be compared for equality.
        ys: Objects to look among.

    Example:
        >>> is_one_of([], [[], []])
        False
    """
    return any(x is y for y in ys)
