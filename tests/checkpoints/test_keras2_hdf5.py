"""Keras 2 weights in HDF5 load into layers by name and order, all or none."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from keras2_files import texts, write_keras2

from bert4keras.checkpoints import (
    CheckpointError,
    Keras2Checkpoint,
    is_keras2,
    keras2_hdf5,
    load_keras2_weights,
    open_checkpoint,
    open_keras2,
)
from bert4keras.checkpoints.match_layers import match_layers


class Weight:
    """A weight that remembers what it was given."""

    def __init__(self, name, shape):
        self.name, self.shape, self.value = name, shape, None

    def assign(self, value):
        self.value = value


def layer(name, *weights):
    """A layer with weights (name, shape)."""
    weights = [Weight(*weight) for weight in weights]
    return SimpleNamespace(
        name=name, weights=weights, trainable_weights=weights, non_trainable_weights=[]
    )


def model(*layers, name="model"):
    weights = [weight for layer in layers for weight in layer.weights]
    return SimpleNamespace(
        name=name,
        layers=list(layers),
        weights=weights,
        trainable_weights=weights,
        non_trainable_weights=[],
    )


def dense(name, units=2):
    return layer(name, ("kernel", (3, units)), ("bias", (units,)))


def dense_arrays(name, value, units=2):
    return {f"{name}/kernel:0": np.full((3, units), value), f"{name}/bias:0": [value] * units}


def dense_layers(**values):
    """Dense layers by name, each full of one number."""
    return {name: dense_arrays(name, value) for name, value in values.items()}


def values(model):
    return [float(weight.value.max()) for weight in model.weights]


def assert_untouched(model):
    assert [weight.value for weight in model.weights] == [None] * len(model.weights)


class TestMatchLayers:
    @pytest.mark.parametrize(
        "old, new, want",
        [
            ("a b", "b a", "a:a b:b"),  # names that agree, in another order
            ("dense", "dense_3", "dense_3:dense"),
            ("dense_1 dense_2", "dense dense_1", "dense:dense_1 dense_1:dense_2"),
            ("dense_9 dense_10", "dense dense_1", "dense:dense_9 dense_1:dense_10"),
            ("dense_1 dense", "dense dense_1", "dense:dense dense_1:dense_1"),
            ("x dense out", "x logits gru", "x:x logits:dense gru:out"),
            ("dense head", "dense dense_1", "dense:dense dense_1:head"),
        ],
    )
    def test_layers_are_paired_by_name_then_by_number_then_in_order(self, old, new, want):
        pairs, faults = match_layers(old.split(), new.split())
        assert faults == []
        assert pairs == dict(pair.split(":") for pair in want.split())

    def test_numbers_that_run_in_another_order_are_refused(self):
        _, faults = match_layers(["dense_2", "dense_1"], ["dense_3", "dense_4"])
        assert len(faults) == 1 and "dense_2, dense_1, whose numbers run in another" in faults[0]

    def test_layers_without_a_counterpart_are_named_on_both_sides(self):
        pairs, faults = match_layers(["a", "gru", "crf"], ["a", "lstm"])
        assert pairs == {"a": "a"}
        assert [fault.split(":")[0] for fault in faults] == ["lstm", "gru", "crf"]


class TestLoadKeras2Weights:
    @pytest.mark.parametrize("kind", ["S", "O"])
    @pytest.mark.parametrize("config", [None, {"class_name": "Functional"}])
    def test_weights_alone_and_whole_models_load(self, tmp_path, kind, config):
        path = write_keras2(tmp_path / "best_model.weights", dense_layers(a=1, b=2), config, kind)
        target = model(dense("b"), dense("a"))
        load_keras2_weights(target, path)
        assert values(target) == [2, 2, 1, 1]
        assert is_keras2(path)

    def test_layers_without_weights_do_not_count(self, tmp_path):
        layers = {"Input": {}, **dense_layers(dense_1=3), "dropout": {}}
        target = model(layer("Input"), dense("dense"))
        load_keras2_weights(target, write_keras2(tmp_path / "w", layers))
        assert values(target) == [3, 3]

    def test_weights_of_a_layer_keep_their_order(self, tmp_path):
        weights = {
            f"attention/dense{end}/kernel:0": [[i]] for i, end in enumerate(["", "_1", "_2"])
        }
        path = write_keras2(tmp_path / "w", {"attention": weights})
        target = model(layer("attention", *[("kernel", (1, 1))] * 3))
        load_keras2_weights(target, path)
        assert values(target) == [0, 1, 2]

    def test_names_inside_a_layer_go_before_their_order(self, tmp_path):
        path = write_keras2(tmp_path / "w", {"norm": {"norm/gamma:0": [5.0], "norm/beta:0": [6.0]}})
        target = model(layer("norm", ("beta", (1,)), ("gamma", (1,))))
        load_keras2_weights(target, path)
        assert values(target) == [6, 5]

    def test_a_nested_model_is_one_layer_whose_inner_layers_are_paired(self, tmp_path):
        inner = {**dense_arrays("a", 1), **dense_arrays("b", 2)}
        path = write_keras2(tmp_path / "w", {"model_1": inner, **dense_layers(dense=3)})
        outer = model(dense("dense_7"), model(dense("b"), dense("a"), name="encoder"))
        load_keras2_weights(outer, path)
        assert values(outer) == [3, 3, 2, 2, 1, 1]
        assert list(open_keras2(path).flat_layers) == ["a", "b", "dense"]

    def test_lists_of_names_that_keras_cut_are_joined(self, tmp_path):
        path = write_keras2(tmp_path / "w", dense_layers(a=1, b=2))
        with h5py.File(path, "r+") as file:
            names = file.attrs.pop("layer_names")
            file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:]
        two = model(dense("a"), dense("b"))
        load_keras2_weights(two, path)
        assert values(two) == [1, 1, 2, 2]

    def test_a_slash_in_an_old_name_is_a_dash_today(self, tmp_path):
        path = write_keras2(
            tmp_path / "w", {"gan/a": dense_arrays("gan/a", 1), **dense_layers(b=2)}
        )
        two = model(dense("b"), dense("gan-a"))
        load_keras2_weights(two, path)
        assert values(two) == [2, 2, 1, 1]

    def test_by_name_loads_what_agrees_and_leaves_the_rest(self, tmp_path):
        path = write_keras2(tmp_path / "w", dense_layers(a=1, other=2))
        two = model(dense("a"), dense("dense", units=9))
        load_keras2_weights(two, path, by_name=True)
        assert values(model(two.layers[0])) == [1, 1]
        assert_untouched(two.layers[1])


class TestMismatches:
    def test_one_report_names_all_that_does_not_fit_and_nothing_is_written(self, tmp_path):
        path = write_keras2(tmp_path / "w", dense_layers(a=1, b=2, extra=3))
        two = model(dense("a"), dense("b", units=5))
        with pytest.raises(ValueError) as caught:
            load_keras2_weights(two, path)
        assert str(caught.value).splitlines()[:-1] == [
            "Checkpoint does not fit the model (3 faults):",
            "  extra: it is in the file, but not in the model",
            "  b: `b/b/kernel:0` has shape (3, 2), expected (3, 5)",
            "  b: `b/b/bias:0` has shape (2,), expected (5,)",
        ]
        assert "Build the model as it was" in str(caught.value)
        assert_untouched(two)

    def test_another_number_of_weights_is_reported(self, tmp_path):
        path = write_keras2(tmp_path / "w", {"a": {"a/kernel:0": np.ones((3, 2))}})
        with pytest.raises(ValueError, match="a: 1 variables are named for 2 weights"):
            load_keras2_weights(model(dense("a")), path)

    def test_a_mismatch_may_be_skipped_with_a_warning(self, tmp_path):
        path = write_keras2(tmp_path / "w", dense_layers(a=1, b=2))
        two = model(dense("a"), dense("b", units=5))
        with pytest.warns(UserWarning, match="left as initialised"):
            load_keras2_weights(two, path, skip_mismatch=True)
        assert values(model(two.layers[0])) == [1, 1]
        assert_untouched(two.layers[1])

    def test_by_name_with_no_name_in_common_is_an_error(self, tmp_path):
        path = write_keras2(tmp_path / "w", dense_layers(a=1))
        with pytest.raises(ValueError, match="no layer of .* has the name of one of the model"):
            load_keras2_weights(model(dense("b")), path, by_name=True)

    def test_a_model_without_weights_is_to_be_called_first(self, tmp_path):
        path = write_keras2(tmp_path / "w", dense_layers(a=1))
        with pytest.raises(ValueError, match="has no weights yet .* Call it on a batch first"):
            load_keras2_weights(model(), path)


class TestOpenKeras2:
    def test_other_files_are_told_apart(self, tmp_path):
        with h5py.File(tmp_path / "plain.h5", "w") as file:
            file["kernel"] = np.ones(2)
        (tmp_path / "text").write_text("no HDF5")
        assert not is_keras2(tmp_path / "plain.h5")
        assert not is_keras2(tmp_path / "text")
        assert not is_keras2(tmp_path / "nowhere")
        assert not isinstance(open_checkpoint(tmp_path / "plain.h5"), Keras2Checkpoint)
        with pytest.raises(
            CheckpointError, match="not of Keras 2: it has no .* model.load_weights"
        ):
            load_keras2_weights(model(dense("a")), tmp_path / "plain.h5")

    def test_files_that_are_not_there_are_named(self, tmp_path):
        with pytest.raises(CheckpointError, match="No file of weights at .*nowhere"):
            load_keras2_weights(model(dense("a")), tmp_path / "nowhere")
        (tmp_path / "best_model.weights.index").write_bytes(b"")
        with pytest.raises(
            CheckpointError, match="best_model.weights was saved in TensorFlow's form"
        ):
            load_keras2_weights(model(dense("a")), tmp_path / "best_model.weights")


def write_and_change(path, change):
    write_keras2(path, dense_layers(a=1, b=2), {"class_name": "Functional"}, "O")
    with h5py.File(path, "r+") as file:
        change(file["model_weights"])
    return path


def references(group):
    group.attrs["layer_names"] = np.array([group["a"].ref] * 2, dtype=h5py.ref_dtype)


def no_names(group):
    del group["a"].attrs["weight_names"]


def no_layer(group):
    group.attrs["layer_names"] = texts(["a", "nowhere"])


def equal_names(group):
    group.attrs["layer_names"] = texts(["a", "a"])


def no_weight(group):
    group["a"].attrs["weight_names"] = texts(["a/kernel:0", "../../b/b/bias:0"])


def numbers(group):
    group["a"].attrs["weight_names"] = np.arange(2)


def a_link(group):
    group["a"]["linked"] = h5py.ExternalLink("/etc/passwd", "/")


def gzip(group):
    group["a"].create_dataset("zeros", data=np.zeros(1 << 16), compression="gzip")


HOSTILE = {
    references: "not a text",
    no_names: "weight_names",
    no_layer: "nowhere",
    equal_names: "names a layer twice",
    no_weight: "b/b/bias:0`, which is not there",
    numbers: "not a text",
    a_link: "link to another place",
    gzip: "compressed",
}


class TestHostileFiles:
    @pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
    def test_a_hostile_or_damaged_file_is_refused_and_nothing_is_written(self, tmp_path, change):
        path = write_and_change(tmp_path / "w", change)
        two = model(dense("a"), dense("b"))
        with pytest.raises(CheckpointError, match=HOSTILE[change]):
            load_keras2_weights(two, path)
        assert_untouched(two)

    def test_names_that_could_fill_the_memory_are_refused(self, tmp_path, monkeypatch):
        path = write_and_change(
            tmp_path / "w", lambda group: None
        )  # each name may point at all of the file
        monkeypatch.setattr(keras2_hdf5, "_MAX_ATTRIBUTE_BYTES", 2 * path.stat().st_size // 3)
        with pytest.raises(
            CheckpointError, match="`layer_names` of `/model_weights` claims too much"
        ):
            load_keras2_weights(model(dense("a")), path)

    @pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
    def test_a_description_that_is_none_is_refused(self, tmp_path, text):
        path = write_keras2(tmp_path / "w", dense_layers(a=1), {})
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = text[:60_000]
        with pytest.raises(CheckpointError, match="is not a whole HDF5 file"):
            open_keras2(path).config()
