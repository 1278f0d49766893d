"""CRF and MEMM: recorded numbers, sums over all paths, masks, training and errors."""

from itertools import product

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, assert_close, compute_gradients, load_arrays, load_record

from bert4keras import layers
from bert4keras.layers import ConditionalRandomField, MaximumEntropyMarkovModel

FOLDER = "layers/sequence"
CASES = sorted(path.stem for path in (GOLDEN / FOLDER).glob("*.json"))
tensor_of = ops.convert_to_tensor


def read_case(name):
    """Return a recorded case: its description, its arrays, the layer with its weights."""
    case, numbers = load_record(f"{FOLDER}/{name}.json"), load_arrays(f"{FOLDER}/{name}.npz")
    layer = getattr(layers, case["layer"])(**case["config"])
    layer.build(numbers["in.0"].shape)
    layer.set_weights([numbers[f"w.{i}"] for i in range(len(case["weights"]))])
    return case, numbers, layer


def random_layer(n=3, length=4, batch=3, kind=ConditionalRandomField, **arguments):
    """Return a built layer with large transitions, scores and labels."""
    random = np.random.default_rng(n * length)
    layer = kind(**arguments)
    layer.build((None, None, n))
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    scores = random.normal(size=(batch, length, n)).astype("float32")
    return layer, scores, random.integers(0, n, (batch, length))


def enumerated_loss(scores, labels, trans):
    """-log of the share of one path (L,) through scores (L, n) among all paths."""

    def weight(path):
        moves = sum(trans[i, j] for i, j in zip(path, path[1:]))
        return np.exp(moves + sum(row[i] for row, i in zip(scores, path)))

    total = sum(map(weight, product(range(scores.shape[1]), repeat=len(scores))))
    return -np.log(weight(labels) / total)


