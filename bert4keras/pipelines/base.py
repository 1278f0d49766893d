"""Base of the pipelines: texts in, records out, in batches by length; one folder on disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NoReturn

from bert4keras.backend.types import NDArray
from bert4keras.checks import (
    check_boolean,
    check_choice,
    check_integer,
    check_string,
)
from bert4keras.pipelines.batching import (
    Batch,
    check_stream,
    make_bar,
    make_batch,
    pack_rows,
    split_chunks,
)
from bert4keras.pipelines.program import (
    KerasProgram,
    check_inputs,
    check_model,
    find_max_positions,
    find_pad_id,
)
from bert4keras.pipelines.root import PipelineBase
from bert4keras.pipelines.windows import cut_windows
from bert4keras.tokenizers import Encoding

Truncate = bool | Literal["windows"]
_CUT = "Pass truncate=True to cut it, or shorten it."
_READ = "Pass truncate=True to cut it, truncate='windows' to read all of it, or shorten it."


class Pipeline(PipelineBase):
    """Base of the pipelines: what a trained task does, from texts to records.

    A subclass says how a text becomes rows of ids (``_encode``), what the rows of a batch give
    (``_compute``) and how the results of a text make its record (``_merge``).

    Args:
        model: a functional Keras model of token ids, or of token and segment ids.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        maxlen: the longest row in tokens, special tokens included. Default: what the model has
            positions for.
        truncate: for longer texts: True cuts them, "windows" reads them in windows that overlap,
            False raises an error.
        overlap: tokens that two windows have in common. Default: a quarter of ``maxlen``.
    """

    can_use_windows: ClassVar[bool] = True
    needs_offsets: ClassVar[bool] = False

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        maxlen: int | None = None,
        truncate: Truncate = False,
        overlap: int | None = None,
    ) -> None:
        self.model: Any = self._check_model(model)
        self.tokenizer: Any = tokenizer
        self.pad_id: int | None = find_pad_id(self.model)
        self.maxlen: int | None = self._check_maxlen(maxlen)
        self.truncate: Truncate = self._check_truncate(truncate)
        self.overlap: int | None = self._check_overlap(overlap)
        self.programs: dict[str, Callable[..., list[NDArray[Any]]]] = {
            "model": KerasProgram(self.model)
        }

    def _check_model(self, model: Any) -> Any:
        return check_inputs("model", check_model("model", model))

    def _check_maxlen(self, maxlen: int | None) -> int | None:
        limit = find_max_positions(self.model)
        if maxlen is None:
            return limit
        return check_integer("maxlen", maxlen, 1, limit, "It is at most the model's positions.")

    def _check_truncate(self, truncate: Any) -> Truncate:
        if truncate == "windows" and not self.can_use_windows:
            raise ValueError(
                f"Expected truncate to be True or False for {type(self).__name__}, got 'windows'. "
                "Pass True to cut long texts."
            )
        return (
            truncate if truncate == "windows" else check_boolean("truncate", truncate, _READ, False)
        )

    def _check_overlap(self, overlap: int | None) -> int | None:
        if self.maxlen is None:
            return overlap if overlap is None else check_integer("overlap", overlap, 0)
        if overlap is None:
            return self.maxlen // 4
        return check_integer("overlap", overlap, 0, self.maxlen - 1, "It is below maxlen.")

    # Running

    def stream(
        self,
        texts: Iterable[Any],
        batch_tokens: int = 1024,
        buffer_size: int = 1024,
        progress: bool | None = None,
        truncate: Truncate | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Iterate over the records of texts, in their order. Memory does not grow with the texts.

        Args:
            texts: any iterable of texts, such as a file's lines.
            batch_tokens: tokens that are computed together, padding included. 1024 suits the
                caches of a CPU; an accelerator takes more.
            buffer_size: number of texts that are sorted by length, to be computed with little
                padding.
            progress: True shows a progress bar, False none; None shows it on a terminal when the
                work takes a while.
            truncate: as for the class; None for its setting.
            **options: options of the task.

        Raises:
            TypeError: a text is no str: None, NaN, a number.
            ValueError: a text is empty, or longer than ``maxlen`` with ``truncate=False``.
        """
        check_stream(texts, batch_tokens=batch_tokens, buffer_size=buffer_size)
        mode = self.truncate if truncate is None else self._check_truncate(truncate)
        settings = {"truncate": mode, **self._check_options(**options)}
        return self._stream(texts, batch_tokens, buffer_size, progress, settings)

    def _stream(self, texts, batch_tokens, buffer_size, progress, options):
        total = len(texts) if hasattr(texts, "__len__") else None
        count = 0
        with make_bar(progress, total) as bar:
            for chunk in split_chunks(texts, buffer_size):
                yield from self._compute_chunk(chunk, count, batch_tokens, options, bar)
                count += len(chunk)

    def _compute_chunk(self, items, count, batch_tokens, options, bar):
        """Return the records of some texts, number ``count`` the first."""
        rows = [self._encode(x, f"texts[{count + i}]", options) for i, x in enumerate(items)]
        encodings = [encoding for row in rows for encoding in row]
        is_first = [i == 0 for row in rows for i in range(len(row))]  # of the rows of a text
        results: list[Any] = [None] * len(encodings)
        lengths = [len(encoding.token_ids) for encoding in encodings]
        for indices in pack_rows(lengths, batch_tokens, self.pad_id is None):
            batch = make_batch([encodings[i] for i in indices], self.pad_id or 0, self.maxlen)
            for i, result in zip(indices, self._compute(batch, options), strict=True):
                results[i] = result
            bar.update(sum(is_first[i] for i in indices))
        iterator = iter(results)
        return [
            self._merge(item, row, [next(iterator) for _ in row], options)
            for item, row in zip(items, rows)
        ]

    # Hooks of a task

    def _check_options(self) -> dict[str, Any]:
        """Return the options of a call, checked. A subclass names its own as parameters."""
        return {}

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        """Return the rows of a text or a pair: one, or windows.

        Args:
            item: what the caller gave.
            name: its place, for errors.
            options: options of the call.
        """
        return self._encode_texts(*check_texts(name, item), name=name, options=options)

    def _encode_texts(
        self, text: str, second_text: str | None = None, *, name: str, options: Mapping[str, Any]
    ) -> list[Encoding]:
        mode, maxlen = options["truncate"], self.maxlen
        if not self.needs_offsets:
            token_ids, segment_ids = self.tokenizer.encode(text, second_text)
            if maxlen is None or len(token_ids) <= maxlen:
                return [Encoding(token_ids, segment_ids)]
        encoding = self.tokenizer.encode_with_offsets(text, second_text)
        length = len(encoding.token_ids)
        if maxlen is None or length <= maxlen:
            return [encoding]
        if mode is False:
            self._refuse_length(name, length)
        windows = cut_windows(encoding, maxlen, self.overlap or 0)
        return windows if mode == "windows" else windows[:1]

    def _refuse_length(self, name: str, length: int) -> NoReturn:
        """Raise for a text that is too long, where it may not be cut."""
        raise ValueError(
            f"Expected {name} to have at most {self.maxlen} tokens, got {length}. "
            f"{_READ if self.can_use_windows else _CUT}"
        )

    def _compute(self, batch: Batch, options: Mapping[str, Any]) -> Sequence[Any]:
        """Return the result of each row of a batch: by default its outputs, without padding."""
        output, *_ = self._run("model", batch)
        is_sequence = len(self.model.outputs[0].shape) > 2
        lengths = (len(encoding.token_ids) for encoding in batch.encodings)
        return [x[:length] if is_sequence else x for x, length in zip(output, lengths)]

    def _run(self, name: str, batch: Batch) -> list[NDArray[Any]]:
        """Run one of the models on the ids of a batch."""
        inputs = [batch.token_ids, batch.segment_ids][: len(self.model.inputs)]
        return self.programs[name](*inputs)

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """Return the record of a text from the results of its rows."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the class other than models and tokenizer, for JSON."""
        return {"maxlen": self.maxlen, "truncate": self.truncate, "overlap": self.overlap}


