"""Saved models of Keras 2 predict the same here, and nothing stored in them is executed."""

import base64
import json
import marshal

import keras
import numpy as np
import pytest
from keras2_files import write_keras2
from support import GOLDEN, assert_close, compute_outputs, load_record, randomize_weights, unpack

from bert4keras.backend import K
from bert4keras.checkpoints import load_keras2_weights
from bert4keras.layers import ConditionalRandomField, Dense, Loss
from bert4keras.models import build_transformer_model, load_keras2_model

UNILM = {
    "vocab_size": 90,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_act": "gelu",
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
CLASSIFY = {**UNILM, "vocab_size": 120, "num_attention_heads": 4}
IDS = [np.array([[2, 5, 6, 3, 0], [2, 7, 8, 9, 3]]), np.array([[0, 0, 1, 1, 0], [0, 0, 1, 1, 1]])]


class CrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, _, y_pred = inputs
        return K.mean(K.sparse_categorical_crossentropy(y_true, y_pred))


def first_token(x):
    return x[:, 0]


@pytest.fixture(scope="module")
def crf(tmp_path_factory):
    """Folder of a tagger that bert4keras 0.11.5 made and Keras 2.12 saved."""
    folder = tmp_path_factory.mktemp("bert_crf")
    unpack(GOLDEN / "legacy_weights" / "bert_crf.tar.xz", folder)
    return folder


def assert_predicts_as_recorded(model, folder):
    with np.load(folder / "io.npz") as numbers:
        assert_close(compute_outputs(model, [numbers["x0"], numbers["x1"]])[0], numbers["y0"], 1e-4)


@pytest.mark.parametrize("file", ["best_model.weights", "model.h5"])
def test_saved_weights_give_the_recorded_outputs(crf, file):
    bert = build_transformer_model(crf / "config.json")
    tags = ConditionalRandomField(lr_multiplier=100)(Dense(7)(bert.output))
    model = keras.Model(bert.inputs, tags)
    load_keras2_weights(model, crf / file)
    assert_predicts_as_recorded(model, crf)


def test_a_saved_model_is_built_again_and_gives_the_recorded_outputs(crf):
    model = load_keras2_model(crf / "model.h5")
    assert_predicts_as_recorded(model, crf)
    assert model.get_layer("Embedding-Dropout").rate == 0.1
    assert model.layers[-1].lr_multiplier == 100


def test_a_file_for_another_model_is_reported_in_full_and_nothing_is_written(crf):
    bert = build_transformer_model(crf / "config.json", num_hidden_layers=3)
    model = keras.Model(bert.inputs, Dense(9)(bert.output))
    before = model.get_weights()
    with pytest.raises(ValueError, match="does not fit the model .* faults") as caught:
        load_keras2_weights(model, crf / "best_model.weights")
    report = str(caught.value)
    assert "Transformer-2-FeedForward: the file has no such layer" in report
    assert "conditional_random_field: it is in the file, but not in the model" in report
    assert "has shape (24, 7), expected (24, 9)" in report
    assert "Build the model as it was" in report
    for weight, value in zip(model.get_weights(), before):
        np.testing.assert_array_equal(weight, value)


def test_a_model_of_bert4keras_loads_its_layers_from_a_file_that_has_more(crf):
    built = build_transformer_model(crf / "config.json", crf / "best_model.weights")
    saved_model = load_keras2_model(crf / "model.h5")
    inner = keras.Model(
        saved_model.inputs, saved_model.get_layer("Transformer-1-FeedForward-Norm").output
    )
    assert_close(compute_outputs(built, IDS)[0], compute_outputs(inner, IDS)[0])
    with pytest.raises(ValueError, match="MLM-Norm: no variable `MLM-Norm/0`"):
        build_transformer_model(crf / "config.json", crf / "model.h5", with_mlm=True)


# --- descriptions recorded from the original, filled with weights of today's models


def bomb(path):
    """Return code as Keras 2 stores that of a Lambda; running it makes a file."""
    code = compile(f"lambda x: open({str(path)!r}, 'w')", "bomb", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


def description(case, bomb_path):
    config = load_record(f"legacy_weights/{case}.json.xz")
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Lambda":
            layer["config"]["function"][0] = bomb(bomb_path)
    return config


def write_model(path, model, config):
    """Write a whole model as Keras 2 would have saved it."""
    layers = {
        layer.name: {
            f"{layer.name}/{number}/{weight.name}:0": keras.ops.convert_to_numpy(weight)
            for number, weight in enumerate(layer.weights)
        }
        for layer in model.layers
    }
    return write_keras2(path, layers, config, "O")


def classifier():
    bert = build_transformer_model(CLASSIFY)
    first = keras.layers.Lambda(first_token, name="CLS-token")
    first.supports_masking = True
    return randomize_weights(
        keras.Model(bert.inputs, Dense(5, activation="softmax", name="dense")(first(bert.output)))
    )


def seq2seq():
    bert = build_transformer_model(UNILM, application="unilm")
    inputs = [*bert.inputs, bert.output]
    return randomize_weights(
        keras.Model(bert.inputs, CrossEntropy(2, name="cross_entropy")(inputs))
    )


@pytest.mark.parametrize(
    "case, build, objects",
    [
        ("bert_classify", classifier, {"CLS-token": first_token}),
        ("bert_unilm_loss", seq2seq, {"CrossEntropy": CrossEntropy}),
    ],
)
def test_a_recorded_description_computes_what_todays_model_does(tmp_path, case, build, objects):
    model = build()
    path = write_model(tmp_path / "model.h5", model, description(case, tmp_path / "owned"))
    rebuilt = load_keras2_model(path, objects)
    assert_close(compute_outputs(rebuilt, IDS)[0], compute_outputs(model, IDS)[0], 1e-6)
    assert not (tmp_path / "owned").exists()


def test_a_lambda_is_refused_with_the_remedy_and_never_executed(tmp_path):
    path = write_model(
        tmp_path / "model.h5", classifier(), description("bert_classify", tmp_path / "owned")
    )
    with pytest.raises(ValueError) as caught:
        load_keras2_model(path)
    assert "CLS-token: a Lambda, whose code in the file is not executed" in str(caught.value)
    assert "custom_objects={'CLS-token': function}" in str(caught.value)
    assert "load_keras2_weights(model, path)" in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_the_weights_of_a_model_with_a_lambda_load_without_it(tmp_path):
    model = classifier()
    path = write_model(tmp_path / "m.h5", model, description("bert_classify", tmp_path / "owned"))
    target = classifier()
    target.set_weights([weight * 0 for weight in target.get_weights()])
    load_keras2_weights(target, path)
    assert_close(compute_outputs(target, IDS)[0], compute_outputs(model, IDS)[0], 1e-6)
    assert not (tmp_path / "owned").exists()


# --- descriptions of every kind


def functional(*layers, outputs, name="model"):
    inputs = [[layer["name"], 0, 0] for layer in layers if layer["class_name"] == "InputLayer"]
    ends = {"input_layers": inputs, "output_layers": [[outputs, 0, 0]]}
    config = {"name": name, "layers": list(layers), **ends}
    return {"class_name": "Functional", "config": config}


def an_input(name, *shape, dtype="float32"):
    config = {"batch_input_shape": [None, *shape], "dtype": dtype, "sparse": False, "name": name}
    return layer_entry("InputLayer", {**config, "ragged": False})


def layer_entry(kind, config, *nodes):
    return {"class_name": kind, "config": config, "name": config["name"], "inbound_nodes": nodes}


def call(*names, **arguments):
    return [[name, 0, 0, arguments] for name in names]


def dense_of(name, units, **arguments):
    zeros = {"class_name": "Zeros", "config": {}}
    defaults = {"trainable": True, "dtype": "float32", "bias_initializer": zeros}
    return {"name": name, "units": units, **defaults, **arguments}


def test_arguments_of_keras_2_have_their_meaning(tmp_path):
    lstm = {"name": "lstm", "units": 2, "implementation": 2, "time_major": False}
    wrapper = {"layer": {"class_name": "LSTM", "config": {**lstm, "return_sequences": True}}}
    model = functional(
        an_input("ids", None),
        layer_entry(
            "Embedding",
            {"name": "e", "input_dim": 5, "output_dim": 3, "input_length": None, "mask_zero": True},
            call("ids"),
        ),
        layer_entry("SpatialDropout1D", {"name": "s", "rate": 0.5, "noise_shape": None}, call("e")),
        layer_entry("Bidirectional", {"name": "b", "merge_mode": "concat", **wrapper}, call("s")),
        layer_entry("LeakyReLU", {"name": "r", "alpha": 0.25}, call("b")),
        layer_entry("BatchNormalization", {"name": "n", "axis": [2]}, call("r")),
        layer_entry("LayerNormalization", {"name": "l", "axis": [2], "beta_initializer": "zeros"})
        | {"inbound_nodes": [call("n")]},
        layer_entry(
            "LayerNormalization", {"name": "o", "center": False, "epsilon": 0.5}, call("l")
        ),
        layer_entry("BiasAdd", {"name": "a"}, call("o")),
        layer_entry("Dense", dense_of("d", 1, activation="gelu_tanh", trainable=False), call("a")),
        outputs="d",
    )
    rebuilt = rebuild(tmp_path, model)
    assert rebuilt.get_layer("r").negative_slope == 0.25
    assert isinstance(rebuilt.get_layer("l"), keras.layers.LayerNormalization)
    assert rebuilt.get_layer("o").offset is False and rebuilt.get_layer("o").epsilon == 0.5
    assert rebuilt.get_layer("o").zero_mean is False and rebuilt.get_layer("o").unit_variance
    assert rebuilt.get_layer("a").scale is False and rebuilt.get_layer("a").offset is True
    assert rebuilt.get_layer("d").trainable is False
    assert compute_outputs(rebuilt, [np.array([[1, 2, 0]])])[0].shape == (1, 3, 1)


def rebuild(tmp_path, config, objects=None):
    """Load the model of a description, with weights of the right shapes."""
    from bert4keras.models.saved_models import _make_model

    with keras.saving.custom_object_scope(objects or {}):
        model = _make_model(json.loads(json.dumps(config)), objects or {})
    return load_keras2_model(
        write_model(tmp_path / "model.h5", randomize_weights(model), config), objects
    )


def test_calls_are_followed_whatever_their_order(tmp_path):
    dense_config = dense_of("shared", 3)
    config = functional(
        layer_entry("Add", {"name": "sum"}, [["shared", 0, 0, {}], ["shared", 1, 0, {}]]),
        layer_entry("Dense", dense_config, call("x"), call("y")),
        an_input("x", 3),
        an_input("y", 3),
        outputs="sum",
    )
    model = rebuild(tmp_path, config)
    x, y = np.ones((1, 3), "float32"), np.full((1, 3), 2, "float32")
    kernel, bias = model.get_layer("shared").get_weights()
    assert_close(compute_outputs(model, [x, y])[0], (x + y) @ kernel + 2 * bias)


def test_nested_and_sequential_models_are_built_inside(tmp_path):
    first = {"class_name": "Dense", "config": dense_of("d", 2, batch_input_shape=[None, 3])}
    sequence = {"class_name": "Sequential", "config": {"name": "seq", "layers": [first]}}
    inner = functional(
        an_input("x", 2), layer_entry("Dense", dense_of("in", 2), call("x")), outputs="in"
    )
    config = functional(
        an_input("x", 3),
        {**sequence, "name": "seq", "inbound_nodes": [call("x")]},
        {**inner, "name": "model", "inbound_nodes": [call("seq")]},
        outputs="model",
        name="gan/outer",
    )
    model = rebuild(tmp_path, config)
    assert model.name == "gan-outer"
    assert compute_outputs(model, [np.ones((1, 3))])[0].shape == (1, 2)


def test_tensors_among_the_arguments_of_a_call_are_found(tmp_path):
    class Scaled(keras.layers.Layer):
        def call(self, inputs, by=None, times=1):
            return inputs * by * times

    config = functional(
        an_input("x", 2),
        an_input("y", 2),
        layer_entry("Scaled", {"name": "s"}, call("x", by=["y", 0, 0], times=3)),
        outputs="s",
    )
    model = rebuild(tmp_path, config, {"Scaled": Scaled})
    assert compute_outputs(model, [np.full((1, 2), 2), np.full((1, 2), 5)])[0].tolist() == [
        [30, 30]
    ]


# --- what cannot be built


def assert_refused(tmp_path, config, match, objects=None):
    path = write_keras2(tmp_path / "model.h5", {"dense": {"dense/kernel:0": [1]}}, config)
    with pytest.raises(ValueError, match=match):
        load_keras2_model(path, objects)


def test_weights_alone_are_no_model(tmp_path):
    assert_refused(tmp_path, None, "holds weights and no model. Build the model, then load")


def test_all_unknown_layers_are_named_at_once(tmp_path):
    config = functional(
        an_input("x", 3),
        layer_entry("MyLayer", {"name": "mine"}, call("x")),
        layer_entry("MyLoss", {"name": "loss"}, call("mine")),
        outputs="loss",
    )
    assert_refused(tmp_path, config, r"(?s)2 layers.*mine: the class MyLayer.*'MyLoss': MyLoss\}")


@pytest.mark.parametrize(
    "kind, config",
    [
        ("TFSMLayer", {"filepath": "/tmp/model"}),
        ("StringLookup", {"vocabulary": "/etc/passwd"}),
        ("TextVectorization", {"vocabulary": "/etc/passwd"}),
        ("TorchModuleWrapper", {"module": "x"}),
        ("TFOpLambda", {"function": "io.read_file"}),
        ("os.system", {"command": "true"}),
    ],
)
def test_layers_that_read_files_or_take_code_are_not_known(tmp_path, kind, config):
    model = functional(
        an_input("x", 3), layer_entry(kind, {"name": "l", **config}, call("x")), outputs="l"
    )
    assert_refused(tmp_path, model, f"l: the class {kind} is not known here")


@pytest.mark.parametrize("place", ["layer", "initializer"])
def test_code_deep_inside_a_description_is_refused(tmp_path, place):
    function = [bomb(tmp_path / "owned"), None, None]
    hidden = {"name": "hidden", "function": function, "function_type": "lambda"}
    hidden = {"class_name": "Lambda", "config": hidden}
    outer = {
        "layer": layer_entry("TimeDistributed", {"name": "t", "layer": hidden}, call("x")),
        "initializer": layer_entry("Dense", dense_of("t", 2, kernel_initializer=hidden), call("x")),
    }[place]
    assert_refused(
        tmp_path, functional(an_input("x", 3, 3), outer, outputs="t"), "hidden: a Lambda"
    )
    assert not (tmp_path / "owned").exists()


def test_a_lambda_that_only_claims_to_be_known_is_replaced_not_run(tmp_path):
    function = [bomb(tmp_path / "owned"), None, None]
    pooler = {"name": "Pooler", "function": function, "function_type": "lambda"}
    pooler["module"] = "bert4keras.models"
    model = functional(
        an_input("x", 4, 3),
        layer_entry("Lambda", pooler, call("x")),
        layer_entry("Dense", dense_of("d", 2), call("Pooler")),
        outputs="d",
    )
    assert type(rebuild(tmp_path, model).get_layer("Pooler")).__name__ == "FirstToken"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda config: config["layers"][1].update(inbound_nodes=[call("nowhere")]),
        lambda config: config["layers"][1].update(inbound_nodes=[call("d")]),
        lambda config: config.pop("layers"),
        lambda config: config.update(output_layers=[["d", 7, 0]]),
        lambda config: config["layers"][1]["config"].update(units={"class_name": "Nothing"}),
    ],
)
def test_a_broken_description_is_an_error_that_says_what_to_do(tmp_path, spoil):
    model = functional(
        an_input("x", 3), layer_entry("Dense", dense_of("d", 2), call("x")), outputs="d"
    )
    spoil(model["config"])
    assert_refused(tmp_path, model, "cannot be built again")


