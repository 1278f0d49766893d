"""Vocabulary files: one token per row, the row number is the id."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal, overload

from bert4keras.checks import check_strings
from bert4keras.files import StrPath, atomic_write
from bert4keras.text import is_cjk_character, is_punctuation
from bert4keras.tokenizers.inputs import check_path

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
        ValueError: the file does not have this encoding, or a token of ``startswith`` is in none.

    A byte order mark at the start of the file is no part of the first token. Blank rows count. A
    token of two rows has the id of the last one, as in Google's and ``transformers``' readers, and
    a warning names both rows.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_vocab(f"{folder}/vocab.txt", {"[PAD]": 0, "[unused1]": 1, "字": 2, "##字": 3})
        ...     load_vocab(f"{folder}/vocab.txt", simplified=True, startswith=["[PAD]"])
        ({'[PAD]': 0, '字': 1}, [0, 2])
    """
    startswith = [] if startswith is None else check_strings("startswith", startswith)
    token_dict: dict[str, int] = {}
    repeated_rows = []
    for row, line in enumerate(_read_rows(dict_path, encoding)):
        token = _read_token(line)
        if token in token_dict and token:
            repeated_rows.append((token, token_dict[token] + 1, row + 1))
        token_dict[token] = row
    if repeated_rows:
        token, *rows = repeated_rows[0]
        warnings.warn(
            f"Expected each token once in {dict_path}, got {token!r} in rows {rows[0]} and "
            f"{rows[1]}, and {len(repeated_rows)} such rows in all. The token has the id of its "
            "last row. Rename the others, such as [unused1], to silence this.",
            stacklevel=2,
        )
    return _simplify(token_dict, startswith) if simplified else token_dict


def _read_token(line: str) -> str:
    """Return the first field of a row; a token may be white space, such as U+2028."""
    fields = line.split()
    return fields[0] if fields else line


def _read_rows(path: StrPath, encoding: str) -> list[str]:
    """Read rows, split at line feeds only: ``splitlines`` would also split at U+2028, a token."""
    path = check_path("dict_path", path)
    try:
        with open(path, encoding=encoding, newline="") as file:
            text = file.read()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"No vocabulary at {path}. It is the vocab.txt that comes with the checkpoint."
        ) from None
    except UnicodeError as error:
        raise ValueError(
            f"Expected {encoding} in the vocabulary {path}, got {_describe(error)}. Pass its "
            "encoding to load_vocab, such as 'gb18030' or 'utf-16', or convert the file to UTF-8."
        ) from None
    text = text.removeprefix("\ufeff")  # a byte order mark, as Windows writes it
    return [row.removesuffix("\r") for row in text.removesuffix("\n").split("\n")]


def _describe(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error)


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
        ValueError: the ids are not 0, 1, 2, ..., and so cannot be row numbers; or a token cannot
            be a row, because it contains a line feed, or white space and other characters.

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
    bad_tokens = [token for token in token_dict if not _is_row(token)]
    if bad_tokens:
        raise ValueError(
            f"Expected tokens without white space for the rows of {dict_path}, got "
            f"{bad_tokens[0]!r}. Rename or remove it."
        )
    with atomic_write(dict_path, encoding=encoding) as file:
        file.writelines(f"{token}\n" for token in sorted(token_dict, key=token_dict.__getitem__))


def _is_row(token: str) -> bool:
    """True if ``load_vocab`` reads a token again from the row that it is written to."""
    return "\n" not in token and _read_token(token.removesuffix("\r")) == token


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
