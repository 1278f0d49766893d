"""Extensions for how far and how often to step: schedules, rates by path, accumulation."""

import math

from bert4keras.backend import piecewise_linear
from bert4keras.optimizers import patterns
from bert4keras.optimizers.extension import Extension, extend


class PiecewiseLinearRate(Extension):
    """Multiplies the learning rate by straight lines between steps."""

    def __init__(self, *args, lr_schedule=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.lr_schedule = _checked_schedule({0: 1} if lr_schedule is None else lr_schedule)

    def _get_current_learning_rate(self):
        multiplier = piecewise_linear(self._iterations, self.lr_schedule)
        return super()._get_current_learning_rate() * multiplier

    @property
    def learning_rate(self):
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        raise TypeError(
            f"The learning rate of {type(self).__name__} follows its lr_schedule, so it cannot be "
            f"set, got {value!r}. Put the change into lr_schedule, or make another optimizer"
        )

    def get_config(self):
        schedule = {str(step): value for step, value in self.lr_schedule.items()}
        return {**super().get_config(), "lr_schedule": schedule}


def _checked_schedule(schedule):
    """A schedule as {int: float}, by rising steps."""
    try:
        knots = sorted((_step(step), float(value)) for step, value in dict(schedule).items())
    except (TypeError, ValueError) as error:
        raise ValueError(
            "lr_schedule takes a dict from steps, whole numbers, to multipliers, such as "
            f"{{1000: 1, 10000: 0.1}}; got {schedule!r} ({error})"
        ) from error
    steps = [step for step, _ in knots]
    if not steps or steps[0] < 0 or len(set(steps)) < len(steps):
        raise ValueError(
            "lr_schedule takes one or more steps that are 0 or above and differ, got "
            f"{schedule!r}. {{0: 1}} leaves the rate as it is"
        )
    return dict(knots)


def _step(step):
    whole = int(step)
    if not isinstance(step, str) and whole != step:
        raise ValueError(f"{step!r} is no whole number")
    return whole


def extend_with_piecewise_linear_lr(BaseOptimizer, name=None):  # noqa: N803
    """A learning rate along straight lines, with a warm-up.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - lr_schedule: {step: multiplier of the learning rate}, keys int or str, {0: 1} by default.
          Without a key 0 the multiplier rises from 0. Steps are batches: with gradients accumulated
          over k of them, k times the updates.

        ``learning_rate`` is what the schedule makes of it, and cannot be set, as with Keras'
        schedules.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_piecewise_linear_lr
        >>> AdamLR = extend_with_piecewise_linear_lr(Adam, "AdamLR")
        >>> optimizer = AdamLR(1e-3, lr_schedule={1000: 1, 10000: 0.1})  # warm-up, then decay
        >>> float(optimizer.learning_rate)
        0.0
    """
    return extend(BaseOptimizer, PiecewiseLinearRate, name)


class ParameterWiseRate(Extension):
    """Multiplies the learning rate of variables by what their path says."""

    def __init__(self, *args, paramwise_lr_schedule=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.paramwise_lr_schedule = _checked_parts(paramwise_lr_schedule or {})

    def prepare(self, variables):
        super().prepare(variables)
        argument, parts = "paramwise_lr_schedule", self.paramwise_lr_schedule
        patterns.warn_of_idle(parts, variables, argument, lambda part, path: part in path)

    def rate(self, variable, learning_rate):
        path = patterns.path_of(self, variable)
        parts = self.paramwise_lr_schedule.items()
        multiplier = math.prod(value for part, value in parts if part in path)
        return super().rate(variable, learning_rate) * multiplier

    def get_config(self):
        return {**super().get_config(), "paramwise_lr_schedule": dict(self.paramwise_lr_schedule)}


def _checked_parts(schedule):
    try:
        return {_text(part): float(value) for part, value in dict(schedule).items()}
    except (TypeError, ValueError) as error:
        raise ValueError(
            "paramwise_lr_schedule takes a dict from parts of paths to multipliers, such as "
            f"{{'Embedding': 0.1}}; got {schedule!r} ({error})"
        ) from error


def _text(part):
    if not isinstance(part, str):
        raise TypeError(f"{part!r} is no string")
    return part


def extend_with_parameter_wise_lr(BaseOptimizer, name=None):  # noqa: N803
    """Learning rates that differ from variable to variable.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. Wherever in a row of extensions
            this one stands, the weight decay and the layer adaptation of the others follow the
            rates; the ``weight_decay`` of Keras does not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - paramwise_lr_schedule: {part of a path: multiplier of the learning rate}; several that
          are found in a path all count. Empty by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_parameter_wise_lr
        >>> AdamByPart = extend_with_parameter_wise_lr(Adam, "AdamByPart")
        >>> optimizer = AdamByPart(2e-5, paramwise_lr_schedule={"Embedding": 0.1, "CRF": 100})
    """
    return extend(BaseOptimizer, ParameterWiseRate, name)


class GradientAccumulation(Extension):
    """Updates once in several steps, with the mean of their gradients."""

    def __init__(self, *args, grad_accum_steps=2, **kwargs):
        if grad_accum_steps != int(grad_accum_steps) or grad_accum_steps < 1:
            raise ValueError(
                "grad_accum_steps is the number of batches for one update, a whole number from 1 "
                f"(none are accumulated), got {grad_accum_steps!r}"
            )
        steps = int(grad_accum_steps)
        super().__init__(*args, gradient_accumulation_steps=steps if steps > 1 else None, **kwargs)
        self.grad_accum_steps = steps

    def get_config(self):
        config = super().get_config()
        del config["gradient_accumulation_steps"]
        return {**config, "grad_accum_steps": self.grad_accum_steps}


def extend_with_gradient_accumulation(BaseOptimizer, name=None):  # noqa: N803
    """Large batches in parts: one update with the mean gradient of several batches.

    It is the accumulation of Keras under its inherited name. Schedules count batches, so an
    ``lr_schedule`` is to be stretched; bias correction, ``iterations`` and averages count updates.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - grad_accum_steps: the number of batches, 2 by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_gradient_accumulation
        >>> AdamGA = extend_with_gradient_accumulation(Adam, "AdamGA")
        >>> optimizer = AdamGA(2e-5, grad_accum_steps=16)
    """
    return extend(BaseOptimizer, GradientAccumulation, name)
