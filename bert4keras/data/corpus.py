"""Text files of any size as rows of token ids: found, read line by line, cut, packed."""

import builtins
import glob
import gzip
import os
import re
from functools import partial
from itertools import chain, islice

import numpy as np

from bert4keras.data.parallel import in_order, parallel_apply_generator

SENTENCE = re.compile(r"[^。！？!?…\n]*[。！？!?…\n]+[”’」』）)]*|[^。！？!?…\n]+")
LINES = 200  # that a process is given at once


def text_files(patterns):
    """The files that patterns name.

    Args:
        patterns: a path or a list of them: files, folders (all ``*.txt`` and ``*.txt.gz`` below),
            or patterns with ``*``, ``?`` and ``**``.

    Returns:
        Sorted list of paths, each once.

    Raises:
        FileNotFoundError: a pattern fits no file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     builtins.open(f"{folder}/a.txt", "w").close()
        ...     [os.path.basename(path) for path in text_files(f"{folder}/*.txt")]
        ['a.txt']
    """
    found = set()
    for pattern in [patterns] if isinstance(patterns, str | os.PathLike) else patterns:
        files = _files(os.fspath(pattern))
        if not files:
            raise FileNotFoundError(
                f"{pattern} must be a text file, a folder of *.txt, or a pattern that fits some, "
                "but fits none; put a pattern in quotes, so that no shell reads it"
            )
        found.update(files)
    return sorted(found)


def _files(pattern):
    if os.path.isdir(pattern):
        endings = (f"{glob.escape(pattern)}/**/*.txt{zipped}" for zipped in ("", ".gz"))
        return [path for ending in endings for path in glob.glob(ending, recursive=True)]
    if os.path.exists(pattern):
        return [pattern]
    return [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]


def read_texts(paths, encoding="utf-8"):
    """The lines of text files, each a text of its own, one at a time.

    Args:
        paths: list of files; those that end in ``.gz`` are unpacked as they are read.
        encoding: of all files.

    Returns:
        A generator of str without line ends; empty lines are passed over.

    Raises:
        ValueError: naming file and line, where bytes are not in the encoding.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with builtins.open(f"{folder}/a.txt", "w", encoding="utf-8") as file:
        ...         _ = file.write("春山远\\n\\n秋水长\\n")
        ...     list(read_texts([f"{folder}/a.txt"]))
        ['春山远', '秋水长']
    """
    for path in paths:
        unpacked = gzip.open if os.fspath(path).endswith(".gz") else builtins.open
        with unpacked(path, "rb") as file:
            for number, line in enumerate(file, 1):
                text = _decoded(line, path, number, encoding).strip()
                if text:
                    yield text


def _decoded(line, path, number, encoding):
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: texts must be in {encoding}, but {error.reason} at byte "
            f"{error.start}: {line[:30]!r}; name the right encoding, such as 'gb18030'"
        ) from None


