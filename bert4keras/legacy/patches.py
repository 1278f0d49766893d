"""All that the door touches, in three tables: what it goes around, what it adds, what it names.

``AROUND``: a function of ours takes the place of one, and is given that one first.
``ADDED``: attributes of classes that were not there.
``NAMES``: names of modules that were not there.
"""

import contextlib
import inspect
import itertools
from functools import partial, wraps
from types import SimpleNamespace

import keras
from keras.layers import Dense, Embedding
from keras.src.callbacks.history import History
from keras.src.callbacks.monitor_callback import MonitorCallback
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.layers.merging.base_merge import Merge
from keras.src.losses import loss
from keras.src.metrics import reduction_metrics
from keras.src.models import model as keras_model
from keras.src.models.functional import Functional
from keras.src.ops.node import Node
from keras.src.ops.numpy import Multiply
from keras.src.trainers.trainer import Trainer
from keras.src.utils import python_utils

from bert4keras import (
    backend,
    generation,
    layers,
    models,
    optimizers,
    snippets,
    tokenizers,
)
from bert4keras.backend import keras2
from bert4keras.generation import AutoRegressiveDecoder
from bert4keras.legacy import (
    arguments,
    arithmetic,
    attributes,
    callbacks,
    decoding,
    earliest,
    families,
    functions,
    gradients,
    lambdas,
    masks,
    metrics,
    old,
    running,
    stars,
    texts,
    training,
    updates,
    weights,
)
from bert4keras.legacy import layers as old_layers
from bert4keras.legacy import optimizers as old_optimizers
from bert4keras.models import build, skip_initialization

