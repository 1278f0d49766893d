"""Dispatch by the running backend: its name, and what each backend does in its own way.

No other file asks which backend runs. TensorFlow, JAX and torch are imported inside the functions
that need them.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Keras reads it when it is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import keras  # noqa: E402
from keras import ops  # noqa: E402

from bert4keras.backend.types import Tensor  # noqa: E402

backend_name: str = keras.backend.backend()  # "tensorflow", "jax" or "torch"
compiles_each_shape: bool = backend_name == "jax"  # a compiled function, once for each shape


def is_env_on(variable: str) -> bool:
    """True if an environment variable is set to 1, true, yes or on."""
    return os.environ.get(variable, "0").strip().lower() in ("1", "true", "yes", "on")


is_tf_keras: bool = is_env_on("TF_KERAS")  # inherited; changes nothing


class LazyModule:
    """A module that is imported when one of its attributes is first read."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


tf: Any = LazyModule("tensorflow")


def get_available_gpus() -> list[str]:
    """Return the names of the GPUs that the running backend can use."""
    if backend_name == "tensorflow":
        return [device.name for device in tf.config.list_logical_devices("GPU")]
    module = importlib.import_module(backend_name)
    if backend_name == "torch":
        return [f"cuda:{i}" for i in range(module.cuda.device_count())]
    return [str(device) for device in module.devices() if device.platform == "gpu"]


def count_replicas() -> int:
    """Return the number of replicas of TensorFlow's distribution strategy; 1 elsewhere."""
    if backend_name != "tensorflow":
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def is_traced(x: Any) -> bool:
    """True if ``x`` is a tensor without a value, of a graph that is being traced.

    PyTorch traces no graph: there it is True of every tensor that is not a parameter.
    """
    if backend_name == "tensorflow":
        return tf.is_symbolic_tensor(x)
    if backend_name == "torch":
        return ops.is_tensor(x) and not isinstance(x, importlib.import_module("torch").nn.Parameter)
    return isinstance(x, importlib.import_module("jax").core.Tracer)


def seed_dropout(seed: int) -> None:
    """Seed the dropout of PyTorch, which draws from torch's global generator.

    Elsewhere each dropout layer has its own seed among the variables of the model.
    """
    if backend_name == "torch":
        importlib.import_module("torch").manual_seed(seed)


def assert_that(
    condition: Tensor, message: str, *values: Tensor, passthrough: Tensor = None
) -> Tensor:
    """Raise an error with ``message`` and ``values`` unless ``condition`` is true, also in a graph.

    Args:
        condition: a bool, or a boolean tensor without axes.
        message: what is wrong, and what to do.
        *values: integers that the message ends with, in parentheses.
        passthrough: a tensor whose use would fail less clearly; use the returned one instead.

    Returns:
        ``passthrough``.

    Raises:
        ValueError: in eager code, and on JAX in compiled code. Compiled code of TensorFlow wraps
            the message in an error of its own.
    """
    if isinstance(condition, bool):
        _raise_unless(message, condition, *values)
    elif backend_name == "tensorflow" and not tf.executing_eagerly():
        assertion = tf.debugging.Assert(condition, [message, *values])
        if passthrough is not None:  # a graph runs in any order: tie the check to the tensor
            with tf.control_dependencies([assertion]):
                return tf.identity(passthrough)
    elif backend_name == "jax" and is_traced(condition):
        return _jax_checks().check(condition, message, values, passthrough)
    elif backend_name != "torch" or condition.device.type != "meta":
        # torch's "meta" tensors have shapes only: Keras infers output shapes with them
        _raise_unless(message, condition, *values)
    return passthrough


def _raise_unless(message, condition, *values):
    if not condition:
        raise ValueError(f"{message} ({', '.join(str(int(value)) for value in values)})")


def _jax_checks():
    return importlib.import_module("bert4keras.backend.jax_checks")


if backend_name == "jax":
    _jax_checks().install()


def raise_failed_checks() -> None:
    """Raise the error of a check that failed in a step of training, where the backend waits."""
    if backend_name == "jax":
        _jax_checks().raise_errors()


