"""Named entities of texts: by tags of tokens, by a CRF or an MEMM, or by global pointers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_boolean, check_choice, check_number
from bert4keras.data.tag_scheme import TagScheme, check_types
from bert4keras.layers import ConditionalRandomField, MaximumEntropyMarkovModel
from bert4keras.metrics import find_best_threshold, score_entities
from bert4keras.pipelines.base import Pipeline, check_one_text
from bert4keras.pipelines.batching import Batch
from bert4keras.pipelines.pointer_decoder import PointerDecoder, drop_overlaps
from bert4keras.pipelines.program import check_outputs
from bert4keras.pipelines.subwords import list_subwords
from bert4keras.pipelines.tag_decoders import (
    AGGREGATIONS,
    FORBIDDEN,
    ArgmaxDecoder,
    Entity,
    PathDecoder,
)
from bert4keras.pipelines.text_classifier import (
    check_labels,
    check_logits,
    check_probabilities,
    to_probabilities,
)
from bert4keras.tokenizers import Encoding

_SHAPES = {  # of the output by the decoder, with C labels
    "argmax": lambda count: (None, None, count),
    "viterbi": lambda count: (None, None, count),
    "pointer": lambda count: (None, count, None, None),
}
_ARGUMENTS = {  # that only some decoders have
    "scheme": ("argmax", "viterbi"),
    "aggregation": ("argmax",),
    "from_logits": ("argmax",),
    "is_constrained": ("viterbi",),
    "is_nested": ("pointer",),
}
_PATH_LAYERS = (ConditionalRandomField, MaximumEntropyMarkovModel)
_SMALLEST_LOGIT = -5.0  # of a pointer's span that may be an entity


class EntityRecognizer(Pipeline):
    """Recognizes named entities in texts, nested ones too where the model is a pointer.

    Args:
        model: a functional Keras model of one output. Scores of tags (B, L, C) for each token, or
            scores of spans (B, C, L, L), as a ``GlobalPointer`` gives them.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        labels: names of the C labels, in the order of the model's output. Tags such as "O",
            "B-PER", "I-PER" for scores of tags; types such as "PER" for scores of spans.
        decoder: "viterbi" finds the best path of tags by the transitions of the model's last layer,
            ``ConditionalRandomField`` or ``MaximumEntropyMarkovModel``. "argmax" decides on each
            token alone. "pointer" takes all spans above the threshold. None reads it from the
            model: "pointer" for four axes, "viterbi" for one of these layers, else "argmax".
        scheme: the meaning of tags: "BIO", "BIOES", "BMES", or "IO" where each label is a type.
            None reads it from the labels.
        threshold: a record has a score above it. None: 0 for "pointer", no limit for tags.
        aggregation: for "argmax", from tokens to entities as ``aggregation_strategy`` of
            ``transformers``. "simple" joins tokens. "first", "average" and "max" first decide on
            words: by the first token, the mean, or the surest token. "none" gives a record for each
            token that is not "O", with its tag as the type. Default: "simple".
        is_constrained: for "viterbi", True allows only paths that keep the rules of the scheme.
        is_nested: for "pointer", False if no entity overlaps another: of spans that do, the one
            with the best score counts. Default: True.
        from_logits: for "argmax", True if the model gives logits, False for probabilities. Default:
            as its last activation says.
        **options: ``maxlen``, ``truncate``, ``overlap`` of ``Pipeline``.

    Records: a list for each text, sorted by start and end: ``{"type", "text", "start", "end",
    "score"}``. The score is a probability for tags: with "argmax" the mean over the tokens or words
    of an entity, with "viterbi" the marginal probability of its tags at its tokens. For pointers it
    is the logit of the span.

    Windows overlap. A token, or a span of a pointer, counts in the window in which it is farthest
    from an edge, so ``overlap`` should be longer than an entity.

    Raises:
        ValueError: the labels are not those of such a model, or an argument is for another decoder.

    Example:
        >>> import keras
        >>> from bert4keras.layers import GlobalPointer
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import EntityRecognizer
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 李 明 来".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> bert = build_transformer_model(config)
        >>> model = keras.Model(bert.inputs, GlobalPointer(heads=1, head_size=4)(bert.output))
        >>> recognize = EntityRecognizer(model, tokenizer, ["PER"], threshold=-1e9)
        >>> [record["text"] for record in recognize("李明")]
        ['李', '李明', '明']
    """

    task = "token-classification"
    needs_offsets = True

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        labels: Sequence[str],
        decoder: str | None = None,
        scheme: str | None = None,
        threshold: float | None = None,
        aggregation: str | None = None,
        is_constrained: bool | None = None,
        is_nested: bool | None = None,
        from_logits: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, **options)
        self.labels: list[str] = check_labels(labels)
        self.decoder: str = _find_decoder(self.model) if decoder is None else decoder
        check_choice("decoder", self.decoder, tuple(_SHAPES))
        check_outputs("model", self.model, _SHAPES[self.decoder](len(self.labels)))
        self.threshold: float | None = None
        self.threshold = self._check_threshold(threshold)
        settings = {
            "scheme": scheme,
            "aggregation": aggregation,
            "is_constrained": is_constrained,
            "is_nested": is_nested,
            "from_logits": from_logits,
        }
        self._settings: dict[str, Any] = _check_settings(self.decoder, settings)
        builders = {
            "argmax": self._build_argmax,
            "viterbi": self._build_viterbi,
            "pointer": self._build_pointer,
        }
        self._decoder: Any = builders[self.decoder]()

    # One decoder each

    def _build_pointer(self) -> PointerDecoder:
        check_types(self.labels)
        is_nested = self._settings["is_nested"] is None or self._settings["is_nested"]
        self._settings["is_nested"] = check_boolean("is_nested", is_nested)
        self.threshold = 0.0 if self.threshold is None else self.threshold
        return PointerDecoder(self.labels)

    def _build_argmax(self) -> ArgmaxDecoder:
        self._settings["aggregation"] = _check_aggregation(
            self._settings["aggregation"] or "simple"
        )
        from_logits = self._settings["from_logits"]
        if from_logits is None and isinstance(find_last_layer(self.model), _PATH_LAYERS):
            from_logits = True
        self._settings["from_logits"] = check_logits(from_logits, self.model)
        return ArgmaxDecoder(self._build_scheme(), self._list_subwords)

    def _build_viterbi(self) -> PathDecoder:
        layer: Any = find_last_layer(self.model)
        if not isinstance(layer, _PATH_LAYERS):
            raise ValueError(
                "Expected model to end with ConditionalRandomField or MaximumEntropyMarkovModel "
                f"for decoder='viterbi', got {layer.name}. Pass decoder='argmax'."
            )
        is_constrained = self._settings["is_constrained"] or False
        self._settings["is_constrained"] = check_boolean("is_constrained", is_constrained)
        return PathDecoder(
            self._build_scheme(), lambda: ops.convert_to_numpy(layer.trans), bool(is_constrained)
        )

    def _build_scheme(self) -> TagScheme:
        scheme = TagScheme(self.labels, self._settings["scheme"])
        self._settings["scheme"] = scheme.name
        return scheme

    def _list_subwords(self, encoding: Encoding) -> list[bool]:
        return list_subwords(self.tokenizer, encoding)

    # Hooks of the base

    def _check_options(
        self, threshold: float | None = None, aggregation: str | None = None
    ) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            threshold: as for the class; None for its setting.
            aggregation: as for the class; None for its setting.
        """
        _check_settings(self.decoder, {"aggregation": aggregation})
        if aggregation is None:
            aggregation = self._settings["aggregation"]
        else:
            _check_aggregation(aggregation)
        threshold = self._check_threshold(threshold)
        return {
            "threshold": self.threshold if threshold is None else threshold,
            "aggregation": aggregation,
        }

    def _check_threshold(self, threshold: float | None) -> float | None:
        if threshold is None:
            return None
        limits = (None, None) if self.decoder == "pointer" else (0, 1)
        return check_number("threshold", threshold, *limits)

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        return self._encode_texts(check_one_text(name, item), name=name, options=options)

    def _compute(self, batch: Batch, options: Mapping[str, Any]) -> Sequence[Any]:
        scores = self._run("model", batch)[0][: len(batch.encodings)]
        if self.decoder == "argmax":
            scores = self._to_probabilities(scores)
        return self._decoder.decode(scores, batch.encodings, options)

    def _to_probabilities(self, scores: NDArray[Any]) -> NDArray[Any]:
        if self._settings["from_logits"]:
            return to_probabilities(np.maximum(scores, FORBIDDEN), False)  # padding may be -inf
        return check_probabilities(scores, False)

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[Any],
        options: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the entities of all windows of a text, each of them once, with its best score."""
        text = check_one_text("text", item)
        scores: dict[tuple[int, int, str], float] = {}
        for row, entities in self._decoder.merge(encodings, results, self.overlap or 0, options):
            for entity in entities:
                key = (*find_characters(entity, row), entity.type)
                scores[key] = max(entity.score, scores.get(key, entity.score))
        limit = options["threshold"]
        records = [
            {"type": kind, "text": text[start:end], "start": start, "end": end, "score": score}
            for (start, end, kind), score in sorted(scores.items())
            if start < end and (limit is None or score > limit)
        ]
        return drop_overlaps(records) if self._settings["is_nested"] is False else records

    def evaluate(
        self, samples: Iterable[tuple[str, Sequence[Any]]], **options: Any
    ) -> dict[str, Any]:
        """Compute F1, precision and recall of whole entities, also for each type.

        Args:
            samples: pairs of a text and its entities ``(start, end, type)``.
            **options: as for a call.
        """
        samples = list(samples)
        records = self._recognize_for_scores(samples, options)
        return score_entities([x for _, x in samples], [as_entities(row) for row in records], True)

    def _recognize_for_scores(self, samples, options) -> list[list[dict[str, Any]]]:
        if "none" in (options.get("aggregation"), self._settings["aggregation"]):
            raise ValueError(
                "Expected aggregation to give entities, got 'none', which gives tokens. Pass "
                "aggregation='simple' for scores."
            )
        return self([text for text, _ in samples], **options)

    def find_threshold(
        self,
        samples: Iterable[tuple[str, Sequence[Any]]],
        minimum: float | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Find the threshold of the best F1, on samples kept from training.

        Args:
            samples: as for ``evaluate``.
            minimum: the smallest threshold that counts. Default: -5 for pointers, 0 for tags.
            **options: as for a call.

        Returns:
            ``{"threshold", "f1", "precision", "recall"}``. Set ``threshold`` to use it.
        """
        samples = list(samples)
        default_minimum = _SMALLEST_LOGIT if self.decoder == "pointer" else 0
        options["threshold"] = default_minimum if minimum is None else minimum
        records = self._recognize_for_scores(samples, options)
        true_entities = [set(map(tuple, entities)) for _, entities in samples]
        pairs = [
            (record["score"], entity in true_row)
            for true_row, row in zip(true_entities, records)
            for record, entity in zip(row, as_entities(row))
        ]
        scores, is_correct = zip(*pairs) if pairs else ((), ())
        best = find_best_threshold(scores, is_correct, sum(map(len, true_entities)))
        return {**best, "threshold": max(best["threshold"], options["threshold"])}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "labels": self.labels,
            "decoder": self.decoder,
            "threshold": self.threshold,
            **self._settings,
        }


