"""Learning rates: piecewise linear, by variable path, and layer-wise decay."""

import keras
import numpy as np
import pytest
from optimizers import toy

from bert4keras.models import build_transformer_model
from bert4keras.optimizers import (
    Adam,
    WarmupCosineDecay,
    extend_with_parameter_wise_lr,
    layer_wise_decay,
)

SCHEDULE = {2: 1.0, 4: 0.5}  # 0, 0.5, 1, 0.75, 0.5 of the rate
INVALID_SCHEDULES = [{"a": 1}, {0.5: 1}, {0: "a"}, {0: None}, [3], 7]


class TestPiecewiseLinearLR:
    @pytest.mark.parametrize("schedule", [SCHEDULE, {"4": 0.5, "2": "1"}])
    def test_the_schedule_multiplies_the_learning_rate(self, schedule):
        want = toy.run_numpy_steps(toy.adam, lambda t, path: 0.01 * [0, 0.5, 1, 0.75, 0.5][t - 1])
        toy.assert_same_steps(
            toy.run_steps(toy.extend("piecewise")(0.01, lr_schedule=schedule)), want
        )

    def test_the_weight_decay_of_keras_follows_the_schedule(self):
        optimizer = toy.extend("piecewise", keras.optimizers.AdamW)(0.01, lr_schedule={10: 1})
        before = toy.START[toy.KERNEL]
        np.testing.assert_array_equal(
            toy.run_steps(optimizer)[0][toy.KERNEL], before.astype("float32")
        )

    @pytest.mark.parametrize("schedule", INVALID_SCHEDULES, ids=str)
    def test_lr_schedule_is_a_dict_of_whole_numbers(self, schedule):
        with pytest.raises(ValueError, match=r"lr_schedule to be a dict from steps.*got .*"):
            toy.extend("piecewise")(lr_schedule=schedule)

    @pytest.mark.parametrize("schedule", [{}, {-1: 1}, {1: 1, "1": 2}], ids=str)
    def test_lr_schedule_has_different_steps_from_0(self, schedule):
        with pytest.raises(ValueError, match="one or more different steps, 0 or above"):
            toy.extend("piecewise")(lr_schedule=schedule)

    def test_the_learning_rate_cannot_be_assigned(self):
        optimizer = toy.extend("piecewise")(0.1)
        with pytest.raises(
            TypeError, match=r"follows its lr_schedule.*got 0.2. Change lr_schedule"
        ):
            optimizer.learning_rate = 0.2


class TestParameterWiseLR:
    def test_multipliers_of_a_path_multiply(self):
        got = toy.run_steps(toy.extend("by_path")(0.01, paramwise_lr_schedule=toy.BY_PATH))
        want = toy.run_numpy_steps(toy.adam, lambda t, path: 0.01 * toy.lr_multiplier(path))
        toy.assert_same_steps(got, want)

    @pytest.mark.parametrize("schedule", [{"a": "b"}, {1: 1.0}, 3], ids=str)
    def test_paramwise_lr_schedule_is_a_dict_of_strings(self, schedule):
        with pytest.raises(
            ValueError, match="paramwise_lr_schedule to be a dict from parts of paths"
        ):
            toy.extend("by_path")(paramwise_lr_schedule=schedule)

    def test_an_unmatched_part_of_paths_is_warned_of(self):
        optimizer = toy.extend("by_path")(paramwise_lr_schedule={"CRF": 100, ".": 2, "gamma": 2})
        with pytest.warns(UserWarning, match=r"paramwise_lr_schedule \['CRF', '.'\] matches"):
            optimizer.build(toy.make_variables())


CONFIG = {
    "vocab_size": 20,
    "hidden_size": 4,
    "num_hidden_layers": 11,
    "num_attention_heads": 2,
    "intermediate_size": 4,
    "hidden_act": "relu",
}


def learning_rates(model, decay):
    """Return {path: learning rate of the variable}, for an optimizer's rate of 1."""
    schedule = layer_wise_decay(model, decay)
    optimizer = extend_with_parameter_wise_lr(Adam)(1.0, paramwise_lr_schedule=schedule)
    optimizer.build(model.trainable_variables)
    return {v.path: optimizer.scale_learning_rate(v, 1.0) for v in model.trainable_variables}


