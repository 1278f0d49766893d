"""Adversarial training: each recipe takes the steps of its formula in ``fit``, with any model."""

import keras
import numpy as np
import pytest
from keras import ops
from optimizers import toy

from bert4keras import layers
from bert4keras.training import FGM, PGD, VAT, AdversarialModel, GradientPenalty, RDrop
from bert4keras.training.recipes import kl_divergence

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 2))
W = RANDOM.normal(size=(3, 2))
RATE = 0.1
LOSS = "sparse_categorical_crossentropy"


def gradient(w):
    return 2 * X.T @ (X @ w - Y) / Y.size


def unit(x):
    return x / np.linalg.norm(x)


def train_step(recipes, **options):
    """Return the weights of a linear model after one step of ``fit``."""
    head = keras.layers.Dense(2, use_bias=False, name="head")
    model = keras.Sequential([keras.Input((3,)), head])
    head.set_weights([W])
    adversarial = AdversarialModel(model, recipes)
    adversarial.compile(keras.optimizers.SGD(RATE), "mse", **options)
    adversarial.fit(X.astype("float32"), Y.astype("float32"), batch_size=4, verbose=0)
    return head.get_weights()[0]


def pgd(w, epsilon, alpha, steps):
    d = 0 * w
    for _ in range(steps):
        d = d + alpha * unit(gradient(w + d))
        d = d * min(1, epsilon / np.linalg.norm(d))
    return gradient(w + d)


def penalty(w, epsilon):
    return gradient(w) + epsilon * 2 * X.T @ X @ gradient(w) / Y.size


GRADIENTS = {
    "fgm": (FGM("head", 0.5), gradient(W + 0.5 * unit(gradient(W)))),
    "pgd": (PGD("head", 0.5, 0.3, 3), pgd(W, 0.5, 0.3, 3)),
    "penalty": (GradientPenalty("head", 0.7), penalty(W, 0.7)),
    "none": ([], gradient(W)),
}


class TestGradientRecipes:
    """FGM, PGD and gradient penalty, which use the gradient of the loss by the weights."""

    @pytest.mark.parametrize("name", GRADIENTS)
    def test_a_step_matches_the_formula(self, name):
        recipes, want = GRADIENTS[name]
        np.testing.assert_allclose(train_step(recipes), W - RATE * want, atol=1e-6)

    @toy.needs_jit
    def test_a_compiled_step_matches_the_formula(self):
        recipe, want = GRADIENTS["penalty"]
        np.testing.assert_allclose(train_step(recipe, jit_compile=True), W - RATE * want, atol=1e-6)

    def test_an_outer_recipe_uses_the_loss_of_the_inner_one(self):
        """The penalty of FGM's loss; to first order, its gradient after a step along itself."""
        perturbed_weights = W + 0.5 * unit(gradient(W))
        want = penalty(perturbed_weights, 0.7)
        got = train_step([FGM("head", 0.5), GradientPenalty("head", 0.7)])
        np.testing.assert_allclose(got, W - RATE * want, atol=1e-6)


class GrowingFactor(keras.layers.Layer):
    """Multiplies scores in training by a factor that grows with each call."""

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=False)

    def call(self, inputs, training=None):
        factor = ops.copy(self.factor)
        if training:
            self.factor.assign(factor + 1.0)
        return factor * inputs if training else 0.0 * inputs

    def compute_output_shape(self, input_shape):
        return input_shape


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def kl(p, q):
    return np.mean(np.sum(p * np.log(p / q), -1))


LABELS = np.array([[0], [1], [1], [0]])


def fit_classifier(recipes):
    """Return the loss of a classifier with a growing factor, the factor, and the weights."""
    head, growing = keras.layers.Dense(2, use_bias=False, name="head"), GrowingFactor()
    model = keras.Sequential([keras.Input((3,)), head, growing, keras.layers.Softmax()])
    head.set_weights([W])
    growing.factor.assign(1.0)
    adversarial = AdversarialModel(model, recipes)
    adversarial.compile(keras.optimizers.SGD(RATE), LOSS)
    history = adversarial.fit(X.astype("float32"), LABELS, batch_size=4, verbose=0)
    return history.history["loss"][0], float(growing.factor), head.get_weights()[0]


def cross_entropy(p):
    return -np.mean(np.log(np.take_along_axis(p, LABELS, -1)))


