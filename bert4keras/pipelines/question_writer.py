"""Question generation: a question with its answer for each passage."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bert4keras.backend.types import ArrayLike
from bert4keras.generation import GenerationConfig
from bert4keras.metrics import score_answers
from bert4keras.pipelines.text_writer import TextWriter


class QuestionWriter(TextWriter):
    """Writes a question with its answer from each passage (https://kexue.fm/archives/7630).

    The answer comes first, from ``[CLS] passage [SEP]``; then the question, from ``[CLS] passage
    [SEP] answer [SEP]``, because a question is easier to ask when its answer is known.

    Args:
        model: a functional Keras model for ``TextGenerator``, such as a UniLM.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        **options: ``template``, ``maxlen`` (of a passage), ``truncate`` and ``generation`` of
            ``TextWriter``. Options of a call are for the answers alone: draw them by ``do_sample``
            for several pairs of a passage. Questions are decoded as ``generation`` says.

    Records: ``{"question", "answer", "score"}``; a list of them with ``num_return_sequences`` above
    1. The score is the sum of the scores of answer and question, as of ``TextWriter``.

    Raises:
        ValueError: the tokenizer has no [SEP], or the model has an encoder.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import QuestionWriter
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 谁 来 了 李 明".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, application="unilm")
        >>> write = QuestionWriter(model, tokenizer, generation={"max_new_tokens": 4})
        >>> sorted(write("李明来了"))
        ['answer', 'question', 'score']
    """

    task = "question-generation"

    def __init__(self, model: Any, tokenizer: Any, **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        if tokenizer.end_id is None:
            raise ValueError(
                "Expected tokenizer to have an end token, got none. Pass the tokenizer that the "
                "model was trained with."
            )
        if self.generator.cached_model.has_encoder:
            raise ValueError(
                "Expected model to read and write in one row, as a UniLM, got one with an encoder. "
                "Pass a UniLM."
            )

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        config: GenerationConfig,
        conditions: Sequence[ArrayLike] = (),
        batch_size: int = 32,
    ) -> list[Any]:
        """Return the records of prompts of ids.

        Args:
            prompts: lists of ids, each a passage.
            config: options of decoding the answers.
            conditions: arrays with a row for each prompt; none, as the questions have no such.
            batch_size: number of prompts that are decoded together.
        """
        answers = self.generator.generate(prompts, conditions, batch_size, **vars(config))
        rows = [
            (prompt, [i for i in ids if i not in config.stop_ids], score)
            for prompt, *beams in zip(prompts, answers.tokens, answers.scores)
            for ids, score in zip(*beams)
        ]
        sources = [[*prompt, *ids, self.tokenizer.end_id] for prompt, ids, _ in rows]
        options = replace(self._make_config({}), num_return_sequences=1)
        questions = super().write(sources, options, conditions, batch_size)
        records = [
            {
                "question": question["generated_text"],
                "answer": self.generator.decode(ids, prompt),
                "score": float(score) + question["score"],
            }
            for (prompt, ids, score), question in zip(rows, questions)
        ]
        count = config.num_return_sequences
        if count == 1:
            return records
        return [records[i : i + count] for i in range(0, len(records), count)]

    def stream_text(self, text: str, **options: Any) -> Iterator[str]:
        """Raise an error: a record is complete only when both its texts are."""
        raise NotImplementedError(
            "Expected a call, as a record has two texts that are written one after the other, got "
            "stream_text. Call the pipeline."
        )

    def evaluate(
        self, samples: Iterable[tuple[str, Sequence[tuple[str, str]]]], **options: Any
    ) -> dict[str, Any]:
        """Compute the share of pairs that are right, and the F1 of the questions.

        Args:
            samples: of each passage the text, and a list of its right pairs (question, answer).
            **options: as for a call.

        Returns:
            ``{"exact_match", "f1"}``, as ``score_answers`` compares texts: a pair that is one of
            the right ones; the overlap of its question with the nearest right one.
        """
        samples = list(samples)
        records = self(
            [passage for passage, _ in samples], **{**options, "num_return_sequences": 1}
        )
        pairs = [[f"{question} {answer}" for question, answer in x] for _, x in samples]
        questions = [[question for question, _ in x] for _, x in samples]
        written_pairs = [f"{record['question']} {record['answer']}" for record in records]
        exact_match = score_answers(pairs, written_pairs)["exact_match"]
        f1 = score_answers(questions, [record["question"] for record in records])["f1"]
        return {"exact_match": exact_match, "f1": f1}
