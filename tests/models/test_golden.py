"""Models give the original's numbers from the original's checkpoints."""

from functools import lru_cache

import keras
import numpy as np
import pytest
from support import GOLDEN, assert_close, compute_outputs, load_arrays, load_record

from bert4keras.models import build_transformer_model

CASES = sorted(
    f"{path.parent.parent.name}/{path.parent.name}"
    for path in (GOLDEN / "models").glob("*/*/case.json")
)
VARIANTS = ("keep", "linear", "object", "residual", "unilm")  # options of many families
FREQUENT = ("bert", "gpt2", "t5_1_1")  # the default run has these options for these folders


def is_seldom(name):
    folder, _, case = name.partition("/")
    return case in VARIANTS and folder not in FREQUENT


LABELLED = [  # T5 has an encoder and a decoder beside the whole
    pytest.param(name, label, marks=pytest.mark.slow if is_seldom(name) else ())
    for name in CASES
    for label in load_record(f"models/{name}/case.json")["input_names"]
]
EVERY = 3  # of the features of a token this many were recorded: see golden/pack.py
MENDED = {"bert_shared_segment/zero_one"}  # segment 0 of a shared table is no padding


def symbolic(kwargs, hidden_size):
    """Arguments of a case, with the inputs that its `$` entries stand for."""
    kwargs = dict(kwargs)
    condition = kwargs.pop("$layer_norm_cond", None)
    caches = kwargs.pop("$attention_caches", None)
    extra_inputs = []
    if condition:
        kwargs["layer_norm_cond"] = keras.Input((condition["dim"],), name="Input-Cond")
        extra_inputs.append(kwargs["layer_norm_cond"])
    if caches:
        kwargs["attention_caches"] = {}
        for i, layer in enumerate(caches["layers"]):
            pair = [keras.Input((None, hidden_size), name=f"Input-Cache-{x}-{i}") for x in "KV"]
            kwargs["attention_caches"][layer] = pair
            extra_inputs += pair
    if extra_inputs:
        kwargs["additional_input_layers"] = extra_inputs
    if "compound_tokens" in kwargs:
        kwargs["compound_tokens"] = [
            (item["ids"], item["weights"]) if isinstance(item, dict) else item
            for item in kwargs["compound_tokens"]
        ]
    return kwargs


@lru_cache
def build(name):
    """The model of a case, with the weights that no checkpoint holds."""
    case, numbers = load_record(f"models/{name}/case.json"), load_arrays(f"models/{name}/data.npz")
    folder = GOLDEN / "models" / case["base"]
    config = load_record(f"models/{case['base']}/config.json")
    built = build_transformer_model(
        folder / "config.json",
        folder / "bert_model.ckpt",
        **symbolic(case["kwargs"], config["hidden_size"]),
    )
    model = getattr(built, "model", built)
    for layer in case["set_weights"]:
        count = sum(key.startswith(f"weights.{layer}.") for key in numbers)
        model.get_layer(layer).set_weights([numbers[f"weights.{layer}.{i}"] for i in range(count)])
    return case, numbers, built, model


@pytest.mark.parametrize("name, label", LABELLED)
@pytest.mark.filterwarnings("ignore:Checkpoint does not fit", "ignore:.* ignores with_pool")
def test_model_gives_the_recorded_numbers(name, label):
    case, numbers, built, model = build(name)
    model, names = getattr(built, label, model), case["input_names"][label]
    assert [x.name for x in model.inputs] == names
    for batch in case["batches"][label]:
        got = compute_outputs(model, [numbers[f"{label}.{batch}.in.{key}"] for key in names])
        valid = numbers[f"{label}.{batch}.valid"]
        if names[-1].startswith("Decoder"):
            valid = numbers[f"{label}.{batch}.dec_valid"]
        for i, value in enumerate(got):
            want = numbers[f"{label}.{batch}.out.{i}"]
            if name in MENDED:
                assert np.isfinite(value).all()
                continue
            if value.ndim == 3:
                value = value[valid][..., ::EVERY]
            assert_close(value, want, min(case["suggested_atol"], 1e-4))


@pytest.mark.parametrize("name, label", LABELLED)
@pytest.mark.filterwarnings("ignore:Checkpoint does not fit", "ignore:.* ignores with_pool")
def test_layers_and_weights_have_the_recorded_names_and_shapes(name, label):
    *_, built, model = build(name)
    model, want = getattr(built, label, model), load_record(f"models/{name}/layers.json")[label]
    weights = {layer.name: [list(w.shape) for w in layer.weights] for layer in model.layers}
    assert weights == {layer["name"]: layer["weights"] for layer in want}
