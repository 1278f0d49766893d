"""Files that an earlier version saved open, and hold what they held.

``golden/saved/`` has them, as they were written. When one of these tests fails, files of users do
not open any more: mend the code, and leave the files as they are.
"""

import json
import subprocess
import sys
import tarfile
import zipfile

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, arrays, assert_close, outputs_of, record

import bert4keras.layers
import bert4keras.models
from bert4keras import optimizers
from bert4keras.data import ShardedDataset
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.training import FGM, PGD, VAT, BackupAndResume, GradientPenalty, RDrop

ARCHIVE = GOLDEN / "saved" / "files.tar.xz"
CASES = record("saved/cases.json")
with tarfile.open(ARCHIVE) as archive:
    FILES = archive.getnames()

USUAL = """
    bert bert_residual albert albert_unshared roformer roformer_v2 nezha gau_alpha t5.1.1 gpt2 llama
    deberta_v2 modernbert electra unilm_conditional
""".split()  # files of others, which hold the same layers, are left to ``pytest -m slow``
REGISTERED = """
    AdaFactor Adam Add AdversarialModel AttentionBias BatchConcat BatchSplit CausalMask
    Concatenate1D ConditionalRandomField ConstantIds CountedPositions DisentangledAttention
    DistanceEmbedding EfficientGlobalPointer Embedding FGM FeedForward FirstToken
    GatedAttentionUnit Geometric GlobalAveragePooling1D GlobalMaxPooling1D GlobalPointer
    GradientPenalty Initial LayerNormalization Lion Loss MaskedConv1D MaximumEntropyMarkovModel
    MultiHeadAttention OrthogonalKernel OrthonormalKernel PGD PositionEmbedding RDrop
    RelativePositionEmbedding RelativePositionEmbeddingT5 ScaleOffset ScaledInitial
    SelfOrthogonality Sinusoidal SinusoidalPositionEmbedding Tiger UniLMMask VAT WindowMask WithMask
    _Flatten _Reshape gelu_erf gelu_tanh leaky_relu multilabel_categorical_crossentropy
    root_mean_square sparse_multilabel_categorical_crossentropy swish
""".split()
EXTENSIONS = {  # what a class is called by default: what makes it of Adam
    "WeightDecayAdam": optimizers.extend_with_weight_decay,
    "LayerAdaptationAdam": optimizers.extend_with_layer_adaptation,
    "LazyOptimizationAdam": optimizers.extend_with_lazy_optimization,
    "PiecewiseLinearRateAdam": optimizers.extend_with_piecewise_linear_lr,
    "ParameterWiseRateAdam": optimizers.extend_with_parameter_wise_lr,
    "GradientAccumulationAdam": optimizers.extend_with_gradient_accumulation,
    "LookaheadAdam": optimizers.extend_with_lookahead,
    "ExponentialMovingAverageAdam": optimizers.extend_with_exponential_moving_average,
}


@keras.saving.register_keras_serializable("script")
class MeanDifference(bert4keras.layers.Loss):
    """A loss as a script writes it."""

    def compute_loss(self, inputs, mask=None):
        return ops.mean(inputs[0] - 2.0 * inputs[1])


def half(BaseOptimizer):  # noqa: N803
    """An extension as a script writes it."""

    class HalfSteps(BaseOptimizer):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, 0.5 * learning_rate)

    return HalfSteps