AROUND = [  # owner, name, what goes around it
    # models
    (Trainer, "compile", training.compile),
    (Trainer, "_flatten_metrics_in_order", metrics.in_order),
    (keras.Model, "fit", training.fit),
    (keras.Model, "evaluate", training.evaluate),
    (keras.Model, "predict", training.predict),
    (keras.Model, "train_on_batch", training.on_batch),
    (keras.Model, "test_on_batch", training.on_batch),
    (keras.Model, "predict_on_batch", training.predict_on_batch),
    (keras.Model, "_compute_loss", training.computing),
    (reduction_metrics, "reduce_to_samplewise_values", metrics.samplewise),
    (loss, "reduce_weighted_values", metrics.reduced),
    *((keras.Variable, name, metrics.assign) for name in ("assign", "assign_add", "assign_sub")),
    (keras.Model, "save", weights.save),
    (keras.Model, "save_weights", weights.save_weights),
    (keras.Model, "load_weights", weights.load_weights),
    (keras.metrics, "sparse_categorical_accuracy", metrics.sparse_accuracy),
    (keras.models, "load_model", weights.load_model),
    (keras.saving, "load_model", weights.load_model),
    (keras_model, "functional_init_arguments", old_layers.is_functional),
    (Functional, "__init__", old_layers.functional),
    (Functional, "call", old_layers.call),
    (keras.Model, "get_layer", masks.get_layer),
    # layers
    (keras.layers.Layer, "__init__", arguments.base),
    (keras.layers.Layer, "add_weight", old_layers.add_weight),
    (keras.layers.Layer, "add_loss", old_layers.add_loss),
    (keras.layers.Layer, "__call__", attributes.called),
    (keras.layers.Layer, "__setattr__", attributes.stored),
    (keras.layers.Layer, "compute_output_spec", attributes.output_spec),
    (Embedding, "compute_output_spec", attributes.output_spec),
    (Merge, "compute_mask", old_layers.merged_mask),
    (Multiply, "compute_output_spec", old_layers.product),
    (keras.layers.Lambda, "call", lambdas.call),
    (keras.layers.Lambda, "from_config", lambdas.from_config),
    (python_utils, "func_load", lambdas.func_load),
    (layers.LayerNormalization, "__init__", arguments.normalization),
    (layers.MultiHeadAttention, "__init__", arguments.attention),
    (layers.MultiHeadAttention, "__call__", families.attend),
    (layers.Loss, "call", old_layers.loss_call),
    (layers.Loss, "__call__", old_layers.loss_called),
    *((layer, "__init__", arguments.renaming(name)) for name, layer in arguments.layers().items()),
    *arithmetic.AROUND,
    # optimizers and callbacks
    (keras.optimizers.Optimizer, "__init__", old_optimizers.initialised),
    *(
        (optimizer, "__init__", old_optimizers.default_epsilon)
        for optimizer in (
            keras.optimizers.Adam,
            keras.optimizers.Adadelta,
            keras.optimizers.Adagrad,
            keras.optimizers.RMSprop,
        )
    ),
    (keras.callbacks.ModelCheckpoint, "__init__", weights.checkpoint),
    (keras.callbacks.ModelCheckpoint, "on_epoch_end", weights.checkpoint_epoch),
    (keras.callbacks.ModelCheckpoint, "_get_file_path", weights.checkpoint_path),
    (keras.callbacks.TensorBoard, "__init__", callbacks.initialised),
    (keras.callbacks.ReduceLROnPlateau, "__init__", callbacks.initialised),
    (MonitorCallback, "_set_monitor_op", callbacks.best_is_high),
    (History, "on_train_begin", callbacks.history),
    (keras.callbacks.CallbackList, "set_params", callbacks.set_params),
    (python_utils, "pythonify_logs", callbacks.pythonified),
    # bert4keras
    (build, "build_transformer_model", old.build_transformer_model),
    (models, "build_transformer_model", old.build_transformer_model),
    (models.Transformer, "__init__", families.initialised),
    (models.Transformer, "build", families.build),
    (models.Transformer, "apply", families.apply),
    (models.T5, "build", families.build),
    (skip_initialization.SkippableTruncatedNormal, "__call__", families.drawn),
    (skip_initialization.SkippableVarianceScaling, "__call__", families.drawn),
    (tokenizers.TokenizerBase, "encode", texts.encode),
    (tokenizers.TokenizerBase, "tokenize", texts.tokenize),
    (tokenizers, "load_vocab", texts.load_vocab),
    (snippets, "sequence_padding", texts.sequence_padding),
    (AutoRegressiveDecoder, "wraps", decoding.wraps),
    (AutoRegressiveDecoder, "_asked", decoding.asked),
    (backend, "search_layer", decoding.search_layer),
]
ADDED = [  # owner, name, what it is
    (keras.Model, "fit_generator", training.fit_generator),
    (keras.Model, "evaluate_generator", training.evaluate_generator),
    (keras.Model, "predict_generator", training.predict_generator),
    (keras.Model, "predict_classes", training.predict_classes),
    (keras.Model, "predict_proba", training.predict_proba),
    (keras.Model, "_make_train_function", gradients.make_train_function),
    (keras.Model, "_make_test_function", lambda model: model.make_test_function()),
    (keras.Model, "_make_predict_function", lambda model: model.make_predict_function()),
    (keras.Model, "total_loss", property(gradients.total_loss)),
    (keras.Model, "metrics_tensors", property(metrics.metrics_tensors)),
    (keras.Model, "compiled_loss", property(metrics.CompiledLoss)),
    (keras.Model, "compiled_metrics", property(metrics.CompiledMetrics)),
    (keras.Model, "_feed_inputs", property(lambda model: list(model.inputs))),
    (keras.Model, "_feed_targets", property(gradients.targets)),
    (keras.Model, "_feed_sample_weights", property(lambda model: [])),
    (keras.Model, "targets", property(gradients.targets)),
    (keras.Model, "sample_weights", property(lambda model: [])),
    (keras.Model, "uses_learning_phase", property(lambda model: False)),
    (Functional, "add_loss", old_layers.add_loss_of_model),
    (keras.layers.Layer, "add_metric", old_layers.add_metric),
    (keras.layers.Layer, "get_output_at", old_layers.get_output_at),
    (keras.layers.Layer, "get_input_at", old_layers.get_input_at),
    (keras.layers.Layer, "output_shape", property(old_layers.output_shape)),
    (keras.layers.Layer, "input_shape", property(old_layers.input_shape)),
    (keras.layers.Layer, "output_mask", property(masks.output_mask)),
    (keras.layers.Layer, "input_mask", property(masks.input_mask)),
    (keras.layers.Layer, "get_output_mask_at", masks.get_output_mask_at),
    (Embedding, "embeddings", attributes.settable(Embedding, "embeddings")),
    (Dense, "kernel", attributes.settable(Dense, "kernel")),
    (BaseConv, "kernel", attributes.settable(BaseConv, "kernel")),
    (keras.layers.Layer, "_initial_weights", None),
    (keras.Sequential, "output", property(lambda model: model.outputs[0])),
    (keras.Sequential, "input", property(lambda model: model.inputs[0])),
    (keras.layers.Layer, "inbound_nodes", property(lambda layer: layer._inbound_nodes)),
    (keras.KerasTensor, "_keras_shape", property(old_layers.keras_shape)),
    (keras.KerasTensor, "get_shape", old_layers.get_shape),
    (keras.KerasTensor, "op", property(lambda tensor: tensor._keras_history.operation)),
    (keras.Variable, "__hash__", object.__hash__),
    (keras.metrics.Metric, "reset_states", lambda metric: metric.reset_state()),
    (Node, "inbound_layers", property(old_layers.inbound_layers)),
    (keras.optimizers.Optimizer, "lr", property(old_optimizers.get_lr, old_optimizers.set_lr)),
    (keras.optimizers.Optimizer, "__init_subclass__", classmethod(updates.subclassed)),
    (keras.optimizers.Optimizer, "minimize", old_optimizers.minimize),
    (keras.optimizers.Optimizer, "weights", property(old_optimizers.weights)),
    (models.Transformer, "attention_mask", None),
    (models.Transformer, "__init_subclass__", classmethod(families.subclassed)),
    *(
        (owner, "compute_attention_mask", families.mask_of(owner))
        for owner in (models.Transformer, models.LM_Mask, models.UniLM_Mask)
    ),
    (AutoRegressiveDecoder, "set_rtype", old.SET_RTYPE),
    *((tokenizers.TokenizerBase, name, token) for name, token in texts.SPECIAL_TOKENS.items()),
]
LOSSES = {
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kl_divergence",
    "KLD": "kl_divergence",
    "mse": "mean_squared_error",
    "MSE": "mean_squared_error",
    "mae": "mean_absolute_error",
    "MAE": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "logcosh": "log_cosh",
    "cosine_proximity": "cosine_similarity",
    "cosine": "cosine_similarity",
    "bce": "binary_crossentropy",
}
FACES = (layers, models, optimizers, snippets, tokenizers)
OPTIMIZERS = "Adam Adadelta Adagrad Adamax Nadam RMSprop SGD".split()
NAMES = [  # module, {name: what it is}
    (keras2, functions.ADDED),
    (
        keras.layers,
        {
            "AtrousConvolution1D": keras.layers.Conv1D,
            "CuDNNGRU": keras.layers.GRU,
            "CuDNNLSTM": keras.layers.LSTM,
        },
    ),
    (
        keras.mixed_precision,
        {
            "experimental": SimpleNamespace(
                Policy=keras.mixed_precision.Policy,
                set_policy=keras.mixed_precision.set_global_policy,
            )
        },
    ),
    (keras.losses, {name: getattr(keras.losses, new) for name, new in LOSSES.items()}),
    (keras.metrics, {name: getattr(keras.losses, new) for name, new in LOSSES.items()}),
    (
        keras.optimizers,
        {name.lower(): getattr(keras.optimizers, name) for name in OPTIMIZERS},
    ),
    (
        keras.utils,
        {
            **{name: keras.utils for name in ("np_utils", "generic_utils", "vis_utils")},
            "multi_gpu_model": old.multi_gpu_model,
        },
    ),
    (
        models,
        {
            "build_bert_model": old.build_bert_model,
            "data_parallel": old.data_parallel,
            "GPT_OpenAI": models.GPT,
            "extend_with_parallel_unified_language_model": (
                old.extend_with_parallel_unified_language_model
            ),
        },
    ),
    (layers, old.LAYERS),
    (models, old.LAYERS),
    (backend, {"infinity": old.infinity, "set_infinity": old.set_infinity}),
    (optimizers, old.OPTIMIZERS),
    (keras.optimizers, {"TFOptimizer": earliest.tf_optimizer}),
    (tokenizers, {"SimpleTokenizer": texts.SimpleTokenizer}),
    (
        snippets,
        {
            "BasicTokenizer": tokenizers.TokenizerBase,
            "BeamSearch": generation.AutoRegressiveDecoder,
            "Progress": texts.Progress,
            "get_all_attributes": texts.get_all_attributes,
            "groupby": itertools.groupby,
            "is_py2": False,
        },
    ),
]


