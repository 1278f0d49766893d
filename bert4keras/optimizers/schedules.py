"""Learning-rate schedules: cosine or piecewise linear, by variable path, layer-wise decay."""

import math
import re

import keras

from bert4keras.backend import piecewise_linear
from bert4keras.backend.types import Tensor
from bert4keras.checks import check_integer, check_number, check_string
from bert4keras.optimizers import patterns
from bert4keras.optimizers.base import Extension, OptimizerClass, extend_optimizer

_BLOCK = re.compile(r"[\w.-]*?Transformer-(\d+)-")
_EMBEDDING = "Embedding"


@keras.saving.register_keras_serializable("bert4keras")
class WarmupCosineDecay(keras.optimizers.schedules.CosineDecay):
    """Schedule of the learning rate: a linear rise from 0, then a fall to 0 along a cosine.

    (Loshchilov & Hutter, arXiv:1608.03983.) Pass it to an optimizer in place of a number.

    Args:
        learning_rate: the highest learning rate.
        steps: number of all updates, such as ``len(generator) * epochs``.
        warmup: share of the updates in which the rate rises, from 0 to 1.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from bert4keras.optimizers import Adam, WarmupCosineDecay
        >>> schedule = WarmupCosineDecay(1e-3, steps=100)
        >>> [round(float(schedule(step)), 6) for step in (0, 5, 10, 55, 100)]
        [0.0, 0.0005, 0.001, 0.0005, 0.0]
        >>> optimizer = Adam(schedule, clipnorm=1.0)
    """

    def __init__(self, learning_rate: float, steps: int, warmup: float = 0.1) -> None:
        self.learning_rate: float = check_number("learning_rate", learning_rate, above=0)
        self.steps: int = check_integer("steps", steps, 1)
        self.warmup: float = check_number("warmup", warmup, 0, 1)
        rise = min(int(steps * warmup), steps - 1)
        fall = steps - rise
        if rise == 0:
            super().__init__(learning_rate, fall)
        else:
            super().__init__(0.0, fall, warmup_target=learning_rate, warmup_steps=rise)

    def get_config(self) -> dict[str, float]:
        return {"learning_rate": self.learning_rate, "steps": self.steps, "warmup": self.warmup}


