"""Compatibility mode: scripts for bert4keras 0.x and Keras 2 run unchanged on Keras 3.

``python -m bert4keras.legacy script.py`` runs one script; ``import bert4keras.legacy`` as the
first line of a script does the same. New code does not need it.

Compatibility mode patches the whole process. docs/migration.md lists every attribute of these
modules and classes:

- ``keras``, and ``keras.Model``, ``Sequential``, ``Variable``, ``KerasTensor``; the functions of
  ``keras.backend``; ``keras.models`` and ``keras.saving`` (``load_model``), ``keras.losses``,
  ``keras.metrics`` and its ``Metric``, ``keras.mixed_precision``, ``keras.preprocessing``,
  ``keras.utils``.
- ``keras.layers``: ``Layer``, ``Dense``, ``Embedding``, ``Lambda``, ``AveragePooling1D``,
  ``Concatenate``, ``Conv1D``, ``Dropout``, ``GRU``, ``GaussianNoise``, ``LSTM``, ``LeakyReLU``,
  ``MaxPooling1D``, ``SimpleRNN``, ``SpatialDropout1D``.
- ``keras.callbacks``: ``Callback``, ``CallbackList``, ``History``, ``ModelCheckpoint``,
  ``ReduceLROnPlateau``, ``TensorBoard``.
- ``keras.optimizers``: ``Optimizer``, ``Adadelta``, ``Adagrad``, ``Adam``, ``RMSprop``.
- Internals of Keras: ``keras.src.callbacks.monitor_callback.MonitorCallback``,
  ``keras.src.layers.convolutional.base_conv.BaseConv``,
  ``keras.src.layers.merging.base_merge.Merge``, ``keras.src.losses.loss``,
  ``keras.src.metrics.reduction_metrics``, ``keras.src.models.functional.Functional``,
  ``keras.src.models.model``, ``keras.src.ops.node.Node``, ``keras.src.ops.numpy.Multiply``,
  ``keras.src.trainers.trainer.Trainer``, ``keras.src.utils.python_utils``.
- ``bert4keras.backend`` and its ``K``; ``bert4keras.layers`` with ``LayerNormalization``,
  ``Loss``, ``MultiHeadAttention``; ``bert4keras.models`` with ``LM_Mask``, ``UniLM_Mask``, ``T5``,
  ``Transformer``; ``bert4keras.models.build``; ``bert4keras.models.skip_initialization`` with
  ``SkippableTruncatedNormal``, ``SkippableVarianceScaling``; ``bert4keras.optimizers``;
  ``bert4keras.snippets`` with ``AutoRegressiveDecoder``; ``bert4keras.tokenizers`` with
  ``TokenizerBase``.
- ``numpy``: ``numpy.array``, and names that NumPy has removed, such as ``numpy.float``.
- Python: ``json.load``, ``json.loads``, ``json.JSONEncoder``, ``time.clock``,
  ``inspect.getargspec``, the abstract classes of ``collections``, ``distutils``;
  ``sys.meta_path`` and ``sys.modules``; filters of ``warnings``; the log level of TensorFlow.
- ``tensorflow``: names of TensorFlow 1, ``tf.keras`` (Keras 3), arguments of functions, strategies;
  ``tensorflow.compat.v1`` with its ``tensorflow.compat.v1.graph_util``,
  ``tensorflow.compat.v1.saved_model``, ``tensorflow.compat.v1.train.experimental``;
  ``tensorflow.distribute``, ``tensorflow.distribute.experimental``, ``tensorflow.math``,
  ``tensorflow.nn``, ``tensorflow.python.framework.graph_util``, ``tensorflow.random``,
  ``tensorflow.saved_model``, ``tensorflow.train``, ``tensorflow.train.experimental``.
- ``torch.Tensor`` on the PyTorch backend: operators with NumPy arrays.

Each module of this package patches one subject; ``patches`` holds the registry, ``report`` the
outdated code and what to write instead.
"""

import sys

__all__ = ["install"]

_is_installed = False


def install() -> None:
    """Turn compatibility mode on for this process; a second call has no effect."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    from bert4keras.legacy import (
        imports,
        keras_layers,  # noqa: F401, the next ones register their patches when they are imported
        keras_models,  # noqa: F401
        keras_training,  # noqa: F401
        patches,
        python_numpy,
    )

    patches.apply()
    imports.install()
    python_numpy.install()


def _is_starting_main() -> bool:
    """True if Python is about to run ``python -m bert4keras.legacy``, which installs later."""
    return sys.argv[:1] == ["-m"] and "bert4keras.legacy" in sys.orig_argv


if not _is_starting_main():
    install()
