"""Files that an earlier version saved open with the same contents.

``golden/saved/`` has them. When one of these tests fails, files of users no longer open: fix the
code, and leave the files as they are.
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
from support import GOLDEN, assert_close, compute_outputs, load_arrays, load_record, unpack

import bert4keras.layers
import bert4keras.models
from bert4keras import optimizers
from bert4keras.data import ShardedDataset
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.training import FGM, PGD, VAT, BackupAndResume, GradientPenalty, RDrop

ARCHIVE = GOLDEN / "saved" / "files.tar.xz"
CASES = load_record("saved/cases.json")
with tarfile.open(ARCHIVE) as archive:
    FILES = archive.getnames()

USUAL = """
    bert bert_residual albert albert_unshared roformer roformer_v2 nezha gau_alpha t5.1.1 gpt2 llama
    deberta_v2 modernbert electra unilm_conditional
""".split()  # other families hold the same layers: ``pytest -m slow``
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
EXTENSIONS = {  # default class name -> the extension that makes it of Adam
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
    """Loss as a script writes it."""

    def compute_loss(self, inputs, mask=None):
        return ops.mean(inputs[0] - 2.0 * inputs[1])


def halve_steps(BaseOptimizer):  # noqa: N803
    """Extension as a script writes it."""

    class HalfSteps(BaseOptimizer):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, 0.5 * learning_rate)

    return HalfSteps


def make_extended_classes():
    """Make the classes that a script makes before it opens a file with an extended optimizer."""
    combined_class = Adam
    for name, extend in EXTENSIONS.items():
        extend(Adam)
        if name != "LazyOptimizationAdam":
            combined_class = extend(combined_class, "AdamWithAll")
    optimizers.export_to_custom_objects(halve_steps)(Adam, "HalfAdam")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of the unpacked files."""
    place = tmp_path_factory.mktemp("saved")
    unpack(ARCHIVE, place)
    return place


def list_models(start):
    """Return the names of ``.keras`` files in a folder of the archive, without the extension."""
    end = ".keras"
    return [x.removesuffix(end) for x in FILES if x.startswith(start) and x.endswith(end)]


def mark_slow(usual, names):
    """Return names as test parameters; a name whose last part is not usual is slow."""
    marks = {True: (), False: pytest.mark.slow}
    return [pytest.param(x, marks=marks[x.rpartition("/")[2] in usual]) for x in names]


def load_recorded(name, kind):
    """Return the arrays ``<kind>0``, ``<kind>1`` and so on of a file."""
    numbers = load_arrays(f"saved/{name}")
    return [numbers[f"{kind}{i}"] for i in range(len(numbers)) if f"{kind}{i}" in numbers]


def assert_all_close(got, want):
    assert len(got) == len(want) > 0
    for x, y in zip(got, want):
        assert_close(x, y, atol=1e-5)


def assert_outputs_unchanged(model, name):
    """Assert that outputs and added losses of a model are the recorded ones."""
    assert_all_close(
        compute_outputs(model, load_recorded(name, "in.")), load_recorded(name, "out.")
    )
    if (loss := load_arrays(f"saved/{name}").get("loss")) is not None:
        assert_close(sum(model.losses), loss, atol=1e-5)


def open_model(folder, name, **options):
    return keras.models.load_model(folder / f"{name}.keras", **options)


@pytest.mark.parametrize("name", mark_slow(USUAL, list_models("models/")))
def test_a_saved_model_of_a_family_gives_the_same_outputs(folder, name):
    assert_outputs_unchanged(open_model(folder, name), name)


@pytest.mark.parametrize("name", list_models("layers/"))
def test_a_saved_layer_gives_the_same_outputs(folder, name):
    assert_outputs_unchanged(open_model(folder, name), name)


def test_a_saved_layer_keeps_gradient_checkpointing(folder):
    assert open_model(folder, "layers/recomputed").layers[-1].recompute


@pytest.mark.parametrize("part", ["activations", "kernels", "shapes", "tags"])
def test_a_saved_part_gives_the_same_outputs(folder, part):
    assert_outputs_unchanged(open_model(folder, f"parts/{part}"), f"parts/{part}")


def test_saved_initializers_keep_their_settings(folder):
    model = open_model(folder, "parts/kernels")
    first, second = (model.get_layer(f"kernel{i}").kernel_initializer for i in range(2))
    assert first.get_config() == {"variance": "1/m", "distribution": "orthogonal", "seed": 3}
    assert second.get_config() == {"variance": "2/m", "distribution": "uniform", "seed": 4}


@pytest.mark.parametrize("layer", ["crf", "memm"])
def test_the_layer_of_a_saved_tagger_gives_the_same_loss(folder, layer):
    numbers = load_arrays("saved/parts/tags")
    model = open_model(folder, "parts/tags", compile=False)
    scores = compute_outputs(model, load_recorded("parts/tags", "in."))[layer == "memm"]
    loss = model.get_layer(layer).sparse_loss(numbers["labels"], scores)
    assert_close(loss, numbers[layer], atol=1e-5)


def test_a_saved_compiled_model_keeps_its_multilabel_losses(folder):
    model = open_model(folder, "parts/several_labels")
    numbers = {
        x: ops.convert_to_tensor(y) for x, y in load_arrays("saved/parts/several_labels").items()
    }
    targets = {name: numbers[name] for name in ("one", "two")}
    loss = model.compute_loss(numbers["x"], targets, model(numbers["x"]))
    assert_close(loss, load_arrays("saved/parts/several_labels")["loss"], atol=1e-5)