class TestRDrop:
    def test_the_loss_adds_the_divergence_of_two_passes(self):
        p, q = softmax(X @ W), softmax(2 * X @ W)
        want = (cross_entropy(p) + cross_entropy(q)) / 2 + (kl(p, q) + kl(q, p)) * 3.0 / 4
        loss, factor, _ = fit_classifier(RDrop(alpha=3.0))
        assert loss == pytest.approx(want, rel=1e-5)
        assert factor == 3.0  # both passes changed the state

    def test_fgm_perturbs_the_loss_of_rdrop_before_it(self):
        loss, factor, _ = fit_classifier([RDrop(alpha=3.0), FGM("head", 0.0)])
        p, q = softmax(2 * X @ W), softmax(3 * X @ W)  # the first pass is the plain one
        want = (cross_entropy(p) + cross_entropy(q)) / 2 + (kl(p, q) + kl(q, p)) * 3.0 / 4
        assert loss == pytest.approx(want, rel=1e-5) and factor == 4.0


U = RANDOM.normal(size=(3, 2))


class TestVAT:
    @pytest.mark.parametrize("iters", [0, 1, 3])
    def test_the_loss_adds_the_divergence_under_the_worst_perturbation(self, iters, monkeypatch):
        draw = lambda self, shapes, state: ([ops.convert_to_tensor(U.astype("float32"))], state)  # noqa: E731
        monkeypatch.setattr(AdversarialModel, "draw_normal", draw)
        p, q, u = softmax(X @ W), lambda w: softmax(2 * X @ w), U  # the first pass is the plain one
        for _ in range(iters):
            u = 2 * X.T @ (q(W + 0.3 * unit(u)) - p) / len(X)
        want = cross_entropy(p) + kl(p, q(W + 0.7 * unit(u)))
        loss, factor, weights = fit_classifier(VAT("head", epsilon=0.7, xi=0.3, iters=iters))
        assert loss == pytest.approx(want, rel=1e-5) and factor == 3.0
        g = p - np.eye(2)[LABELS[:, 0]] + 2 * (q(W + 0.7 * unit(u)) - p)  # p and u are constants
        np.testing.assert_allclose(weights, W - RATE * X.T @ g / len(X), atol=1e-6)

    def test_every_step_draws_a_new_direction_and_needs_no_label(self):
        no_labels = np.zeros(4)
        options = dict(sample_weight=no_labels, epochs=3)
        head = keras.layers.Dense(2, use_bias=False, name="head", activation="softmax")
        adversarial = AdversarialModel(
            keras.Sequential([keras.Input((3,)), head]), VAT("head", iters=0)
        )
        adversarial.compile(keras.optimizers.SGD(0.0), LOSS)
        history = adversarial.fit(X.astype("float32"), LABELS, verbose=0, **options)
        losses = {round(loss, 6) for loss in history.history["loss"]}
        assert len(losses) == 3 and min(losses) > 0


class TestKLDivergence:
    def test_masked_positions_do_not_count(self):
        p, q = softmax(RANDOM.normal(size=(2, 3, 4))), softmax(RANDOM.normal(size=(2, 3, 4)))
        mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
        tensors = [ops.convert_to_tensor(x.astype("float32")) for x in (p, q, np.log(p), np.log(q))]
        mask_tensor = ops.convert_to_tensor(mask)
        want = np.sum(p * np.log(p / q), -1)[mask].mean()
        for got in (
            kl_divergence(*tensors[:2], [mask_tensor]),
            kl_divergence(*tensors[2:], [mask_tensor], from_logits=True),
        ):
            assert float(got) == pytest.approx(want, rel=1e-5)
        total = kl_divergence([tensors[0]] * 2, [tensors[1]] * 2, [mask_tensor, None])
        assert float(total) == pytest.approx(want + kl(p, q), rel=1e-5)


class SquaredError(layers.Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        return ops.mean(ops.square(y_true - y_pred))


def tagger(dropout=0.5):
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True, name="Embedding-Token")(ids)
    x = keras.layers.Dropout(dropout)(keras.layers.Dense(8, activation="relu")(x))
    return keras.Model(ids, keras.layers.Dense(3, activation="softmax")(x))


RDROP_AND_FGM = [RDrop(), FGM()]
IDS = RANDOM.integers(1, 9, size=(4, 5), dtype="int32")


