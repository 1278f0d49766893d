"""Weight decay, LAMB, lazy updates and accumulation, alone and combined."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from optimizers import toy

from bert4keras import optimizers
from bert4keras.backend import backend_name
from bert4keras.optimizers import AdaFactor, Adam, extensions

DECAY = {"weight_decay_rate": 0.1}


class TestWeightDecay:
    def test_every_weight_decays(self):
        got = toy.run_steps(toy.extend("decay")(0.01, **DECAY))
        toy.assert_same_steps(got, toy.run_numpy_steps(toy.adam, 0.01, decay=0.1))

    def test_excluded_variables_do_not_decay(self):
        got = toy.run_steps(
            toy.extend("decay")(0.01, exclude_from_weight_decay=["Norm/", "bed.*s$"], **DECAY)
        )
        plain_steps, decay_steps = (
            toy.run_numpy_steps(toy.adam, 0.01, decay=decay) for decay in (0.0, 0.1)
        )
        for path, want in zip(toy.SHAPES, (plain_steps, decay_steps, plain_steps)):
            np.testing.assert_allclose(got[-1][path], want[-1][path], atol=1e-6)


class TestLayerAdaptation:
    @pytest.mark.parametrize("words", ["decay adapt", "adapt"])
    def test_steps_are_those_of_lamb(self, words):
        options = DECAY if "decay" in words else {}
        want = toy.run_numpy_steps(toy.adam, 0.01, decay=sum(options.values()), adapt=True)
        toy.assert_same_steps(toy.run_steps(toy.extend(words)(0.01, **options)), want)

    def test_excluded_variables_are_not_adapted(self):
        got = toy.run_steps(toy.extend("adapt")(0.01, exclude_from_layer_adaptation="Norm"))[-1]
        plain_steps, lamb_steps = (
            toy.run_numpy_steps(toy.adam, 0.01, adapt=adapt)[-1] for adapt in (False, True)
        )
        np.testing.assert_allclose(got[toy.GAMMA], plain_steps[toy.GAMMA], atol=1e-6)
        np.testing.assert_allclose(got[toy.KERNEL], lamb_steps[toy.KERNEL], atol=1e-6)

    def test_updates_of_zero_variables_are_not_scaled(self):
        weights = [
            keras.Variable(np.zeros(3), name="bias"),
            keras.Variable(np.ones(3), name="constant"),
        ]
        toy.extend("adapt", keras.optimizers.SGD)(0.5).apply([np.ones(3), np.zeros(3)], weights)
        assert [np.array(w).tolist() for w in weights] == [[-0.5] * 3, [1.0] * 3]

    def test_decay_outside_layer_adaptation_is_not_part_of_the_ratio(self):
        gradients = toy.GRADIENTS[:1]
        got = toy.run_steps(toy.extend("adapt decay")(0.01, **DECAY), gradients)[0]
        lamb_weights = toy.run_numpy_steps(toy.adam, 0.01, gradients, adapt=True)[0]
        want = lamb_weights[toy.KERNEL] - 0.01 * 0.1 * toy.START[toy.KERNEL]
        np.testing.assert_allclose(got[toy.KERNEL], want, atol=1e-6)


class TestLazyOptimization:
    def test_rows_without_gradient_do_not_change(self):
        lazy = ["Embedding-Token"]
        gradients = [{path: g.copy() for path, g in step.items()} for step in toy.GRADIENTS]
        for step in gradients[1:]:
            step["Embedding-Token/embeddings"][2:] = 0.0
            step[toy.KERNEL][:, 2:] = 0.0
        optimizer = toy.extend("decay lazy")(0.01, include_in_lazy_optimization=lazy, **DECAY)
        got = toy.run_steps(optimizer, gradients)
        want = toy.run_numpy_steps(toy.adam, 0.01, gradients, decay=0.1)
        np.testing.assert_allclose(got[-1][toy.KERNEL], want[-1][toy.KERNEL], atol=1e-6)
        embeddings = [[step["Embedding-Token/embeddings"] for step in walk] for walk in (got, want)]
        np.testing.assert_allclose(embeddings[0][-1][:2], embeddings[1][-1][:2], atol=1e-6)
        np.testing.assert_array_equal(embeddings[0][-1][2:], embeddings[0][0][2:])
        assert not np.allclose(embeddings[1][-1][2:], embeddings[1][0][2:])  # momentum moves them


class TestGradientAccumulation:
    def test_one_batch_is_not_accumulated(self):
        got = toy.run_steps(toy.extend("accumulate")(0.01, grad_accum_steps=1))
        toy.assert_same_steps(got, toy.run_numpy_steps(toy.adam, 0.01))

    @pytest.mark.parametrize("steps", [0, -2, 1.5])
    def test_grad_accum_steps_is_a_positive_whole_number(self, steps):
        with pytest.raises(
            (TypeError, ValueError), match=rf"grad_accum_steps to be a whole number.*got {steps}"
        ):
            toy.extend("accumulate")(grad_accum_steps=steps)


ORDERS = [
    "decay adapt piecewise accumulate by_path",
    "accumulate by_path piecewise decay adapt",
    "by_path decay accumulate adapt piecewise",
]
ALL_OPTIONS = {
    "lr_schedule": {4: 1.0, 8: 0.5},
    "grad_accum_steps": 2,
    "paramwise_lr_schedule": toy.BY_PATH,
    **DECAY,
}


def check_combined_steps(got):
    rates = [0.01 * rate for rate in (0.25, 0.75, 0.875)]  # when 1, 3 and 5 batches are done
    rate = lambda t, path: rates[t - 1] * toy.lr_multiplier(path)  # noqa: E731
    want = toy.run_numpy_steps(toy.adam, rate, toy.GRADIENTS[:3], decay=0.1, adapt=True)
    toy.assert_same_steps(got[1::2], want)
    np.testing.assert_array_equal(got[2][toy.KERNEL], got[1][toy.KERNEL])  # in between, no update


class TestCombinedExtensions:
    @pytest.mark.parametrize("words", ORDERS)
    def test_steps_are_the_same_in_any_order(self, words):
        got = toy.run_steps(
            toy.extend(words)(0.01, **ALL_OPTIONS), toy.split_in_two(toy.GRADIENTS[:3])
        )
        check_combined_steps(got)

    @toy.needs_jit
    def test_compiled_steps_are_the_same(self):
        optimizer = toy.extend(ORDERS[0])(0.01, **ALL_OPTIONS)
        check_combined_steps(
            toy.run_steps(optimizer, toy.split_in_two(toy.GRADIENTS[:3]), jit=True)
        )


KERAS_OPTIMIZERS = (
    "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lion Muon Nadam RMSprop SGD".split()
)


class TestExtendOptimizer:
    @pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
    def test_every_optimizer_of_keras_can_be_extended(self, name):
        base = getattr(keras.optimizers, name)
        plain = toy.run_steps(base(0.01), toy.GRADIENTS[:2])
        optimizer = toy.extend("decay adapt lazy by_path piecewise lookahead average", base)(
            0.01, weight_decay_rate=0.0, exclude_from_layer_adaptation=["."], ema_momentum=0.5
        )
        toy.assert_same_steps(toy.run_steps(optimizer, toy.GRADIENTS[:2]), plain)

    def test_the_config_recreates_the_optimizer(self):
        words = "decay adapt lazy by_path piecewise accumulate lookahead average"
        optimizer = toy.extend(words)(
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
        copy = toy.recreate(optimizer)
        assert type(copy) is type(optimizer)
        assert toy.settings(copy) == toy.settings(optimizer)
        default = toy.extend(words)(name=copy.name).get_config()
        assert sum(default[key] != value for key, value in copy.get_config().items()) == 13

    def test_the_default_name_joins_extension_and_base(self):
        assert optimizers.extend_with_weight_decay(Adam, "AdamW").__name__ == "AdamW"
        assert toy.extend("decay adapt").__name__ == "LayerAdaptationWeightDecayAdam"
        assert isinstance(toy.extend("decay adapt")(), Adam)
        assert keras.saving.get_registered_name(Adam) == "bert4keras>Adam"
        adam_class = optimizers.extend_with_weight_decay(Adam, "Adam")
        assert keras.saving.get_registered_object("bert4keras>Adam") is Adam is not adam_class

    @pytest.mark.parametrize("word", toy.EXTENSIONS)
    def test_an_instance_or_another_class_is_refused(self, word):
        with pytest.raises(TypeError, match=r"got an instance of Adam.*Extend the class first"):
            toy.EXTENSIONS[word](Adam())
        with pytest.raises(
            TypeError, match=r"a subclass of keras.optimizers.Optimizer, got a class: .*De"
        ):
            toy.EXTENSIONS[word](keras.layers.Dense)

    @pytest.mark.parametrize("word", toy.EXTENSIONS)
    def test_a_second_use_of_an_extension_is_refused(self, word):
        with pytest.raises(
            ValueError, match="without .*, which has it already.*Remove one of the two"
        ):
            toy.extend(f"{word} decay adapt {word}")

    def test_an_optimizer_that_delegates_updates_is_refused(self):
        with pytest.raises(
            ValueError, match="LossScaleOptimizer, which delegates updates to other optimizers"
        ):
            toy.extend("decay", keras.optimizers.LossScaleOptimizer)


class TestExportToCustomObjects:
    def test_a_function_gets_a_name_argument_and_registers_its_class(self):
        @optimizers.export_to_custom_objects
        def extend_with_nothing(BaseOptimizer):
            return type("Nothing", (BaseOptimizer,), {})

        for name, want in ((None, "Nothing"), ("Plain", "Plain")):
            optimizer_class = extend_with_nothing(Adam, name)
            assert optimizer_class.__name__ == want
            assert type(toy.recreate(optimizer_class(0.5))) is optimizer_class


PATTERNS = {
    "exclude_from_weight_decay": toy.extend("decay"),
    "exclude_from_layer_adaptation": toy.extend("adapt"),
    "include_in_lazy_optimization": toy.extend("lazy"),
    "exclude_from_parameter_scale": AdaFactor,
}


class TestPatterns:
    @pytest.mark.parametrize("argument", PATTERNS)
    @pytest.mark.parametrize("pattern", ["(", 3])
    def test_an_invalid_regular_expression_is_refused(self, argument, pattern):
        with pytest.raises(
            ValueError, match=rf"regular expressions in {argument}.*got .*re.escape"
        ):
            PATTERNS[argument](**{argument: [pattern]})

    @pytest.mark.parametrize("argument", PATTERNS)
    def test_an_unmatched_pattern_is_warned_of(self, argument):
        optimizer = PATTERNS[argument](**{argument: ["Norm", "beta"]})
        with pytest.warns(
            UserWarning, match=rf"{argument} \['beta'\] matches .* no .*'Dense-Norm/"
        ):
            optimizer.build(toy.make_variables())


class TestReplicas:
    def test_accumulation_is_refused_on_several_replicas(self, monkeypatch):
        monkeypatch.setattr(extensions, "count_replicas", lambda: 2)
        variable = keras.Variable(np.zeros(2, "float32"), name="bias")
        AdamGA = extensions.extend_with_gradient_accumulation(Adam)
        with pytest.raises(ValueError, match="gradient accumulation, got a strategy with 2 repl"):
            AdamGA(grad_accum_steps=2).build([variable])
        AdamGA(grad_accum_steps=1).build([variable])

    @pytest.mark.slow
    def test_it_is_refused_by_a_mirrored_strategy(self):
        if backend_name != "tensorflow":
            pytest.skip("a strategy of TensorFlow")
        code = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
from bert4keras.optimizers import Adam, extend_with_gradient_accumulation
AdamGA = extend_with_gradient_accumulation(Adam)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(AdamGA(grad_accum_steps=2), "mse")
model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
"""
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "Expected one device for gradient accumulation" in run.stderr
