"""Post-processors of ``tokenizer.json``: the special tokens around a text or a pair of texts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bert4keras.checks import describe


class Piece(NamedTuple):
    """One part of a template.

    Args:
        text_index: 0 or 1, the text whose tokens stand here; None for special tokens.
        segment: segment id of the tokens.
        ids: ids of the special tokens; empty for a text.
    """

    text_index: int | None
    segment: int
    ids: tuple[int, ...] = ()


Template = tuple[Piece, ...]
_FIRST, _SECOND = Piece(0, 0), Piece(1, 1)
_PLAIN = ((_FIRST,), (_FIRST, _SECOND))  # of a text and of a pair


def read_templates(post_processor: Any) -> tuple[Template, Template]:
    """Return the templates of a text and of a pair of texts.

    Args:
        post_processor: the post-processor of a tokenizer of ``tokenizers``, or None.

    Raises:
        ValueError: it is of an unknown type, or names special tokens without ids.
    """
    if post_processor is None:
        return _PLAIN
    return _read_templates(json.loads(post_processor.__getstate__()))


def _read_templates(settings: Mapping[str, Any]) -> tuple[Template, Template]:
    readers = {
        "ByteLevel": lambda _: _PLAIN,
        "BertProcessing": _read_bert,
        "RobertaProcessing": _read_roberta,
        "TemplateProcessing": _read_template_processing,
        "Sequence": _read_sequence,
    }
    kind = settings.get("type")
    if kind not in readers:
        raise ValueError(
            f"Expected a post-processor among {', '.join(readers)} in tokenizer.json, got "
            f"{describe(kind)}. Save the tokenizer with another one."
        )
    return readers[kind](settings)


def _read_bert(settings: Mapping[str, Any]) -> tuple[Template, Template]:
    start, end = (settings[key][1] for key in ("cls", "sep"))
    text = (Piece(None, 0, (start,)), _FIRST, Piece(None, 0, (end,)))
    return text, (*text, _SECOND, Piece(None, 1, (end,)))


def _read_roberta(settings: Mapping[str, Any]) -> tuple[Template, Template]:
    start, end = (settings[key][1] for key in ("cls", "sep"))
    text = (Piece(None, 0, (start,)), _FIRST, Piece(None, 0, (end,)))
    return text, (*text, Piece(None, 0, (end,)), Piece(1, 0), Piece(None, 0, (end,)))


def _read_template_processing(settings: Mapping[str, Any]) -> tuple[Template, Template]:
    tokens = settings["special_tokens"]
    single, pair = (tuple(_read_pieces(settings[key], tokens)) for key in ("single", "pair"))
    if all(piece.text_index is None for piece in single):
        raise ValueError(
            "Expected the text $A in the template of tokenizer.json, got special tokens alone. "
            "Save the tokenizer again."
        )
    return single, pair


def _read_pieces(pieces: Iterable[Mapping[str, Any]], tokens: Mapping[str, Any]):
    for piece in pieces:
        for kind, value in piece.items():
            name, segment = value["id"], value["type_id"]
            if kind == "Sequence":
                yield Piece("AB".index(name), segment)
            elif name in tokens:
                yield Piece(None, segment, tuple(tokens[name]["ids"]))
            else:
                raise ValueError(
                    f"Expected ids of the special token {name!r} in the post-processor of "
                    "tokenizer.json, got none. Save the tokenizer again."
                )


def _read_sequence(settings: Mapping[str, Any]) -> tuple[Template, Template]:
    templates = [_read_templates(processor) for processor in settings["processors"]]
    templates = [template for template in templates if template != _PLAIN]
    if len(templates) > 1:
        raise ValueError(
            "Expected one post-processor with special tokens in tokenizer.json, got "
            f"{len(templates)}. Save the tokenizer with one template."
        )
    return templates[0] if templates else _PLAIN


def count_special_tokens(template: Template) -> int:
    """Return the number of special tokens of a template."""
    return sum(len(piece.ids) for piece in template)


def split_template(template: Template) -> tuple[list[int], list[int]]:
    """Return the special tokens before the first text and after the last."""
    indices = [i for i, piece in enumerate(template) if piece.text_index is not None]
    before, after = template[: indices[0]], template[indices[-1] + 1 :]
    return [i for piece in before for i in piece.ids], [i for piece in after for i in piece.ids]


def fill_template(
    template: Template, texts: Sequence[Sequence[Any]], special: Any
) -> Iterable[tuple[Any, int, int | None]]:
    """Give ``(token, segment, text_index)`` of each token of a template.

    Args:
        template: the template.
        texts: the tokens of each text.
        special: function from the id of a special token to the value that stands for it.
    """
    for text_index, segment, ids in template:
        tokens = map(special, ids) if text_index is None else texts[text_index]
        for token in tokens:
            yield token, segment, text_index
