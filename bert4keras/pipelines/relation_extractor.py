"""Relation extraction: triples of subject, predicate and object, with their places in a text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_number
from bert4keras.metrics import score_triples
from bert4keras.pipelines.base import Pipeline, check_one_text
from bert4keras.pipelines.batching import Batch
from bert4keras.pipelines.gplinker import GPLinker
from bert4keras.pipelines.half_pointers import HalfPointers, Span, TokenTriple
from bert4keras.pipelines.program import KerasProgram, check_model, check_outputs
from bert4keras.pipelines.text_classifier import check_labels
from bert4keras.tokenizers import Encoding

_GRID = tuple(number / 10 for number in range(1, 10))


class RelationExtractor(Pipeline):
    """Extracts triples by half pointers, or by GPLinker.

    Half pointers (CasRel, arXiv:1909.03227, https://kexue.fm/archives/7161) have two models: one
    points at subjects, one at the objects of a given subject. GPLinker
    (https://kexue.fm/archives/8888) has one model of three GlobalPointers.

    Args:
        model: a functional Keras model. For half pointers its outputs are pointers at subjects
            (B, L, 2), probabilities of start and end, and vectors (B, L, D). For GPLinker they are
            scores of subjects and objects (B, 2, L, L), of pairs of their first tokens
            (B, P, L, L), and of pairs of their last tokens (B, P, L, L).
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        predicates: names of the P predicates, in the order of the model's outputs.
        object_model: for half pointers, a functional Keras model of vectors (N, L, D) and subjects
            (N, 2), first and last token, with pointers at objects (N, L, P, 2).
        threshold: smallest score of what makes a triple. By default, half pointers need 0.6 of a
            start and 0.5 of an end, as in the article; GPLinker needs 0.5.
        **options: ``maxlen``, ``truncate``, ``overlap`` of ``Pipeline``.

    Records: a list for each text, in the order of the subjects:
    ``{"subject": {"text", "start", "end"}, "predicate", "object": {"text", "start", "end"},
    "score"}``. The score is the smallest probability of the parts of a triple.

    Raises:
        ValueError: the outputs have other shapes, or ``predicates`` are not as many.
    """

    task = "relation-extraction"
    model_names = ("model", "object_model")
    needs_offsets = True

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        predicates: Sequence[str],
        object_model: Any = None,
        threshold: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, **options)
        self.predicates: list[str] = check_labels(predicates, None, "predicates")
        self.object_model: Any = object_model
        self.threshold: float | None = _check_threshold(threshold)
        count = len(self.predicates)
        if object_model is None:
            shapes = (None, 2, None, None), *[(None, count, None, None)] * 2
            check_outputs("model", self.model, *shapes)
            self._decoder: Any = GPLinker(self._run_model)
        else:
            self.object_model = check_model("object_model", object_model)
            check_outputs("model", self.model, (None, None, 2), (None, None, None))
            check_outputs("object_model", self.object_model, (None, None, count, 2))
            self.programs["object_model"] = KerasProgram(self.object_model)
            self._decoder = HalfPointers(self._run_model, self._run_object_model)

    def _run_model(self, batch: Batch) -> list[NDArray[Any]]:
        return self._run("model", batch)

    def _run_object_model(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        return self.programs["object_model"](*inputs)

    @property
    def models(self) -> dict[str, Any]:
        """The Keras models by the name of their argument."""
        return {name: model for name, model in super().models.items() if model is not None}

    def _check_options(self, threshold: float | None = None) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            threshold: as for the class; None for its setting.
        """
        return {"threshold": self.threshold if threshold is None else _check_threshold(threshold)}

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        return self._encode_texts(check_one_text(name, item), name=name, options=options)

    def _compute(self, batch: Batch, options: Mapping[str, Any]) -> list[list[TokenTriple]]:
        return self._decoder.find_triples(batch, options["threshold"])

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[list[TokenTriple]],
        options: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the triples of all windows of a text, each of them once, with its best score."""
        text = check_one_text("text", item)
        scores: dict[tuple[Span, str, Span], float] = {}
        for encoding, triples in zip(encodings, results):
            for triple in triples:
                spans = (_to_characters(x, encoding) for x in (triple.subject, triple.object))
                subject, object = spans
                key = (subject, self.predicates[triple.predicate], object)
                scores[key] = max(triple.score, scores.get(key, 0))
        return [
            {
                "subject": _describe_span(text, subject),
                "predicate": predicate,
                "object": _describe_span(text, object),
                "score": scores[subject, predicate, object],
            }
            for subject, predicate, object in sorted(scores)
        ]

    def evaluate(
        self, samples: Iterable[tuple[str, Sequence[Any]]], **options: Any
    ) -> dict[str, Any]:
        """Compute F1, precision and recall of the triples, compared as texts.

        Args:
            samples: pairs of a text and its triples ``(subject, predicate, object)``.
            **options: as for a call.
        """
        samples = list(samples)
        records = self([text for text, _ in samples], **options)
        return score_triples([x for _, x in samples], [as_tuples(row) for row in records])

    def find_threshold(
        self, samples: Iterable[Any], thresholds: Sequence[float] = _GRID, **options: Any
    ) -> dict[str, Any]:
        """Find the threshold of the best F1 on samples that the model did not see.

        Args:
            samples: as for ``evaluate``.
            thresholds: those to compare. The texts are read once for each of them.
            **options: as for a call.

        Returns:
            The scores of ``evaluate`` at the best threshold, and this ``"threshold"``.
        """
        samples = list(samples)
        candidates = [
            {"threshold": limit, **self.evaluate(samples, threshold=limit, **options)}
            for limit in tqdm(thresholds, "thresholds", disable=None, leave=False)
        ]
        return max(candidates, key=lambda scores: scores["f1"])

    def get_config(self) -> dict[str, Any]:
        settings = {"predicates": self.predicates, "threshold": self.threshold}
        return {**super().get_config(), **settings}


def as_spo(records: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Convert triples of a text to the form of LIC2019, each of them once.

    Args:
        records: the triples of one text.

    Example:
        >>> from bert4keras.pipelines import as_spo
        >>> place = {"start": 0, "end": 1}
        >>> as_spo([{"subject": {"text": "春山", **place}, "predicate": "作者",
        ...          "object": {"text": "李明", **place}, "score": 0.9}])
        [{'subject': '春山', 'predicate': '作者', 'object': '李明'}]
    """
    keys = ("subject", "predicate", "object")
    return [dict(zip(keys, triple)) for triple in dict.fromkeys(as_tuples(records))]


def as_tuples(records: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Convert triples of a text to tuples of three texts."""
    return [(x["subject"]["text"], x["predicate"], x["object"]["text"]) for x in records]


def _check_threshold(threshold: float | None) -> float | None:
    return threshold if threshold is None else check_number("threshold", threshold, 0, 1)


def _to_characters(span: Span, encoding: Encoding) -> Span:
    """Return the first character of a span of tokens, and the one behind its last."""
    assert encoding.offsets is not None
    first, last = (encoding.offsets[i] for i in span)
    assert first is not None and last is not None
    return first[0], last[1]


def _describe_span(text: str, span: Span) -> dict[str, Any]:
    start, end = span
    return {"text": text[start:end], "start": start, "end": end}
