"""Every layer gives the recorded outputs, masks, shapes of weights and gradients."""

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, assert_close, compute_gradients, load_arrays, load_record

from bert4keras import layers

OTHER_FILES = {"ConditionalRandomField", "MaximumEntropyMarkovModel"}  # in test_crf_and_memm.py
BY_HAND = {  # cases with tests of their own, here and in the layer's file
    "Embedding-dense",
    "GatedAttentionUnit-cross_masks_unequal",
    "RelativePositionEmbedding-initial_sinusoidal",
    "RelativePositionEmbedding-no_mask",
}
CASES = sorted(
    path.stem
    for path in (GOLDEN / "layers").glob("*-*.json")
    if path.stem not in BY_HAND and path.stem.split("-")[0] not in OTHER_FILES
)
tensor_of = ops.convert_to_tensor
EVERY = 3  # of the features of outputs and gradients of inputs this many were recorded
NAN_ROWS = {"MultiHeadAttention-all_masked_row"}


def arrays_of(numbers, kind, count):
    """The arrays ``kind.0``, ``kind.1``, ... of a case; None where one is missing."""
    return [numbers.get(f"{kind}.{i}") for i in range(count)]


def as_recorded(value):
    """Every third feature of sequences: see golden/pack.py."""
    value = ops.convert_to_numpy(value)
    return value[..., ::EVERY] if value.ndim > 2 else value


def built_layer(case, numbers, inputs):
    layer = getattr(layers, case["layer"])(**case["config"])
    layer.build([x.shape for x in inputs] if len(inputs) > 1 else inputs[0].shape)
    weights = [numbers[f"w.{i}"] for i in range(len(case["weights"]))]
    assert [list(w.shape) for w in layer.weights] == [shape for _, shape in case["weights"]]
    layer.set_weights(weights)
    return type(layer).from_config(layer.get_config()), layer


@pytest.mark.parametrize("name", CASES)
def test_layer_gives_the_recorded_numbers(name):
    case, numbers = load_record(f"layers/{name}.json"), load_arrays(f"layers/{name}.npz")
    inputs = [tensor_of(x) for x in arrays_of(numbers, "in", case["inputs"])]
    mask = arrays_of(numbers, "mask", case["inputs"])
    args = inputs[0] if case["single_input"] else inputs
    mask = mask if case.get("mask_is_list", not case["single_input"]) else mask[0]
    if "raises" in case:
        layer = getattr(layers, case["layer"])(**case["config"])
        with pytest.raises(ValueError):
            layer(args, **case["call"])
        return
    copy, layer = built_layer(case, numbers, inputs)
    assert copy.get_config() == layer.get_config()
    options = {"mask": mask} if case["mask_passed"] else {}
    outputs = layer(args, **case["call"], **options)
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    for i, got in enumerate(outputs):
        want = numbers.get(f"expected.{i}", numbers[f"out.{i}"])
        if name in NAN_ROWS:
            want = want.copy()
            assert np.isfinite(ops.convert_to_numpy(got)).all()
            want[np.isnan(want)] = as_recorded(got)[np.isnan(want)]
        assert_close(as_recorded(got), want, case["atol"])


@pytest.mark.parametrize(
    "name", [n for n in CASES if "out_mask.0" in load_arrays(f"layers/{n}.npz")]
)
def test_layer_passes_the_recorded_mask(name):
    case, numbers = load_record(f"layers/{name}.json"), load_arrays(f"layers/{name}.npz")
    inputs = arrays_of(numbers, "in", case["inputs"])
    mask = arrays_of(numbers, "mask", case["inputs"])
    layer = getattr(layers, case["layer"])(**case["config"])
    single = case["single_input"]
    got = layer.compute_mask(inputs[0] if single else inputs, mask[0] if single else mask)
    got = got[0] if isinstance(got, list) else got
    np.testing.assert_array_equal(ops.convert_to_numpy(got), numbers["out_mask.0"])


@pytest.mark.parametrize(
    "name", [n for n in CASES if "cotangent.0" in load_arrays(f"layers/{n}.npz")]
)
def test_layer_gives_the_recorded_gradients(name):
    case, numbers = load_record(f"layers/{name}.json"), load_arrays(f"layers/{name}.npz")
    if name in NAN_ROWS or "expected.0" in numbers:
        pytest.skip("the original's gradient is that of its mistake")
    inputs = arrays_of(numbers, "in", case["inputs"])
    mask = arrays_of(numbers, "mask", case["inputs"])
    _, layer = built_layer(case, numbers, inputs)
    single = case["single_input"]
    options = {"mask": mask[0] if single else mask} if case["mask_passed"] else {}
    indices = [i for i in range(case["inputs"]) if f"grad.in.{i}" in numbers]
    weights = [i for i in range(len(layer.weights)) if f"grad.w.{i}" in numbers]

    def loss(tensors):
        args = [tensor_of(x) for x in inputs]
        for i, tensor in zip(indices, tensors):
            args[i] = tensor
        state = [(layer.weights[i], x) for i, x in zip(weights, tensors[len(indices) :])]
        with keras.StatelessScope(state_mapping=state):
            outputs = layer(args[0] if single else args, **case["call"], **options)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return sum(
            ops.sum(ops.where(ops.isfinite(out), out, 0.0) * tensor_of(numbers[f"cotangent.{i}"]))
            for i, out in enumerate(outputs)
            if f"cotangent.{i}" in numbers
        )

    values = [inputs[i] for i in indices] + [numbers[f"w.{i}"] for i in weights]
    names = [f"grad.in.{i}" for i in indices] + [f"grad.w.{i}" for i in weights]
    for name, got in zip(names, compute_gradients(loss, values) if values else ()):
        got = as_recorded(got) if name.startswith("grad.in") else got
        assert_close(got, numbers[name], 10 * case["atol"], 1e-3)


def test_embedding_in_dense_mode_uses_the_same_table():
    numbers = load_arrays("layers/Embedding-dense.npz")
    layer = layers.Embedding(9, 12, mask_zero=True)
    layer.build()
    layer.set_weights([numbers["w.0"]])
    assert_close(as_recorded(layer(numbers["in.0"], mode="dense")), numbers["out.0"])


def test_relative_positions_can_begin_as_sinusoids():
    name = "layers/RelativePositionEmbedding-initial_sinusoidal"
    case, numbers = load_record(f"{name}.json"), load_arrays(f"{name}.npz")
    layer = layers.RelativePositionEmbedding(**case["config"])
    layer.build([(None, None, 12)] * 2)
    assert_close(layer.embeddings, numbers["w.0"], case["atol"])
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_relative_positions_need_no_mask():
    table = load_arrays("layers/RelativePositionEmbedding-square.npz")
    inputs = arrays_of(load_arrays("layers/RelativePositionEmbedding-no_mask.npz"), "in", 2)
    layer = layers.RelativePositionEmbedding(7, 4)
    layer.build([x.shape for x in inputs])
    layer.set_weights([table["w.0"]])
    assert_close(as_recorded(layer(inputs)), table["out.0"])
    assert layer.compute_mask(inputs, None) is None


def test_every_layer_is_registered_under_the_library():
    for name, layer in layers.custom_objects.items():
        assert keras.saving.get_registered_name(layer) == f"bert4keras>{name}"
