"""Readers of spans of texts: entities in columns (CoNLL) and JSON lines (CLUENER), and words."""

import warnings
from collections.abc import Iterator
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.checks import check_boolean, check_integer, check_string
from bert4keras.data.records import check_some, read_records, refuse
from bert4keras.data.tag_scheme import OUTSIDE, TagScheme
from bert4keras.data.text_files import read_lines

Entity = tuple[int, int, str]
EntitySample = tuple[str, list[Entity]]
_Rows = list[tuple[int, str, str]]  # of a text: number of the line, word, tag


def load_conll(
    path: StrPath,
    scheme: str | None = None,
    column: int = -1,
    separator: str = "",
    strict: bool = False,
    encoding: str = "utf-8",
) -> list[EntitySample]:
    """Read columns: a character or word and its tag on each line, an empty line between texts.

    Args:
        path: the file, or a ``.gz`` of it. Columns are separated by spaces or tabs. A line that
            begins with ``-DOCSTART-`` is left out.
        scheme: "BIO", "BIOES", "BMES", "BILOU" or "IO", see
            ``TagScheme``; None finds it from the tags.
        column: index of the column of tags; the first column is the word.
        separator: text between two words: "" for Chinese, " " for English.
        strict: True refuses tags that the scheme does not allow in their place; False begins a new
            entity there, as the script conlleval does, and a warning counts them.
        encoding: encoding of the file.

    Returns:
        Pairs of a text and its entities ``(start, end, type)``, in characters of the text.

    Raises:
        ValueError: a line has another form, or ``strict`` refuses a tag; with file and line.

    Example:
        >>> import os, tempfile
        >>> from bert4keras.data import atomic_write, load_conll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "train.txt")
        ...     with atomic_write(path) as file:
        ...         _ = file.write("张 B-PER\\n三 I-PER\\n来 O\\n")
        ...     load_conll(path)
        [('张三来', [(0, 2, 'PER')])]
    """
    check_integer("column", column)
    check_string("separator", separator)
    texts = list(_split_texts(path, column, encoding))
    check_some(texts, path, "a word and its tag on each line")
    tags = sorted({tag for rows in texts for _, _, tag in rows} | {OUTSIDE})
    if scheme is None and tags == [OUTSIDE]:
        scheme = "IO"  # no entity at all
    try:
        tag_scheme = TagScheme(tags, scheme)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    check_boolean("strict", strict, "", False)
    _report_faults(list(_find_faults(texts, tag_scheme)), path, tag_scheme.name, strict)
    return [_to_sample(rows, tag_scheme, separator) for rows in texts]


def _split_texts(path: StrPath, column: int, encoding: str) -> Iterator[_Rows]:
    """Yield the rows of each text."""
    rows: _Rows = []
    num_columns = 0
    for number, line in enumerate(read_lines(path, encoding), 1):
        fields = line.split()
        if fields and not line.startswith("-DOCSTART-"):
            if len(fields) < 2 or not -len(fields) <= column < len(fields):
                form = f"a word and a tag in column {column}, with spaces between them"
                refuse(path, number, form, line)
            num_columns = num_columns or len(fields)
            if len(fields) != num_columns:
                refuse(path, number, f"{num_columns} columns as in the lines before", line)
            rows.append((number, fields[0], fields[column]))
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _find_faults(texts: list[_Rows], scheme: TagScheme) -> Iterator[tuple[int, str]]:
    """Yield line and tag, with its place, where a scheme does not allow a tag."""
    starts, ends = scheme.list_boundaries()
    allowed_pairs = scheme.find_allowed_transitions()
    numbers = {tag: number for number, tag in enumerate(scheme.labels)}
    for rows in texts:
        before = None
        for line_number, _, tag in rows:
            number = numbers[tag]
            if before is None and number not in starts:
                yield line_number, f"{tag} at the beginning of a text"
            elif before is not None and not allowed_pairs[before, number]:
                yield line_number, f"{tag} behind {scheme.labels[before]}"
            before = number
        if before not in ends:
            yield rows[-1][0], f"{rows[-1][2]} at the end of a text"


