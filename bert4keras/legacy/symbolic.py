"""Functions of TensorFlow on symbolic tensors, outside of layers, as tf.keras had them."""

from functools import reduce

import keras
from keras import tree

from bert4keras import backend
from bert4keras.legacy.report import met, refused


@keras.saving.register_keras_serializable("bert4keras")
class TensorFlowFunction(keras.Operation):
    """A function of TensorFlow as a step of a model of tensors.

    Args:
        path: such as "math.reduce_sum".
    """

    def __init__(self, path, name=None):
        super().__init__(name=name)
        self.path = path

    def call(self, *args, **kwargs):
        """What the function gives."""
        import tensorflow as tf

        return reduce(getattr, self.path.split("."), tf)(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """Shapes and types, by a graph of its own."""
        return keras.src.backend.compute_output_spec(self.call, *args, **kwargs)


def install(tf):
    """Have TensorFlow ask here when a function is given symbolic tensors."""
    from tensorflow.python.util.tf_export import get_canonical_name_for_symbol

    class Symbolic(tf.__internal__.dispatch.GlobalOpDispatcher):
        def handle(self, function, args, kwargs):
            path = get_canonical_name_for_symbol(function)
            symbolic = any(map(keras.backend.is_keras_tensor, tree.flatten((args, kwargs))))
            if path is None or not symbolic:
                return self.NOT_SUPPORTED
            if backend.backend_name != "tensorflow":
                raise refused("tf function", "the backend is not TensorFlow")
            met("tf function")
            return TensorFlowFunction(path)(*args, **kwargs)

    Symbolic().register()
