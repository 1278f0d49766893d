"""Readers of labelled texts and pairs: tables (TSV, CSV), and CLUE's JSON lines."""

import csv
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.checks import check_boolean, check_callable, describe
from bert4keras.data.records import check_some, read_records, refuse
from bert4keras.data.text_files import read_lines

Column = int | str
_CLUE_TEXTS = (("sentence",), ("sentence1", "sentence2"), ("abst", "keyword"))
_NO_LABEL = "-"  # of OCNLI and CMNLI: annotators did not agree


def load_table(
    path: StrPath,
    text: Column | Sequence[Column] = 0,
    label: Column | None = -1,
    delimiter: str | None = None,
    header: bool | None = None,
    label_type: Callable[[str], Any] = str,
    encoding: str = "utf-8",
) -> list[tuple[Any, Any]]:
    """Read labelled texts from a table.

    Args:
        path: the file, or a ``.gz`` of it.
        text: index or name of the column of texts; two of them for pairs of texts.
        label: index or name of the column of labels; None for texts without labels.
        delimiter: character between columns. Default: "," for ``.csv``, else a tab. With a tab,
            quotes are characters of the text; else quotes may stand around a column, as in CSV.
        header: True if the first line has names of columns. Default: True if a column is named.
        label_type: function of a label's text, such as ``int`` or ``float``.
        encoding: encoding of the file.

    Returns:
        Pairs of a text, or of a pair of texts, and its label; texts alone with ``label=None``.

    Raises:
        ValueError: a line has other columns, an empty text, or a label that ``label_type`` refuses;
            with file and line.

    Example:
        >>> import os, tempfile
        >>> from bert4keras.data import atomic_write, load_table
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "train.tsv")
        ...     with atomic_write(path) as file:
        ...         _ = file.write("label\\ttext_a\\n1\\t很好\\n0\\t不好\\n")
        ...     load_table(path, text="text_a", label="label", label_type=int)
        [('很好', 1), ('不好', 0)]
    """
    columns = [text] if isinstance(text, str | int) else list(text)
    if len(columns) not in (1, 2):
        raise ValueError(f"Expected text to be one column or two, got {describe(text)}.")
    check_callable("label_type", label_type)
    wanted_columns = columns if label is None else [*columns, label]
    has_names = any(isinstance(column, str) for column in wanted_columns)
    has_header = check_boolean("header", has_names if header is None else header)
    if has_names and not has_header:
        raise ValueError("Expected columns by index with header=False, got names. Pass indices.")
    rows = _read_rows(path, delimiter, encoding)
    _, names = next(rows, (0, None)) if has_header else (0, None)
    samples = []
    for number, row in rows:
        values = [_pick(row, column, names, path, number) for column in wanted_columns]
        texts = values[: len(columns)]
        if not all(value.strip() for value in texts):
            refuse(path, number, "a text in each column of texts", str(row))
        item = texts[0] if len(columns) == 1 else tuple(texts)
        samples.append(
            item if label is None else (item, _convert(values[-1], label_type, path, number))
        )
    check_some(samples, path, "a text on each line")
    return samples


def _read_rows(
    path: StrPath, delimiter: str | None, encoding: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line and the columns of each row that is not empty."""
    if delimiter is None:
        is_csv = os.fspath(path).removesuffix(".gz").endswith(".csv")
        delimiter = "," if is_csv else "\t"
    if delimiter == "\t":
        for number, line in enumerate(read_lines(path, encoding), 1):
            if line.strip():
                yield number, line.rstrip("\n").split("\t")
        return
    reader = csv.reader(read_lines(path, encoding, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        refuse(path, reader.line_num, "rows of CSV", str(error))


def _pick(
    row: list[str], column: Column, names: list[str] | None, path: StrPath, number: int
) -> str:
    """Return a column of a row."""
    if names is not None and len(row) != len(names):
        refuse(path, number, f"{len(names)} columns, as many as the header has,", str(row))
    if isinstance(column, str):
        if column not in (names or []):
            refuse(path, 1, f"a column {column!r} in the header", str(names))
        column = (names or []).index(column)
    if not -len(row) <= column < len(row):
        refuse(path, number, f"a column {column}, counted from 0,", str(row))
    return row[column]


def _convert(label: str, label_type: Callable[[str], Any], path: StrPath, number: int) -> Any:
    try:
        return label_type(label)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected a label that {getattr(label_type, '__name__', label_type)} takes in {path}, "
            f"line {number}, got {label[:60]!r}. Correct it, or pass another label_type."
        ) from error


def load_clue(
    path: StrPath, label: str = "label", encoding: str = "utf-8"
) -> list[tuple[Any, Any]]:
    """Read labelled texts or pairs of CLUE and FewCLUE: JSON lines.

    Texts are in ``sentence`` (TNEWS, IFLYTEK, EPRSTMT), in ``sentence1`` and ``sentence2`` (AFQMC,
    OCNLI, CMNLI, BUSTM), or in ``abst`` and ``keyword`` (CSL), whose keywords are joined by "；".

    Args:
        path: the file, or a ``.gz`` of it.
        label: key of the label, such as "label_desc".
        encoding: encoding of the file.

    Returns:
        Pairs of a text, or of a pair of texts, and its label. Records with the label "-", on which
        annotators did not agree, are left out; a warning counts them.

    Raises:
        ValueError: a line has another form; with file and line.
    """
    samples, num_skipped = [], 0
    for place, record in read_records(path, encoding):
        keys = next((keys for keys in _CLUE_TEXTS if all(key in record for key in keys)), None)
        if keys is None or label not in record:
            form = f"the key {label!r}, and {' or '.join('+'.join(x) for x in _CLUE_TEXTS)},"
            refuse(place, None, form, record)
        texts = tuple(_join(record[key]) for key in keys)
        if not all(isinstance(text, str) for text in texts):
            refuse(place, None, "texts", record)
        if record[label] == _NO_LABEL:
            num_skipped += 1
        else:
            samples.append((texts[0] if len(texts) == 1 else texts, record[label]))
    if num_skipped:
        warnings.warn(
            f"{path}: {num_skipped} records without an agreed label ('-') are left out.",
            stacklevel=2,
        )
    return samples


def _join(value: Any) -> Any:
    """Return keywords as one text; anything else as it is."""
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return "；".join(value) if is_list else value
