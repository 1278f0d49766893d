"""Pipelines from folders of Hugging Face whose model has the head of a task."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bert4keras.data import TagScheme
from bert4keras.models import TaskModel, build_task_model
from bert4keras.pipelines.entity_recognizer import EntityRecognizer
from bert4keras.pipelines.mask_filler import MaskFiller
from bert4keras.pipelines.pair_scorer import PairScorer
from bert4keras.pipelines.reader import Reader
from bert4keras.pipelines.root import PipelineBase
from bert4keras.pipelines.text_classifier import TextClassifier
from bert4keras.pipelines.text_writer import TextWriter
from bert4keras.tokenizers import load_tokenizer

CONFIG_FILE = "config.json"
_NEXT = ("next", "not_next")  # of BertForNextSentencePrediction: label 0 is the true continuation


def read_hugging_face(
    folder: Path, pre_tokenize: Callable[[str], Any] | None = None, **options: Any
) -> PipelineBase:
    """Open a folder of Hugging Face with a head for a task.

    Args:
        folder: a folder with ``config.json``, weights and the files of a tokenizer.
        pre_tokenize: the function that cuts texts into words, for a tokenizer that has one.
        **options: arguments of the pipeline.

    Returns:
        The pipeline of the task. One logit, as of a reranker, gives a ``PairScorer``.

    Raises:
        ValueError: the configuration names no task, or the checkpoint does not fit.
    """
    task_model = build_task_model(folder)
    tokenizer = load_tokenizer(folder, pre_tokenize=pre_tokenize)
    make_pipeline = _PIPELINES[task_model.task]
    return make_pipeline(task_model, tokenizer, options)


def _classify(task_model: TaskModel, tokenizer: Any, options: Mapping[str, Any]) -> PipelineBase:
    kind = task_model.problem_type
    if len(task_model.labels) == 1:
        activation = "linear" if kind == "regression" else "sigmoid"
        return PairScorer(task_model.model, tokenizer, **{"activation": activation, **options})
    settings = {"is_multi_label": kind == "multi_label_classification", "from_logits": True}
    return TextClassifier(task_model.model, tokenizer, task_model.labels, **{**settings, **options})


def _score_next(task_model: TaskModel, tokenizer: Any, options: Mapping[str, Any]) -> PipelineBase:
    settings = {"positive_label": _NEXT[0], "from_logits": True}
    return PairScorer(task_model.model, tokenizer, _NEXT, **{**settings, **options})


def _recognize(task_model: TaskModel, tokenizer: Any, options: Mapping[str, Any]) -> PipelineBase:
    try:
        scheme = TagScheme(task_model.labels).name
    except ValueError:  # not tags: each label is a type, as transformers takes it
        scheme = "IO"
    settings = {"decoder": "argmax", "scheme": scheme, "from_logits": True}
    labels = task_model.labels
    return EntityRecognizer(task_model.model, tokenizer, labels, **{**settings, **options})


def _fill(task_model: TaskModel, tokenizer: Any, options: Mapping[str, Any]) -> PipelineBase:
    return MaskFiller(task_model.model, tokenizer, **{"from_logits": True, **options})


def _read(task_model: TaskModel, tokenizer: Any, options: Mapping[str, Any]) -> PipelineBase:
    return Reader(task_model.model, tokenizer, **options)


def _write(task_model: TaskModel, tokenizer: Any, options: Mapping[str, Any]) -> PipelineBase:
    return TextWriter(task_model.model, tokenizer, **options)


_PIPELINES: dict[str, Callable[..., PipelineBase]] = {
    "text-classification": _classify,
    "next-sentence-prediction": _score_next,
    "token-classification": _recognize,
    "question-answering": _read,
    "fill-mask": _fill,
    "text-generation": _write,
}
