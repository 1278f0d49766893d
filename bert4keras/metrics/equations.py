"""Score of equations by their values."""

from collections.abc import Sequence

from bert4keras.checks import check_string
from bert4keras.metrics.inputs import Scores, check_lengths
from bert4keras.text import compute_equation

_TOLERANCE = 1e-4


def score_equations(true_equations: Sequence[str], predictions: Sequence[str]) -> Scores:
    """Compute the share of equations with the right value, in any form.

    Args:
        true_equations: for each word problem an equation that solves it.
        predictions: the predicted equations. One that has no value is wrong.

    Returns:
        ``{"accuracy"}``.

    Raises:
        ValueError: a true equation has no value.

    Example:
        >>> from bert4keras.metrics import score_equations
        >>> score_equations(["(3+4)*2", "8/2"], ["2 * (4 + 3)", "8/"])
        {'accuracy': 0.5}
    """
    check_lengths(true_equations, predictions)
    hits = []
    for number, (equation, prediction) in enumerate(zip(true_equations, predictions)):
        value = compute_equation(check_string(f"true_equations[{number}]", equation))
        try:
            predicted_value = compute_equation(check_string(f"predictions[{number}]", prediction))
        except ValueError:
            hits.append(False)
        else:
            hits.append(abs(predicted_value - value) < _TOLERANCE)
    return {"accuracy": sum(hits) / max(len(hits), 1)}