def compile_function(
    function: Callable[..., Any],
    variables: Iterable[keras.Variable] = (),
    input_specs: Sequence[keras.KerasTensor] | None = None,
) -> Callable[..., Any]:
    """Compile ``function`` of nested tensors, where the backend compiles. It gets no gradients.

    TensorFlow makes a graph without XLA, and retraces with unknown sizes once they vary. JAX
    compiles once for each shape; torch runs eagerly.

    Args:
        function: callable(*nested tensors) -> nested tensors.
        variables: the Keras variables that it reads and does not change. JAX takes them as
            arguments at each call; otherwise their values would become constants of the program.
        input_specs: shape and dtype of each argument, None where a size varies, if all arguments
            are tensors. TensorFlow then makes one graph, once.

    Returns:
        A callable like ``function``, which caches its programs.

    Example:
        >>> from bert4keras.backend import K, compile_function
        >>> double = compile_function(lambda x: 2 * x)
        >>> K.eval(double(K.constant([1, 2]))).tolist()
        [2.0, 4.0]
    """
    if backend_name == "tensorflow":
        if input_specs is None:
            return tf.function(function, autograph=False, reduce_retracing=True)
        return _compile_once(function, input_specs)
    if backend_name == "torch":
        return importlib.import_module("torch").no_grad()(function)

    def pure(values, *args):
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*args)

    jax = importlib.import_module("jax")
    program = jax.jit(_jax_checks().return_errors(pure))

    def run(*args):
        if jax.config.jax_disable_jit:  # to debug: checks raise at once
            return pure([variable.value for variable in variables], *args)
        error, outputs = program([variable.value for variable in variables], *args)
        _jax_checks().raise_error(error)
        return outputs

    return run


def _compile_once(function, input_specs):
    """Return a function whose first call makes its only graph on TensorFlow."""

    @cache
    def make_graph():
        signature = [tf.TensorSpec(x.shape, x.dtype) for x in input_specs]
        graph = tf.function(function, input_signature=signature, autograph=False)
        return graph.get_concrete_function()

    return lambda *args: make_graph()(*args)


def sync_weights(model: Any) -> None:
    """Write the newest weights into the variables of a model that is being trained.

    In ``fit`` Keras on JAX holds them elsewhere, and the variables are empty. A callback that
    decodes asks for them first.
    """
    if backend_name != "jax" or not hasattr(model, "jax_state_sync"):
        return
    if any(getattr(variable, "_value", 0) is None for variable in model.variables):
        model.jax_state_sync()


def value_and_grad(
    function: Callable[..., Any], tensors: Sequence[Tensor], create_graph: bool = False
) -> tuple[tuple[Tensor, Any], list[Tensor]]:
    """Return the value of a function and its gradients, inside compiled training too.

    Args:
        function: callable(list of tensors) -> (scalar, any nested tensors).
        tensors: a list of floating tensors.
        create_graph: True if the gradients are to be differentiated in turn (PyTorch asks).

    Returns:
        What the function returns, and a list of gradients; zeros for a tensor that it ignores.
    """
    if backend_name == "jax":
        return importlib.import_module("jax").value_and_grad(function, has_aux=True)(tensors)
    if backend_name == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            scalar, aux = function(tensors)
        return (scalar, aux), tape.gradient(scalar, tensors, unconnected_gradients="zero")
    torch = importlib.import_module("torch")
    tensors = [x if x.requires_grad else x.detach().requires_grad_() for x in tensors]
    scalar, aux = function(tensors)
    gradients = torch.autograd.grad(
        scalar, tensors, create_graph=create_graph, materialize_grads=True
    )
    return (scalar, aux), list(gradients)


def write_row(x: Tensor, index: Tensor, row: Tensor) -> Tensor:
    """Write ``row`` (..., 1, D) into ``x`` (..., L, D) at ``index`` of axis L. No gradients.

    The KV cache grows by it. TensorFlow writes in place where nothing else needs ``x``;
    ``ops.slice_update`` would copy the whole cache there.

    Args:
        x: (..., L, D).
        index: a scalar, int32.
        row: (..., 1, D).

    Returns:
        A tensor like ``x``.

    Example:
        >>> from bert4keras.backend import K, write_row
        >>> K.eval(write_row(K.zeros((3, 2)), 1, K.ones((1, 2)))).tolist()
        [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """
    if backend_name != "tensorflow":
        return ops.slice_update(x, [*[0] * (len(x.shape) - 2), index, 0], row)
    shape, size = ops.shape(x), x.shape[-1]
    matrix = tf.raw_ops.TensorStridedSliceUpdate(  # quickest with two axes
        input=tf.reshape(x, (-1, shape[-2] * size)),
        begin=[0, index * size],
        end=[0, (index + 1) * size],
        strides=[1, 1],
        value=tf.reshape(row, (-1, size)),
        begin_mask=1,
        end_mask=1,
    )
    return tf.reshape(matrix, shape)


def softmax(x: Tensor) -> Tensor:
    """Return the softmax over the last axis. Where it has one item, ``ops.softmax`` would warn."""
    return keras.src.backend.nn.softmax(x, axis=-1)


def get_mask(x: Tensor) -> Tensor | None:
    """Return the padding mask that Keras carries with a tensor, or None."""
    return keras.src.backend.get_keras_mask(x)


def set_mask(x: Tensor, mask: Tensor | None) -> None:
    """Make Keras carry a padding mask with a tensor."""
    keras.src.backend.set_keras_mask(x, mask)
