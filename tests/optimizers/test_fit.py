"""Extended optimizers in ``fit``: compiled, saved, in half precision, with frozen layers."""

import keras
import numpy as np
import pytest
from optimizers import toy

from bert4keras import layers
from bert4keras.optimizers import AdaFactor, Adam

EXTENSIONS = "decay adapt by_path piecewise accumulate lookahead average"
OPTIONS = {
    "exclude_from_weight_decay": ["bias"],
    "exclude_from_layer_adaptation": ["bias"],
    "paramwise_lr_schedule": {"first": 0.5},
    "lr_schedule": {8: 1.0},
    "grad_accum_steps": 2,
    "steps_per_slow_update": 3,
    "ema_momentum": 0.9,
}
IDS = np.random.default_rng(0).integers(0, 9, size=(24, 4), dtype="int32")
TARGETS = np.random.default_rng(1).normal(size=(24, 2)).astype("float32")


def make_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(9, 3, name="first"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(2, name="second"),
        ]
    )


def compile_model(optimizer, **options):
    compiled_model = make_model()
    compiled_model.compile(optimizer, "mse", **(options or toy.FAST_COMPILE))
    return compiled_model


def train(model, batches, size=4):
    rows = slice(batches.start * size, batches.stop * size)
    model.fit(IDS[rows], TARGETS[rows], batch_size=size, shuffle=False, verbose=0)
    return model.get_weights()


def assert_equal(got, want, **tolerance):
    assert len(got) == len(want)
    for value, expected in zip(got, want):
        np.testing.assert_allclose(value, expected, **tolerance or {"atol": 0, "rtol": 0})


def slow_on_torch(test):
    """Mark a test as slow on PyTorch, where ``torch.compile`` takes a minute."""
    return pytest.mark.slow(test) if toy.BACKEND == "torch" else test


class TestFit:
    @pytest.mark.parametrize("base, file", [(Adam, "all.keras"), (AdaFactor, "only.weights.h5")])
    def test_a_run_resumes_exactly_from_its_file(self, base, file, tmp_path):
        run = compile_model(toy.extend(EXTENSIONS, base)(0.1, **OPTIONS))
        train(run, range(3))  # in the middle of an accumulation, a slow update, and the schedule
        if file.endswith(".keras"):
            run.save(tmp_path / file)
            copy = keras.saving.load_model(tmp_path / file)
            assert type(copy.optimizer) is type(run.optimizer)
        else:
            run.save_weights(tmp_path / file)
            copy = compile_model(toy.extend(EXTENSIONS, base)(0.1, **OPTIONS))
            copy.optimizer.build(copy.trainable_variables)
            copy.load_weights(tmp_path / file)
        assert_equal(train(copy, range(3, 6)), train(run, range(3, 6)))
        for model in (copy, run):
            model.optimizer.apply_ema_weights()
        assert_equal(copy.get_weights(), run.get_weights())

    def test_three_accumulated_batches_equal_one_of_three_times_the_size(self):
        accumulating = compile_model(
            toy.extend("accumulate")(0.1, grad_accum_steps=3, global_clipnorm=0.1)
        )
        large_batch = compile_model(Adam(0.1, global_clipnorm=0.1))
        want = train(large_batch, range(2), size=12)
        assert_equal(train(accumulating, range(6)), want, atol=1e-6)
        assert int(large_batch.optimizer.iterations) == int(accumulating.optimizer.iterations) == 2

    @pytest.mark.filterwarnings("ignore:.*torch:DeprecationWarning")  # raised by torch.compile
    @slow_on_torch
    def test_steps_are_the_same_with_and_without_jit(self):
        words = "decay adapt average"
        first, second = (
            compile_model(toy.extend(words)(0.1), jit_compile=jit) for jit in (True, False)
        )
        assert_equal(train(first, range(4)), train(second, range(4)), atol=1e-5)

    def test_frozen_layers_keep_their_weights(self):
        frozen = make_model()
        frozen.layers[0].trainable = False
        start = frozen.get_weights()
        frozen.compile(
            toy.extend("decay average")(0.1, weight_decay_rate=0.5), "mse", **toy.FAST_COMPILE
        )
        got = train(frozen, range(2))
        frozen.optimizer.apply_ema_weights()
        for weights in (got, frozen.get_weights()):
            np.testing.assert_array_equal(weights[0], start[0])
            assert not np.allclose(weights[1], start[1])

    def test_patterns_match_the_layers_of_a_model(self):
        x = keras.Input((None, 4))
        heads = layers.MultiHeadAttention(2, 2, name="Transformer-0-MultiHeadSelfAttention")(
            [x] * 3
        )
        norm = layers.LayerNormalization(name="Transformer-0-MultiHeadSelfAttention-Norm")(heads)
        variables = keras.Model(
            x, layers.FeedForward(6, name="Transformer-0-FeedForward")(norm)
        ).weights
        optimizer = toy.extend("decay")(exclude_from_weight_decay=["Norm", "bias"])
        optimizer.build(variables)
        excluded_paths = {
            v.path for v in variables if optimizer.matches(v, "exclude_from_weight_decay")
        }
        assert {v.path for v in variables if len(v.shape) < 2} == excluded_paths
        assert "Transformer-0-MultiHeadSelfAttention-Norm/gamma" in excluded_paths


class TestMixedPrecision:
    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_trains_and_averages(self, policy):
        make = lambda: compile_model(toy.extend("decay average")(0.1, ema_momentum=0.5))  # noqa: E731
        single = make()
        keras.config.set_dtype_policy(policy)
        half = make()
        assert_equal(train(half, range(2)), train(single, range(2)), atol=0.02)
        is_wrapped = policy == "mixed_float16"  # by Keras, in a LossScaleOptimizer
        (half.optimizer.inner_optimizer if is_wrapped else half.optimizer).apply_ema_weights()
        single.optimizer.apply_ema_weights()
        assert_equal(half.get_weights(), single.get_weights(), atol=0.02)

    def test_a_batch_that_overflows_is_skipped(self):
        keras.config.set_dtype_policy("mixed_float16")
        optimizer = toy.extend("decay average")(0.1)
        half = compile_model(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**60))
        start = half.get_weights()
        assert_equal(train(half, range(2)), start)
        optimizer.apply_ema_weights()
        assert_equal(half.get_weights(), start)
