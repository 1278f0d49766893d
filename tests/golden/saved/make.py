"""Saves small models, weights and runs: ``PYTHONPATH=../../..:../.. python make.py``, run here.

It made the files of this folder once, by the code of that day, on TensorFlow. Do not run it again
over them: what it would save is of the code that runs it, and the old files would be lost.
"""

import io
import json
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from keras import ops
from layers.test_saving import CALLS, IDS
from support import outputs_of, stirred

from bert4keras import backend, losses, optimizers
from bert4keras import layers as L  # noqa: N812
from bert4keras.backend import K
from bert4keras.callbacks import Resume
from bert4keras.data import write_shards
from bert4keras.models import FAMILIES, build_transformer_model
from bert4keras.models.config import parameters
from bert4keras.optimizers import FGM, PGD, VAT, AdversarialModel, GradientPenalty, RDrop

HERE = Path(__file__).parent
CONFIG = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "max_position_embeddings": 10,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
TOKENS = {"with_mlm": "linear", "with_generator": True, "with_lm": True}
HEADS = {"with_pool": True, "with_nsp": True, "with_discriminator": True, **TOKENS}
MODELS = {  # settings beside CONFIG, by family
    "bert": {},
    "xlm_roberta": {"pad_token_id": 0, "max_position_embeddings": 11},
    "distilbert": {},
    "electra": {"embedding_size": 4},
    "ernie": {"use_task_id": True},
    "deberta_v2": {
        "embedding_size": 4,
        "type_vocab_size": 2,
        "position_buckets": 6,
        "share_att_key": False,
        "position_biased_input": True,
        "conv_kernel_size": 3,
    },
    "modernbert": {
        "local_attention": 4,
        "global_attn_every_n_layers": 2,
        "num_hidden_layers": 2,
    },
    "albert": {"embedding_size": 4, "num_hidden_layers": 2},
    "albert_unshared": {"embedding_size": 4},
    "nezha": {},
    "roformer": {"embedding_size": 4},
    "roformer_v2": {"embedding_size": 4},
    "gau_alpha": {"embedding_size": 4},
    "gpt": {"hidden_act": "gelu_tanh", "intermediate_size": 32},
    "gpt2": {"hidden_act": "gelu_tanh"},
    "gpt2_ml": {},
    "llama": {"key_value_heads": 1, "projection_bias": True, "mlp_bias": True},
    "mistral": {"attention_head_size": 4, "tie_word_embeddings": True},
    "qwen2": {},
    "t5": {},
    "t5.1.1": {"hidden_act": ["gelu", "linear"], "num_decoder_layers": 2},
    "t5_encoder": {},
    "t5_decoder": {"context_mask": True, "embedding_size": 4},
}
OTHERS = {  # arguments of further files: each a name of MODELS and what it is given
    "bert_residual": ("bert", {"residual_attention_scores": True}),
    "bert_lm": ("bert", {"application": "lm", "hierarchical_position": True}),
    "llama_lm": ("llama", {"application": "lm"}),
    "gpt_lm": ("gpt", {"application": "lm"}),
}
WEIGHTS = ("bert", "albert", "roformer", "nezha", "gau_alpha", "t5.1.1", "gpt2", "deberta_v2")
random = np.random.default_rng(2026)


class MeanDifference(L.Loss):
    """A loss as a script writes it."""

    def compute_loss(self, inputs, mask=None):
        return ops.mean(inputs[0] - 2.0 * inputs[1])


keras.saving.register_keras_serializable("script")(MeanDifference)


# Models


def arguments_of(name):
    """What ``build_transformer_model`` is given, for the name of a file: all heads there are."""
    family, given = OTHERS.get(name, (name, {}))
    kind = FAMILIES[family]
    known = {*parameters(kind, "__init__")} - {*kind.refused, *kind.ignored}
    heads = {head: value for head, value in HEADS.items() if head in known}
    return {"config_path": {**CONFIG, **MODELS[family]}, "model": family, **heads, **given}


