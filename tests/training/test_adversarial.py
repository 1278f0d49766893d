"""Training by recipes takes the steps of their formulas, in ``fit``, around any model."""

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


def stepped(recipes, more=(), **options):
    """The weights of a linear model after one step of ``fit``."""
    head = keras.layers.Dense(2, use_bias=False, name="head")
    model = keras.Sequential([keras.Input((3,)), head, *more])
    head.set_weights([W])
    trained = AdversarialModel(model, recipes)
    trained.compile(keras.optimizers.SGD(RATE), "mse", **options)
    trained.fit(X.astype("float32"), Y.astype("float32"), batch_size=4, verbose=0)
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


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_step_is_that_of_the_formula(name):
    recipes, want = GRADIENTS[name]
    np.testing.assert_allclose(stepped(recipes), W - RATE * want, atol=1e-6)


@toy.under_jit
def test_a_compiled_step_is_that_of_the_formula():
    recipe, want = GRADIENTS["penalty"]
    np.testing.assert_allclose(stepped(recipe, jit_compile=True), W - RATE * want, atol=1e-6)


def test_recipes_go_around_each_other():
    """The penalty of an attacked loss, to first order its gradient after a step along itself."""
    attacked = W + 0.5 * unit(gradient(W))
    want = gradient(attacked) + 0.7 * 2 * X.T @ X @ gradient(attacked) / Y.size
    got = stepped([FGM("head", 0.5), GradientPenalty("head", 0.7)])
    np.testing.assert_allclose(got, W - RATE * want, atol=1e-6)


class Growing(keras.layers.Layer):
    """Multiplies scores, in training, by a number that grows with each call."""

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


def loss_of(recipes):
    """The loss in ``fit`` of a classifier whose scores grow, its factor and weights afterwards."""
    head, growing = keras.layers.Dense(2, use_bias=False, name="head"), Growing()
    model = keras.Sequential([keras.Input((3,)), head, growing, keras.layers.Softmax()])
    head.set_weights([W])
    growing.factor.assign(1.0)
    trained = AdversarialModel(model, recipes)
    trained.compile(keras.optimizers.SGD(RATE), LOSS)
    history = trained.fit(X.astype("float32"), LABELS, batch_size=4, verbose=0)
    return history.history["loss"][0], float(growing.factor), head.get_weights()[0]


def cross_entropy(p):
    return -np.mean(np.log(np.take_along_axis(p, LABELS, -1)))


def test_two_dropouts_are_made_to_agree():
    p, q = softmax(X @ W), softmax(2 * X @ W)
    want = (cross_entropy(p) + cross_entropy(q)) / 2 + (kl(p, q) + kl(q, p)) * 3.0 / 4
    loss, factor, _ = loss_of(RDrop(alpha=3.0))
    assert loss == pytest.approx(want, rel=1e-5) and factor == 3.0  # the state has moved on


def test_an_attack_is_on_what_stands_before_it():
    loss, factor, _ = loss_of([RDrop(alpha=3.0), FGM("head", 0.0)])
    p, q = softmax(2 * X @ W), softmax(3 * X @ W)  # the first pass is the plain one
    want = (cross_entropy(p) + cross_entropy(q)) / 2 + (kl(p, q) + kl(q, p)) * 3.0 / 4
    assert loss == pytest.approx(want, rel=1e-5) and factor == 4.0


U = RANDOM.normal(size=(3, 2))


@pytest.mark.parametrize("iters", [0, 1, 3])
def test_predictions_are_smoothed_where_they_change_most(iters, monkeypatch):
    draw = lambda self, shapes, state: ([ops.convert_to_tensor(U.astype("float32"))], state)  # noqa: E731
    monkeypatch.setattr(AdversarialModel, "draw_normal", draw)
    p, q, u = softmax(X @ W), lambda w: softmax(2 * X @ w), U  # the first pass is the plain one
    for _ in range(iters):
        u = 2 * X.T @ (q(W + 0.3 * unit(u)) - p) / len(X)
    want = cross_entropy(p) + kl(p, q(W + 0.7 * unit(u)))
    loss, factor, weights = loss_of(VAT("head", epsilon=0.7, xi=0.3, iters=iters))
    assert loss == pytest.approx(want, rel=1e-5) and factor == 3.0
    g = p - np.eye(2)[LABELS[:, 0]] + 2 * (q(W + 0.7 * unit(u)) - p)  # p and u stand still
    np.testing.assert_allclose(weights, W - RATE * X.T @ g / len(X), atol=1e-6)


def test_every_step_tries_another_direction_and_needs_no_label():
    unlabelled = np.zeros(4)  # as weights say
    options = dict(sample_weight=unlabelled, epochs=3)
    head = keras.layers.Dense(2, use_bias=False, name="head", activation="softmax")
    trained = AdversarialModel(keras.Sequential([keras.Input((3,)), head]), VAT("head", iters=0))
    trained.compile(keras.optimizers.SGD(0.0), LOSS)
    history = trained.fit(X.astype("float32"), LABELS, verbose=0, **options)
    losses = {round(loss, 6) for loss in history.history["loss"]}
    assert len(losses) == 3 and min(losses) > 0


def test_hidden_positions_do_not_count():
    p, q = softmax(RANDOM.normal(size=(2, 3, 4))), softmax(RANDOM.normal(size=(2, 3, 4)))
    mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
    tensors = [ops.convert_to_tensor(x.astype("float32")) for x in (p, q, np.log(p), np.log(q))]
    mask_tensor = ops.convert_to_tensor(mask)
    want = np.sum(p * np.log(p / q), -1)[mask].mean()
    assert float(kl_divergence(*tensors[:2], [mask_tensor])) == pytest.approx(want, rel=1e-5)
    assert float(kl_divergence(*tensors[2:], [mask_tensor], True)) == pytest.approx(want, rel=1e-5)
    both = kl_divergence([tensors[0]] * 2, [tensors[1]] * 2, [mask_tensor, None])
    assert float(both) == pytest.approx(want + kl(p, q), rel=1e-5)