def test_arguments_that_a_layer_does_not_take_name_the_layer(tmp_path):
    model = functional(
        an_input("x", 3), layer_entry("Dense", dense_of("d", 2, wings=2), call("x")), outputs="d"
    )
    assert_refused(tmp_path, model, r"The layer d cannot be made .*custom_objects=\{'Dense'")


def one_layer(kind, shape=(None, 3), dtype="float32", **config):
    """Description of a model of one layer."""
    nodes = [[["in", 0, 0, {}]]]
    source = {"name": "in", "batch_input_shape": list(shape), "dtype": dtype}
    layers = [
        {"class_name": "InputLayer", "name": "in", "config": source, "inbound_nodes": []},
        {
            "class_name": kind,
            "name": "x",
            "config": {"name": "x", **config},
            "inbound_nodes": nodes,
        },
    ]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["x", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


SINUSOIDAL = {"class_name": "Sinusoidal", "config": {}}
ABSURD = {
    "units": one_layer("Dense", units=10**12),
    "an input": one_layer("Dense", (None, 10**12), units=2),
    "a table": one_layer("Embedding", input_dim=10**9, output_dim=10**3),
    "a computed table": one_layer(
        "Embedding", input_dim=10**8, output_dim=1000, embeddings_initializer=SINUSOIDAL
    ),
    "a recurrent layer": one_layer("LSTM", (None, 4, 3), units=10**6),
    "a kernel": one_layer("Conv1D", (None, 4, 3), filters=2, kernel_size=10**9, padding="same"),
    "units of 400 digits": one_layer("Dense", units=10**400),
    "units below zero": one_layer("Dense", units=-1),
    "a text": one_layer("Dense", units="x"),
    "repetitions": one_layer("RepeatVector", n=10**15),
}


@pytest.mark.parametrize("fault", ABSURD)
def test_absurd_sizes_are_an_error_before_memory_is_taken(tmp_path, fault):
    weights = {"x": {"x/kernel:0": np.ones((3, 2)), "x/bias:0": np.ones(2)}}
    path = write_keras2(tmp_path / "model.h5", weights, ABSURD[fault])
    with pytest.raises(ValueError, match=f"(?s){path}.*(load|batch first)"):
        load_keras2_model(path)
    description = one_layer("Dense", units=2)  # nothing stays behind
    model = load_keras2_model(write_keras2(tmp_path / "good.h5", weights, description))
    np.testing.assert_array_equal(model.get_weights()[0], np.ones((3, 2)))
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