def make_extended_classes():
    """Make what a script makes before it opens a file with an extended optimizer."""
    everything = Adam
    for name, extend in EXTENSIONS.items():
        extend(Adam)
        if name != "LazyOptimizationAdam":
            everything = extend(everything, "AdamWithAll")
    optimizers.export_to_custom_objects(half)(Adam, "HalfAdam")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files, unpacked."""
    place = tmp_path_factory.mktemp("saved")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return place


def names_in(start):
    """Names of whole models in a folder of the archive, without their ends."""
    end = ".keras"
    return [x.removesuffix(end) for x in FILES if x.startswith(start) and x.endswith(end)]


def slow_unless(usual, names):
    """Names for a test, those marked as slow whose last part is not usual."""
    marks = {True: (), False: pytest.mark.slow}
    return [pytest.param(x, marks=marks[x.rpartition("/")[2] in usual]) for x in names]


def recorded(name, kind):
    """The arrays ``<kind>0``, ``<kind>1`` and so on of a file."""
    numbers = arrays(f"saved/{name}")
    return [numbers[f"{kind}{i}"] for i in range(len(numbers)) if f"{kind}{i}" in numbers]


def assert_all_close(got, want):
    assert len(got) == len(want) > 0
    for ours, theirs in zip(got, want):
        assert_close(ours, theirs, atol=1e-5)


def assert_gives_what_it_gave(model, name):
    """Outputs and added losses of a model are those recorded."""
    assert_all_close(outputs_of(model, recorded(name, "in.")), recorded(name, "out."))
    if (loss := arrays(f"saved/{name}").get("loss")) is not None:
        assert_close(sum(model.losses), loss, atol=1e-5)


def opened(folder, name, **options):
    return keras.models.load_model(folder / f"{name}.keras", **options)


@pytest.mark.parametrize("name", slow_unless(USUAL, names_in("models/")))
def test_a_saved_model_of_a_family_gives_the_same_outputs(folder, name):
    assert_gives_what_it_gave(opened(folder, name), name)


@pytest.mark.parametrize("name", names_in("layers/"))
def test_a_saved_layer_gives_the_same_outputs(folder, name):
    assert_gives_what_it_gave(opened(folder, name), name)


def test_a_saved_layer_is_still_computed_again_for_its_gradient(folder):
    assert opened(folder, "layers/recomputed").layers[-1].recompute


@pytest.mark.parametrize("part", ["activations", "kernels", "shapes", "tags"])
def test_a_saved_part_gives_the_same_outputs(folder, part):
    assert_gives_what_it_gave(opened(folder, f"parts/{part}"), f"parts/{part}")


def test_saved_initializers_keep_their_settings(folder):
    model = opened(folder, "parts/kernels")
    first, second = (model.get_layer(f"kernel{i}").kernel_initializer for i in range(2))
    assert first.get_config() == {"variance": "1/m", "distribution": "orthogonal", "seed": 3}
    assert second.get_config() == {"variance": "2/m", "distribution": "uniform", "seed": 4}


@pytest.mark.parametrize("layer", ["crf", "memm"])
def test_the_layer_of_a_saved_tagger_gives_the_same_loss(folder, layer):
    numbers = arrays("saved/parts/tags")
    model = opened(folder, "parts/tags", compile=False)
    scores = outputs_of(model, recorded("parts/tags", "in."))[layer == "memm"]
    loss = model.get_layer(layer).sparse_loss(numbers["labels"], scores)
    assert_close(loss, numbers[layer], atol=1e-5)


def test_a_compiled_model_still_has_the_losses_of_several_labels(folder):
    model = opened(folder, "parts/several_labels")
    numbers = {x: ops.convert_to_tensor(y) for x, y in arrays("saved/parts/several_labels").items()}
    targets = {name: numbers[name] for name in ("one", "two")}
    loss = model.compute_loss(numbers["x"], targets, model(numbers["x"]))
    assert_close(loss, arrays("saved/parts/several_labels")["loss"], atol=1e-5)


@pytest.mark.parametrize("name", names_in("optimizers/"))
def test_a_saved_optimizer_goes_on_as_it_would_have(folder, name):
    make_extended_classes()
    model = opened(folder, name)
    assert f"optimizers/{type(model.optimizer).__name__}" == name
    gradients = arrays("saved/gradients")
    for i in range(3, 6):
        row = [ops.convert_to_tensor(gradients[f"{i}.{j}"]) for j in range(3)]
        model.optimizer.apply(row, model.trainable_variables)
    assert_all_close(model.get_weights(), recorded(name, ""))
    if averages := recorded(name, "ema."):
        model.optimizer.apply_ema_weights()
        assert_all_close(model.get_weights(), averages)


def test_a_saved_trainer_keeps_its_recipes_and_its_model(folder):
    trainer = opened(folder, "adversarial")
    token = "Embedding-Token"
    recipes = [RDrop(3.0), FGM(token, 0.3), PGD(token, 2.0, 0.5, 4), VAT(token, 2.0, 5.0, 2, True)]
    assert trainer.recipes == [*recipes, GradientPenalty(token, 0.5)]
    assert type(trainer.optimizer) is Adam and int(trainer.optimizer.iterations) == 1
    assert_gives_what_it_gave(trainer, "adversarial")


@pytest.mark.parametrize("name", slow_unless({"bert", "albert", "gau_alpha", "t5.1.1"}, CASES))
def test_saved_weights_fill_a_model_that_is_built_anew(folder, name):
    model = build_transformer_model(**CASES[name])
    model.load_weights(folder / f"weights/{name}.weights.h5")
    assert_gives_what_it_gave(model, f"models/{name}")


@pytest.mark.parametrize("name", slow_unless({"bert", "t5.1.1"}, CASES))
def test_saved_weights_are_read_as_a_checkpoint(folder, name):
    path = folder / f"weights/{name}.weights.h5"
    model = build_transformer_model(checkpoint_path=path, **CASES[name])
    assert_gives_what_it_gave(model, f"models/{name}")


def test_a_saved_folder_opens_in_one_argument(folder):
    known = CASES["gau_alpha"].keys() - {"config_path", "model"}
    heads = {name: CASES["gau_alpha"][name] for name in known}
    assert_gives_what_it_gave(
        build_transformer_model(folder / "folder", **heads), "models/gau_alpha"
    )


def test_a_kept_run_goes_on_where_it_was(folder):
    config = CASES["bert"]["config_path"]
    bert = build_transformer_model(config, with_pool=True)
    model = keras.Model(bert.inputs, keras.layers.Dense(2, name="head")(bert.output))
    averaged = optimizers.extend_with_exponential_moving_average(Adam, "AdamEMA")
    model.compile(averaged(0.01), "mse")
    keeper = BackupAndResume(folder / "run.npz", seed=3, metadata={"data": "五言"})
    assert keeper.restore(model) == 2
    assert keeper.history == [{"loss": 0.5}, {"loss": 0.375}]
    assert_all_close(model.get_weights(), recorded("run", ""))
    model.optimizer.apply_ema_weights()
    assert_all_close(model.get_weights(), recorded("run", "ema."))


def test_written_shards_give_the_same_rows(folder):
    dataset = ShardedDataset(folder / "shards")
    token_ids, is_continuation, row_indices, _ = dataset.read_rows(0, 3)
    order = np.argsort(row_indices)
    assert token_ids[order].tolist() == [[2, 5 + i, 70000, 3] for i in range(3)]
    assert is_continuation[order].tolist() == np.eye(3, 4, dtype=bool).tolist()
    assert dataset.metadata == {"source": "诗"}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="functions of TensorFlow")
def test_what_old_scripts_saved_through_the_door_opens_there(folder):
    """In a process of its own, which the door changes."""
    subprocess.run([sys.executable, "-c", DOOR], cwd=folder / "door", check=True)


DOOR = """
import bert4keras.legacy
import numpy as np
from bert4keras.backend import keras

