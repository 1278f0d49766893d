"""Vocabulary files: one token per row, the row number is the id."""

from collections.abc import Mapping, Sequence
from typing import Literal, overload

from bert4keras.files import StrPath, atomic_write
from bert4keras.text import is_cjk_character, is_punctuation

__all__ = ["load_vocab", "save_vocab"]


@overload
def load_vocab(
    dict_path: StrPath,
    encoding: str = "utf-8",
    simplified: Literal[False] = False,
    startswith: Sequence[str] | None = None,
) -> dict[str, int]: ...


@overload
def load_vocab(
    dict_path: StrPath,
    encoding: str = "utf-8",
    *,
    simplified: Literal[True],
    startswith: Sequence[str] | None = None,
) -> tuple[dict[str, int], list[int]]: ...


def load_vocab(
    dict_path: StrPath,
    encoding: str = "utf-8",
    simplified: bool = False,
    startswith: Sequence[str] | None = None,
) -> dict[str, int] | tuple[dict[str, int], list[int]]:
    """Read the vocabulary of a BERT as ``{token: id}``; the id is the row number, from 0.

    Args:
        dict_path: text file, one token per row; the first of several fields is the token.
        encoding: encoding of the file.
        simplified: True drops tokens that Chinese BERT never uses: those of several characters
            with a Chinese character or a punctuation mark among them (``##的``, ``[unused1]``).
        startswith: tokens to put first in the simplified vocabulary, in this order. List the
            special tokens here.

    Returns:
        The dict. With ``simplified``, ``(dict, keep_tokens)``: ``keep_tokens`` are the ids in the
        file, in the new order, for ``build_transformer_model(..., keep_tokens=...)``.

    Raises:
        ValueError: a token is in two rows, or a token of ``startswith`` is in none.

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
        token = fields[0] if fields else line  # a token may be white space, such as U+2028
        if token in token_dict:
            raise ValueError(
                f"Expected each token once in {dict_path}, got {token!r} in rows "
                f"{token_dict[token] + 1} and {row + 1}. Rename or remove one of them."
            )
        token_dict[token] = row
    return _simplify(token_dict, startswith or []) if simplified else token_dict


def _read_rows(path: StrPath, encoding: str) -> list[str]:
    """Read rows, split at line feeds only: ``splitlines`` would also split at U+2028, a token."""
    with open(path, encoding=encoding, newline="") as file:
        return [row.removesuffix("\r") for row in file.read().removesuffix("\n").split("\n")]


def _simplify(token_dict, startswith):
    """Drop redundant tokens; return the new dict and the old ids in the new order."""
    missing = [token for token in startswith if token not in token_dict]
    if missing:
        raise ValueError(
            f"Expected startswith to name tokens of the vocabulary, got {missing}. "
            "Remove them, or add them to the file."
        )
    by_id = (
        token for token in sorted(token_dict, key=token_dict.__getitem__) if not is_redundant(token)
    )
    tokens = list(dict.fromkeys([*startswith, *by_id]))
    new_dict = {token: token_id for token_id, token in enumerate(tokens)}
    return new_dict, [token_dict[token] for token in tokens]


def save_vocab(dict_path: StrPath, token_dict: Mapping[str, int], encoding: str = "utf-8") -> None:
    """Write a vocabulary, one token per row in the order of the ids.

    An existing file is replaced only when the new one is complete.

    Raises:
        ValueError: the ids are not 0, 1, 2, ..., and so cannot be row numbers.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_vocab(f"{folder}/vocab.txt", {"的": 1, "[PAD]": 0})
        ...     load_vocab(f"{folder}/vocab.txt")
        {'[PAD]': 0, '的': 1}
    """
    if sorted(token_dict.values()) != list(range(len(token_dict))):
        raise ValueError(
            f"Expected the ids 0 to {len(token_dict) - 1}, each once, for {len(token_dict)} "
            "tokens, got others. Renumber the tokens, or fill the gaps."
        )
    with atomic_write(dict_path, encoding=encoding) as file:
        file.writelines(f"{token}\n" for token in sorted(token_dict, key=token_dict.__getitem__))


def stem(token: str) -> str:
    """Return a token without the ``##`` of a piece that continues a word."""
    return token.removeprefix("##")


def is_special(token: str) -> bool:
    """True if a token is in square brackets, like ``[CLS]``."""
    return token.startswith("[") and token.endswith("]")


def is_redundant(token: str) -> bool:
    """True if Chinese BERT never makes this token.

    Such a token has several characters, and a Chinese character or a punctuation mark among them.
    """
    return len(token) > 1 and any(is_cjk_character(c) or is_punctuation(c) for c in stem(token))