class _PiecewiseLinearRate(Extension):
    """Multiplies the learning rate by a piecewise linear function of the step."""

    def __init__(self, *args, lr_schedule=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.lr_schedule = _parse_lr_schedule({0: 1} if lr_schedule is None else lr_schedule)

    def _get_current_learning_rate(self):
        # `_iterations` counts batches, like 0.x; `iterations` counts updates
        multiplier = piecewise_linear(self._iterations, self.lr_schedule)
        return super()._get_current_learning_rate() * multiplier

    @property
    def learning_rate(self):
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        raise TypeError(
            f"Expected no assignment to the learning_rate of {type(self).__name__}, which follows "
            f"its lr_schedule, got {value!r}. Change lr_schedule, or create another optimizer"
        )

    def get_config(self):
        schedule = {str(step): value for step, value in self.lr_schedule.items()}
        return {**super().get_config(), "lr_schedule": schedule}


def _parse_lr_schedule(schedule):
    """Return a schedule as {int: float}, sorted by step."""
    try:
        knots = sorted(
            (_parse_step(step), check_number("a multiplier", float(value), minimum=0))
            for step, value in dict(schedule).items()
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Expected lr_schedule to be a dict from steps (whole numbers) to multipliers, got "
            f"{schedule!r} ({error}). Write for example {{1000: 1, 10000: 0.1}}"
        ) from error
    steps = [step for step, _ in knots]
    if not steps or steps[0] < 0 or len(set(steps)) < len(steps):
        raise ValueError(
            "Expected lr_schedule to have one or more different steps, 0 or above, got "
            f"{schedule!r}. Write {{0: 1}} for a constant learning rate"
        )
    return dict(knots)


def _parse_step(step):
    number = int(step)
    if not isinstance(step, str) and number != step:
        raise ValueError(f"{step!r} is not a whole number")
    return number


def extend_with_piecewise_linear_lr(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add a piecewise linear learning-rate schedule, with warm-up.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - lr_schedule: {step: multiplier of the learning rate}, keys int or str, {0: 1} by default.
          Without a key 0 the multiplier rises from 0. Steps count batches: with gradients
          accumulated over k batches, there are k steps to an update.

        ``learning_rate`` includes the multiplier. It cannot be assigned, as with Keras schedules.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_piecewise_linear_lr
        >>> AdamLR = extend_with_piecewise_linear_lr(Adam, "AdamLR")
        >>> optimizer = AdamLR(1e-3, lr_schedule={1000: 1, 10000: 0.1})  # warm-up, then decay
        >>> float(optimizer.learning_rate)
        0.0
    """
    return extend_optimizer(BaseOptimizer, _PiecewiseLinearRate, name)


class _ParameterWiseRate(Extension):
    """Multiplies the learning rate of each variable by factors that depend on its path."""

    def __init__(self, *args, paramwise_lr_schedule=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.paramwise_lr_schedule = _parse_multipliers(paramwise_lr_schedule or {})

    def build_extension(self, variables):
        super().build_extension(variables)
        argument, parts = "paramwise_lr_schedule", self.paramwise_lr_schedule
        patterns.warn_unmatched(parts, variables, argument, lambda part, path: part in path)

    def scale_learning_rate(self, variable: keras.Variable, learning_rate: Tensor) -> Tensor:
        path = patterns.get_variable_path(self, variable)
        parts = self.paramwise_lr_schedule.items()
        multiplier = math.prod(value for part, value in parts if part in path)
        return super().scale_learning_rate(variable, learning_rate) * multiplier

    def get_config(self):
        return {**super().get_config(), "paramwise_lr_schedule": dict(self.paramwise_lr_schedule)}


def _parse_multipliers(schedule):
    try:
        return {
            check_string("a part", part): check_number("a multiplier", float(value), minimum=0)
            for part, value in dict(schedule).items()
        }
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Expected paramwise_lr_schedule to be a dict from parts of paths to multipliers, got "
            f"{schedule!r} ({error}). Write for example {{'Embedding': 0.1}}"
        ) from error


def extend_with_parameter_wise_lr(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add learning rates by variable path, such as a higher one for the head.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. Weight decay and layer
            adaptation by ``extend_with_*`` use the multiplied rates, in any order of extensions.
            The ``weight_decay`` of Keras does not.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - paramwise_lr_schedule: {part of a path: multiplier of the learning rate}, empty by
          default. If several parts occur in a path, all their multipliers apply.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_parameter_wise_lr
        >>> AdamByPart = extend_with_parameter_wise_lr(Adam, "AdamByPart")
        >>> optimizer = AdamByPart(2e-5, paramwise_lr_schedule={"Embedding": 0.1, "CRF": 100})
    """
    return extend_optimizer(BaseOptimizer, _ParameterWiseRate, name)


def layer_wise_decay(model: keras.Model, decay: float = 0.9) -> dict[str, float]:
    """Compute layer-wise learning-rate decay, for ``extend_with_parameter_wise_lr``.

    The head has the full rate, the last block ``decay`` of it, the block before decay^2, and so on
    down to the embeddings (Howard & Ruder, arXiv:1801.06146; Clark et al., arXiv:2003.10555).

    Args:
        model: a Keras model with the block names of this library, such as
            ``Transformer-0-FeedForward``. The encoder and the decoder of T5 are counted separately.
            Blocks that share weights have no number, and keep the full rate.
        decay: factor for each block, above 0 and at most 1.

    Returns:
        {part of a path: multiplier}, the ``paramwise_lr_schedule``.

    Raises:
        ValueError: ``decay`` is out of range, or the model has no numbered blocks.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.optimizers import Adam, extend_with_parameter_wise_lr, layer_wise_decay
        >>> config = dict(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> rates = layer_wise_decay(build_transformer_model(config), 0.5)
        >>> rates
        {'Transformer-0-': 0.25, 'Transformer-1-': 0.5, 'Embedding': 0.125}
        >>> optimizer = extend_with_parameter_wise_lr(Adam)(2e-5, paramwise_lr_schedule=rates)
    """
    check_number("decay", decay, above=0, maximum=1, remedy="0.9 or 0.8 is usual.")
    paths = [variable.path for variable in model.trainable_variables]
    blocks = {x[0]: int(x[1]) for x in map(_BLOCK.match, paths) if x}
    blocks = sorted(blocks.items(), key=lambda item: (item[1], item[0]))
    # 'Transformer-0-' also occurs in 'other-Transformer-0-': keep the shortest, or both multiply
    blocks = [x for x in blocks if not any(y[0] != x[0] and y[0] in x[0] for y in blocks)]
    if not blocks:
        raise ValueError(
            "Expected a model with numbered blocks, such as 'Transformer-0-FeedForward', got the "
            f"paths {paths[:5]}... Write paramwise_lr_schedule by hand"
        )
    count = 1 + max(number for _, number in blocks)
    rates = {part: decay ** (count - number) for part, number in blocks}
    has_embedding = any(_EMBEDDING in path for path in paths)
    return {**rates, **({_EMBEDDING: decay ** (count + 1)} if has_embedding else {})}
