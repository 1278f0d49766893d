"""Extended optimizers in ``fit``: compiled, saved, in half precision, beside frozen layers."""

import keras
import numpy as np
import pytest
from optimizers import toy
from optimizers.test_extensions import extended

from bert4keras import layers
from bert4keras.optimizers import AdaFactor, Adam

WORDS = "decay adapt by_path piecewise accumulate lookahead average"
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
WANTED = np.random.default_rng(1).normal(size=(24, 2)).astype("float32")


def model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(9, 3, name="first"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(2, name="second"),
        ]
    )


def compiled(optimizer, **options):
    made = model()
    made.compile(optimizer, "mse", **(options or toy.QUICK))
    return made


def train(model, batches, size=4):
    rows = slice(batches.start * size, batches.stop * size)
    model.fit(IDS[rows], WANTED[rows], batch_size=size, shuffle=False, verbose=0)
    return model.get_weights()


def assert_equal(got, want, **tolerance):
    assert len(got) == len(want)
    for ours, theirs in zip(got, want):
        np.testing.assert_allclose(ours, theirs, **tolerance or {"atol": 0, "rtol": 0})


@pytest.mark.parametrize("base, file", [(Adam, "all.keras"), (AdaFactor, "only.weights.h5")])
def test_a_run_goes_on_from_its_file_as_if_nothing_had_been(base, file, tmp_path):
    run = compiled(extended(WORDS, base)(0.1, **OPTIONS))
    train(run, range(3))  # amid an accumulation, a slow update, and the schedule
    if file.endswith(".keras"):
        run.save(tmp_path / file)
        again = keras.saving.load_model(tmp_path / file)
        assert type(again.optimizer) is type(run.optimizer)
    else:
        run.save_weights(tmp_path / file)
        again = compiled(extended(WORDS, base)(0.1, **OPTIONS))
        again.optimizer.build(again.trainable_variables)
        again.load_weights(tmp_path / file)
    assert_equal(train(again, range(3, 6)), train(run, range(3, 6)))
    for model in (again, run):
        model.optimizer.apply_ema_weights()
    assert_equal(again.get_weights(), run.get_weights())


def test_three_accumulated_batches_are_one_that_is_thrice_as_large():
    parts = compiled(extended("accumulate")(0.1, grad_accum_steps=3, global_clipnorm=0.1))
    whole = compiled(Adam(0.1, global_clipnorm=0.1))
    want = train(whole, range(2), size=12)
    assert_equal(train(parts, range(6)), want, atol=1e-6)
    assert int(whole.optimizer.iterations) == int(parts.optimizer.iterations) == 2


@pytest.mark.filterwarnings("ignore:.*torch:DeprecationWarning")  # torch.compile's own
@(pytest.mark.slow if toy.BACKEND == "torch" else lambda test: test)  # torch.compile takes a minute
def test_fit_takes_the_same_steps_with_and_without_jit():
    words = "decay adapt average"
    first, second = (compiled(extended(words)(0.1), jit_compile=jit) for jit in (True, False))
    assert_equal(train(first, range(4)), train(second, range(4)), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_and_averages(policy):
    make = lambda: compiled(extended("decay average")(0.1, ema_momentum=0.5))  # noqa: E731
    single = make()
    keras.config.set_dtype_policy(policy)
    half = make()
    assert_equal(train(half, range(2)), train(single, range(2)), atol=0.02)
    wrapped = policy == "mixed_float16"  # by Keras, in a LossScaleOptimizer
    (half.optimizer.inner_optimizer if wrapped else half.optimizer).apply_ema_weights()
    single.optimizer.apply_ema_weights()
    assert_equal(half.get_weights(), single.get_weights(), atol=0.02)


def test_a_batch_that_overflows_is_skipped():
    keras.config.set_dtype_policy("mixed_float16")
    optimizer = extended("decay average")(0.1)
    half = compiled(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**60))
    start = half.get_weights()
    assert_equal(train(half, range(2)), start)
    optimizer.apply_ema_weights()
    assert_equal(half.get_weights(), start)


def test_frozen_layers_keep_their_weights():
    frozen = model()
    frozen.layers[0].trainable = False
    start = frozen.get_weights()
    frozen.compile(extended("decay average")(0.1, weight_decay_rate=0.5), "mse", **toy.QUICK)
    got = train(frozen, range(2))
    frozen.optimizer.apply_ema_weights()
    for weights in (got, frozen.get_weights()):
        np.testing.assert_array_equal(weights[0], start[0])
        assert not np.allclose(weights[1], start[1])


def test_patterns_find_the_layers_of_a_model():
    x = keras.Input((None, 4))
    heads = layers.MultiHeadAttention(2, 2, name="Transformer-0-MultiHeadSelfAttention")([x] * 3)
    norm = layers.LayerNormalization(name="Transformer-0-MultiHeadSelfAttention-Norm")(heads)
    variables = keras.Model(
        x, layers.FeedForward(6, name="Transformer-0-FeedForward")(norm)
    ).weights
    optimizer = extended("decay")(exclude_from_weight_decay=["Norm", "bias"])
    optimizer.build(variables)
    excluded = {v.path for v in variables if optimizer.matches(v, "exclude_from_weight_decay")}
    assert {v.path for v in variables if len(v.shape) < 2} == excluded
    assert "Transformer-0-MultiHeadSelfAttention-Norm/gamma" in excluded
