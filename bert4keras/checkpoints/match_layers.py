"""Layer matching: the layers of a Keras 2 file and those of a model, by name, number and order."""

import re
from collections.abc import Iterable, Sequence

_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")


def match_layers(
    file_layers: Sequence[str], model_layers: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Pair the layers of a file with those of a model, each given by name in their order.

    Keras numbers layers that have no name from the script, ``dense`` and ``dense_1``, and a session
    that had made others before starts higher: ``dense_1`` of the file may be ``dense`` of the
    model. So names count as equal only if all names of that word are equal; otherwise the numbers
    must increase in the order of the layers on both sides. The remaining layers are paired in
    order, as Keras 2 did with all.

    Args:
        file_layers: names in the file.
        model_layers: names in the model.

    Returns:
        name in the model -> name in the file, and a line for each layer that cannot be paired.

    Example:
        >>> match_layers(["encoder", "dense_4", "dense_5"], ["encoder", "dense", "dense_1"])
        ({'encoder': 'encoder', 'dense': 'dense_4', 'dense_1': 'dense_5'}, [])
    """
    pairs: dict[str, str] = {}
    mismatches: list[str] = []
    file_groups = _group_by_word(file_layers)
    for word, names in _group_by_word(model_layers).items():
        file_names = file_groups.get(word, [])
        if sorted(names) == sorted(file_names):
            pairs |= {name: name for name in names}
        elif len(names) == len(file_names):
            pairs |= dict(zip(names, file_names))
            if _ranks(names) != _ranks(file_names):
                mismatches.append(
                    f"{', '.join(names)}: the file has {', '.join(file_names)}, whose numbers run "
                    "in another order, so that they cannot be told apart"
                )
    return _pair_in_order(file_layers, model_layers, pairs, mismatches)


def _pair_in_order(
    file_layers: Sequence[str],
    model_layers: Sequence[str],
    pairs: dict[str, str],
    mismatches: list[str],
) -> tuple[dict[str, str], list[str]]:
    """Add the layers without a namesake in their order, if there are as many on both sides."""
    in_file = [name for name in file_layers if name not in pairs.values()]
    in_model = [name for name in model_layers if name not in pairs]
    if len(in_file) == len(in_model):
        return {**pairs, **dict(zip(in_model, in_file))}, mismatches
    mismatches += [f"{name}: the file has no such layer" for name in in_model]
    mismatches += [f"{name}: it is in the file, but not in the model" for name in in_file]
    return pairs, mismatches


def _split_number(name: str) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(name)
    return (match[1], int(match[2] or 0)) if match else (name, 0)


def _group_by_word(names: Iterable[str]) -> dict[str, list[str]]:
    """Group names by the word before the number that Keras appends."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_split_number(name)[0], []).append(name)
    return groups


def _ranks(names: Sequence[str]) -> list[int]:
    numbers = [_split_number(name)[1] for name in names]
    return [sorted(numbers).index(number) for number in numbers]
