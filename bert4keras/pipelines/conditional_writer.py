"""Text of a label, such as a sentiment or a topic, by a language model with a condition."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bert4keras.checks import check_choice, check_string
from bert4keras.pipelines.batching import make_bar, split_chunks
from bert4keras.pipelines.text_classifier import check_labels
from bert4keras.pipelines.text_writer import TextWriter


class ConditionalWriter(TextWriter):
    """Writes text of a label, from nothing or from the beginning of a text.

    Controlled generation by Conditional LayerNorm: https://kexue.fm/archives/7124.

    Args:
        model: a functional Keras model, as for ``TextGenerator``, with one further input (B, 1):
            the number of a label.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        labels: names of the labels, in the order of their numbers.
        **options: those of ``TextWriter``.

    A call takes a label, a pair of a label and the beginning of a text, or an iterable of them.

    Records: ``{"generated_text", "score"}``, as of ``TextWriter``.

    Raises:
        ValueError: the model has no input of labels, or several.

    Example:
        >>> import keras
        >>> from bert4keras.layers import Embedding
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import ConditionalWriter
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 很 好 不".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> label = keras.Input((1,), dtype="int32")
        >>> condition = keras.layers.Reshape((8,))(Embedding(2, 8)(label))
        >>> model = build_transformer_model(config, application="lm", layer_norm_cond=condition,
        ...                                 additional_input_layers=label)
        >>> write = ConditionalWriter(model, tokenizer, ["bad", "good"])
        >>> [sorted(record) for record in write(["good", ("bad", "很")], max_new_tokens=4)]
        [['generated_text', 'score'], ['generated_text', 'score']]
    """

    task = "conditional-text-generation"

    def __init__(self, model: Any, tokenizer: Any, labels: Sequence[str], **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        self.labels: list[str] = check_labels(labels)
        shapes = [tuple(x.shape[1:]) for x in self.model.inputs]
        if shapes.count((1,)) != 1:
            raise ValueError(
                f"Expected model to have one input of labels (B, 1), got {shapes}. Build it with "
                "additional_input_layers=keras.Input((1,))."
            )

    def _stream(self, texts, batch_size, buffer_size, progress, cuts, config):
        total, count = len(texts) if hasattr(texts, "__len__") else None, 0
        with make_bar(progress, total) as bar:
            for chunk in split_chunks(texts, buffer_size):
                names = [f"texts[{count + i}]" for i in range(len(chunk))]
                rows = [self._encode_item(x, name, cuts) for x, name in zip(chunk, names)]
                prompts, conditions = zip(*rows)
                yield from self.write(prompts, config, [np.array(conditions)], batch_size)
                count += len(chunk)
                bar.update(len(chunk))

    def _encode_item(self, item: Any, name: str, cuts: bool) -> tuple[list[int], list[int]]:
        """Return the ids of the beginning of a text, and the number of the label as a row."""
        label, *texts = item if isinstance(item, tuple | list) else (item,)
        if len(texts) > 1:
            raise ValueError(
                f"Expected {name} to be a label, or a pair of a label and a text, got {item!r}."
            )
        check_choice(
            f"the label of {name}", check_string(f"the label of {name}", label), self.labels
        )
        prompt = self._encode(texts[0], name, cuts) if texts else self.generator.encode("")
        return prompt, [self.labels.index(label)]

    def stream_text(self, text: Any, **options: Any) -> Iterator[str]:
        """Iterate over the generated text of one item, piece by piece.

        Args:
            text: a label, or a pair of a label and the beginning of a text.
            **options: options of ``GenerationConfig``.
        """
        prompt, row = self._encode_item(text, "text", self.truncate)
        options = vars(self._make_config(options))
        return self.generator.stream(prompt, [np.array([row])], **options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": self.labels}
