"""Which layer of an old file is which of a model: by name, and where names shift, by order."""

import re
from collections.abc import Iterable, Sequence

NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")


def matched(old: Sequence[str], new: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Pair the layers of a file with those of a model, each given by name in their order.

    Keras numbers layers that have no name of their own, `dense` and `dense_1`, and a session that
    had made others before starts higher: `dense_1` of the file may be `dense` of the model. So
    names count as equal only where all of that word are; otherwise the numbers have to run in the
    order of the layers on both sides. What is left is paired in order, as Keras 2 did with all.

    Args:
        old: names in the file.
        new: names in the model.

    Returns:
        name in the model -> name in the file, and a line for each layer that cannot be paired.

    Example:
        >>> matched(["encoder", "dense_4", "dense_5"], ["encoder", "dense", "dense_1"])
        ({'encoder': 'encoder', 'dense': 'dense_4', 'dense_1': 'dense_5'}, [])
    """
    pairs: dict[str, str] = {}
    faults: list[str] = []
    groups = by_word(old)
    for word, names in by_word(new).items():
        others = groups.get(word, [])
        if sorted(names) == sorted(others):
            pairs |= {name: name for name in names}
        elif len(names) == len(others):
            pairs |= dict(zip(names, others))
            if _ranks(names) != _ranks(others):
                faults.append(
                    f"{', '.join(names)}: the file has {', '.join(others)}, whose numbers run in "
                    "another order, so that which is which cannot be told"
                )
    return _rest(old, new, pairs, faults)


def _rest(
    old: Sequence[str], new: Sequence[str], pairs: dict[str, str], faults: list[str]
) -> tuple[dict[str, str], list[str]]:
    """The pairs, and those without a namesake in their order if there are as many."""
    files = [name for name in old if name not in pairs.values()]
    models = [name for name in new if name not in pairs]
    if len(files) == len(models):
        return {**pairs, **dict(zip(models, files))}, faults
    faults += [f"{name}: the file has no such layer" for name in models]
    faults += [f"{name}: it is in the file, but not in the model" for name in files]
    return pairs, faults


def by_word(names: Iterable[str]) -> dict[str, list[str]]:
    """Names without the number that Keras appends -> names, in order."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(NUMBERED.fullmatch(name)[1], []).append(name)
    return groups


def _ranks(names: Sequence[str]) -> list[int]:
    """The place of each name when they are sorted by their numbers."""
    numbers = [int(NUMBERED.fullmatch(name)[2] or 0) for name in names]
    return [sorted(numbers).index(number) for number in numbers]
