"""Wrong arguments of optimizers, extensions and recipes: refused by name when they are created."""

import numpy as np
import pytest

from bert4keras import optimizers, training
from bert4keras.backend import keras

NAN = float("nan")
DECAY = optimizers.extend_with_weight_decay(optimizers.Adam)
LOOKAHEAD = optimizers.extend_with_lookahead(optimizers.Adam)
SCHEDULE = optimizers.extend_with_piecewise_linear_lr(optimizers.Adam)
BY_PATH = optimizers.extend_with_parameter_wise_lr(optimizers.Adam)
AVERAGE = optimizers.extend_with_exponential_moving_average(optimizers.Adam)
ACCUMULATION = optimizers.extend_with_gradient_accumulation(optimizers.Adam)
RATES = [-1, NAN, float("inf"), "x", [1]]
CASES = [
    *((optimizers.Adam, {"learning_rate": rate}) for rate in [*RATES, None]),
    *((optimizers.Lion, {"learning_rate": rate}) for rate in [*RATES, None]),
    *((optimizers.Tiger, {"learning_rate": rate}) for rate in [*RATES, None]),
    *((optimizers.AdaFactor, {"learning_rate": rate}) for rate in RATES),
    *((optimizers.Adam, {"beta_1": beta}) for beta in [2, -0.1, NAN, "x", None]),
    *((optimizers.Adam, {"beta_2": beta}) for beta in [2, -0.1, NAN, "x"]),
    *((optimizers.Adam, {"epsilon": epsilon}) for epsilon in [-1, NAN, "x", None]),
    (optimizers.Adam, {"bias_correction": "x"}),
    *((optimizers.Lion, {name: 5}) for name in ("beta_1", "beta_2")),
    *((optimizers.Tiger, {"beta": beta}) for beta in [0, 1.5, NAN, "x"]),
    *((optimizers.AdaFactor, {"beta1": beta}) for beta in [1, -0.1, NAN, "x", None]),
    *((optimizers.AdaFactor, {"beta2": beta}) for beta in [1, NAN, "x"]),
    *((optimizers.AdaFactor, {"epsilon1": epsilon}) for epsilon in [-1, NAN, None]),
    *((optimizers.AdaFactor, {"clipping_threshold": limit}) for limit in [0, -1, NAN, "x"]),
    *((optimizers.AdaFactor, {"min_dim_size_to_factor": size}) for size in [-1, 1.5, "x"]),
    (optimizers.AdaFactor, {"multiply_by_parameter_scale": "x"}),
    *((DECAY, {"weight_decay_rate": rate}) for rate in [-1, NAN, "x", None]),
    *((LOOKAHEAD, {"slow_step_size": size}) for size in [NAN, -0.1, 1.5, "x", None]),
    *((LOOKAHEAD, {"steps_per_slow_update": steps}) for steps in [0, 1.5, NAN, "x", None]),
    *((ACCUMULATION, {"grad_accum_steps": steps}) for steps in [0, 1.5, NAN, "x", None]),
    *((AVERAGE, {"ema_momentum": momentum}) for momentum in [0, 1, NAN, "x", None]),
    *((SCHEDULE, {"lr_schedule": {1: rate}}) for rate in [-1, NAN, float("inf"), "x", None]),
    *((BY_PATH, {"paramwise_lr_schedule": {"a": rate}}) for rate in [-1, NAN, "x", None]),
    *((training.FGM, {"epsilon": epsilon}) for epsilon in [-1, NAN, "x", None]),
    *((training.PGD, {"steps": steps}) for steps in [0, -1, 1.5, "x"]),
    *((training.PGD, {"alpha": alpha}) for alpha in [-1, NAN, "x"]),
    *((training.GradientPenalty, {"epsilon": epsilon}) for epsilon in [-1, NAN, "x"]),
    *((training.VAT, {"xi": xi}) for xi in [0, -1, NAN, "x"]),
    *((training.VAT, {"iters": iters}) for iters in [-1, 1.5, "x"]),
    *((training.RDrop, {"alpha": alpha}) for alpha in [-1, NAN, "x", None]),
    (training.RDrop, {"from_logits": "x"}),
]


@pytest.mark.parametrize(
    "optimizer, arguments", CASES, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_a_wrong_argument_is_named(optimizer, arguments):
    (name,) = arguments
    with pytest.raises((TypeError, ValueError), match=rf"Expected {name}.* got "):
        optimizer(**arguments)


def test_values_of_older_files_pass():
    optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10), 0.0, 1.0)
    optimizers.Adam(np.float32(0.1), epsilon=0)
    ACCUMULATION(grad_accum_steps=2.0)
    SCHEDULE(lr_schedule={"0": 1, "10": 0})
