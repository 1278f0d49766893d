"""Base of optimizer extensions, and the registration of optimizers for saving."""

import numbers
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import keras

from bert4keras.backend import tf
from bert4keras.backend.types import Tensor
from bert4keras.checks import check_number
from bert4keras.optimizers import patterns

_Class = TypeVar("_Class")
LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule
OptimizerClass: TypeAlias = type[keras.optimizers.Optimizer]

_register_extended = keras.saving.register_keras_serializable("bert4keras.extended")


def register(cls: _Class) -> _Class:
    """Register a class for saving, as a decorator."""
    return keras.saving.register_keras_serializable("bert4keras")(cls)


def check_learning_rate(rate: Any) -> Any:
    """Return a learning rate: a number of 0 or more, a schedule, a function, or a variable."""
    if isinstance(rate, numbers.Real | str | bool | list | tuple | None):
        remedy = "Give a number or a schedule."
        return float(check_number("learning_rate", rate, minimum=0, remedy=remedy))
    return rate


class DenseGradients(keras.optimizers.Optimizer):
    """Mixin that makes TensorFlow's sparse gradients of embeddings dense, before any update.

    A sparse gradient (``tf.IndexedSlices``) has one row for each occurrence of a token, so a token
    that occurs twice has two rows. Keras squares each row: (a^2 + b^2) instead of (a + b)^2. The
    second moment of Adam would then differ from the other backends. Dense gradients sum the rows.
    """

    def apply(
        self, grads: list[Tensor | None], trainable_variables: list[keras.Variable] | None = None
    ) -> None:
        """Update the variables by their gradients."""
        super().apply([_to_dense(gradient) for gradient in grads], trainable_variables)


def _to_dense(gradient):
    is_sparse = hasattr(gradient, "dense_shape")
    return tf.convert_to_tensor(gradient) if is_sparse else gradient


class Extension(DenseGradients):
    """Base of optimizer extensions: mixins that stand before an optimizer in a class's bases.

    An extension overrides some of these methods:

    ===============================  ==============================================================
    ``update_step``                  update one variable, after the optimizer's own update
    ``scale_learning_rate``          change the learning rate of one variable
    ``_get_current_learning_rate``   change the learning rate of all variables
    ``build_extension``              add optimizer variables (slots)
    ``apply``                        act before or after the updates of all variables
    ===============================  ==============================================================

    Every override calls ``super()``, so that extensions can be combined. All other methods need
    names that no optimizer has: they share one class. ``pattern_arguments`` names the constructor's
    arguments that hold patterns for paths of variables.
    """

    pattern_arguments: tuple[str, ...] = ()

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the optimizer's variables, then those of the extension."""
        if self.built:
            return
        super().build(variables)
        self.build_extension(variables)

    def build_extension(self, variables: list[keras.Variable]) -> None:
        """Create the extension's variables for those of the model."""
        for argument in self.pattern_arguments:
            patterns.warn_unmatched(getattr(self, argument), variables, argument)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        """Update one variable."""
        learning_rate = self.scale_learning_rate(variable, learning_rate)
        super().update_step(gradient, variable, learning_rate)

    def scale_learning_rate(self, variable: keras.Variable, learning_rate: Tensor) -> Tensor:
        """Return the learning rate of one variable, given that of the optimizer."""
        return learning_rate

    def matches(self, variable: keras.Variable, argument: str) -> bool:
        """True if a pattern of the named argument occurs in the variable's path."""
        path = patterns.get_variable_path(self, variable)
        return patterns.matches_any(getattr(self, argument), path)


def extend_optimizer(
    BaseOptimizer: OptimizerClass, extension: type[Any], name: str | None = None
) -> OptimizerClass:
    """Create an optimizer class with an extension, registered for saving.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        extension: a subclass of ``Extension``.
        name: name of the new class; by default the names of the extension and of the base, joined.

    Raises:
        TypeError: ``BaseOptimizer`` is not a class of Keras optimizers.
        ValueError: it has the extension already, or delegates its updates to other optimizers.
    """
    extension_name = extension.__name__.removeprefix("_")
    _check_base(BaseOptimizer, extension, extension_name)
    name = name or extension_name + BaseOptimizer.__name__
    return _register_extended(
        type(name, (extension, BaseOptimizer), {"__doc__": extension.__doc__})
    )


def _check_base(base: Any, extension, extension_name):
    if not (isinstance(base, type) and issubclass(base, keras.optimizers.Optimizer)):
        kind = "a class" if isinstance(base, type) else f"an instance of {type(base).__name__}"
        raise TypeError(
            f"Expected BaseOptimizer to be a subclass of keras.optimizers.Optimizer, got {kind}: "
            f"{base!r}. Extend the class first, then create an optimizer of the new class: "
            "extend_with_...(Adam)(learning_rate=...)"
        )
    if base.update_step is keras.optimizers.Optimizer.update_step:
        raise ValueError(
            "Expected BaseOptimizer to define update_step, got "
            f"{base.__name__}, which delegates updates to other optimizers. Extend the class of "
            "those optimizers"
        )
    if issubclass(base, extension):
        raise ValueError(
            f"Expected BaseOptimizer without {extension_name}, got {base.__name__}, which has it "
            "already. Remove one of the two calls"
        )


def export_to_custom_objects(
    extend_with: Callable[[OptimizerClass], OptimizerClass],
) -> Callable[..., OptimizerClass]:
    """Decorate a function like ``extend_with_*``: add its ``name`` argument, register its class.

    Args:
        extend_with: callable(optimizer class) -> its subclass.

    Returns:
        callable(optimizer class, name=None) -> the same subclass, called ``name`` if given.

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
    def extend_and_register(BaseOptimizer: OptimizerClass, name: str | None = None) -> Any:
        optimizer_class = extend_with(BaseOptimizer)
        optimizer_class.__name__ = name or optimizer_class.__name__
        return _register_extended(optimizer_class)

    # without it, inspect.signature shows the signature of `extend_with`, which has no `name`
    del extend_and_register.__wrapped__
    return extend_and_register