class SquaredError(layers.Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        return ops.mean(ops.square(y_true - y_pred))


def test_losses_that_layers_add_are_attacked_too():
    x, y = keras.Input((3,)), keras.Input((2,))
    head = keras.layers.Dense(2, use_bias=False, name="head")
    model = keras.Model([x, y], SquaredError(1)([y, head(x)]))
    head.set_weights([W])
    trained = AdversarialModel(model, FGM("head", 0.5))
    trained.compile(keras.optimizers.SGD(RATE))
    trained.fit([X.astype("float32"), Y.astype("float32")], verbose=0)
    np.testing.assert_allclose(head.get_weights()[0], W - RATE * GRADIENTS["fgm"][1], atol=1e-6)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_weights_without_a_gradient_stay():
    """Those that the loss does not depend on, and where it is flat."""
    x, y = keras.Input((3,)), keras.Input((2,))
    head = keras.layers.Dense(2, use_bias=False, name="head")
    other = keras.layers.Dense(2, use_bias=False, name="other")
    model = keras.Model([x, y], [SquaredError(1)([y, head(x)]), other(x)])
    weights = model.get_weights()
    trained = AdversarialModel(model, FGM("head|other", 0.5))
    trained.compile(keras.optimizers.SGD(RATE))
    trained.fit([np.zeros((4, 3)), Y.astype("float32")], verbose=0)
    for got, want in zip(model.get_weights(), weights):
        np.testing.assert_array_equal(got, want)


def tagger(dropout=0.5):
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True, name="Embedding-Token")(ids)
    x = keras.layers.Dropout(dropout)(keras.layers.Dense(8, activation="relu")(x))
    return keras.Model(ids, keras.layers.Dense(3, activation="softmax")(x))


BOTH = [RDrop(), FGM()]
IDS = RANDOM.integers(1, 9, size=(4, 5), dtype="int32")


@pytest.mark.parametrize(
    "recipes, policy",
    [(BOTH, "mixed_bfloat16"), (VAT(), "mixed_float16")],
    ids=["both", "vat"],
)
def test_every_weight_of_a_tagger_is_trained(recipes, policy):
    keras.config.set_dtype_policy(policy)
    trained = AdversarialModel(tagger(), recipes)
    trained.compile("adam", LOSS, metrics=["accuracy"], **toy.QUICK)
    before = trained.model.get_weights()
    history = trained.fit(IDS, IDS % 3, verbose=0)
    assert {"accuracy", "loss"} == history.history.keys() and np.isfinite(history.history["loss"])
    after = trained.model.get_weights()
    assert not any(np.allclose(old, new, atol=1e-6) for old, new in zip(before, after))
    assert all(np.isfinite(weight).all() for weight in after)


def test_it_predicts_and_is_evaluated_as_the_model_inside():
    model = tagger()
    trained = AdversarialModel(model, BOTH)
    for one in (model, trained):
        one.compile("adam", LOSS, **toy.QUICK)
    padded = np.where(np.arange(5) < 3, IDS, 0)
    np.testing.assert_array_equal(
        trained.predict(padded, verbose=0), model.predict(padded, verbose=0)
    )
    got, want = (one.evaluate(padded, IDS % 3, verbose=0) for one in (trained, model))
    assert got == pytest.approx(want, rel=1e-6)


def test_recipes_are_made_again_of_their_config():
    recipes = [RDrop(3.0), FGM("T"), PGD("T", 2.0, 0.5, 4), VAT("T", 2.0, 5.0, 2, True)]
    trained = AdversarialModel(tagger(), [*recipes, GradientPenalty("T", 0.5)])
    again = AdversarialModel.from_config(trained.get_config())
    assert again.recipes == trained.recipes


def test_a_saved_trainer_loads_and_goes_on(tmp_path):
    trained = AdversarialModel(tagger(dropout=0.0), FGM())  # files hold no state of dropout
    trained.compile("adam", LOSS, **toy.QUICK)
    trained.fit(IDS, IDS % 3, verbose=0)
    trained.save(tmp_path / "trainer.keras")
    again = keras.saving.load_model(tmp_path / "trainer.keras")
    for one in (trained, again):
        one.fit(IDS, IDS % 3, shuffle=False, verbose=0)
    for got, want in zip(again.get_weights(), trained.get_weights()):
        np.testing.assert_array_equal(got, want)


def test_a_recipe_is_an_instance():
    for wrong in (FGM, ["Embedding-Token"]):
        with pytest.raises(
            TypeError, match=r"recipes to be instances, such as FGM.*Create an instance"
        ):
            AdversarialModel(tagger(), wrong)


def test_an_attack_needs_a_variable_to_move():
    model = tagger()
    with pytest.raises(ValueError, match=r"FGM.pattern to match .* 'Token-X'.*'Embedding-Token"):
        AdversarialModel(model, FGM("Token-X"))
    model.get_layer("Embedding-Token").trainable = False
    with pytest.raises(
        ValueError, match=r"PGD.pattern to match .* trainable variable.*let it be trainable"
    ):
        AdversarialModel(model, PGD())
    with pytest.raises(ValueError, match=r"regular expressions in VAT.pattern.*got '\('"):
        AdversarialModel(model, VAT("("))
