"""What extensions make of the steps of an optimizer, alone and around each other."""

import keras
import numpy as np
import pytest
from optimizers import toy

from bert4keras import optimizers
from bert4keras.optimizers import Adam

DECAY = {"weight_decay_rate": 0.1}
SCHEDULE = {2: 1.0, 4: 0.5}  # 0, 0.5, 1, 0.75, 0.5 of the rate
BY_PATH = {"Dense": 2.0, "gamma": 0.5}  # gamma's is Dense-Norm's too
EXTEND = {
    "decay": optimizers.extend_with_weight_decay,
    "adapt": optimizers.extend_with_layer_adaptation,
    "lazy": optimizers.extend_with_lazy_optimization,
    "piecewise": optimizers.extend_with_piecewise_linear_lr,
    "by_path": optimizers.extend_with_parameter_wise_lr,
    "accumulate": optimizers.extend_with_gradient_accumulation,
    "lookahead": optimizers.extend_with_lookahead,
    "average": optimizers.extend_with_exponential_moving_average,
}


def extended(words, base=Adam):
    """A class from the words of ``EXTEND``, the innermost first."""
    for word in words.split():
        base = EXTEND[word](base)
    return base


def multiplier(path):
    return np.prod([value for part, value in BY_PATH.items() if part in path])


def test_weight_decay_takes_a_share_of_each_weight():
    got = toy.walk(extended("decay")(0.01, **DECAY))
    toy.assert_same_walk(got, toy.numpy_walk(toy.adam, 0.01, decay=0.1))


def test_excluded_variables_keep_their_weights():
    got = toy.walk(extended("decay")(0.01, exclude_from_weight_decay=["Norm/", "bed.*s$"], **DECAY))
    plain, decayed = (toy.numpy_walk(toy.adam, 0.01, decay=decay) for decay in (0.0, 0.1))
    for path, want in zip(toy.SHAPES, (plain, decayed, plain)):
        np.testing.assert_allclose(got[-1][path], want[-1][path], atol=1e-6)


@pytest.mark.parametrize("words", ["decay adapt", "adapt"])
def test_layer_adaptation_makes_lamb(words):
    options = DECAY if "decay" in words else {}
    want = toy.numpy_walk(toy.adam, 0.01, decay=sum(options.values()), adapt=True)
    toy.assert_same_walk(toy.walk(extended(words)(0.01, **options)), want)


def test_excluded_variables_are_not_adapted():
    got = toy.walk(extended("adapt")(0.01, exclude_from_layer_adaptation="Norm"))[-1]
    plain, adapted = (toy.numpy_walk(toy.adam, 0.01, adapt=adapt)[-1] for adapt in (False, True))
    np.testing.assert_allclose(got[toy.GAMMA], plain[toy.GAMMA], atol=1e-6)
    np.testing.assert_allclose(got[toy.KERNEL], adapted[toy.KERNEL], atol=1e-6)


def test_variables_of_zero_take_adapted_updates_as_they_are():
    weights = [keras.Variable(np.zeros(3), name="bias"), keras.Variable(np.ones(3), name="still")]
    extended("adapt", keras.optimizers.SGD)(0.5).apply([np.ones(3), np.zeros(3)], weights)
    assert [np.array(w).tolist() for w in weights] == [[-0.5] * 3, [1.0] * 3]


def test_lazy_optimization_leaves_rows_without_gradient_alone():
    lazy = ["Embedding-Token"]
    gradients = [{path: g.copy() for path, g in step.items()} for step in toy.GRADIENTS]
    for step in gradients[1:]:
        step["Embedding-Token/embeddings"][2:] = 0.0
        step[toy.KERNEL][:, 2:] = 0.0
    optimizer = extended("decay lazy")(0.01, include_in_lazy_optimization=lazy, **DECAY)
    got, want = toy.walk(optimizer, gradients), toy.numpy_walk(toy.adam, 0.01, gradients, decay=0.1)
    np.testing.assert_allclose(got[-1][toy.KERNEL], want[-1][toy.KERNEL], atol=1e-6)
    embeddings = [[step["Embedding-Token/embeddings"] for step in walk] for walk in (got, want)]
    np.testing.assert_allclose(embeddings[0][-1][:2], embeddings[1][-1][:2], atol=1e-6)
    np.testing.assert_array_equal(embeddings[0][-1][2:], embeddings[0][0][2:])
    assert not np.allclose(embeddings[1][-1][2:], embeddings[1][0][2:])  # momentum moves them


@pytest.mark.parametrize("schedule", [SCHEDULE, {"4": 0.5, "2": "1"}])
def test_a_schedule_multiplies_the_rate(schedule):
    want = toy.numpy_walk(toy.adam, lambda t, path: 0.01 * [0, 0.5, 1, 0.75, 0.5][t - 1])
    toy.assert_same_walk(toy.walk(extended("piecewise")(0.01, lr_schedule=schedule)), want)


def test_the_decay_of_keras_follows_the_schedule():
    optimizer = extended("piecewise", keras.optimizers.AdamW)(0.01, lr_schedule={10: 1})
    before = toy.START[toy.KERNEL]
    np.testing.assert_array_equal(toy.walk(optimizer)[0][toy.KERNEL], before.astype("float32"))