def pack_sequences(texts, tokenizer, maxlen=512, word_segment=None, join=True, workers=0):
    """Rows of tokens from texts: sentences one after the other, as many as fit.

    A text is cut into sentences, and a sentence is cut only where it is longer than a row. A row is
    ``[CLS] sentences [SEP]``.

    Args:
        texts: iterable of str, taken as they are needed.
        tokenizer: with start, end and padding token.
        maxlen: L, tokens of a row, start and end included.
        word_segment: callable(str) -> list of its words, such as ``jieba.lcut``; tokens of a word
            are then masked together. By default a word is what WordPiece cuts into ``a ##b``.
        join: whether a row may go on with the next text, behind a ``[SEP]`` (RoBERTa's
            FULL-SENTENCES, arXiv:1907.11692); False begins a row for each text.
        workers: processes that tokenize; 0 for none.

    Returns:
        A generator of (token_ids, continues), an integer and a bool array (L,) each: where
        ``continues`` is True a token goes on the word of the token before. Short rows are filled
        with padding on the right. Order and rows are the same for any number of workers.

    Raises:
        ValueError: ``maxlen`` leaves no room for a token; the tokenizer lacks one of the three.

    Example:
        >>> from bert4keras.data import pack_sequences
        >>> class Characters:  # stands for a tokenizer
        ...     _token_start, _token_end = "[CLS]", "[SEP]"
        ...     _token_pad_id, _token_start_id, _token_end_id = 0, 1, 2
        ...     def tokenize(self, text):
        ...         return ["[CLS]", *text, "[SEP]"]
        ...     def tokens_to_ids(self, tokens):
        ...         return [ord(token) - ord("a") + 3 for token in tokens]
        >>> for token_ids, continues in pack_sequences(["ab", "c"], Characters(), maxlen=7):
        ...     token_ids.tolist()
        [1, 3, 4, 2, 5, 2, 0]
    """
    _check(tokenizer, maxlen)
    cut = partial(_sentences, tokenizer=tokenizer, word_segment=word_segment, room=maxlen - 2)
    texts = iter(texts)
    chunks = iter(lambda: list(islice(texts, LINES)), [])
    if workers:
        chunks = in_order(parallel_apply_generator(cut, chunks, workers, 4 * workers))
    else:
        chunks = map(cut, chunks)
    return _rows(chain.from_iterable(chunks), tokenizer, maxlen, join)


def _check(tokenizer, maxlen):
    needed = ("start", "end", "pad")
    lacks = [name for name in needed if getattr(tokenizer, f"_token_{name}_id") is None]
    if lacks or maxlen < 3:
        raise ValueError(
            "a row is start, tokens, end and padding, so the tokenizer must have all three and "
            f"maxlen be 3 or more; got maxlen={maxlen}, and a tokenizer without {lacks}"
        )


def _sentences(texts, tokenizer, word_segment, room):
    """Of each text its sentences: pairs (ids, continues) of lists no longer than `room`."""
    return [
        [
            part
            for sentence in SENTENCE.findall(text)
            for part in _parts(*_words(sentence, tokenizer, word_segment), room)
        ]
        for text in texts
    ]


def _words(sentence, tokenizer, word_segment):
    """The ids of a sentence, and which of them go on a word."""
    ids, continues = [], []
    for word in [sentence] if word_segment is None else word_segment(sentence):
        tokens = tokenizer.tokenize(word)[1:-1]
        ids += tokenizer.tokens_to_ids(tokens)
        if word_segment is None:
            continues += [token.startswith("##") for token in tokens]
        elif tokens:
            continues += [False, *[True] * (len(tokens) - 1)]
    return ids, continues


def _parts(ids, continues, room):
    """A sentence in parts that fit, cut between words unless a word is longer."""
    begin = 0
    while begin < len(ids):
        end = min(begin + room, len(ids))
        between = (at for at in range(end, begin, -1) if at == len(ids) or not continues[at])
        end = next(between, end)
        yield ids[begin:end], [False, *continues[begin + 1 : end]]
        begin = end


def _rows(texts, tokenizer, maxlen, join):
    start, end, pad = (getattr(tokenizer, f"_token_{name}_id") for name in ("start", "end", "pad"))

    def filled(values, first, last, rest):
        return np.array([first, *values, last] + [rest] * (maxlen - 2 - len(values)))

    row, continued = [], []
    for first, (ids, continues) in _marked(texts):
        sign = [end] if first and row else []
        full = len(row) + len(sign) + len(ids) > maxlen - 2
        if row and (full or (first and not join)):
            yield filled(row, start, end, pad), filled(continued, False, False, False)
            row, continued, sign = [], [], []
        row += sign + ids
        continued += [False] * len(sign) + continues
    if row:
        yield filled(row, start, end, pad), filled(continued, False, False, False)


def _marked(texts):
    """Whether a sentence is the first of its text, and the sentence."""
    for sentences in texts:
        yield from ((number == 0, sentence) for number, sentence in enumerate(sentences))