def apply():
    """Put everything of the tables in its place."""
    for owner, name, replacement in AROUND:
        _go_around(owner, name, replacement)
    for owner, name, value in ADDED:
        setattr(owner, name, value)
    for owner, name, around in (
        (keras.Model, "metrics_names", metrics.metrics_names),
        (keras.KerasTensor, "shape", old_layers.shape),
    ):
        setattr(owner, name, property(partial(around, getattr(owner, name).fget)))
    keras.callbacks.Callback.model = keras.callbacks.Callback.model.setter(callbacks.set_model)
    for module, names in NAMES:
        for name, value in names.items():
            setattr(module, name, value)
        if module in FACES:
            module.__all__ = [*module.__all__, *names]
    stars.furnish({module.__name__: module for module in FACES})
    public = {name: value for name, value in vars(keras2).items() if not name.startswith("__")}
    for name, value in public.items():
        if not hasattr(keras.backend, name):
            setattr(keras.backend, name, value)
    vars(keras.backend).setdefault("__getattr__", functions.unknown)


def _go_around(owner, name, replacement):
    original = inspect.getattr_static(owner, name)
    kind = type(original) if isinstance(original, staticmethod | classmethod) else None
    original = original.__func__ if kind else original
    running.originals[owner, name] = original

    @wraps(original)
    def patched(*args, **kwargs):
        return replacement(original, *args, **kwargs)

    with contextlib.suppress(ValueError):  # what is written in C has none
        patched.__signature__ = inspect.signature(original)  # Keras reads it, not behind wrappers
    setattr(owner, name, kind(patched) if kind else patched)