def test_rates_by_path_multiply():
    got = toy.walk(extended("by_path")(0.01, paramwise_lr_schedule=BY_PATH))
    want = toy.numpy_walk(toy.adam, lambda t, path: 0.01 * multiplier(path))
    toy.assert_same_walk(got, want)


ORDERS = [
    "decay adapt piecewise accumulate by_path",
    "accumulate by_path piecewise decay adapt",
    "by_path decay accumulate adapt piecewise",
]
ALL = {
    "lr_schedule": {4: 1.0, 8: 0.5},
    "grad_accum_steps": 2,
    "paramwise_lr_schedule": BY_PATH,
    **DECAY,
}


def twice(gradients):
    """Two gradients for each, whose mean it is."""
    noise = np.random.default_rng(9).normal
    for gradient in gradients:
        change = {path: noise(size=g.shape) for path, g in gradient.items()}
        yield {path: g + change[path] for path, g in gradient.items()}
        yield {path: g - change[path] for path, g in gradient.items()}


@pytest.mark.parametrize("words", ORDERS)
def test_extensions_do_the_same_in_any_order(words):
    got = toy.walk(extended(words)(0.01, **ALL), twice(toy.GRADIENTS[:3]))
    check_all(got)


@toy.under_jit
def test_compiled_extensions_do_the_same():
    check_all(toy.walk(extended(ORDERS[0])(0.01, **ALL), twice(toy.GRADIENTS[:3]), jit=True))


def check_all(got):
    rates = [0.01 * rate for rate in (0.25, 0.75, 0.875)]  # when 1, 3 and 5 batches are done
    rate = lambda t, path: rates[t - 1] * multiplier(path)  # noqa: E731
    want = toy.numpy_walk(toy.adam, rate, toy.GRADIENTS[:3], decay=0.1, adapt=True)
    toy.assert_same_walk(got[1::2], want)
    np.testing.assert_array_equal(got[2][toy.KERNEL], got[1][toy.KERNEL])  # in between, no update


def test_what_stands_outside_changes_what_is_inside():
    """Decay around layer adaptation is no part of the ratio."""
    got = toy.walk(extended("adapt decay")(0.01, **DECAY), toy.GRADIENTS[:1])[0][toy.KERNEL]
    adapted = toy.numpy_walk(toy.adam, 0.01, toy.GRADIENTS[:1], adapt=True)[0][toy.KERNEL]
    want = adapted - 0.01 * 0.1 * toy.START[toy.KERNEL]
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_one_batch_is_not_accumulated():
    got = toy.walk(extended("accumulate")(0.01, grad_accum_steps=1))
    toy.assert_same_walk(got, toy.numpy_walk(toy.adam, 0.01))


KERAS = "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lion Muon Nadam RMSprop SGD".split()


@pytest.mark.parametrize("name", KERAS)
def test_every_optimizer_of_keras_can_be_extended(name):
    base = getattr(keras.optimizers, name)
    plain = toy.walk(base(0.01), toy.GRADIENTS[:2])
    optimizer = extended("decay adapt lazy by_path piecewise lookahead average", base)(
        0.01, weight_decay_rate=0.0, exclude_from_layer_adaptation=["."], ema_momentum=0.5
    )
    toy.assert_same_walk(toy.walk(optimizer, toy.GRADIENTS[:2]), plain)


def test_an_extended_class_is_made_again_of_its_config():
    words = "decay adapt lazy by_path piecewise accumulate lookahead average"
    optimizer = extended(words)(
        0.25,
        epsilon=1e-3,
        clipnorm=1.0,
        weight_decay_rate=0.2,
        exclude_from_weight_decay=["a"],
        exclude_from_layer_adaptation=["b"],
        include_in_lazy_optimization=["c"],
        lr_schedule={5: 1, 10: 0},
        paramwise_lr_schedule={"d": 3.0},
        grad_accum_steps=7,
        steps_per_slow_update=6,
        slow_step_size=0.3,
        ema_momentum=0.9,
    )
    again = toy.made_again(optimizer)
    assert type(again) is type(optimizer)
    assert toy.settings(again) == toy.settings(optimizer)
    default = extended(words)(name=again.name).get_config()
    assert sum(default[key] != value for key, value in again.get_config().items()) == 13


def test_a_class_has_its_name_or_that_of_its_parts():
    assert optimizers.extend_with_weight_decay(Adam, "AdamW").__name__ == "AdamW"
    assert extended("decay adapt").__name__ == "LayerAdaptationWeightDecayAdam"
    assert isinstance(extended("decay adapt")(), Adam)
    assert keras.saving.get_registered_name(Adam) == "bert4keras>Adam"
    named = optimizers.extend_with_weight_decay(Adam, "Adam")
    assert keras.saving.get_registered_object("bert4keras>Adam") is Adam is not named


def test_an_own_function_is_exported_like_ours():
    @optimizers.export_to_custom_objects
    def extend_with_nothing(BaseOptimizer):  # noqa: N803
        return type("Nothing", (BaseOptimizer,), {})

    for name, want in ((None, "Nothing"), ("Plain", "Plain")):
        made = extend_with_nothing(Adam, name)
        assert made.__name__ == want
        assert type(toy.made_again(made(0.5))) is made
