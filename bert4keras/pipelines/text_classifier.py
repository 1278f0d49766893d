"""Text classification: one or several labels of a text or a pair of texts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import (
    check_boolean,
    check_choice,
    check_integer,
    check_number,
    check_strings,
)
from bert4keras.data import softmax
from bert4keras.metrics import find_best_threshold, score_labels
from bert4keras.pipelines.base import Pipeline
from bert4keras.pipelines.program import check_outputs, find_activation
from bert4keras.tokenizers import Encoding


class TextClassifier(Pipeline):
    """Classifies texts, or pairs of texts.

    Args:
        model: a functional Keras model with the output (B, C), a score of each label.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        labels: names of the C labels, in the order of the model's output.
        is_multi_label: True if each label is decided alone (sigmoid); False if a text has one
            (softmax).
        threshold: smallest score of a label that is given, with ``is_multi_label``.
        from_logits: True if the model gives logits, False if it gives probabilities. Default: as
            its last activation says.
        **options: ``maxlen``, ``truncate``, ``overlap`` of ``Pipeline``. The probabilities of
            windows are averaged by their numbers of tokens.

    Raises:
        ValueError: ``labels`` are not as many as the outputs, or the last activation does not say
            if there are logits.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import TextClassifier
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 很 好 不".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_nsp=True)
        >>> classify = TextClassifier(model, tokenizer, ["bad", "good"])
        >>> [sorted(record) for record in classify(["很好", "不好"])]
        [['label', 'score'], ['label', 'score']]
    """

    task = "text-classification"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        labels: Sequence[str],
        is_multi_label: bool = False,
        threshold: float = 0.5,
        from_logits: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, **options)
        self.labels: list[str] = check_labels(labels, self.model.outputs[0].shape[-1])
        check_outputs("model", self.model, (None, len(self.labels)))
        self.is_multi_label: bool = check_boolean("is_multi_label", is_multi_label, "", False)
        self.threshold: float = check_number("threshold", threshold, 0, 1)
        self.from_logits: bool = check_logits(from_logits, self.model)

    def _check_options(
        self, top_k: int | None = None, threshold: float | None = None
    ) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            top_k: number of labels of each text, the best first; all that reach the threshold by
                default with ``is_multi_label``, else the best one.
            threshold: smallest score of a label, with ``is_multi_label``.
        """
        if top_k is not None:
            check_integer("top_k", top_k, 1)
        limit = self.threshold if threshold is None else check_number("threshold", threshold, 0, 1)
        return {"top_k": top_k, "threshold": limit}

    def _compute(self, batch: Any, options: Mapping[str, Any]) -> Sequence[NDArray[Any]]:
        scores = self._run("model", batch)[0][: len(batch.encodings)]
        if self.from_logits:
            return list(to_probabilities(scores, self.is_multi_label))
        return list(check_probabilities(scores, self.is_multi_label))

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[NDArray[Any]],
        options: Mapping[str, Any],
    ) -> Any:
        """Return the label of a text, or a list of labels."""
        weights = [len(encoding.token_ids) for encoding in encodings]
        scores = np.average(results, axis=0, weights=weights)
        order = np.argsort(-scores, kind="stable")
        records = [{"label": self.labels[i], "score": float(scores[i])} for i in order]
        if options["top_k"] is not None:
            return records[: options["top_k"]]
        if not self.is_multi_label:
            return records[0]
        return [record for record in records if record["score"] >= options["threshold"]]

    def evaluate(self, samples: Iterable[tuple[Any, Any]], **options: Any) -> dict[str, Any]:
        """Compute accuracy, precision, recall and F1.

        Args:
            samples: pairs of a text, or a pair of texts, and its label; a list of labels with
                ``is_multi_label``.
            **options: as for a call.

        Raises:
            ValueError: a label is none of the model's.
        """
        samples = list(samples)
        self._check_samples(samples)
        records = self([item for item, _ in samples], **options)
        predictions = [
            [row["label"] for row in record] if self.is_multi_label else record["label"]
            for record in records
        ]
        return score_labels([labels for _, labels in samples], predictions, by_label=True)

    def find_threshold(self, samples: Iterable[tuple[Any, Any]], **options: Any) -> dict[str, Any]:
        """Find the threshold of the best F1 of several labels, on samples kept from training.

        Args:
            samples: pairs of a text and its list of labels.
            **options: as for a call.

        Returns:
            ``{"threshold", "f1", "precision", "recall"}``. Set ``threshold`` to use it.

        Raises:
            ValueError: the pipeline gives one label for each text, without a threshold.
        """
        if not self.is_multi_label:
            raise ValueError(
                "Expected is_multi_label=True to find a threshold, got False. One label has none."
            )
        samples = list(samples)
        self._check_samples(samples)
        records = self([item for item, _ in samples], top_k=len(self.labels), **options)
        pairs = [
            (record["score"], record["label"] in labels)
            for (_, labels), row in zip(samples, records)
            for record in row
        ]
        scores, is_correct = zip(*pairs) if pairs else ((), ())
        return find_best_threshold(scores, is_correct, sum(len(set(x)) for _, x in samples))

    def _check_samples(self, samples: list[tuple[Any, Any]]) -> None:
        """Raise if a sample has a label that is none of the model's, or another number of them."""
        for number, (_, value) in enumerate(samples):
            name = f"the label of samples[{number}]"
            if self.is_multi_label:
                check_strings(name, value, "Pass a list of labels.")
            for label in value if self.is_multi_label else [value]:
                check_choice(name, label, self.labels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "labels": self.labels,
            "is_multi_label": self.is_multi_label,
            "threshold": self.threshold,
            "from_logits": self.from_logits,
        }


def check_labels(labels: Any, count: int | None = None, name: str = "labels") -> list[str]:
    """Return the labels of a model; raise if they are more or fewer than its outputs, or one twice.

    Args:
        labels: a list of names.
        count: number of outputs; None where shapes are compared elsewhere.
        name: the argument, for the message.
    """
    labels = check_strings(name, labels, "Pass a list of names.")
    count = len(labels) if count is None else count
    if len(labels) != count or len(set(labels)) != count or not labels:
        raise ValueError(
            f"Expected {count or 'some'} different {name} for the outputs of the model, got "
            f"{len(labels)}: {labels[:8]}. Pass those that it was trained with, in their order."
        )
    return labels


def check_logits(from_logits: bool | None, model: Any) -> bool:
    """Return True if a model gives logits: as said, or as its last activation says."""
    if from_logits is not None:
        return check_boolean("from_logits", from_logits, "", False)
    activation = find_activation(model)
    if activation is None:
        raise ValueError(
            "Expected from_logits to be True or False, got None, and the last operation of the "
            "model is no activation. Pass True for logits, False for probabilities."
        )
    return activation == "linear"


def to_probabilities(logits: NDArray[Any], is_multi_label: bool) -> NDArray[Any]:
    """Return the probabilities of logits: by a sigmoid, or by a softmax over the last axis."""
    return 1 / (1 + np.exp(-logits)) if is_multi_label else softmax(logits, axis=-1)


def check_probabilities(scores: NDArray[Any], is_multi_label: bool) -> NDArray[Any]:
    """Return probabilities; raise if numbers are none."""
    is_between = np.all((scores >= 0) & (scores <= 1))
    if not is_between or not (is_multi_label or np.allclose(scores.sum(-1), 1, atol=1e-2)):
        raise ValueError(
            f"Expected the model to give probabilities, got {scores.ravel()[:4]}. Pass "
            "from_logits=True for logits, or is_multi_label=True if each label is decided alone."
        )
    return scores
