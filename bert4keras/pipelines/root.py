"""Root of all pipelines: one call, and one folder on disk."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

from bert4keras.backend.types import StrPath
from bert4keras.pipelines.folder import read_pipeline, write_pipeline


class PipelineBase:
    """Root of the pipelines: a subclass has ``stream`` and ``get_config``.

    Its constructor takes the models by ``model_names``, the tokenizer, and what ``get_config``
    returns.
    """

    task: ClassVar[str]
    model_names: ClassVar[tuple[str, ...]] = ("model",)
    tokenizer: Any
    scores: Mapping[str, Any] = {}  # those of evaluate, as the folder keeps them

    def __call__(self, texts: Any, **options: Any) -> Any:
        """Compute the record of each text.

        Args:
            texts: an iterable of texts, or one text. A pair of texts is a tuple of two.
            **options: as for ``stream``.

        Returns:
            A list of records in the order of the texts; one record for one text.
        """
        if self._is_one(texts):
            return next(self.stream([texts], **options))
        return list(self.stream(texts, **options))

    def _is_one(self, texts: Any) -> bool:
        return isinstance(texts, str | tuple | Mapping)

    def stream(self, texts: Iterable[Any], **options: Any) -> Iterator[Any]:
        """Iterate over the records of texts, in their order."""
        raise NotImplementedError

    def evaluate(self, samples: Iterable[Any], **options: Any) -> dict[str, Any]:
        """Compute the scores of the task on samples with their true answers."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the class other than models and tokenizer, for JSON."""
        raise NotImplementedError

    @property
    def models(self) -> dict[str, Any]:
        """The Keras models by the name of their argument."""
        return {name: getattr(self, name) for name in self.model_names}

    def save(
        self, folder: StrPath, scores: Mapping[str, Any] | None = None, dtype: str | None = None
    ) -> None:
        """Write a folder that ``load_pipeline`` opens on any backend.

        It has ``pipeline.json``, the files of the tokenizer, and a ``.json`` and a
        ``.safetensors`` file for each model.

        Args:
            folder: the folder. An older pipeline in it is replaced once all files are on disk.
            scores: scores to keep in ``pipeline.json``, such as those of ``evaluate``.
            dtype: type of the weights in the file, such as "float16"; their own by default.

        Raises:
            ValueError: a layer of a model is not registered, or the folder has files of another
                model.
        """
        self.scores = dict(self.scores if scores is None else scores)
        write_pipeline(self, folder, dtype)

    @classmethod
    def load(cls, folder: StrPath, **arguments: Any) -> Self:
        """Open a folder that ``save`` wrote.

        Args:
            folder: the folder.
            **arguments: ``pre_tokenize`` for a tokenizer that has one.

        Raises:
            ValueError: the folder has another task, is of a newer version, or is damaged.
        """
        return read_pipeline(folder, {cls.task: cls}, **arguments)
