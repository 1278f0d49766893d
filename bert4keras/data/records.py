"""Records of JSON files with their places, for errors that name file and line."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from bert4keras.backend.types import StrPath
from bert4keras.data.text_files import read_lines


def read_records(
    path: StrPath, encoding: str = "utf-8", keys: Iterable[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the object of each record: JSON lines, or the items of one JSON array.

    Args:
        path: the file, or a ``.gz`` of it.
        encoding: encoding of the file.
        keys: keys that each record must have.

    Raises:
        ValueError: the file is not JSON, has no record, or a record lacks a key. A mistake in what
            the reader makes of a record is one of its place, too.
    """
    count = 0
    for place, record in _parse(path, encoding):
        count += 1
        if not isinstance(record, dict) or any(key not in record for key in keys):
            refuse(place, None, f"an object with {', '.join(keys)}", record)
        yield place, record
    check_some([None] * count, path, "a JSON object on each line")


def _parse(path: StrPath, encoding: str) -> Iterator[tuple[str, Any]]:
    lines = read_lines(path, encoding)
    is_first = True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        if is_first and line.lstrip().startswith("["):  # one array
            items = _load("".join([line, *lines]), str(path))
            yield from ((f"{path}, item {i}", item) for i, item in enumerate(items, 1))
            return
        is_first = False
        yield place, _load(line, place)


def read_json(path: StrPath, encoding: str = "utf-8") -> Any:
    """Read a file that is one JSON value."""
    return _load("".join(read_lines(path, encoding)), str(path))


def _load(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Expected JSON in {place}, got {error}: {text.strip()[:60]!r}. Correct it."
        ) from None


def refuse(path: StrPath, number: int | None, form: str, value: Any) -> NoReturn:
    """Raise a ValueError that names file, line, the form that was expected and what came.

    Args:
        path: the file, or a place in it.
        number: number of the line; None if ``path`` has it.
        form: what was expected.
        value: what the file has.
    """
    place = path if number is None else f"{path}, line {number}"
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    raise ValueError(f"Expected {form} in {place}, got {text[:60]!r}. Correct it.")


def check_some(samples: Sequence[Any], path: StrPath, form: str) -> None:
    """Raise if a file has no sample."""
    if not samples:
        raise ValueError(f"Expected {form} in {path}, got an empty file. Pass another file.")
