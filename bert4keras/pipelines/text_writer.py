"""Text generation: a continuation, a title, a summary or an answer for each text."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bert4keras.backend.types import ArrayLike
from bert4keras.checks import (
    check_boolean,
    check_callable,
    check_integer,
    check_json,
    check_string,
)
from bert4keras.generation import GenerationConfig, TextGenerator
from bert4keras.metrics import score_texts
from bert4keras.pipelines.base import check_one_text
from bert4keras.pipelines.batching import check_stream, make_bar, split_chunks
from bert4keras.pipelines.program import check_model
from bert4keras.pipelines.root import PipelineBase


class TextWriter(PipelineBase):
    """Writes text with a language model, a UniLM or an encoder-decoder, by ``TextGenerator``.

    Args:
        model: a functional Keras model, as for ``TextGenerator``.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        template: text around each text, with one ``{text}``, such as "标题：{text}".
        maxlen: the longest prompt in tokens, special tokens included; None for any.
        truncate: for longer prompts: True cuts them, False raises an error.
        start_id: the first id of a decoder, if the model has an encoder.
        input_roles: as for ``TextGenerator``.
        generation: default options of ``GenerationConfig``, such as ``{"num_beams": 4}``.

    Records: ``{"generated_text", "score"}``; a list of them with ``num_return_sequences`` above 1.
    The score is the log probability that ``GenerationOutput`` describes.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import TextWriter
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 床 前 明 月 光".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, application="unilm")
        >>> write = TextWriter(model, tokenizer, generation={"max_new_tokens": 4})
        >>> [sorted(record) for record in write(["床前", "明月光"], num_beams=2)]
        [['generated_text', 'score'], ['generated_text', 'score']]
    """

    task = "text-generation"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        template: str | None = None,
        maxlen: int | None = None,
        truncate: bool = False,
        start_id: int = 0,
        input_roles: Mapping[str, Any] | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        self.model: Any = check_model("model", model)
        self.tokenizer: Any = tokenizer
        self.template: str | None = template
        if template is not None and check_string("template", template).count("{text}") != 1:
            raise ValueError(
                f"Expected template to have {{text}} once, got {template!r}. Put it where the text "
                "belongs."
            )
        self.maxlen: int | None = maxlen if maxlen is None else check_integer("maxlen", maxlen, 1)
        self.truncate: bool = check_boolean("truncate", truncate, "", False)
        self.input_roles: dict[str, Any] = dict(input_roles or {})
        self.generation: dict[str, Any] = dict(generation or {})
        self._make_config({})
        self.generator = TextGenerator(self.model, tokenizer, start_id, self.input_roles)

    def _make_config(self, options: Mapping[str, Any]) -> GenerationConfig:
        """Return the options of a call over those of the class, checked."""
        stop = {"eos_token_id": self.tokenizer.end_id}
        return GenerationConfig.from_options(**{**stop, **self.generation, **options})

    def stream(
        self,
        texts: Iterable[Any],
        batch_size: int = 32,
        buffer_size: int = 256,
        progress: bool | None = None,
        truncate: bool | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Iterate over the records of texts, in their order. Memory does not grow with the texts.

        Args:
            texts: any iterable of texts.
            batch_size: number of texts that are decoded together.
            buffer_size: number of texts that are sorted by length.
            progress: True shows a progress bar, False none; None shows it on a terminal when the
                work takes a while.
            truncate: as for the class; None for its setting.
            **options: options of ``GenerationConfig``.
        """
        check_stream(texts, batch_size=batch_size, buffer_size=buffer_size)
        cuts = self.truncate if truncate is None else check_boolean("truncate", truncate, "", False)
        config = self._make_config(options)
        return self._stream(texts, batch_size, buffer_size, progress, cuts, config)

    def _stream(self, texts, batch_size, buffer_size, progress, cuts, config):
        total = len(texts) if hasattr(texts, "__len__") else None
        count = 0
        with make_bar(progress, total) as bar:
            for chunk in split_chunks(texts, buffer_size):
                names = [f"texts[{count + i}]" for i in range(len(chunk))]
                prompts = [self._encode(x, name, cuts) for x, name in zip(chunk, names)]
                yield from self.write(prompts, config, batch_size=batch_size)
                count += len(chunk)
                bar.update(len(chunk))

    def _encode(self, item: Any, name: str, cuts: bool) -> list[int]:
        text = check_one_text(name, item)
        text = text if self.template is None else self.template.replace("{text}", text)
        ids = self.generator.encode(text)
        if self.maxlen is None or len(ids) <= self.maxlen:
            return ids
        if not cuts:
            raise ValueError(
                f"Expected {name} to have at most {self.maxlen} tokens, got {len(ids)}. Pass "
                "truncate=True to cut it, or shorten it."
            )
        return self.generator.encode(text, self.maxlen)

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        config: GenerationConfig,
        conditions: Sequence[ArrayLike] = (),
        batch_size: int = 32,
    ) -> list[Any]:
        """Return the records of prompts of ids.

        Args:
            prompts: lists of ids.
            config: options of decoding.
            conditions: arrays with a row for each prompt, for further inputs of the model.
            batch_size: number of prompts that are decoded together.
        """
        options = vars(config)
        output = self.generator.generate(prompts, conditions, batch_size, **options)
        records = [
            [self._make_record(ids, score, config, prompt) for ids, score in zip(*rows)]
            for prompt, *rows in zip(prompts, output.tokens, output.scores)
        ]
        return records if config.num_return_sequences > 1 else [row[0] for row in records]

    def _make_record(
        self, ids: list[int], score: float, config: GenerationConfig, prompt: Sequence[int]
    ) -> Any:
        ids = [i for i in ids if i not in config.stop_ids]
        return {"generated_text": self.generator.decode(ids, prompt), "score": float(score)}

    def stream_text(self, text: str, **options: Any) -> Iterator[str]:
        """Iterate over the generated text of one text, piece by piece.

        Args:
            text: a text.
            **options: options of ``GenerationConfig``.
        """
        prompt = self._encode(text, "text", self.truncate)
        return self.generator.stream(prompt, **vars(self._make_config(options)))

    def evaluate(
        self,
        samples: Iterable[tuple[Any, Any]],
        *,
        score: Callable[[list[Any], list[str]], Mapping[str, Any]] = score_texts,
        **options: Any,
    ) -> dict[str, Any]:
        """Compute ROUGE and BLEU of the generated texts, or the scores of a function.

        Args:
            samples: pairs of a text and the text to write.
            score: function of the texts to write and those that are generated, which returns a
                dict of scores, such as ``score_equations``. ROUGE and BLEU need the extra
                ``examples``.
            **options: as for a call.
        """
        check_callable("score", score)
        samples = list(samples)
        records = self([item for item, _ in samples], **options)
        targets = [target for _, target in samples]
        return dict(score(targets, [record["generated_text"] for record in records]))

    def get_config(self) -> dict[str, Any]:
        return {
            "template": self.template,
            "maxlen": self.maxlen,
            "truncate": self.truncate,
            "start_id": self.generator.start_id,
            "input_roles": self.input_roles,
            "generation": check_json("generation", self.generation, "Pass functions to the call."),
        }
