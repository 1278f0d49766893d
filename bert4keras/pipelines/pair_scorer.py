"""Scores of pairs of texts: similarity, entailment, ranking of passages for a query."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_choice, check_integer, check_string, describe
from bert4keras.metrics import mean_reciprocal_rank, ndcg, pearson, score_labels, spearman
from bert4keras.pipelines.base import Pipeline, check_text, check_texts
from bert4keras.pipelines.program import check_outputs, find_activation
from bert4keras.pipelines.sentence_encoder import check_pairs
from bert4keras.pipelines.text_classifier import (
    check_labels,
    check_logits,
    check_probabilities,
    to_probabilities,
)
from bert4keras.tokenizers import Encoding

ACTIVATIONS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "linear": lambda x: x,
    "sigmoid": lambda x: to_probabilities(x, is_multi_label=True),
}


class PairScorer(Pipeline):
    """Scores pairs of texts that the model reads together (a cross-encoder, arXiv:1901.04085).

    Args:
        model: a functional Keras model with the output (B, 1), a score, or (B, C), a score of each
            label.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        labels: names of the C labels, such as those of entailment; None for one score.
        positive_label: the label whose probability ranks texts; None for no ranking by labels.
        activation: what is applied to one score: "sigmoid", or "linear" for the score as it is.
            Default: "sigmoid" for a model that ends without activation, "linear" for one that
            ends with a sigmoid.
        from_logits: with ``labels``, True if the model gives logits, False if it gives
            probabilities. Default: as its last activation says.
        **options: ``maxlen``, ``truncate``, ``overlap`` of ``Pipeline``. The second text is cut or
            read in windows. Of windows the best score counts (arXiv:1905.09217); probabilities of
            labels are averaged.

    Raises:
        ValueError: ``labels`` are not as many as the outputs, or an argument is for the other kind
            of model.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import PairScorer
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 很 好 不".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_nsp=True)
        >>> score = PairScorer(model, tokenizer, ["next", "other"], positive_label="next")
        >>> sorted(score(("很好", "不好")))
        ['label', 'score']
        >>> [sorted(record) for record in score.rank("很好", ["不好", "好"], top_k=1)]
        [['index', 'score', 'text']]
    """

    task = "text-ranking"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        labels: Sequence[str] | None = None,
        positive_label: str | None = None,
        activation: str | None = None,
        from_logits: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, **options)
        size = self.model.outputs[0].shape[-1]
        self.labels: list[str] | None = None if labels is None else check_labels(labels, size)
        check_outputs("model", self.model, (None, 1 if labels is None else size))
        self._check_kind(positive_label, activation, from_logits)
        self.positive_label: str | None = positive_label
        self.activation: str | None = None if self.labels else self._find_activation(activation)
        self.from_logits: bool | None = None
        if self.labels:
            self.from_logits = check_logits(from_logits, self.model)

    def _check_kind(
        self, positive_label: str | None, activation: str | None, from_logits: bool | None
    ) -> None:
        """Raise for an argument of the other kind of model."""
        if self.labels is None and (positive_label is not None or from_logits is not None):
            raise ValueError(
                "Expected labels with positive_label and from_logits, got None. Pass the names of "
                "the labels, or activation for a model with one score."
            )
        if self.labels is not None and activation is not None:
            raise ValueError(
                f"Expected no activation with labels, got {activation!r}. Pass from_logits."
            )
        if positive_label is not None:
            check_choice("positive_label", positive_label, self.labels or ())

    def _find_activation(self, activation: str | None) -> str:
        if activation is not None:
            return check_choice("activation", activation, ACTIVATIONS)
        names = {"linear": "sigmoid", "sigmoid": "linear"}
        last_activation = find_activation(self.model)
        if last_activation not in names:
            raise ValueError(
                f"Expected activation, got None, and the model ends with {last_activation or 'no'} "
                "activation. Pass 'sigmoid' for logits, 'linear' for the score as it is."
            )
        return names[last_activation]

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        texts = check_texts(name, item)
        if len(texts) != 2:
            raise ValueError(
                f"Expected {name} to be a pair of texts, got {describe(item)}. Pass a tuple of two."
            )
        return self._encode_texts(*texts, name=name, options=options)

    def _compute(self, batch: Any, options: Mapping[str, Any]) -> Sequence[NDArray[Any]]:
        scores = self._run("model", batch)[0][: len(batch.encodings)]
        if self.activation is not None:
            return list(ACTIVATIONS[self.activation](scores))
        if self.from_logits:
            return list(to_probabilities(scores, False))
        return list(check_probabilities(scores, False))

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[NDArray[Any]],
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the score of a pair, or its label."""
        if self.labels is None:
            return {"score": float(np.max(results))}
        weights = [len(encoding.token_ids) for encoding in encodings]
        scores = np.average(results, axis=0, weights=weights)
        label = options["label"] or self.labels[int(scores.argmax())]
        return {"label": label, "score": float(scores[self.labels.index(label)])}

    def _check_options(self, label: str | None = None) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            label: the label whose probability is given; the most probable one by default.
        """
        if label is not None:
            check_choice("label", label, self.labels or ())
        return {"label": label}

    def rank(
        self, query: str, texts: Iterable[str], top_k: int | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Sort texts by their score for a query, the best first.

        Args:
            query: the first text of all pairs.
            texts: the second texts.
            top_k: number of texts that are given; all by default.
            **options: as for ``stream``.

        Returns:
            One record {"index", "score", "text"} each; ``index`` counts the texts as given.

        Raises:
            ValueError: the model has labels, and none of them is ``positive_label``.
        """
        if self.labels is not None and self.positive_label is None:
            raise ValueError(
                f"Expected positive_label to rank by one of the labels {self.labels}, got None. "
                "Pass it to PairScorer."
            )
        check_text("query", query)
        if top_k is not None:
            check_integer("top_k", top_k, 1)
        if self.positive_label is not None:
            options = {"label": self.positive_label, **options}
        if isinstance(texts, str):
            raise TypeError(f"Expected texts to be a list of texts, got {describe(texts)}.")
        texts = [check_string(f"texts[{i}]", text) for i, text in enumerate(texts)]
        scores = [record["score"] for record in self.stream(((query, x) for x in texts), **options)]
        order = np.argsort(-np.array(scores, "float64"), kind="stable")[:top_k]
        return [{"index": int(i), "score": scores[i], "text": texts[i]} for i in order]

    def evaluate(self, samples: Iterable[Any], **options: Any) -> dict[str, Any]:
        """Compute the scores of the kind of samples.

        Args:
            samples: pairs of texts with their label, or with a number where the model gives one
                score; or ``{"query": text, "texts": [text, ...], "relevance": [number, ...]}`` for
                ranking, where a number above 0 says that a text is relevant.
            **options: as for a call.

        Returns:
            Accuracy, precision, recall and F1 of labels; ``{"spearman", "pearson"}`` of numbers,
            and ``"accuracy"`` where all numbers are 0 or 1 and the score is a sigmoid, which is
            rounded; ``{"mrr", "ndcg", "ndcg@10"}`` of rankings.

        Raises:
            ValueError: the samples are of several kinds, or a label is none of the model's.
        """
        samples = list(samples)
        if samples and all(isinstance(sample, Mapping) for sample in samples):
            return self._evaluate_ranking(samples, **options)
        pairs, values = check_pairs(samples)
        if self.labels is None:
            return self._evaluate_numbers(pairs, values, **options)
        for i, label in enumerate(values):
            check_choice(f"the label of samples[{i}]", label, self.labels)
        predictions = [record["label"] for record in self(pairs, **options)]
        return score_labels(values, predictions, by_label=True)

    def _evaluate_numbers(
        self, pairs: list[Any], numbers: list[Any], **options: Any
    ) -> dict[str, float]:
        scores = [record["score"] for record in self(pairs, **options)]
        results = {"spearman": spearman(numbers, scores), "pearson": pearson(numbers, scores)}
        is_sigmoid = "sigmoid" in (self.activation, find_activation(self.model))
        if is_sigmoid and set(numbers) <= {0, 1}:
            is_right = [(score > 0.5) == number for score, number in zip(scores, numbers)]
            results["accuracy"] = float(np.mean(is_right))
        return results

    def _evaluate_ranking(
        self, samples: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, float]:
        for i, sample in enumerate(samples):
            if set(sample) != {"query", "texts", "relevance"}:
                raise ValueError(
                    f"Expected the keys query, texts and relevance in samples[{i}], got "
                    f"{', '.join(map(str, sample))}. Rename them."
                )
        relevance = [list(sample["relevance"]) for sample in samples]
        scores = []
        for sample in samples:
            records = self.rank(sample["query"], sample["texts"], **options)
            scores.append([x["score"] for x in sorted(records, key=lambda x: x["index"])])
        return {
            "mrr": mean_reciprocal_rank(relevance, scores),
            "ndcg": ndcg(relevance, scores),
            "ndcg@10": ndcg(relevance, scores, k=10),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "labels": self.labels,
            "positive_label": self.positive_label,
            "activation": self.activation,
            "from_logits": self.from_logits,
        }
