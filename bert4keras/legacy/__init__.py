"""The door for scripts of bert4keras 0.x and Keras 2: they run on Keras 3 as they are.

``python -m bert4keras.legacy script.py`` runs one; ``import bert4keras.legacy`` as the first line
of a script does the same inside. New code never needs it: it changes Keras itself, for the whole
process.

================  ==============================================================================
``patches``       all that is touched, in tables: begin to read here
``idioms``        the old idioms and what to write today; ``report`` finds the lines
``modules``       imports of modules that have moved; ``old`` and ``earliest``, modules and names
                  of bert4keras, and ``texts``, of its tokenizers and snippets; ``stars``, what
                  ``import *`` brought
``families``      subclasses of Transformer, and arguments that nothing knows
``arguments``     of layers; ``optimizers`` and ``callbacks`` have their own; ``updates``, of
                  optimizers of one's own
``training``      compile, fit, predict and their kin; ``batches``, the data they take;
                  ``metrics``; ``freezing``, what trains
``layers``        methods of layers, add_loss, add_metric, models of tensors; ``masks``;
                  ``attributes``, what layers store on themselves
``lambdas``       layers of that name, and their functions in files; ``weights``, files under any
                  name
``functions``     of K; ``neural``, more of them; ``arithmetic`` with NumPy's arrays
``gradients``     K.gradients, K.function and training functions, on values
                  that are ``deferred``
``decoding``      old decoders on the cached engine
``tensorflow1``   names of TensorFlow 1, and strategies; ``sessions`` and graphs; ``symbolic``, its
                  functions on tensors of models; ``python``, names of Python and NumPy
``quiet``         what Keras says of all this
================  ==============================================================================
"""

import sys

__all__ = ["install"]

_installed = []


def install():
    """Open the door: change Keras, once a process."""
    if _installed:
        return
    _installed.append(True)
    from bert4keras.legacy import modules, patches, python, quiet

    patches.apply()
    modules.install()
    python.furnish()
    quiet.hush()


def _as_a_program():
    """Whether Python is about to run ``python -m bert4keras.legacy``, which opens it later."""
    return sys.argv[:1] == ["-m"] and "bert4keras.legacy" in sys.orig_argv


if not _as_a_program():
    install()