def numbers_of(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("name", CASES)
def test_scores_losses_and_accuracies_are_the_recorded_ones(name):
    case, numbers, layer = read_case(name)
    mask = numbers.get("mask.0")
    y_pred = layer(numbers["in.0"], mask=mask)
    assert_close(y_pred, numbers["out.0"], case["atol"])
    for method in ("dense_loss", "sparse_loss", "dense_accuracy", "sparse_accuracy"):
        kind = "onehot" if "dense" in method else "labels"
        want = numbers.get(method, numbers.get("enumerated_loss"))
        got = getattr(layer, method)(tensor_of(numbers[kind]), y_pred)
        assert_close(got, want, case["atol"])
    if np.isfinite(numbers.get("enumerated_loss", np.nan)).all():
        assert_close(layer.sparse_loss(numbers["labels"], y_pred), numbers["enumerated_loss"], 1e-4)


@pytest.mark.parametrize("name", [name for name in CASES if "one_step" not in name])
def test_gradients_are_the_recorded_ones(name):
    case, numbers, layer = read_case(name)
    keys = [key for key in numbers if key.startswith("grad.")]

    def loss(tensors):
        with keras.StatelessScope(state_mapping=list(zip(layer.weights, tensors[1:]))):
            y_pred = layer(tensors[0], mask=numbers.get("mask.0"))
            return ops.mean(layer.sparse_loss(tensor_of(numbers["labels"]), y_pred))

    values = [numbers[key.removeprefix("grad.")] for key in keys]
    for key, got in zip(keys, compute_gradients(loss, values), strict=True):
        assert_close(got, numbers[key], case["atol"], 1e-3)


@pytest.mark.parametrize("kind", [ConditionalRandomField, MaximumEntropyMarkovModel])
def test_labels_may_be_floats_and_have_an_axis_of_one(kind):
    layer, scores, labels = random_layer(kind=kind)
    want = numbers_of(layer.sparse_loss(labels, scores))
    assert_close(layer.sparse_loss(labels.astype("float32"), scores), want)
    assert_close(layer.sparse_loss(labels[..., None], scores), want)


@pytest.mark.parametrize("n, length", [(2, 1), (3, 4), (4, 2)])
def test_crf_loss_is_the_share_of_one_path_among_all(n, length):
    crf, scores, labels = random_layer(n, length, lr_multiplier=0.5)
    trans = numbers_of(crf.trans)
    want = [enumerated_loss(*row, trans) for row in zip(scores, labels)]
    assert_close(crf.sparse_loss(labels, scores), want)
    assert_close(crf.dense_loss(np.eye(n)[labels], scores), want)


def test_gradients_are_slopes():
    crf, scores, labels = random_layer()
    scores[0, 3] = scores[1, :2] = -np.inf  # padding on either side
    trans = numbers_of(crf.trans)

    def loss(tensors):
        with keras.StatelessScope(state_mapping=[(crf.weights[0], tensors[1])]):
            return ops.sum(crf.sparse_loss(tensor_of(labels), tensors[0]))

    slopes = [numbers_of(slope) for slope in compute_gradients(loss, [scores, trans])]
    random = np.random.default_rng(0)
    for number, values in [(0, scores), (1, trans), (1, trans)]:
        way = random.normal(size=values.shape).astype("float32")
        ends = [[scores, trans], [scores, trans]]
        ends[0][number], ends[1][number] = values + 0.03 * way, values - 0.03 * way
        high, low = (float(loss([tensor_of(x) for x in end])) for end in ends)
        assert (high - low) / 0.06 == pytest.approx((slopes[number] * way).sum(), rel=2e-3)


@pytest.mark.parametrize("kind", [ConditionalRandomField, MaximumEntropyMarkovModel])
def test_padding_never_affects_losses_or_accuracies(kind):
    layer, scores, labels = random_layer(length=5, kind=kind)
    lengths = [5, 3, 1]
    mask = np.arange(5) < np.array(lengths)[:, None]
    y_pred = layer(scores, mask=mask)
    labels[~mask] = -100  # what stands at hidden positions does not matter
    rows = [(labels[i : i + 1, :n], scores[i : i + 1, :n]) for i, n in enumerate(lengths)]
    losses = np.array([numbers_of(layer.sparse_loss(*row)) for row in rows]).reshape(3)
    if kind is MaximumEntropyMarkovModel:  # one mean over all positions
        losses = np.average(losses, weights=lengths)
    assert_close(layer.sparse_loss(labels, y_pred), losses)
    shares = [numbers_of(layer.sparse_accuracy(*row)) for row in rows]
    assert_close(layer.sparse_accuracy(labels, y_pred), np.average(shares, weights=lengths))


def test_crf_ignores_padding_on_the_left():
    crf, scores, labels = random_layer(length=5)
    y_pred = crf(scores, mask=np.arange(5) >= np.array([[0], [2], [4]]))
    want = [
        numbers_of(crf.sparse_loss(labels[i : i + 1, n:], scores[i : i + 1, n:]))[0]
        for i, n in enumerate([0, 2, 4])
    ]
    assert_close(crf.sparse_loss(labels, y_pred), want)


@pytest.mark.parametrize("kind", [ConditionalRandomField, MaximumEntropyMarkovModel])
def test_no_mask_makes_losses_or_gradients_nan(kind):
    layer, scores, labels = random_layer(kind=kind)
    mask = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], bool)
    scores[0, 2, (labels[0, 2] + 1) % 3] = -np.inf  # a label that is impossible

    def loss(tensors):
        return ops.mean(layer.sparse_loss(tensor_of(labels), layer(tensors[0], mask=mask)))

    assert np.isfinite(numbers_of(loss([tensor_of(scores)])))
    (slopes,) = compute_gradients(loss, [scores])
    assert np.isfinite(numbers_of(slopes)).all()
    assert (numbers_of(slopes)[~mask] == 0).all()


def test_a_row_without_visible_positions_has_no_loss():
    crf, scores, labels = random_layer()
    nothing = np.zeros((3, 4), bool)
    assert_close(crf.sparse_loss(labels, crf(scores, mask=nothing)), np.zeros(3))
    assert numbers_of(crf.sparse_accuracy(labels, crf(scores, mask=nothing))) == 0


def test_an_impossible_label_leaves_the_other_paths():
    crf, scores, _ = random_layer()
    scores[..., 2] = -np.inf
    labels, trans = np.array([[0, 1, 1, 0]] * 3), numbers_of(crf.trans)
    want = [enumerated_loss(row[:, :2], (0, 1, 1, 0), trans) for row in scores]
    assert_close(crf.sparse_loss(labels, scores), want)


def test_nan_scores_are_not_taken_for_padding():
    crf, scores, labels = random_layer()
    scores[1, 2, 0] = np.nan
    assert np.isnan(numbers_of(crf.sparse_loss(labels, scores))).tolist() == [False, True, False]