def check_texts(name: str, item: Any) -> tuple[str] | tuple[str, str]:
    """Return the text or the pair of texts of an item; raise unless it has characters.

    Args:
        name: place of the item, for errors.
        item: a text, a tuple or list of two, or {"text": ..., "text_pair": ...}.
    """
    if isinstance(item, Mapping):
        keys = sorted(map(str, item))
        check_choice(f"the keys of {name}", keys, [["text"], ["text", "text_pair"]])
        item = tuple(item[key] for key in keys)
    if not isinstance(item, tuple | list):
        return (check_text(name, item),)
    if len(item) not in (1, 2):
        raise ValueError(f"Expected {name} to be a text or a pair of texts, got {len(item)} texts.")
    return tuple(check_text(f"{name}[{i}]", text) for i, text in enumerate(item))  # pyright: ignore


def check_one_text(name: str, item: Any) -> str:
    """Return the only text of an item; raise for a pair, and as ``check_texts`` does."""
    texts = check_texts(name, item)
    if len(texts) > 1:
        raise ValueError(f"Expected {name} to be one text, got a pair. Pass its texts alone.")
    return texts[0]


def check_text(name: str, text: Any) -> str:
    """Return a text; raise if it is no str, empty or blank."""
    check_string(name, text, "Remove missing values, or replace them by a text.")
    if not text.strip():
        raise ValueError(f"Expected {name} to have characters, got {text!r}. Remove empty texts.")
    return text
