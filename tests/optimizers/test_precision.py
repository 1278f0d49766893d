"""Fine-tuning in half precision, with and without adversarial training."""

import keras
import numpy as np
import pytest
from optimizers import toy

from bert4keras.models import build_transformer_model
from bert4keras.optimizers import (
    Adam,
    extend_with_exponential_moving_average,
    extend_with_weight_decay,
)
from bert4keras.training import FGM, AdversarialModel, RDrop

CONFIG = {
    "vocab_size": 12,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
}
IDS = np.random.default_rng(0).integers(1, 12, (16, 5), dtype="int32")
LABELS = (IDS[:, 1] > 5).astype("int32")  # 1 where the second token is of the later half


def losses(optimizer, recipes, recompute=False, steps=25):
    """Return the loss of each step on one batch."""
    bert = build_transformer_model(CONFIG, with_pool=True, recompute=recompute)
    head = keras.layers.Dense(2, activation="softmax", dtype="float32")
    model = keras.Model(bert.inputs, head(bert.output))
    training_model = AdversarialModel(model, recipes) if recipes else model
    training_model.compile(optimizer, "sparse_categorical_crossentropy", **toy.FAST_COMPILE)
    return [float(training_model.train_on_batch([IDS, 0 * IDS], LABELS)) for _ in range(steps)]


def adam():
    optimizer_class = extend_with_exponential_moving_average(extend_with_weight_decay(Adam))
    return optimizer_class(0.01, exclude_from_weight_decay=["Norm", "bias"])


RECIPES = {"plain": [], "fgm": [FGM(epsilon=0.05)], "rdrop": [RDrop(alpha=1.0)]}


class TestHalfPrecision:
    @pytest.mark.parametrize(
        "policy, recipe",
        [
            ("mixed_bfloat16", "fgm"),
            ("mixed_float16", "plain"),
            pytest.param("mixed_bfloat16", "plain", marks=pytest.mark.slow),
            pytest.param("mixed_bfloat16", "rdrop", marks=pytest.mark.slow),
            *(pytest.param("mixed_float16", x, marks=pytest.mark.slow) for x in ("fgm", "rdrop")),
        ],
    )
    def test_a_model_learns(self, policy, recipe):
        keras.config.set_dtype_policy(policy)
        optimizer = adam()
        if policy == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**10)
        loss_values = losses(optimizer, RECIPES[recipe])
        assert np.isfinite(loss_values).all()
        assert np.mean(loss_values[-3:]) < 0.6 * np.mean(loss_values[:3])
        if policy == "mixed_float16":
            assert int(optimizer.inner_optimizer.iterations) > 20  # almost no step was skipped


class TestFGM:
    def test_recomputed_layers_see_the_perturbed_weights(self):
        recipes, loss_values = [FGM("kernel", epsilon=0.1)], []
        for recompute in (False, True):
            keras.utils.set_random_seed(1)
            loss_values.append(losses(adam(), recipes, recompute, steps=3))
        np.testing.assert_allclose(*loss_values, rtol=1e-4)


class TestAdam:
    def test_weights_that_round_beta_2_or_epsilon_are_refused(self):
        keras.config.set_dtype_policy("bfloat16")
        with pytest.raises(
            ValueError, match="beta_2=0.999, got bfloat16, in which it rounds to 1.*mixed_bfloat16"
        ):
            losses(Adam(0.01), [], steps=1)
        keras.config.set_dtype_policy("float16")
        with pytest.raises(ValueError, match="epsilon=1e-08, got float16, in which it rounds to 0"):
            losses(Adam(0.01, epsilon=1e-8), [], steps=1)