def _report_faults(faults: list[tuple[int, str]], path: StrPath, scheme: str, strict: bool) -> None:
    """Raise for the first fault, or warn of all."""
    if not faults:
        return
    number, fault = faults[0]
    message = f"Expected tags of {scheme} in {path}, line {number}, got {fault}"
    if strict:
        raise ValueError(f"{message}. Correct it, or pass strict=False to begin an entity there.")
    warnings.warn(
        f"{message}, and {len(faults) - 1} more such places. An entity begins or ends there "
        "as conlleval reads it. Pass strict=True to refuse the file.",
        stacklevel=3,
    )


def _to_sample(rows: _Rows, scheme: TagScheme, separator: str) -> EntitySample:
    """Join words to a text, with entities in characters."""
    text, starts, ends = "", [], []
    for _, word, _ in rows:
        text += separator if text else ""
        starts.append(len(text))
        text += word
        ends.append(len(text))
    numbers = {tag: number for number, tag in enumerate(scheme.labels)}
    spans = scheme.list_spans([numbers[tag] for _, _, tag in rows])
    return text, [(starts[first], ends[last], kind) for first, last, kind in spans]


def load_cluener(path: StrPath, encoding: str = "utf-8") -> list[EntitySample]:
    """Read entities of CLUENER 2020: JSON lines of a text and the places of its entities.

    A line is ``{"text", "label": {type: {name: [[first, last], ...]}}}``; ``last`` is the index of
    the last character.

    Args:
        path: the file, or a ``.gz`` of it.
        encoding: encoding of the file.

    Returns:
        Pairs of a text and its entities ``(start, end, type)``; ``end`` is behind the last
        character.

    Raises:
        ValueError: a line has another form, or a place does not have its name; with file and line.
    """
    samples = []
    for place, record in read_records(path, encoding, ("text", "label")):
        try:
            samples.append((record["text"], sorted(_list_entities(record, place))))
        except (AttributeError, TypeError):
            refuse(place, None, "a text, and a label of types, names and places", record)
    return samples


def _list_entities(record: dict[str, Any], place: str) -> Iterator[Entity]:
    """Yield the entities of a record of CLUENER."""
    check_string("text", record["text"])
    for kind, names in record["label"].items():
        for name, spans in names.items():
            yield from (_read_span(record["text"], name, span, kind, place) for span in spans)


def _read_span(text: str, name: str, span: Any, kind: str, place: str) -> Entity:
    first, last = span if isinstance(span, list) and len(span) == 2 else (-1, -1)
    if not 0 <= first <= last or text[first : last + 1] != name:
        raise ValueError(
            f"Expected {name!r} at the characters {first} to {last} of the text in {place}, got "
            f"{text[first : last + 1]!r}. Correct the places, of the first and the last character."
        )
    return first, last + 1, kind


def load_words(path: StrPath, encoding: str = "utf-8") -> list[EntitySample]:
    """Read texts with spaces between their words, one text on each line (SIGHAN, icwb2).

    Args:
        path: the file, or a ``.gz`` of it.
        encoding: encoding of the file.

    Returns:
        Pairs of a text without spaces and its words ``(start, end, "word")``, in characters.

    Raises:
        ValueError: the file has no text, or no line has two words.

    Example:
        >>> import os, tempfile
        >>> from bert4keras.data import atomic_write, load_words
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "train.utf8")
        ...     with atomic_write(path) as file:
        ...         _ = file.write("今天  很  好\\n")
        ...     load_words(path)
        [('今天很好', [(0, 2, 'word'), (2, 3, 'word'), (3, 4, 'word')])]
    """
    samples = []
    for line in read_lines(path, encoding):
        text, spans = "", []
        for word in line.split():
            spans.append((len(text), len(text) + len(word), "word"))
            text += word
        if spans:
            samples.append((text, spans))
    form = "a text on each line, with spaces between its words"
    check_some(samples, path, form)
    if all(len(spans) == 1 for _, spans in samples):
        refuse(path, 1, form, samples[0][0])
    return samples
