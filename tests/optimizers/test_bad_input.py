"""What extensions refuse, and what they warn of."""

import keras
import pytest
from optimizers import toy
from optimizers.test_extensions import EXTEND, extended

from bert4keras.optimizers import AdaFactor, Adam


@pytest.mark.parametrize("word", EXTEND)
def test_an_instance_is_no_class(word):
    with pytest.raises(TypeError, match=r"got an instance of Adam.*Extend the class first"):
        EXTEND[word](Adam())
    with pytest.raises(
        TypeError, match=r"a subclass of keras.optimizers.Optimizer, got a class: .*De"
    ):
        EXTEND[word](keras.layers.Dense)


@pytest.mark.parametrize("word", EXTEND)
def test_a_class_is_extended_once(word):
    with pytest.raises(ValueError, match="without .*, which has it already.*Remove one of the two"):
        extended(f"{word} decay adapt {word}")


def test_an_optimizer_that_hands_on_is_not_extended():
    with pytest.raises(
        ValueError, match="LossScaleOptimizer, which delegates updates to other optimizers"
    ):
        extended("decay", keras.optimizers.LossScaleOptimizer)


NO_SCHEDULES = [{"a": 1}, {0.5: 1}, {0: "a"}, {0: None}, [3], 7]


@pytest.mark.parametrize("schedule", NO_SCHEDULES, ids=str)
def test_a_schedule_is_a_dict_of_whole_numbers(schedule):
    with pytest.raises(ValueError, match=r"lr_schedule to be a dict from steps.*got .*"):
        extended("piecewise")(lr_schedule=schedule)


@pytest.mark.parametrize("schedule", [{}, {-1: 1}, {1: 1, "1": 2}], ids=str)
def test_steps_of_a_schedule_are_not_negative_and_differ(schedule):
    with pytest.raises(ValueError, match="one or more different steps, 0 or above"):
        extended("piecewise")(lr_schedule=schedule)


def test_a_scheduled_rate_cannot_be_set():
    optimizer = extended("piecewise")(0.1)
    with pytest.raises(TypeError, match=r"follows its lr_schedule.*got 0.2. Change lr_schedule"):
        optimizer.learning_rate = 0.2


@pytest.mark.parametrize("steps", [0, -2, 1.5])
def test_gradients_of_whole_batches_are_accumulated(steps):
    with pytest.raises(ValueError, match=rf"grad_accum_steps to be a whole number.*got {steps}"):
        extended("accumulate")(grad_accum_steps=steps)


@pytest.mark.parametrize("steps", [0, 2.5])
def test_lookahead_takes_whole_steps(steps):
    with pytest.raises(ValueError, match=rf"steps_per_slow_update to be.*got {steps}"):
        extended("lookahead")(steps_per_slow_update=steps)


@pytest.mark.parametrize("momentum", [0.0, 1.0, 1000])
def test_a_momentum_is_between_0_and_1(momentum):
    with pytest.raises(ValueError, match=rf"ema_momentum to be above 0.*got {momentum}"):
        extended("average")(ema_momentum=momentum)


def test_averages_go_in_before_weights_come_back_and_once():
    optimizer = extended("average")()
    with pytest.raises(RuntimeError, match=r"saved weights to restore.*Call apply_ema_weights\(\)"):
        optimizer.reset_old_weights()
    optimizer.apply_ema_weights()
    with pytest.raises(RuntimeError, match=r"in the model already.*Call reset_old_weights\(\)"):
        optimizer.apply_ema_weights()


@pytest.mark.parametrize("schedule", [{"a": "b"}, {1: 1.0}, 3], ids=str)
def test_rates_by_path_are_a_dict_of_texts(schedule):
    with pytest.raises(ValueError, match="paramwise_lr_schedule to be a dict from parts of paths"):
        extended("by_path")(paramwise_lr_schedule=schedule)


PATTERNS = {
    "exclude_from_weight_decay": extended("decay"),
    "exclude_from_layer_adaptation": extended("adapt"),
    "include_in_lazy_optimization": extended("lazy"),
    "exclude_from_parameter_scale": AdaFactor,
}


@pytest.mark.parametrize("argument", PATTERNS)
@pytest.mark.parametrize("pattern", ["(", 3])
def test_a_pattern_is_a_regular_expression(argument, pattern):
    with pytest.raises(ValueError, match=rf"regular expressions in {argument}.*got .*re.escape"):
        PATTERNS[argument](**{argument: [pattern]})


@pytest.mark.parametrize("argument", PATTERNS)
def test_a_pattern_that_finds_nothing_is_warned_of(argument):
    optimizer = PATTERNS[argument](**{argument: ["Norm", "beta"]})
    with pytest.warns(UserWarning, match=rf"{argument} \['beta'\] matches .* no .*'Dense-Norm/"):
        optimizer.build(toy.variables())


def test_a_part_of_paths_that_finds_nothing_is_warned_of():
    optimizer = extended("by_path")(paramwise_lr_schedule={"CRF": 100, ".": 2, "gamma": 2})
    with pytest.warns(UserWarning, match=r"paramwise_lr_schedule \['CRF', '.'\] matches"):
        optimizer.build(toy.variables())