model = keras.models.load_model("model.keras")
want = (np.eye(4) @ np.arange(12).reshape(4, 3) / 10 + np.arange(3)).sum(-1, keepdims=True)
np.testing.assert_allclose(model.predict(np.eye(4)), want, atol=1e-5)
model.set_weights([0 * x for x in model.get_weights()])
model.load_weights("model.weights")
np.testing.assert_allclose(model.predict(np.eye(4)), want, atol=1e-5)
assert keras.saving.get_registered_object("bert4keras>TensorFlowFunction")
"""


@pytest.mark.parametrize("name", REGISTERED)
def test_a_registered_name_still_means_something(name):
    assert keras.saving.get_registered_object(f"bert4keras>{name}") is not None


def test_extended_optimizers_are_still_registered_under_their_names():
    make_extended_classes()
    for name in [*EXTENSIONS, "AdamWithAll", "HalfAdam"]:
        assert keras.saving.get_registered_object(f"bert4keras.extended>{name}") is not None


def test_every_registered_name_stands_in_a_file(folder):
    texts = []
    for name in names_in(""):
        with zipfile.ZipFile(folder / f"{name}.keras") as file:
            texts.append(file.read("config.json").decode())
    found = names_of(json.loads(f"[{','.join(texts)}]"))
    assert {f"bert4keras>{name}" for name in REGISTERED if name != "Loss"} <= found  # a base
    assert {f"bert4keras.extended>{name}" for name in EXTENSIONS} <= found


def names_of(config):
    """All texts in a nested configuration."""
    if isinstance(config, dict):
        config = [*config.values()]
    if isinstance(config, list):
        return set().union(*map(names_of, config))
    return {config} if isinstance(config, str) else set()
