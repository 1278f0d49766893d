"""Reader of triples: LIC2019, DuIE 1 and 2, and the form of CasRel (WebNLG, NYT)."""

from collections.abc import Iterator, Mapping
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.data.records import read_records, refuse

Triple = tuple[str, str, str]
_VALUE = "@value"  # of DuIE 2: the object itself; further keys say more of it


def load_triples(path: StrPath, encoding: str = "utf-8") -> list[tuple[str, list[Triple]]]:
    """Read texts and their triples.

    Forms of a record, on a line each or in one JSON array:

    - LIC2019 and DuIE 1: ``{"text", "spo_list": [{"subject", "predicate", "object"}]}``;
    - DuIE 2: the object is ``{"@value": name, key: name}``. Each further key gives a triple of its
      own with the predicate ``"predicate_key"``;
    - CasRel: ``{"text", "triple_list": [[subject, predicate, object]]}``.

    Args:
        path: the file, or a ``.gz`` of it.
        encoding: encoding of the file.

    Returns:
        Pairs of a text and its triples ``(subject, predicate, object)``, without doubles.

    Raises:
        ValueError: a record has another form; with file and line.

    Example:
        >>> import os, tempfile
        >>> from bert4keras.data import atomic_write, load_triples
        >>> line = '{"text": "李明著", "triple_list": [["春山", "作者", "李明"]]}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "train.json")
        ...     with atomic_write(path) as file:
        ...         _ = file.write(line)
        ...     load_triples(path)
        [('李明著', [('春山', '作者', '李明')])]
    """
    samples = []
    for place, record in read_records(path, encoding, ["text"]):
        try:
            triples = list(dict.fromkeys(_list_triples(record)))
        except (AttributeError, KeyError, TypeError, ValueError):
            form = "a text, and triples of subject, predicate and object"
            refuse(place, None, form, record)
        names = (record["text"], *(name for triple in triples for name in triple))
        if not all(isinstance(name, str) for name in names):
            refuse(place, None, "text, subject, predicate and object as texts", record)
        samples.append((record["text"], triples))
    return samples


def _list_triples(record: Mapping[str, Any]) -> Iterator[Triple]:
    """Yield the triples of a record."""
    if "triple_list" in record:
        for subject, predicate, object in record["triple_list"]:
            yield subject, predicate, object
        return
    for spo in record["spo_list"]:
        subject, predicate, object = spo["subject"], spo["predicate"], spo["object"]
        if not isinstance(object, Mapping):
            yield subject, predicate, object
            continue
        yield subject, predicate, object[_VALUE]
        for key, name in object.items():
            if key != _VALUE and name:
                yield subject, f"{predicate}_{key}", name