def conditional():
    """A UniLM whose normalizations follow a condition."""
    condition = keras.Input((3,), name="Input-Condition")
    return build_transformer_model(
        CONFIG,
        application="unilm",
        with_mlm="linear",
        layer_norm_cond=condition,
        layer_norm_cond_hidden_size=4,
        layer_norm_cond_hidden_act="swish",
        additional_input_layers=condition,
    )


def given(model):
    """Inputs of a model, by the ends of their names."""
    ids = np.array([[2, 17, 19, 18, 3], [2, 11, 3, 0, 0]], "int32")
    segments = np.array([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]], "int32")
    known = {"Token": ids, "Segment": segments, "Mask": (ids != 0).astype("int32")}
    known |= {"Task": segments, "Condition": random.normal(size=(2, 3)).astype("float32")}
    known["Context"] = random.normal(size=(2, 5, 8)).astype("float32")
    return [known[x.name.rpartition("-")[2]] for x in model.inputs]


# Layers, and what models hold beside them


def layers():
    """A model around each layer, and around one that is computed again for its gradient."""
    calls = {**CALLS, "Loss": lambda ids, x: MeanDifference(1)([x, x])}
    calls["recomputed"] = lambda ids, x: L.FeedForward(5, "swish", recompute=True)(x)
    return {name: around(call) for name, call in calls.items()}


def around(call):
    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, call(ids, L.Embedding(10, 8, mask_zero=True)(ids)))


def activations(ids, x):
    names = ("gelu_erf", "gelu_tanh", "swish", "leaky_relu")
    every = [keras.layers.Dense(4, getattr(backend, name))(x) for name in names]
    size = keras.layers.Lambda(backend.root_mean_square, arguments={"axis": -1, "keepdims": True})
    pooled = L.GlobalMaxPooling1D()(x)
    return [*every, *(L.FeedForward(3, name)(x) for name in names), size(pooled)]


def kernels(ids, x):
    kinds = [L.Geometric("1/m", "orthogonal", 3), L.Geometric("2/m", "uniform", 4)]
    penalties = [L.OrthonormalKernel(0.02), L.OrthogonalKernel(0.03)]
    both = zip(kinds, penalties)
    named = [
        keras.layers.Dense(
            9, kernel_initializer=kind, kernel_regularizer=penalty, name=f"kernel{i}"
        )
        for i, (kind, penalty) in enumerate(both)
    ]
    table = keras.layers.Embedding(10, 4, embeddings_initializer=backend.Sinusoidal(), name="table")
    return [*(layer(x) for layer in named), table(ids)]


def shapes(ids, x):
    return [K.reshape(x, (2, 4), -1), K.flatten(x, 1), K.reshape(K.flatten(x, 0, 2), (-1, 2), 0)]


def tags(ids, x):
    scores = keras.layers.Dense(3)(x)
    crf = L.ConditionalRandomField(lr_multiplier=10, name="crf")
    return [crf(scores), L.MaximumEntropyMarkovModel(10, hidden_dim=2, name="memm")(scores)]


def several_labels():
    """A model compiled with both losses of several labels."""
    x = keras.Input((4,))
    model = keras.Model(x, {name: keras.layers.Dense(5, name=name)(x) for name in ("one", "two")})
    both = {"one": losses.multilabel_categorical_crossentropy}
    both["two"] = losses.sparse_multilabel_categorical_crossentropy
    model.compile("sgd", both)
    return model


# Optimizers


def half(BaseOptimizer):  # noqa: N803
    """An extension as a script writes it."""

    class HalfSteps(BaseOptimizer):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, 0.5 * learning_rate)

    return HalfSteps


OPTIONS = {
    "weight_decay": {"weight_decay_rate": 0.1, "exclude_from_weight_decay": ["bias"]},
    "layer_adaptation": {"exclude_from_layer_adaptation": ["bias"]},
    "lazy_optimization": {"include_in_lazy_optimization": ["first"]},
    "piecewise_linear_lr": {"lr_schedule": {8: 1.0, 12: 0.5}},
    "parameter_wise_lr": {"paramwise_lr_schedule": {"first": 0.5}},
    "gradient_accumulation": {"grad_accum_steps": 2},
    "lookahead": {"steps_per_slow_update": 3, "slow_step_size": 0.3},
    "exponential_moving_average": {"ema_momentum": 0.9},
}


