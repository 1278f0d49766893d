"""``load_pipeline``: a pipeline from a folder or from a name on the hub."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.checkpoints.hub import resolve_hub_path
from bert4keras.pipelines.conditional_writer import ConditionalWriter
from bert4keras.pipelines.entity_recognizer import EntityRecognizer
from bert4keras.pipelines.folder import FILE, read_pipeline
from bert4keras.pipelines.hugging_face import CONFIG_FILE, read_hugging_face
from bert4keras.pipelines.image_captioner import ImageCaptioner
from bert4keras.pipelines.mask_filler import MaskFiller
from bert4keras.pipelines.mask_reader import MaskReader
from bert4keras.pipelines.pair_scorer import PairScorer
from bert4keras.pipelines.question_writer import QuestionWriter
from bert4keras.pipelines.reader import Reader
from bert4keras.pipelines.relation_extractor import RelationExtractor
from bert4keras.pipelines.root import PipelineBase
from bert4keras.pipelines.sentence_encoder import SentenceEncoder
from bert4keras.pipelines.sentence_modules import MODULES_FILE
from bert4keras.pipelines.sentence_transformers import read_sentence_transformers
from bert4keras.pipelines.sequence_reader import SequenceReader
from bert4keras.pipelines.text_classifier import TextClassifier
from bert4keras.pipelines.text_writer import TextWriter

PIPELINES: dict[str, type[PipelineBase]] = {
    cls.task: cls
    for cls in (
        ConditionalWriter,
        EntityRecognizer,
        ImageCaptioner,
        MaskFiller,
        MaskReader,
        PairScorer,
        QuestionWriter,
        Reader,
        RelationExtractor,
        SentenceEncoder,
        SequenceReader,
        TextClassifier,
        TextWriter,
    )
}


def load_pipeline(
    folder: StrPath, pre_tokenize: Callable[[str], Any] | None = None, **options: Any
) -> Any:
    """Open a pipeline.

    Args:
        folder: a folder that ``save`` of a pipeline or ``sentence-transformers`` wrote, one of
            ``transformers`` whose model has a head for a task, or "hf://organisation/name" of such
            a folder on Hugging Face's hub. Nothing in it is executed.
        pre_tokenize: the function that cuts texts into words, for a tokenizer that has one.
        **options: settings that replace those of the folder, such as ``maxlen``.

    Returns:
        The pipeline of the task, such as a ``TextClassifier``.

    Raises:
        FileNotFoundError: there is no such folder, or it has no pipeline.
        ValueError: the folder is damaged, of a newer version, or of an unknown task.

    Example:
        >>> from bert4keras.pipelines import load_pipeline
        >>> load_pipeline("no/such/folder")
        Traceback (most recent call last):
        FileNotFoundError: Expected a folder at no/such/folder, got none. Pass the path ...
    """
    path = Path(resolve_hub_path(folder))
    if not path.is_dir():
        raise FileNotFoundError(
            f"Expected a folder at {path}, got none. Pass the path of a saved pipeline."
        )
    if (path / FILE).exists():
        return read_pipeline(path, PIPELINES, pre_tokenize, **options)
    if (path / MODULES_FILE).exists():
        return read_sentence_transformers(path, pre_tokenize, **options)
    if (path / CONFIG_FILE).exists():
        return read_hugging_face(path, pre_tokenize, **options)
    raise FileNotFoundError(
        f"Expected {FILE}, {MODULES_FILE} or {CONFIG_FILE} in {path}, got none of them. Pass the "
        "folder of a pipeline."
    )
