"""Usage report: the outdated code that a script uses, its line, and what to write instead.

``docs/migration.md`` shows each entry of ``IDIOMS`` with an example.
"""

import os
import sys
from pathlib import Path

IDIOMS = {  # key: (outdated code, what to do), both as the report prints them
    # modules and names
    "keras.backend": (
        "`keras.backend` as K",
        "Use keras.ops; bert4keras.backend.K is for old scripts",
    ),
    "tensorflow.keras": ("`tensorflow.keras`", "Import keras: both are the same package"),
    "old module": (
        "a module of Keras 1 or 2 that has moved",
        "Import from keras.layers, keras.utils, ...",
    ),
    "old name": ("an old name of bert4keras", "Use the new name, see docs/migration.md"),
    "old bert4keras": (
        "a module or name of bert4keras before 0.6",
        "Use bert4keras.models.build_transformer_model and bert4keras.tokenizers.Tokenizer",
    ),
    "tf1 name": ("a name of TensorFlow 1", "Use keras.ops, or the name of TensorFlow 2"),
    "tf function": (
        "a TensorFlow function on a symbolic tensor",
        "Use keras.ops, or call the function in a layer",
    ),
    "tf function on tensors": (
        "a TensorFlow function in a loss, metric or layer",
        "Use keras.ops, which works on each backend, or KERAS_BACKEND=tensorflow",
    ),
    "python on tensors": (
        "if, for, range or len on a tensor",
        "Use keras.ops.where, keras.ops.cond, keras.ops.shape, ...",
    ),
    "strategy": (
        "a strategy for several GPUs with fewer than two GPUs",
        "Delete it: one device needs no strategy",
    ),
    "tf1 session": (
        "a session or graph of TensorFlow 1",
        "Delete it: models run eagerly, and K.get_value reads a variable",
    ),
    "tf1 file": (
        "saving a graph of TensorFlow 1",
        "Use model.export(folder), which TensorFlow Serving reads",
    ),
    "numpy name": ("a name that NumPy or Python has removed", "Use int, float, bool, ..."),
    "ragged array": (
        "numpy.array of rows with different lengths",
        "Use numpy.array(rows, dtype=object), or bert4keras.snippets.sequence_padding(rows)",
    ),
    # arguments
    "keras 1 argument": (
        "an argument of Keras 1",
        "Use units, rate, filters, kernel_initializer, epochs, steps_per_epoch, ...",
    ),
    "unknown argument": (
        "an argument that build_transformer_model does not have",
        "Delete it: it never had an effect",
    ),
    "keep_words": ("`keep_words`", "Use keep_tokens"),
    "seq2seq": ("`application='seq2seq'`", "Use application='unilm'"),
    "albert": ("`albert=True`", "Use model='albert'"),
    "max_length": (
        "`max_length`, `first_length`, `first` of tokenizers",
        "Use maxlen, first_text, second_text",
    ),
    "special tokens": (
        "a vocabulary without [UNK], [CLS] or [SEP]",
        "Add them, or pass token_start=None, token_end=None to the tokenizer",
    ),
    "padding": ("`padding` of sequence_padding", "Use value"),
    "lr": ("`lr` of an optimizer", "Use learning_rate"),
    "decay": (
        "`decay` of an optimizer",
        "Use learning_rate=keras.optimizers.schedules.InverseTimeDecay(rate, 1, decay)",
    ),
    "add_weight": (
        "add_weight(name, shape) with positional arguments",
        "Use add_weight(name=..., shape=...)",
    ),
    "period": ("`period` of ModelCheckpoint", "Use save_freq"),
    "single output": ("Model(inputs, [x])", "Use Model(inputs, x), whose output is x"),
    # training
    "fit_generator": ("fit_generator", "Use fit"),
    "evaluate_generator": ("evaluate_generator", "Use evaluate"),
    "predict_generator": ("predict_generator", "Use predict"),
    "predict_classes": ("predict_classes, predict_proba", "Use predict(x).argmax(axis=-1)"),
    "generator items": (
        "a generator that yields lists",
        "Yield tuples (inputs, targets) with tuples of arrays, or use DataGenerator.forfit()",
    ),
    "endless": (
        "a generator without its number of steps",
        "Pass steps_per_epoch to fit, and steps to evaluate and predict",
    ),
    "nested lists": ("Python lists as data", "Use NumPy arrays: numpy.array(x)"),
    "compile argument": ("target_tensors or sample_weight_mode of compile", "Delete it"),
    "one optimizer": ("one optimizer for several models", "Make an optimizer for each model"),
    "metrics of outputs": (
        "one list of metrics for several outputs",
        "Use metrics=[[...], [...]], a list for each output",
    ),
    "class_weight": (
        "a class_weight that is not a dict",
        "Use {class: weight}; other values never had an effect",
    ),
    "add_metric": (
        "add_metric",
        "Use metrics=[...] of compile, or update a keras.metrics.Mean in the layer's call",
    ),
    "add_loss": (
        "add_loss with a tensor outside of a layer",
        "Write a subclass of bert4keras.layers.Loss with compute_loss",
    ),
    "acc": ("`acc` in the logs", "Use the name from metrics=[...], such as 'accuracy'"),
    "optimizer.lr": ("optimizer.lr", "Use optimizer.learning_rate"),
    "TensorBoard": (
        "keras.callbacks.TensorBoard without its package",
        "Install it: pip install tensorboard",
    ),
    "callback.model": (
        "a callback that sets self.model",
        "Use another name: Keras sets self.model",
    ),
    # files
    "weights name": (
        "a weights file with another extension",
        "Use a name that ends in .weights.h5",
    ),
    "model name": ("a model file with another extension", "Use a name that ends in .keras"),
    "whole model": (
        "a whole model saved by Keras 2",
        "Use bert4keras.models.load_keras2_model(path, custom_objects)",
    ),
    "Lambda": (
        "a Lambda layer saved by another process",
        "Pass custom_objects={'name of the layer': function} to load_model, or safe_mode=False "
        "if you trust the file: it can contain any program",
    ),
    "by_name": (
        "load_weights(by_name=True)",
        "Use bert4keras.checkpoints, or load into a part of the model",
    ),
    # layers and graphs
    "get_output_at": ("layer.get_output_at(i)", "Use bert4keras.backend.output_at(layer, i)"),
    "_keras_shape": ("_keras_shape, get_shape()", "Use tensor.shape"),
    "output_mask": (
        "output_mask of a layer, or the layer Sequence-Mask",
        "Use keras.ops.not_equal(token_ids, 0)",
    ),
    "inbound_layers": ("inbound_layers of a node", "Use tensor._keras_history.operation"),
    "metrics_tensors": ("metrics_tensors of a model", "Use metrics=[...] of compile"),
    "total_loss": (
        "total_loss of a model",
        "Train with bert4keras.training.AdversarialModel, or override train_step",
    ),
    "train_step": (
        "a custom train_step",
        "Override compute_loss, or write train_step(self, state, data) as Keras does on JAX",
    ),
    "compiled_loss": (
        "compiled_loss or compiled_metrics in a train_step",
        "Use self.compute_loss(x, y, y_pred), self.compute_metrics(x, y, y_pred)",
    ),
    "minimize": (
        "optimizer.minimize",
        "Use optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))",
    ),
    "scaled weight": (
        "a weight of a layer replaced by a multiple of itself, to train faster",
        "Use bert4keras.optimizers.extend_with_parameter_wise_lr(Adam)",
    ),
    "a_mask": (
        "compute_attention_mask, or a_mask of an attention layer",
        "Use compute_attention_bias and a_bias, with booleans or with numbers added to the scores",
    ),
    "K.gradients": (
        "K.gradients",
        "Use bert4keras.training.FGM or GradientPenalty in an AdversarialModel, or tf.GradientTape",
    ),
    "K function": (
        "a function of K, or an argument of it, without an equivalent",
        "Use keras.ops, see https://keras.io/api/ops",
    ),
    "K.function": ("K.function", "Use keras.Model(inputs, outputs) and its predict"),
    "K.learning_phase": ("K.learning_phase", "Call the layer or model with training=True"),
    "_make_train_function": (
        "model._make_train_function and train_function",
        "Use bert4keras.training.AdversarialModel(model, FGM('Embedding-Token', 0.5))",
    ),
    "multi_gpu_model": (
        "multi_gpu_model",
        "Use keras.distribution.DataParallel on JAX, tf.distribute.MirroredStrategy on TensorFlow",
    ),
    "tf1 optimizer": (
        "an optimizer of TensorFlow 1, or keras.optimizers.TFOptimizer",
        "Use keras.optimizers.Adam, or another of keras.optimizers",
    ),
    "weight decay": (
        "add_weight_decay_into",
        "Use bert4keras.optimizers.extend_with_weight_decay(Adam)(rate, weight_decay_rate=0.01)",
    ),
    "scikit-learn": (
        "a Keras model as a scikit-learn model",
        "Use keras.wrappers.SKLearnClassifier, or fit and predict of the model",
    ),
    "own optimizer": (
        "a custom optimizer with get_updates",
        "Write a subclass of keras.optimizers.Optimizer with build and update_step",
    ),
    # decoding
    "set_rtype": ("AutoRegressiveDecoder.set_rtype", "Use AutoRegressiveDecoder.wraps"),
    "whole predict": (
        "model.predict(...)[:, -1] in a decoder",
        "Use self.last_token(model).predict(...); compatibility mode already does so",
    ),
}