def all_optimizers():
    """Each optimizer, each extension of Adam, and Adam with all of them but lazy updates."""
    yield optimizers.Adam(0.1, 0.8, bias_correction=False)
    yield optimizers.Lion(0.1, 0.8, 0.9)
    yield optimizers.Tiger(0.1, 0.8)
    yield optimizers.AdaFactor(
        0.1, 0.8, min_dim_size_to_factor=3, exclude_from_parameter_scale=["bias"]
    )
    everything, options = optimizers.Adam, {}
    for word, own in OPTIONS.items():
        extend = getattr(optimizers, f"extend_with_{word}")
        yield extend(optimizers.Adam)(0.1, **own)
        if word != "lazy_optimization":
            everything, options = extend(everything, "AdamWithAll"), {**options, **own}
    yield everything(0.1, **options)
    yield optimizers.export_to_custom_objects(half)(optimizers.Adam, "HalfAdam")(0.1)


def trained(optimizer, gradients):
    """A model amid its training."""
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(9, 3, name="first"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(2, name="second"),
        ]
    )
    stirred(model).compile(optimizer, "mse")
    walk(model, gradients)
    return model


def walk(model, gradients):
    """Updates by given gradients."""
    model.optimizer.build(model.trainable_variables)
    for row in gradients:
        model.optimizer.apply([ops.convert_to_tensor(x) for x in row], model.trainable_variables)


def drawn_gradients():
    """Gradients of six batches; half of the tokens are in none of them."""
    shapes = (9, 3), (12, 2), (2,)
    rows = [[random.normal(size=shape).astype("float32") for shape in shapes] for _ in range(6)]
    for row in rows:
        row[0][::2] = 0.0
    return rows


def adversarial():
    ids = keras.Input((None,), dtype="int32")
    x = L.Embedding(10, 8, mask_zero=True, name="Embedding-Token")(ids)
    model = keras.Model(ids, keras.layers.Dense(3, activation="softmax")(x))
    token = "Embedding-Token"
    recipes = [RDrop(3.0), FGM(token, 0.3), PGD(token, 2.0, 0.5, 4), VAT(token, 2.0, 5.0, 2, True)]
    trainer = AdversarialModel(stirred(model), [*recipes, GradientPenalty(token, 0.5)])
    trainer.compile(optimizers.Adam(), "sparse_categorical_crossentropy")
    walk(trainer, [[ops.ones(x.shape) for x in trainer.trainable_variables]])
    return trainer


def resumed(path):
    """A run of two epochs that its file keeps; its weights, and what it was told."""
    bert = build_transformer_model(CONFIG, with_pool=True)
    model = keras.Model(bert.inputs, keras.layers.Dense(2, name="head")(bert.output))
    kind = optimizers.extend_with_exponential_moving_average(optimizers.Adam, "AdamEMA")
    stirred(model).compile(kind(0.01), "mse")
    keeper = Resume(path, seed=3, about={"data": "五言"})
    keeper.set_model(model)
    for epoch in range(2):
        gradients = [random.normal(size=x.shape).astype("float32") for x in model.trainable_weights]
        walk(model, [gradients])
        keeper.on_epoch_end(epoch, {"loss": 0.5 - 0.125 * epoch})
    return model


DOOR = """
import bert4keras.legacy
import numpy as np
import tensorflow as tf
from bert4keras.backend import keras

x = keras.layers.Input(shape=(4,))
y = tf.reduce_sum(keras.layers.Dense(3, name="dense")(x), axis=-1, keepdims=True)
model = keras.models.Model(x, y)
model.get_layer("dense").set_weights([np.arange(12.0).reshape(4, 3) / 10, np.arange(3.0)])
model.save("model.keras")
model.save_weights("model.weights")
"""  # what scripts of the old library write: a function of TensorFlow, and any name of a file


# Files