class TestAdversarialModel:
    def test_losses_added_by_layers_are_part_of_the_perturbed_loss(self):
        x, y = keras.Input((3,)), keras.Input((2,))
        head = keras.layers.Dense(2, use_bias=False, name="head")
        model = keras.Model([x, y], SquaredError(1)([y, head(x)]))
        head.set_weights([W])
        adversarial = AdversarialModel(model, FGM("head", 0.5))
        adversarial.compile(keras.optimizers.SGD(RATE))
        adversarial.fit([X.astype("float32"), Y.astype("float32")], verbose=0)
        np.testing.assert_allclose(head.get_weights()[0], W - RATE * GRADIENTS["fgm"][1], atol=1e-6)

    @pytest.mark.filterwarnings("ignore:Gradients do not exist")
    def test_weights_without_a_gradient_do_not_change(self):
        """The loss does not depend on one, and has zero gradient by the other."""
        x, y = keras.Input((3,)), keras.Input((2,))
        head = keras.layers.Dense(2, use_bias=False, name="head")
        unused_head = keras.layers.Dense(2, use_bias=False, name="other")
        model = keras.Model([x, y], [SquaredError(1)([y, head(x)]), unused_head(x)])
        weights = model.get_weights()
        adversarial = AdversarialModel(model, FGM("head|other", 0.5))
        adversarial.compile(keras.optimizers.SGD(RATE))
        adversarial.fit([np.zeros((4, 3)), Y.astype("float32")], verbose=0)
        for got, want in zip(model.get_weights(), weights):
            np.testing.assert_array_equal(got, want)

    @pytest.mark.parametrize(
        "recipes, policy",
        [(RDROP_AND_FGM, "mixed_bfloat16"), (VAT(), "mixed_float16")],
        ids=["both", "vat"],
    )
    def test_every_weight_of_a_tagger_is_trained(self, recipes, policy):
        keras.config.set_dtype_policy(policy)
        adversarial = AdversarialModel(tagger(), recipes)
        adversarial.compile("adam", LOSS, metrics=["accuracy"], **toy.FAST_COMPILE)
        before = adversarial.model.get_weights()
        history = adversarial.fit(IDS, IDS % 3, verbose=0)
        assert {"accuracy", "loss"} == history.history.keys()
        assert np.isfinite(history.history["loss"])
        after = adversarial.model.get_weights()
        assert not any(np.allclose(old, new, atol=1e-6) for old, new in zip(before, after))
        assert all(np.isfinite(weight).all() for weight in after)

    def test_it_predicts_and_evaluates_like_the_model_inside(self):
        model = tagger()
        adversarial = AdversarialModel(model, RDROP_AND_FGM)
        for compiled_model in (model, adversarial):
            compiled_model.compile("adam", LOSS, **toy.FAST_COMPILE)
        padded_ids = np.where(np.arange(5) < 3, IDS, 0)
        np.testing.assert_array_equal(
            adversarial.predict(padded_ids, verbose=0), model.predict(padded_ids, verbose=0)
        )
        got, want = (
            compiled_model.evaluate(padded_ids, IDS % 3, verbose=0)
            for compiled_model in (adversarial, model)
        )
        assert got == pytest.approx(want, rel=1e-6)

    def test_the_config_recreates_recipes(self):
        recipes = [RDrop(3.0), FGM("T"), PGD("T", 2.0, 0.5, 4), VAT("T", 2.0, 5.0, 2, True)]
        adversarial = AdversarialModel(tagger(), [*recipes, GradientPenalty("T", 0.5)])
        copy = AdversarialModel.from_config(adversarial.get_config())
        assert copy.recipes == adversarial.recipes

    def test_a_saved_model_loads_and_resumes(self, tmp_path):
        adversarial = AdversarialModel(tagger(dropout=0.0), FGM())  # files hold no state of dropout
        adversarial.compile("adam", LOSS, **toy.FAST_COMPILE)
        adversarial.fit(IDS, IDS % 3, verbose=0)
        adversarial.save(tmp_path / "trainer.keras")
        copy = keras.saving.load_model(tmp_path / "trainer.keras")
        for compiled_model in (adversarial, copy):
            compiled_model.fit(IDS, IDS % 3, shuffle=False, verbose=0)
        for got, want in zip(copy.get_weights(), adversarial.get_weights()):
            np.testing.assert_array_equal(got, want)

    def test_a_class_as_recipe_is_refused(self):
        for wrong in (FGM, ["Embedding-Token"]):
            with pytest.raises(
                TypeError, match=r"recipes to be instances, such as FGM.*Create an instance"
            ):
                AdversarialModel(tagger(), wrong)

    def test_a_pattern_without_a_trainable_variable_is_refused(self):
        model = tagger()
        with pytest.raises(
            ValueError, match=r"FGM.pattern to match .* 'Token-X'.*'Embedding-Token"
        ):
            AdversarialModel(model, FGM("Token-X"))
        model.get_layer("Embedding-Token").trainable = False
        with pytest.raises(
            ValueError, match=r"PGD.pattern to match .* trainable variable.*let it be trainable"
        ):
            AdversarialModel(model, PGD())
        with pytest.raises(ValueError, match=r"regular expressions in VAT.pattern.*got '\('"):
            AdversarialModel(model, VAT("("))