def test_crf_decode_takes_the_scores_of_the_layer():
    crf, scores, _ = random_layer()
    y_pred = crf(scores, mask=np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool))
    got = numbers_of(crf.decode(y_pred, starts=[0, 1], ends=[2, 1]))
    decoder = layers.ViterbiDecoder(crf.trans, [0, 1], [2, 1])
    np.testing.assert_array_equal(got, decoder.decode_batch(numbers_of(y_pred)))


def test_a_memm_of_low_rank_is_one_with_the_product():
    low, scores, labels = random_layer(kind=MaximumEntropyMarkovModel, hidden_dim=2)
    full, _, _ = random_layer(kind=MaximumEntropyMarkovModel)
    full.set_weights([numbers_of(low.trans)])
    assert_close(low.sparse_loss(labels, scores), numbers_of(full.sparse_loss(labels, scores)))


def test_reverse_sequence_reverses_only_the_visible_part():
    memm = MaximumEntropyMarkovModel()
    rows = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    (rows_reversed,) = memm.reverse_sequence([rows], rows > 0)
    assert numbers_of(rows_reversed).tolist() == [[3, 2, 1, 0], [4, 0, 0, 0]]
    (rows_reversed,) = memm.reverse_sequence([rows])
    assert numbers_of(rows_reversed).tolist() == rows[:, ::-1].tolist()


def tagger(kind=ConditionalRandomField, rate=0.05, **arguments):
    """A small compiled model of any length that tags ids, and its layer of label scores."""
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(12, 6, mask_zero=True)(ids)
    layer = kind(name="tags", **arguments)
    model = keras.Model(ids, layer(keras.layers.Dense(3)(x)))
    optimizer = keras.optimizers.Adam(rate)
    metrics = [layer.sparse_accuracy] if kind is ConditionalRandomField else []
    model.compile(optimizer, loss=layer.sparse_loss, metrics=metrics)
    return model, layer