def as_entities(records: Iterable[Mapping[str, Any]]) -> list[tuple[int, int, str]]:
    """Convert the entities of a text to tuples of start, end and type."""
    return [(x["start"], x["end"], x["type"]) for x in records]


def to_hugging_face(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Convert the entities of a text to the keys of ``transformers``.

    The word is the text as it stands there; ``transformers`` joins the tokens.

    Args:
        records: the entities of one text.

    Example:
        >>> from bert4keras.pipelines import to_hugging_face
        >>> to_hugging_face([{"type": "PER", "text": "李明", "start": 0, "end": 2, "score": 0.9}])
        [{'entity_group': 'PER', 'score': 0.9, 'word': '李明', 'start': 0, 'end': 2}]
    """
    return [
        {
            "entity_group": record["type"],
            "score": record["score"],
            "word": record["text"],
            "start": record["start"],
            "end": record["end"],
        }
        for record in records
    ]


def find_last_layer(model: Any) -> Any:
    """Return the layer that gives the output of a model, also where a model inside it does."""
    layer = model.outputs[0]._keras_history.operation
    return find_last_layer(layer) if isinstance(layer, keras.Model) else layer


def _find_decoder(model: Any) -> str:
    """Return the name of the decoder of a model: by the axes of its output, and its last layer."""
    if len(model.outputs) == 1 and len(model.outputs[0].shape) == 4:
        return "pointer"
    return "viterbi" if isinstance(find_last_layer(model), _PATH_LAYERS) else "argmax"


def _check_settings(decoder: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a decoder; raise if one is for another decoder."""
    for name, value in settings.items():
        if value is not None and decoder not in _ARGUMENTS[name]:
            raise ValueError(
                f"Expected {name} to be None for decoder={decoder!r}, got {value!r}. It is for "
                f"{' and '.join(map(repr, _ARGUMENTS[name]))}."
            )
    return dict(settings)


def _check_aggregation(aggregation: Any) -> str:
    return check_choice("aggregation", aggregation, AGGREGATIONS)


def find_characters(entity: Entity, encoding: Encoding) -> tuple[int, int]:
    """Return the first character of an entity, and the one behind its last."""
    offsets: Any = (encoding.offsets or [])[entity.first : entity.last + 1]
    spans = [span for span in offsets if span[0] < span[1]]  # a token may have no character
    return (spans[0][0], spans[-1][1]) if spans else (0, 0)
