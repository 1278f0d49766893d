"""Pipelines: what a trained task does at inference, saved as one folder."""

from bert4keras.pipelines.base import Pipeline
from bert4keras.pipelines.loading import PIPELINES, load_pipeline
from bert4keras.pipelines.relation_extractor import RelationExtractor, as_spo
from bert4keras.pipelines.text_classifier import TextClassifier

__all__ = [
    "PIPELINES",
    "Pipeline",
    "RelationExtractor",
    "TextClassifier",
    "as_spo",
    "load_pipeline",
]
