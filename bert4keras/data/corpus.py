"""Corpus of text files to rows of token ids: find files, read, split into sentences, pack."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray, StrPath
from bert4keras.checks import check_callable, check_integer, check_string, describe
from bert4keras.data.parallel import parallel_apply_generator, restore_order
from bert4keras.data.text_files import find_encoding, read_lines

_SENTENCE = re.compile(r"[^。！？!?…\n]*[。！？!?…\n]+[”’」』）)]*|[^。！？!?…\n]+")
_TEXTS_PER_CHUNK = 200  # texts that a worker process gets at once


def find_text_files(patterns: StrPath | Iterable[StrPath]) -> list[str]:
    """Find the text files that patterns match.

    Args:
        patterns: a path or a list of them: files, folders (all ``*.txt`` and ``*.txt.gz`` below),
            or patterns with ``*``, ``?`` and ``**``.

    Returns:
        Sorted list of paths, without duplicates.

    Raises:
        FileNotFoundError: a pattern matches no file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     open(f"{folder}/a.txt", "w").close()
        ...     [os.path.basename(path) for path in find_text_files(f"{folder}/*.txt")]
        ['a.txt']
    """
    paths = set()
    for pattern in [patterns] if isinstance(patterns, str | os.PathLike) else patterns:
        matches = _match_files(os.fspath(pattern))
        if not matches:
            raise FileNotFoundError(
                "Expected a text file, a folder of *.txt or a pattern that matches some, got "
                f"{pattern}. Check the path; quote a pattern, so that the shell leaves it alone."
            )
        paths.update(matches)
    return sorted(paths)


def _match_files(pattern: str) -> list[str]:
    if os.path.isdir(pattern):
        endings = (f"{glob.escape(pattern)}/**/*.txt{suffix}" for suffix in ("", ".gz"))
        return [path for ending in endings for path in glob.glob(ending, recursive=True)]
    if os.path.exists(pattern):
        return [pattern]
    return [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]


def read_texts(paths: StrPath | Iterable[StrPath], encoding: str = "utf-8") -> Iterator[str]:
    """Read the texts of files, one per line and one at a time.

    Args:
        paths: list of files, or one; those that end in ``.gz`` are decompressed while reading.
        encoding: encoding of all files. A byte order mark is no part of a text.

    Returns:
        A generator of str without line ends; empty lines are skipped.

    Raises:
        ValueError: bytes do not have the encoding, a ``.gz`` is damaged, or a line has more than
            2**26 characters; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(f"{folder}/a.txt", "w", encoding="utf-8") as file:
        ...         _ = file.write("春山远\\n\\n秋水长\\n")
        ...     list(read_texts([f"{folder}/a.txt"]))
        ['春山远', '秋水长']
    """
    find_encoding(encoding)
    return _read_texts([paths] if isinstance(paths, str | os.PathLike) else paths, encoding)


def _read_texts(paths, encoding):
    for path in paths:
        for line in read_lines(path, encoding, newline="\n"):
            if text := line.strip():
                yield text


def pack_sequences(
    texts: Iterable[str],
    tokenizer: Any,
    maxlen: int = 512,
    word_segment: Callable[[str], Iterable[str]] | None = None,
    join_texts: bool = True,
    workers: int = 0,
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """Pack the sentences of texts into rows of ``maxlen`` tokens, as many as fit.

    A row is ``[CLS] sentences [SEP]``. Only a sentence longer than a row is split.

    Args:
        texts: iterable of str, read as needed.
        tokenizer: tokenizer with start, end and padding token.
        maxlen: L, tokens of a row, start and end included.
        word_segment: callable(str) -> list of words, such as ``jieba.lcut``: the tokens of a word
            are then masked together. Default: the words that WordPiece splits into ``a ##b``.
        join_texts: True lets a row continue with the next text after a ``[SEP]`` (RoBERTa's
            FULL-SENTENCES, arXiv:1907.11692); False begins a new row for each text.
        workers: number of processes that tokenize; 0 tokenizes in this process.

    Returns:
        A generator of (token_ids, is_continuation), an integer and a bool array (L,) each:
        ``is_continuation`` is True for a token that continues the word of the token before. Short
        rows are padded on the right. Order and rows are the same for any number of workers.

    Raises:
        ValueError: ``maxlen`` leaves no room for a token; the tokenizer lacks one of the three.
        TypeError: ``texts`` is one str, or a text is none.

    Example:
        >>> from bert4keras.data import pack_sequences
        >>> class CharacterTokenizer:
        ...     pad_id, start_id, end_id = 0, 1, 2
        ...     def tokenize(self, text):
        ...         return ["[CLS]", *text, "[SEP]"]
        ...     def tokens_to_ids(self, tokens):
        ...         return [ord(token) - ord("a") + 3 for token in tokens]
        >>> for token_ids, _ in pack_sequences(["ab", "c"], CharacterTokenizer(), maxlen=7):
        ...     token_ids.tolist()
        [1, 3, 4, 2, 5, 2, 0]
    """
    _check_arguments(texts, tokenizer, maxlen, word_segment, workers)
    tokenize = partial(
        _tokenize_texts, tokenizer=tokenizer, word_segment=word_segment, maxlen=maxlen - 2
    )
    texts = (check_string(f"texts[{number}]", text) for number, text in enumerate(texts))
    chunks = iter(lambda: list(islice(texts, _TEXTS_PER_CHUNK)), [])
    if workers:
        pairs = parallel_apply_generator(tokenize, chunks, workers, 4 * workers)
        results = restore_order(pairs)
    else:
        results = map(tokenize, chunks)
    return _pack(chain.from_iterable(results), tokenizer, maxlen, join_texts)


def _check_arguments(
    texts: Any, tokenizer: Any, maxlen: int, word_segment: Any, workers: int
) -> None:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(
            f"Expected texts to be an iterable of str, got {describe(texts)}. Pass [text] for one."
        )
    check_integer("maxlen", maxlen)
    check_integer("workers", workers, minimum=0)
    if word_segment is not None:
        check_callable("word_segment", word_segment, "Pass one such as jieba.lcut.")
    ids = {"start": tokenizer.start_id, "end": tokenizer.end_id, "pad": tokenizer.pad_id}
    missing = [name for name, token_id in ids.items() if token_id is None]
    if missing or maxlen < 3:
        raise ValueError(
            "Expected a tokenizer with start, end and padding token and maxlen of 3 or more, got "
            f"maxlen={maxlen} and a tokenizer without {missing}. Pass a larger maxlen, or add the "
            "tokens to the vocabulary."
        )


_Sentence = tuple[list[int], list[bool]]  # token ids, and True where one continues a word


def _tokenize_texts(texts, tokenizer, word_segment, maxlen):
    return [
        [
            part
            for sentence in _SENTENCE.findall(text)
            for part in _split_sentence(*_tokenize(sentence, tokenizer, word_segment), maxlen)
        ]
        for text in texts
    ]


def _tokenize(sentence, tokenizer, word_segment):
    token_ids, is_continuation = [], []
    for word in [sentence] if word_segment is None else _segment(sentence, word_segment):
        tokens = tokenizer.tokenize(word)[1:-1]
        token_ids += tokenizer.tokens_to_ids(tokens)
        if word_segment is None:
            is_continuation += [token.startswith("##") for token in tokens]
        elif tokens:
            is_continuation += [False, *[True] * (len(tokens) - 1)]
    return token_ids, is_continuation


def _segment(sentence, word_segment):
    words = word_segment(sentence)
    if not isinstance(words, str | bytes) and isinstance(words, Iterable):
        words = list(words)
        if all(isinstance(word, str) for word in words):
            return words
    raise TypeError(
        f"Expected word_segment to return a list of str, got {describe(words)}. Pass a function "
        "such as jieba.lcut."
    )


def _split_sentence(token_ids, is_continuation, maxlen):
    """Split a sentence into parts that fit, between words unless a word is longer."""
    begin = 0
    while begin < len(token_ids):
        end = min(begin + maxlen, len(token_ids))
        word_ends = (
            i for i in range(end, begin, -1) if i == len(token_ids) or not is_continuation[i]
        )
        end = next(word_ends, end)
        yield token_ids[begin:end], [False, *is_continuation[begin + 1 : end]]
        begin = end


def _pack(texts, tokenizer, maxlen, join_texts):
    start, end, pad = tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id

    def make_row():
        padding = maxlen - 2 - len(token_ids)
        return (
            np.array([start, *token_ids, end] + [pad] * padding),
            np.array([False, *is_continuation, False] + [False] * padding),
        )

    token_ids, is_continuation = [], []
    for is_first, (ids, continuation) in _number_sentences(texts):
        separator = [end] if is_first and token_ids else []
        is_full = len(token_ids) + len(separator) + len(ids) > maxlen - 2
        if token_ids and (is_full or (is_first and not join_texts)):
            yield make_row()
            token_ids, is_continuation, separator = [], [], []
        token_ids += separator + ids
        is_continuation += [False] * len(separator) + continuation
    if token_ids:
        yield make_row()


def _number_sentences(texts: Iterable[list[_Sentence]]) -> Iterator[tuple[bool, _Sentence]]:
    """Yield True for the first sentence of a text, else False, and the sentence."""
    for sentences in texts:
        yield from ((number == 0, sentence) for number, sentence in enumerate(sentences))