def save_all(folder):
    """Save everything to a folder, and give the numbers and the arguments to record."""
    arrays, cases = {}, {}
    for name in ("models", "layers", "parts", "optimizers", "weights"):
        (folder / name).mkdir()

    def save(name, model, inputs):
        model.save(folder / f"{name}.keras")
        arrays.update({f"{name}/in.{i}": x for i, x in enumerate(inputs)})
        arrays.update({f"{name}/out.{i}": x for i, x in enumerate(outputs_of(model, inputs))})
        if model.losses:
            arrays[f"{name}/loss"] = ops.convert_to_numpy(sum(model.losses))

    for name in [*MODELS, *OTHERS]:
        built = stirred(build_transformer_model(return_keras_model=False, **arguments_of(name)))
        save(f"models/{name}", built.model, given(built.model))
        if name in WEIGHTS:
            built.model.save_weights(folder / f"weights/{name}.weights.h5")
            cases[name] = arguments_of(name)
        if name == "gau_alpha":
            built.save_pretrained(folder / "folder")
    model = stirred(conditional())
    save("models/unilm_conditional", model, given(model))

    for name, model in layers().items():
        model.set_weights([random.normal(size=w.shape) for w in model.weights])
        save(f"layers/{name}", model, [IDS])
    for call in (activations, kernels, shapes, tags):
        model = stirred(around(call))
        save(f"parts/{call.__name__}", model, [IDS])
    labels = arrays["parts/tags/labels"] = IDS % 3
    for i, name in enumerate(("crf", "memm")):
        scores = arrays[f"parts/tags/out.{i}"]
        loss = model.get_layer(name).sparse_loss(labels, scores)
        arrays[f"parts/tags/{name}"] = ops.convert_to_numpy(loss)

    model = stirred(several_labels())
    model.save(folder / "parts/several_labels.keras")
    x = arrays["parts/several_labels/x"] = random.normal(size=(3, 4)).astype("float32")
    one = arrays["parts/several_labels/one"] = random.integers(0, 2, (3, 5)).astype("float32")
    two = arrays["parts/several_labels/two"] = np.array([[0, 3], [1, 2], [4, 0]], "int32")
    loss = model.compute_loss(x, {"one": one, "two": two}, model(x))
    arrays["parts/several_labels/loss"] = ops.convert_to_numpy(loss)

    gradients = drawn_gradients()
    for i, row in enumerate(gradients):
        arrays.update({f"gradients/{i}.{j}": x for j, x in enumerate(row)})
    for optimizer in all_optimizers():
        name = f"optimizers/{type(optimizer).__name__}"
        model = trained(optimizer, gradients[:3])
        model.save(folder / f"{name}.keras")
        walk(model, gradients[3:])
        arrays.update({f"{name}/{i}": x for i, x in enumerate(model.get_weights())})
        if hasattr(optimizer, "apply_ema_weights"):
            optimizer.apply_ema_weights()
            arrays.update({f"{name}/ema.{i}": x for i, x in enumerate(model.get_weights())})

    save("adversarial", adversarial(), [IDS])
    model = resumed(folder / "run.npz")
    arrays.update({f"run/{i}": x for i, x in enumerate(model.get_weights())})
    model.optimizer.apply_ema_weights()
    arrays.update({f"run/ema.{i}": x for i, x in enumerate(model.get_weights())})
    rows = [(np.array([2, 5 + i, 70000, 3]), np.arange(4) == i) for i in range(3)]
    write_shards(rows, folder / "shards", size=2, about={"source": "诗"})
    (folder / "door").mkdir()
    subprocess.run([sys.executable, "-c", DOOR], cwd=folder / "door", check=True)
    return arrays, cases


def main():
    """Write the files, packed, beside this script."""
    keras.utils.set_random_seed(2026)
    with TemporaryDirectory() as folder:
        arrays, cases = save_all(Path(folder))
        with tarfile.open(HERE / "files.tar.xz", "w:xz", preset=9) as archive:
            for path in sorted(x for x in Path(folder).rglob("*") if x.is_file()):
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                member.size = path.stat().st_size
                archive.addfile(member, io.BytesIO(path.read_bytes()))
    buffer = io.BytesIO()
    np.savez(buffer, **dict(sorted(arrays.items())))
    (HERE / "arrays.npz.xz").write_bytes(lzma.compress(buffer.getvalue(), preset=9))
    (HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
