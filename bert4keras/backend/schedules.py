"""Schedules: values that change with the training step."""

from collections.abc import Mapping

from keras import ops

from bert4keras.backend.types import Tensor


def piecewise_linear(t: Tensor, schedule: Mapping[int, float], from_zero: bool = True) -> Tensor:
    """Interpolate linearly between the knots of ``schedule``; constant after the last.

    Args:
        t: a step, number or tensor.
        schedule: {step: value}, steps in any order.
        from_zero: start at 0 in step 0 if the first knot is later.

    Returns:
        A float32 tensor like ``t``.
    """
    knots = sorted((int(step), float(value)) for step, value in dict(schedule).items())
    if from_zero and knots[0][0] != 0:
        knots.insert(0, (0, 0.0))
    t = ops.cast(t, "float32")
    x = ops.zeros_like(t) + knots[0][1]
    for (start, low), (end, high) in zip(knots, knots[1:]):
        x = ops.where(t >= start, low + (high - low) * (t - start) / (end - start), x)
    return ops.where(t >= knots[-1][0], knots[-1][1], x)