class TestLayerWiseDecay:
    def test_the_rate_decays_from_block_to_block(self):
        bert = build_transformer_model(CONFIG, with_pool=True)
        scores = keras.layers.Dense(2, name="head")(bert.output)
        rates = learning_rates(keras.Model(bert.input, scores), 0.5)
        assert rates["head/kernel"] == rates["Pooler-Dense/kernel"] == 1
        assert rates["Transformer-10-FeedForward/i0_dense/kernel"] == 0.5
        assert rates["Transformer-1-FeedForward-Norm/gamma"] == 0.5**10
        assert rates["Transformer-0-MultiHeadSelfAttention/q_dense/kernel"] == 0.5**11
        assert rates["Embedding-Token/embeddings"] == rates["Embedding-Norm/beta"] == 0.5**12

    def test_encoder_and_decoder_are_counted_separately(self):
        config = {**CONFIG, "num_hidden_layers": 2}
        rates = learning_rates(build_transformer_model(config, model="t5"), 0.5)
        kernels = sorted(path for path in rates if "FeedForward/o_dense/kernel" in path)
        assert [rates[path] for path in kernels] == [0.25, 0.5] + [0.25, 0.5]

    def test_blocks_with_and_without_a_prefix_are_multiplied_once(self):
        config = {**CONFIG, "num_hidden_layers": 1}
        first = build_transformer_model(config)
        second = build_transformer_model(config, prefix="other-")
        joint_model = keras.Model(first.inputs + second.inputs, [first.output, second.output])
        rates = learning_rates(joint_model, 0.5).items()
        assert {rate for path, rate in rates if "Transformer" in path} == {0.5}

    @pytest.mark.parametrize("decay", [0, 1.5])
    def test_a_decay_out_of_range_is_refused(self, decay):
        model = build_transformer_model({**CONFIG, "num_hidden_layers": 1})
        with pytest.raises(ValueError, match=rf"at most 1, got {decay}. 0.9 or 0.8"):
            layer_wise_decay(model, decay)

    def test_a_model_without_numbered_blocks_is_refused(self):
        model = build_transformer_model({**CONFIG, "num_hidden_layers": 2}, model="albert")
        with pytest.raises(ValueError, match="a model with numbered blocks.*by hand"):
            layer_wise_decay(model)


@pytest.mark.parametrize("warmup, rise", [(0.1, 4), (0.25, 10), (0, 0)])
def test_warmup_and_cosine_decay_rise_and_fall(warmup, rise):
    schedule = WarmupCosineDecay(2.0, steps=40, warmup=warmup)
    for step in range(41):
        if step < rise:
            expected = 2.0 * step / rise
        else:
            expected = 1 + np.cos(np.pi * (step - rise) / (40 - rise))
        assert float(schedule(step)) == pytest.approx(expected, abs=1e-5)


def test_warmup_and_cosine_decay_take_one_step():
    assert float(WarmupCosineDecay(2.0, steps=1)(0)) == 2.0


def test_warmup_of_all_steps_leaves_one_to_fall():
    schedule = WarmupCosineDecay(2.0, steps=4, warmup=1)
    rates = [float(schedule(step)) for step in range(5)]
    assert rates == pytest.approx([0, 2 / 3, 4 / 3, 2, 0], abs=1e-6)


def test_a_saved_optimizer_has_its_warmup_and_cosine_decay():
    optimizer = keras.optimizers.Adam(WarmupCosineDecay(2.0, steps=40, warmup=0.25))
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    schedule = copy._learning_rate
    assert type(schedule) is WarmupCosineDecay
    assert schedule.get_config() == {"learning_rate": 2.0, "steps": 40, "warmup": 0.25}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"learning_rate": 0, "steps": 4}, "Expected learning_rate to be .* above 0, got 0"),
        ({"learning_rate": 1, "steps": 0}, "Expected steps to be .* 1 or more, got 0"),
        ({"learning_rate": 1, "steps": 4, "warmup": 2}, "Expected warmup to be .* to 1, got 2"),
    ],
)
def test_arguments_of_warmup_and_cosine_decay_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmupCosineDecay(**arguments)
