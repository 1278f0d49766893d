"""Missing names: which names a file holds, and which prefix would make them those of a model."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bert4keras.checkpoints.checkpoint import DICT_PATH, Checkpoint

_MAX_PARTS = 6  # of a name that may belong to a prefix
_TRANSFORMERS_LAYER = re.compile(r"(^|/)tf_\w*(model|for_)\w*/")


def explain_missing(
    checkpoint: Checkpoint, missing_names: Sequence[str], is_nothing_found: bool
) -> str | None:
    """Explain why a checkpoint does not have the names of a model, and what to do.

    Args:
        checkpoint: an open checkpoint.
        missing_names: the variables that it does not have, in the names of the model.
        is_nothing_found: True if it has no variable of the model.

    Returns:
        Sentences for the end of a report; None if its names explain nothing.

    Example:
        >>> from bert4keras.checkpoints import open_checkpoint
        >>> file = open_checkpoint({"module/bert/pooler/dense/kernel": [[1.0]]})
        >>> print(explain_missing(file, ["bert/pooler/dense/kernel"], True))
        The checkpoint holds 1 tensor, such as `module/bert/pooler/dense/kernel`. Their names begin
        with `module/`, which the model does not expect. Pass this as checkpoint_path
        (open_checkpoint is in bert4keras.checkpoints):
          {name.removeprefix('module/'): x for name, x in open_checkpoint(weights).items()}
    """
    if not len(checkpoint):
        return "The checkpoint holds no tensors. Check the file." if is_nothing_found else None
    change = find_prefix_change(checkpoint, missing_names, is_nothing_found)
    if change is None and not is_nothing_found:
        return None
    examples = _choose_examples(checkpoint, missing_names, change)
    count = f"{len(checkpoint)} tensor{'s' * (len(checkpoint) != 1)}"
    advice = _explain_change(checkpoint, *change) if change else _OTHER_KIND
    return f"The checkpoint holds {count}, such as {', '.join(examples)}. {advice}"


def is_transformers_h5(checkpoint: Checkpoint) -> bool:
    """True for the ``tf_model.h5`` of transformers: layers have names such as tf_bert_model."""
    return any(_TRANSFORMERS_LAYER.search(name) for name in checkpoint)


_OTHER_KIND = (
    "None of them is a variable of this model. Check model=..., the configuration and the file: "
    "they must belong together."
)


def _choose_examples(
    checkpoint: Checkpoint, missing_names: Sequence[str], change: tuple[str, str] | None
) -> list[str]:
    names = list(checkpoint)
    if change:
        extra, lacking = change
        candidates = [x for name in missing_names for x in checkpoint.possible_names(name)]
        names = [extra + x.removeprefix(lacking) for x in candidates if x.startswith(lacking)]
    return [f"`{name}`" for name in names if name in set(checkpoint)][:3]


def _explain_change(checkpoint: Checkpoint, extra: str, lacking: str) -> str:
    parts = []
    if extra:
        parts.append(f"Their names begin with `{extra}`, which the model does not expect.")
    if lacking:
        parts.append(f"The model expects `{lacking}` before their names.")
    name = f"name.removeprefix({extra!r})" if extra else "name"
    name = f"{lacking!r} + {name}" if lacking else name
    is_file = checkpoint.path != DICT_PATH
    source = repr(checkpoint.path) if is_file else "weights"
    code = f"{{{name}: x for name, x in open_checkpoint({source}).items()}}"
    return (
        f"{' '.join(parts)} Pass this as checkpoint_path (open_checkpoint is in "
        f"bert4keras.checkpoints):\n  {code}"
    )


def find_prefix_change(
    checkpoint: Checkpoint, missing_names: Sequence[str], is_nothing_found: bool = True
) -> tuple[str, str] | None:
    """Find the prefix to remove from the names of a file, and the one to add, to find variables.

    Args:
        checkpoint: an open checkpoint.
        missing_names: the variables that it does not have, in the names of the model.
        is_nothing_found: False if it has other variables; then one of both prefixes is empty, for
            heads of models resemble each other.

    Returns:
        (prefix to remove, prefix to add) by which most of the names are found; or None.
    """
    starts = defaultdict(set)  # end of a name in the file -> beginnings before it
    for name in checkpoint:
        for start, end in _cuts(name):
            starts[end].add(start)
    names_of = defaultdict(set)
    for name in missing_names:
        for candidate in checkpoint.possible_names(name):
            for lacking, end in _cuts(candidate):
                for extra in starts.get(end, ()):
                    if is_nothing_found or not (extra and lacking):
                        names_of[extra, lacking].add(name)
    names_of.pop(("", ""), None)
    best = max(names_of, key=lambda pair: (len(names_of[pair]), -len("".join(pair))), default=None)
    return best if best and 2 * len(names_of[best]) >= len(missing_names) else None


def _cuts(name: str) -> Iterable[tuple[str, str]]:
    """Cut a name after each of its first separators, and before all."""
    positions = [0, *(match.end() for match in re.finditer(r"[./]", name))]
    return [(name[:i], name[i:]) for i in positions[:_MAX_PARTS]]
