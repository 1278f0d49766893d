"""Scores of texts: answers by exact match and F1, generated texts by ROUGE and BLEU."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert4keras.checks import check_string, check_strings
from bert4keras.metrics.inputs import Scores, check_lengths
from bert4keras.text import longest_common_substring

_SYMBOLS = "-:_*^/\\~`+=$<>|"  # that CMRC 2018 leaves out, beside punctuation


def score_answers(true_answers: Sequence[Sequence[str]], predictions: Sequence[str]) -> Scores:
    """Compute exact match and F1 of answers, as CMRC 2018 does (arXiv:1810.07366).

    Texts are compared in lower case, without punctuation and spaces; a word of Latin letters or
    digits counts as one unit, as each other character does. The F1 counts the longest run of units
    that both have.

    Args:
        true_answers: for each question a list of all right answers; an empty list for a question
            without answer.
        predictions: the answer to each question; "" for none.

    Returns:
        ``{"exact_match", "f1"}``: of each question the best right answer counts.

    Example:
        >>> from bert4keras.metrics import score_answers
        >>> score_answers([["春山", "《春山》"]], ["春山。"])
        {'exact_match': 1.0, 'f1': 1.0}
    """
    check_lengths(true_answers, predictions)
    exact, overlaps = [], []
    for number, (answers, predicted_answer) in enumerate(zip(true_answers, predictions)):
        check_strings(f"true_answers[{number}]", answers, "Pass a list of texts.")
        units = _split_answer(check_string(f"predictions[{number}]", predicted_answer))
        candidates = [_split_answer(answer) for answer in answers] or [[]]
        exact.append(max(units == candidate for candidate in candidates))
        overlaps.append(max(_overlap(units, candidate) for candidate in candidates))
    count = max(len(exact), 1)
    return {"exact_match": sum(exact) / count, "f1": float(sum(overlaps)) / count}


def score_texts(true_texts: Sequence[Any], predictions: Sequence[str]) -> Scores:
    """Compute ROUGE and BLEU of generated texts, by ``rouge-score`` and ``nltk``, over characters.

    Args:
        true_texts: for each text the true one, or a list of them.
        predictions: the generated texts.

    Returns:
        ``{"rouge-1", "rouge-2", "rouge-l", "bleu"}``: F1 of ROUGE of the best true text, averaged;
        BLEU of the corpus, smoothed (method 1).

    Raises:
        ImportError: the extra ``examples`` is not installed.
    """
    check_lengths(true_texts, predictions)
    rouge_scorer, bleu_score = _import_text_metrics()
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Characters())
    references = [[x] if isinstance(x, str) else list(x) for x in true_texts]
    for number, texts in enumerate(references):
        if not texts:
            raise ValueError(
                f"Expected a text in true_texts[{number}], got none. Remove the sample."
            )
    if not references:
        return dict.fromkeys(("rouge-1", "rouge-2", "rouge-l", "bleu"), 0.0)
    rows = [scorer.score_multi(texts, x) for texts, x in zip(references, predictions)]
    names = {"rouge-1": "rouge1", "rouge-2": "rouge2", "rouge-l": "rougeL"}
    scores = {
        name: float(np.mean([row[key].fmeasure for row in rows])) for name, key in names.items()
    }
    tokens = [[list(_split_text(x)) for x in texts] for texts in references]
    smoothing = bleu_score.SmoothingFunction().method1
    bleu = bleu_score.corpus_bleu(
        tokens, [_split_text(x) for x in predictions], smoothing_function=smoothing
    )
    return {**scores, "bleu": float(bleu)}


def _split_answer(answer: str) -> list[str]:
    """Return the units of an answer that are compared."""
    characters = (" " if _is_left_out(char) else char for char in answer.lower())
    return _split_text("".join(characters))


def _is_left_out(char: str) -> bool:
    return char in _SYMBOLS or unicodedata.category(char).startswith("P")


def _split_text(text: str) -> list[str]:
    """Split a text at spaces, and into characters where it is not Latin letters or digits."""
    return re.findall(r"[A-Za-z0-9]+|\S", text)


def _overlap(units: list[str], answer: list[str]) -> float:
    """Return the F1 of the units of two answers."""
    if not units or not answer:
        return float(units == answer)
    length, _ = longest_common_substring(units, answer)
    return 2 * length / (len(units) + len(answer))


class _Characters:
    """Tokenizer in the form that ``rouge-score`` asks for."""

    def tokenize(self, text: str) -> list[str]:
        return _split_text(text)


def _import_text_metrics() -> tuple[Any, Any]:
    try:
        from nltk.translate import bleu_score
        from rouge_score import rouge_scorer
    except ImportError as error:
        raise ImportError(
            'ROUGE and BLEU need rouge-score and nltk: pip install "bert4keras[examples]"'
        ) from error
    return rouge_scorer, bleu_score