_LIBRARIES = tuple(
    os.sep + name + os.sep
    for name in ("bert4keras", "keras", "tensorflow", "jax", "torch", "numpy", "importlib")
)
_PACKAGE = str(Path(__file__).parents[1]) + os.sep


class LegacyError(RuntimeError):
    """An old script needs something that compatibility mode does not support."""


class LegacyImportError(LegacyError, ImportError):
    """An old script imports something unsupported; it may catch an ImportError."""


class UsageReport:
    """Record of the outdated code that scripts have used, with file and line."""

    def __init__(self) -> None:
        self.uses: dict[tuple[str, int, str], None] = {}  # ordered: (file, line, key of IDIOMS)

    def clear(self) -> None:
        """Forget all uses."""
        self.uses.clear()

    def lines(self) -> list[str]:
        """Return a line of text for each use: file, line, outdated code, what to do."""
        return [
            f"{os.path.relpath(file)}:{line}: {IDIOMS[key][0]}. {IDIOMS[key][1]}."
            for file, line, key in sorted(self.uses)
        ]


usage_report: UsageReport = UsageReport()


_Position = tuple[str, int] | None


def record_use(key: str, read_by_script: bool = False, position: _Position = None) -> None:
    """Record that the script uses an idiom on the line that runs now.

    Args:
        key: key of ``IDIOMS``.
        read_by_script: record only if the script itself reads the attribute. Keras reads every
            attribute of a model when it saves or loads one.
        position: file and line of the use; None for the line that runs now.
    """
    file, line = position or script_position()
    if read_by_script and sys._getframe(2).f_code.co_filename != file:
        return
    if file is not None:
        usage_report.uses[file, line, key] = None


def unsupported_error(
    key: str, reason: str = "", error: type = LegacyError, position: _Position = None
) -> LegacyError:
    """Return the error for an unsupported idiom: line, idiom, reason, what to do."""
    file, line = position or script_position()
    idiom, remedy = IDIOMS[key]
    position = "" if file is None else f"{os.path.relpath(file)}:{line}: "
    reason = f" ({reason})" if reason else ""
    return error(f"{position}Unsupported: {idiom}{reason}. {remedy}.")


def is_called_by_script() -> bool:
    """True if a script, not a library, called the function that asks."""
    return not is_library_file(sys._getframe(2).f_code.co_filename)


def script_position() -> tuple[str | None, int | None]:
    """Return file and line of the innermost frame of a script, or (None, None)."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_library_file(file):
            return file, frame.f_lineno
        frame = frame.f_back
    return None, None


def is_library_file(file: str) -> bool:
    """True if a code file belongs to a library or to Python itself."""
    if file.startswith((_PACKAGE, "<")):
        return True
    return (
        "site-packages" in file
        and any(name in file for name in _LIBRARIES)
        or (file.startswith(os.path.dirname(os.__file__)) and "site-packages" not in file)
    )
