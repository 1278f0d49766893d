"""Vocabulary files: one token a row, the row number is the id."""

from bert4keras.files import atomic_write
from bert4keras.text import is_cjk_character, is_punctuation


def load_vocab(dict_path, encoding="utf-8", simplified=False, startswith=None):
    """Vocabulary of a BERT: `{token: id}`, the id being the row number from 0.

    Args:
        dict_path: text file, one token a row; of a row with several fields the first is the token.
        encoding: of the file.
        simplified: whether to leave out what Chinese BERT never uses: tokens of several characters
            of which one is a Chinese character or a sign (`##的`, `[unused1]`).
        startswith: tokens to put first in the simplified vocabulary, in this order; the special
            tokens belong here.

    Returns:
        The dict; with `simplified`, `(dict, keep_tokens)` where `keep_tokens` are the old ids in
        the new order, as `build_transformer_model(..., keep_tokens=...)` takes them.

    Raises:
        ValueError: a token stands in two rows, or a token of `startswith` in none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_vocab(f"{folder}/vocab.txt", {"[PAD]": 0, "[unused1]": 1, "字": 2, "##字": 3})
        ...     load_vocab(f"{folder}/vocab.txt", simplified=True, startswith=["[PAD]"])
        ({'[PAD]': 0, '字': 1}, [0, 2])
    """
    token_dict = {}
    for row, line in enumerate(_read_rows(dict_path, encoding)):
        fields = line.split()
        token = fields[0] if fields else line  # a row may be one odd space, such as U+2028
        if token in token_dict:
            raise ValueError(
                f"{dict_path}: a token stands in one row only, but {token!r} is in rows "
                f"{token_dict[token] + 1} and {row + 1}; rename or remove one of them"
            )
        token_dict[token] = row
    return simplify(token_dict, startswith or []) if simplified else token_dict


def _read_rows(path, encoding):
    """Rows cut at line feeds only: `splitlines` would cut at tokens such as U+2028 as well."""
    with open(path, encoding=encoding, newline="") as file:
        return [row.removesuffix("\r") for row in file.read().removesuffix("\n").split("\n")]


def simplify(token_dict, startswith):
    """`(new dict, old ids in new order)`: `startswith` first, then all that is not redundant."""
    missing = [token for token in startswith if token not in token_dict]
    if missing:
        raise ValueError(f"startswith may name tokens of the vocabulary only; it lacks {missing}")
    rest = (token for token in sorted(token_dict, key=token_dict.get) if not is_redundant(token))
    kept = list(dict.fromkeys([*startswith, *rest]))
    return {token: new for new, token in enumerate(kept)}, [token_dict[token] for token in kept]


def save_vocab(dict_path, token_dict, encoding="utf-8"):
    """Write a vocabulary, one token a row in the order of the ids.

    The rows are written beside the file, which is then replaced as a whole.

    Raises:
        ValueError: the ids are not 0, 1, 2, ..., so that the rows could not say them.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_vocab(f"{folder}/vocab.txt", {"的": 1, "[PAD]": 0})
        ...     load_vocab(f"{folder}/vocab.txt")
        {'[PAD]': 0, '的': 1}
    """
    if sorted(token_dict.values()) != list(range(len(token_dict))):
        raise ValueError(
            f"the row is the id, so the ids of {len(token_dict)} tokens have to be 0 to "
            f"{len(token_dict) - 1}, each once; number the tokens anew, or fill the gaps"
        )
    with atomic_write(dict_path, encoding=encoding) as file:
        file.writelines(f"{token}\n" for token in sorted(token_dict, key=token_dict.get))


def stem(token):
    """A token without the `##` that says it goes on a word."""
    return token.removeprefix("##")


def is_special(token):
    """Whether a token stands in square brackets, as `[CLS]` does."""
    return token.startswith("[") and token.endswith("]")


def is_redundant(token):
    """Whether Chinese BERT never makes a token: a longer one with a Chinese character or sign."""
    return len(token) > 1 and any(is_cjk_character(c) or is_punctuation(c) for c in stem(token))