@pytest.mark.parametrize("name", list_models("optimizers/"))
def test_a_saved_optimizer_continues_with_the_same_updates(folder, name):
    make_extended_classes()
    model = open_model(folder, name)
    assert f"optimizers/{type(model.optimizer).__name__}" == name
    gradients = load_arrays("saved/gradients")
    for i in range(3, 6):
        row = [ops.convert_to_tensor(gradients[f"{i}.{j}"]) for j in range(3)]
        model.optimizer.apply(row, model.trainable_variables)
    assert_all_close(model.get_weights(), load_recorded(name, ""))
    if averages := load_recorded(name, "ema."):
        model.optimizer.apply_ema_weights()
        assert_all_close(model.get_weights(), averages)


def test_a_saved_adversarial_model_keeps_its_recipes_and_its_model(folder):
    trainer = open_model(folder, "adversarial")
    token = "Embedding-Token"
    recipes = [RDrop(3.0), FGM(token, 0.3), PGD(token, 2.0, 0.5, 4), VAT(token, 2.0, 5.0, 2, True)]
    assert trainer.recipes == [*recipes, GradientPenalty(token, 0.5)]
    assert type(trainer.optimizer) is Adam and int(trainer.optimizer.iterations) == 1
    assert_outputs_unchanged(trainer, "adversarial")


@pytest.mark.parametrize("name", mark_slow({"bert", "albert", "gau_alpha", "t5.1.1"}, CASES))
def test_saved_weights_load_into_a_new_model(folder, name):
    model = build_transformer_model(**CASES[name])
    model.load_weights(folder / f"weights/{name}.weights.h5")
    assert_outputs_unchanged(model, f"models/{name}")


@pytest.mark.parametrize("name", mark_slow({"bert", "t5.1.1"}, CASES))
def test_saved_weights_are_read_as_a_checkpoint(folder, name):
    path = folder / f"weights/{name}.weights.h5"
    model = build_transformer_model(checkpoint_path=path, **CASES[name])
    assert_outputs_unchanged(model, f"models/{name}")


def test_a_saved_folder_opens_in_one_argument(folder):
    arguments = CASES["gau_alpha"].keys() - {"config_path", "model"}
    heads = {name: CASES["gau_alpha"][name] for name in arguments}
    assert_outputs_unchanged(
        build_transformer_model(folder / "folder", **heads), "models/gau_alpha"
    )


def test_backup_and_resume_restores_a_saved_run(folder):
    config = CASES["bert"]["config_path"]
    bert = build_transformer_model(config, with_pool=True)
    model = keras.Model(bert.inputs, keras.layers.Dense(2, name="head")(bert.output))
    averaging_class = optimizers.extend_with_exponential_moving_average(Adam, "AdamEMA")
    model.compile(averaging_class(0.01), "mse")
    keeper = BackupAndResume(folder / "run.npz", seed=3, metadata={"data": "五言"})
    assert keeper.restore(model) == 2
    assert keeper.history == [{"loss": 0.5}, {"loss": 0.375}]
    assert_all_close(model.get_weights(), load_recorded("run", ""))
    model.optimizer.apply_ema_weights()
    assert_all_close(model.get_weights(), load_recorded("run", "ema."))


def test_saved_shards_give_the_same_rows(folder):
    dataset = ShardedDataset(folder / "shards")
    token_ids, is_continuation, row_indices, _ = dataset.read_rows(0, 3)
    order = np.argsort(row_indices)
    assert token_ids[order].tolist() == [[2, 5 + i, 70000, 3] for i in range(3)]
    assert is_continuation[order].tolist() == np.eye(3, 4, dtype=bool).tolist()
    assert dataset.metadata == {"source": "诗"}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="functions of TensorFlow")
def test_files_saved_in_compatibility_mode_open_there(folder):
    """Runs in a separate process, because compatibility mode patches its process."""
    subprocess.run([sys.executable, "-c", COMPATIBILITY_MODE], cwd=folder / "door", check=True)


COMPATIBILITY_MODE = """
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
def test_a_registered_name_stays_registered(name):
    assert keras.saving.get_registered_object(f"bert4keras>{name}") is not None


def test_extended_optimizers_stay_registered_under_their_names():
    make_extended_classes()
    for name in [*EXTENSIONS, "AdamWithAll", "HalfAdam"]:
        assert keras.saving.get_registered_object(f"bert4keras.extended>{name}") is not None


def test_every_registered_name_occurs_in_a_file(folder):
    texts = []
    for name in list_models(""):
        with zipfile.ZipFile(folder / f"{name}.keras") as file:
            texts.append(file.read("config.json").decode())
    names = collect_strings(json.loads(f"[{','.join(texts)}]"))
    assert {f"bert4keras>{name}" for name in REGISTERED if name != "Loss"} <= names  # a base class
    assert {f"bert4keras.extended>{name}" for name in EXTENSIONS} <= names


def collect_strings(config):
    """Return all strings in a nested configuration."""
    if isinstance(config, dict):
        config = [*config.values()]
    if isinstance(config, list):
        return set().union(*map(collect_strings, config))
    return {config} if isinstance(config, str) else set()