def texts(length, batch=8):
    """Ids with padding; an odd id has label 1, 2 follows 1 and all else is 0."""
    random = np.random.default_rng(length)
    ids = random.integers(1, 12, (batch, length))
    ids[batch // 2 :, (length + 1) // 2 :] = 0
    labels = np.where(ids % 2, 1, 0)
    labels[:, 1:] = np.where(labels[:, :-1] == 1, 2, labels[:, 1:])
    return ids, labels


@pytest.mark.parametrize(
    "kind, policy",
    [
        (ConditionalRandomField, "float32"),
        (MaximumEntropyMarkovModel, "mixed_bfloat16"),
        pytest.param(ConditionalRandomField, "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param(MaximumEntropyMarkovModel, "float32", marks=pytest.mark.slow),
    ],
)
def test_one_model_learns_from_several_lengths(kind, policy):
    keras.config.set_dtype_policy(policy)
    model, layer = tagger(kind, lr_multiplier=2)
    assert keras.backend.standardize_dtype(layer.weights[0].dtype) == "float32"
    before = model.evaluate(*texts(7), verbose=0, return_dict=True)["loss"]
    for length in (5, 1, 7):
        model.fit(*texts(length, batch=64), batch_size=8, verbose=0)
    assert model.evaluate(*texts(7), verbose=0, return_dict=True)["loss"] < 0.8 * before
    assert np.abs(numbers_of(layer.trans)).max() < 8


def test_the_compiled_loss_is_the_mean_over_rows():
    model, crf = tagger()
    ids, labels = texts(6)
    want = numbers_of(crf.sparse_loss(labels, model(ids)))
    assert model.evaluate(ids, labels, verbose=0)[0] == pytest.approx(want.mean(), rel=1e-4)
    weights = np.arange(8.0)
    got = model.evaluate(ids, labels, sample_weight=weights, verbose=0)[0]
    assert got == pytest.approx((want * weights).mean(), rel=1e-4)


@pytest.mark.parametrize("multiplier", [1, 100])
def test_the_multiplier_lengthens_the_steps_of_the_transitions(multiplier):
    model, crf = tagger(rate=1e-3, lr_multiplier=multiplier)
    before = numbers_of(crf.trans)
    assert 0.1 < np.abs(before).max() < 1.1  # as Glorot begins, whatever the multiplier
    model.train_on_batch(*texts(7))
    assert np.abs(numbers_of(crf.trans) - before).max() == pytest.approx(1e-3 * multiplier, 0.05)


def test_a_saved_model_gets_its_loss_from_the_layer(tmp_path):
    model, _ = tagger(lr_multiplier=10)
    model.save(tmp_path / "model.keras")
    model_copy = keras.models.load_model(tmp_path / "model.keras", compile=False)
    crf = model_copy.get_layer("tags")
    model_copy.compile("adam", loss=crf.sparse_loss, metrics=[crf.sparse_accuracy])
    ids, labels = texts(4)
    np.testing.assert_array_equal(model_copy.predict(ids, verbose=0), model.predict(ids, verbose=0))
    assert model_copy.evaluate(ids, labels, verbose=0) == model.evaluate(ids, labels, verbose=0)


@pytest.mark.parametrize("kind", [ConditionalRandomField, MaximumEntropyMarkovModel])
@pytest.mark.parametrize("label", [3, -1])
def test_read_labels_refuses_a_label_out_of_range(kind, label):
    layer, scores, labels = random_layer(kind=kind, name="tags")
    labels[1, 2] = label
    with pytest.raises(ValueError, match=rf"Expected labels from 0 to 2 in tags.*{label}"):
        layer.sparse_loss(labels, scores)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX hides weights from metrics")
def test_a_metric_that_needs_hidden_weights_says_so():
    model, memm = tagger(MaximumEntropyMarkovModel)
    model.compile("adam", loss=memm.sparse_loss, metrics=[memm.sparse_accuracy])
    with pytest.raises(RuntimeError, match="tags cannot read.*Compile without this metric"):
        model.evaluate(*texts(4), verbose=0)


def test_read_labels_refuses_one_hot_labels():
    crf, scores, labels = random_layer()
    with pytest.raises(ValueError, match=r"labels \(B, L\) or .*\(3, 4, 3\).*use dense_loss"):
        crf.sparse_loss(np.eye(3)[labels], scores)


class TestSampleWeight:
    """A loss on whole rows has one weight for each row."""

    x, labels = np.ones((3, 5, 4), "float32"), np.zeros((3, 5), "int32")

    def compile_model(self, layer, method):
        inputs = keras.Input((None, 4))
        model = keras.Model(inputs, layer(inputs))
        model.compile("sgd", loss=getattr(layer, method))
        return model

    def test_row_weights_of_a_crf_multiply_the_losses(self):
        crf = ConditionalRandomField()
        model = self.compile_model(crf, "sparse_loss")
        losses = ops.convert_to_numpy(crf.sparse_loss(self.labels, model(self.x)))
        assert losses.shape == (3,)
        weights = np.array([1.0, 2.0, 4.0])
        for x in weights, weights[:, None]:
            loss = model.evaluate(self.x, self.labels, sample_weight=x, verbose=0)
            assert loss == pytest.approx((weights * losses).mean(), rel=1e-5)

    @pytest.mark.parametrize("method", ["fit", "evaluate"])
    @pytest.mark.parametrize("length", [5, 3], ids=["other", "as long as the batch"])
    def test_token_weights_of_a_crf_are_refused(self, method, length):
        model = self.compile_model(ConditionalRandomField(), "sparse_loss")
        x, labels = self.x[:, :length], self.labels[:, :length]
        with pytest.raises(ValueError, match="one weight for each row in sample_weight, as spars"):
            getattr(model, method)(x, labels, sample_weight=np.ones((3, length)), verbose=0)

    @pytest.mark.parametrize("shape", [(3,), (3, 5)])
    def test_a_memm_takes_no_weights(self, shape):
        model = self.compile_model(MaximumEntropyMarkovModel(), "sparse_loss")
        with pytest.raises(
            ValueError, match="no sample_weight and no class_weight for sparse_loss"
        ):
            model.fit(self.x, self.labels, sample_weight=np.ones(shape), verbose=0)

    def test_dense_losses_check_too(self):
        model = self.compile_model(ConditionalRandomField(), "dense_loss")
        labels = np.eye(4)[self.labels]
        with pytest.raises(ValueError, match="as dense_loss is a loss on whole rows"):
            model.fit(self.x, labels, sample_weight=np.ones((3, 5)), verbose=0)

    def test_a_saved_model_says_how_to_load_it(self, tmp_path):
        model = self.compile_model(ConditionalRandomField(), "sparse_loss")
        model.save(tmp_path / "a.keras")
        with pytest.raises((TypeError, ValueError), match="compile=False"):
            keras.saving.load_model(tmp_path / "a.keras")
        loaded_model = keras.saving.load_model(tmp_path / "a.keras", compile=False)
        np.testing.assert_array_equal(
            *map(ops.convert_to_numpy, (loaded_model(self.x), model(self.x)))
        )
