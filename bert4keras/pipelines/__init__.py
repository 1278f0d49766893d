"""Pipelines: what a trained task does at inference, saved as one folder."""

from bert4keras.pipelines.base import Pipeline
from bert4keras.pipelines.conditional_writer import ConditionalWriter
from bert4keras.pipelines.entity_recognizer import EntityRecognizer, to_hugging_face
from bert4keras.pipelines.image_captioner import ImageCaptioner
from bert4keras.pipelines.loading import PIPELINES, load_pipeline
from bert4keras.pipelines.mask_filler import MaskFiller
from bert4keras.pipelines.mask_reader import MaskReader
from bert4keras.pipelines.pair_scorer import PairScorer
from bert4keras.pipelines.question_writer import QuestionWriter
from bert4keras.pipelines.reader import Reader
from bert4keras.pipelines.relation_extractor import RelationExtractor, as_spo
from bert4keras.pipelines.root import PipelineBase
from bert4keras.pipelines.sentence_encoder import SentenceEncoder
from bert4keras.pipelines.sequence_reader import SequenceReader
from bert4keras.pipelines.text_classifier import TextClassifier
from bert4keras.pipelines.text_writer import TextWriter

__all__ = [
    "PIPELINES",
    "ConditionalWriter",
    "EntityRecognizer",
    "ImageCaptioner",
    "MaskFiller",
    "MaskReader",
    "PairScorer",
    "Pipeline",
    "PipelineBase",
    "QuestionWriter",
    "Reader",
    "RelationExtractor",
    "SentenceEncoder",
    "SequenceReader",
    "TextClassifier",
    "TextWriter",
    "as_spo",
    "load_pipeline",
    "to_hugging_face",
]
