"""Metrics of tasks, as dicts of plain numbers or as one number.

A score of nothing, where nothing is true and nothing is predicted, is 0.
"""

from bert4keras.metrics.counts import (
    accuracy,
    score_entities,
    score_labels,
    score_spans,
    score_triples,
)
from bert4keras.metrics.equations import score_equations
from bert4keras.metrics.ranking import mean_reciprocal_rank, ndcg, pearson, spearman
from bert4keras.metrics.texts import score_answers, score_texts
from bert4keras.metrics.thresholds import bootstrap, find_best_threshold

__all__ = [
    "accuracy",
    "bootstrap",
    "find_best_threshold",
    "mean_reciprocal_rank",
    "ndcg",
    "pearson",
    "score_answers",
    "score_entities",
    "score_equations",
    "score_labels",
    "score_spans",
    "score_texts",
    "score_triples",
    "spearman",
]
