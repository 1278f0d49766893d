"""Functions of TensorFlow on symbolic tensors: ``tf.concat([model.output, x], axis=-1)``.

tf.keras made a layer of each such call. Here each becomes an operation in the graph of Keras 3.
"""

import keras

from bert4keras import backend
from bert4keras.legacy.report import met

waiting = []  # the dispatcher, made when TensorFlow is there


class Call(keras.Operation):
    """A function of TensorFlow in a graph of Keras.

    Args:
        function: of tensors and whatever else.
    """

    def __init__(self, function, name=None):
        super().__init__(name=name)
        self.function = function

    def call(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def listen(tf):
    """From now on TensorFlow's functions take symbolic tensors of Keras."""
    if waiting or backend.supports_jit:  # on other backends none of them runs in a model
        return

    class Dispatcher(tf.__internal__.dispatch.GlobalOpDispatcher):
        """What TensorFlow asks where a function has failed on an argument."""

        def handle(self, op, args, kwargs):
            """The operation, or NOT_SUPPORTED where no argument is symbolic."""
            flat = keras.tree.flatten((args, kwargs))
            if not any(keras.backend.is_keras_tensor(x) for x in flat):
                return self.NOT_SUPPORTED
            met("tf function")
            return Call(op)(*args, **kwargs)

    waiting.append(Dispatcher())
    waiting[0].register()
