"""What extensions share: their place before a class of optimizers, its new name, and its saving."""

import inspect
from functools import wraps

import keras

from bert4keras.backend import tf
from bert4keras.optimizers import patterns

register = keras.saving.register_keras_serializable("bert4keras")
_register_extended = keras.saving.register_keras_serializable("bert4keras.extended")


class DenseGradients:
    """Adds up the rows of TensorFlow's sparse gradients first, those of embeddings.

    A token that occurs twice has two rows there. Keras squares each of them, and the second moment
    of Adam becomes another one than that of the gradient.
    """

    def apply(self, grads, trainable_variables=None):
        super().apply([_dense(gradient) for gradient in grads], trainable_variables)


def _dense(gradient):
    sparse = hasattr(gradient, "dense_shape")
    return tf.convert_to_tensor(gradient) if sparse else gradient


class Extension(DenseGradients):
    """Base of what stands before a class of optimizers and changes one thing of it.

    ============================  =================================================================
    ``update_step``               the update of one variable, once the base has made it
    ``rate``                      the learning rate of one variable
    ``_get_current_...rate``      the learning rate of all
    ``prepare``, ``apply``        variables of its own, and what happens around all updates
    ============================  =================================================================

    All call ``super()``, so that extensions can follow each other. ``searched`` names the arguments
    that hold patterns for paths of variables.
    """

    searched = ()

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.prepare(variables)

    def prepare(self, variables):
        """Add variables to the optimizer, for those of the model."""
        for argument in self.searched:
            patterns.warn_of_idle(getattr(self, argument), variables, argument)

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, self.rate(variable, learning_rate))

    def rate(self, variable, learning_rate):
        """The learning rate of one variable, from that of all."""
        return learning_rate

    def chosen(self, variable, argument):
        """Whether the patterns of an argument are found in the path of a variable."""
        return patterns.chooses(getattr(self, argument), patterns.path_of(self, variable))


def extend(BaseOptimizer, extension, name=None):  # noqa: N803
    """A class of optimizers with an extension before it, registered for saving.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        extension: a subclass of ``Extension``.
        name: of the new class; by default that of the extension and of the base in a row.

    Raises:
        TypeError: ``BaseOptimizer`` is no such class.
        ValueError: it has the extension already, or leaves its updates to other optimizers.
    """
    _check_base(BaseOptimizer, extension)
    name = name or extension.__name__ + BaseOptimizer.__name__
    return _register_extended(
        type(name, (extension, BaseOptimizer), {"__doc__": extension.__doc__})
    )


def _check_base(base, extension):
    if not (inspect.isclass(base) and issubclass(base, keras.optimizers.Optimizer)):
        kind = "a class" if inspect.isclass(base) else f"an instance of {type(base).__name__}"
        raise TypeError(
            f"{extension.__name__} extends a class of keras.optimizers.Optimizer, got {kind}: "
            f"{base!r}. Extend the class first, then make an optimizer of the new one: "
            "extend_with_...(Adam)(learning_rate=...)"
        )
    if base.update_step is keras.optimizers.Optimizer.update_step:
        raise ValueError(
            f"{extension.__name__} extends a class with an update of its own, and that of "
            f"{base.__name__} is left to other optimizers. Extend the class of those"
        )
    if issubclass(base, extension):
        raise ValueError(
            f"{base.__name__} has {extension.__name__} already, and an optimizer takes an "
            "extension once. Leave out one of the two calls"
        )


def export_to_custom_objects(extend_with):
    """Decorator for functions like ``extend_with_*``: a ``name``, and registration for saving.

    Args:
        extend_with: callable(class of optimizers) -> its subclass.

    Returns:
        callable(class of optimizers, name=None) -> the same subclass, called ``name`` if given.

    Example:
        >>> from bert4keras.optimizers import Adam, export_to_custom_objects
        >>> @export_to_custom_objects
        ... def extend_with_smaller_steps(BaseOptimizer):
        ...     class SmallerSteps(BaseOptimizer):
        ...         def update_step(self, gradient, variable, learning_rate):
        ...             super().update_step(gradient, variable, 0.5 * learning_rate)
        ...     return SmallerSteps
        >>> extend_with_smaller_steps(Adam, "HalfAdam").__name__
        'HalfAdam'
    """

    @wraps(extend_with)
    def named(BaseOptimizer, name=None):  # noqa: N803
        extended = extend_with(BaseOptimizer)
        extended.__name__ = name or extended.__name__
        return _register_extended(extended)

    del named.__wrapped__  # its signature is the new one
    return named
