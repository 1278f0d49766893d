"""Checks inside compiled programs of JAX, and a trainer that keeps its weights when a step fails.

JAX takes the memory of the weights for the results of a training step, and Keras takes the values
out of the variables before it. So an error inside the program loses both. Here a failed check makes
the program return the old state. The error is raised on the host, after the step.

``install`` patches the trainer of Keras; see docs/architecture.md. Only ``dispatch`` imports this.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import keras

_MAX_PENDING = 8  # steps that may start before the check of the first is read
_STATE_NAMES = ("trainable_variables", "non_trainable_variables")
_STATES = {  # length of the state of a step -> its parts
    2: _STATE_NAMES,
    3: (*_STATE_NAMES, "metrics_variables"),
    4: (*_STATE_NAMES, "optimizer_variables", "metrics_variables"),
}


class _ThreadState(threading.local):
    """State of one thread.

    Attributes:
        is_checking: True while a program is traced that returns the errors of its checks.
        errors: errors of the last steps, which may not have run yet.
        trainer_state: the state that the last step of a trainer returned.
    """

    def __init__(self) -> None:
        self.is_checking: bool = False
        self.errors: deque[Any] = deque()
        self.trainer_state: Any = None


_thread = _ThreadState()


def check(condition: Any, message: str, values: tuple[Any, ...], passthrough: Any) -> Any:
    """Check a condition in a program; see ``dispatch.assert_that``.

    A program that cannot return errors, such as an exported one, gets indices outside of every
    table in place of ``passthrough``. JAX reads NaN there, never a wrong row.
    """
    import jax
    from jax.experimental import checkify

    if _thread.is_checking:
        names = [f"value_{i}" for i in range(len(values))]
        text = message.replace("{", "{{").replace("}", "}}")
        text += f" ({', '.join(f'{{{name}}}' for name in names)})"
        arguments: dict[str, Any] = dict(zip(names, map(jax.numpy.asarray, values)))
        checkify.check(condition, text, **arguments)
    elif passthrough is not None:
        outside = jax.numpy.iinfo(passthrough.dtype).max
        return jax.numpy.where(condition, passthrough, outside)
    return passthrough


@contextmanager
def _checking() -> Iterator[None]:
    before, _thread.is_checking = _thread.is_checking, True
    try:
        yield
    finally:
        _thread.is_checking = before


def return_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same arguments that returns the error of its checks, and outputs."""
    from jax.experimental import checkify

    def run(*args):
        with _checking():
            return function(*args)

    return checkify.checkify(run)


def _flags(error: Any) -> list[Any]:
    """List the flags of an error: true where a check failed."""
    import jax

    return [x for x in jax.tree.leaves(error) if x.dtype == bool]


def raise_error(error: Any) -> None:
    """Raise a ValueError if a check failed; this waits for the program.

    Inside a program that is being traced, the error becomes one of that program.
    """
    from jax.core import Tracer
    from jax.experimental import checkify

    if any(isinstance(flag, Tracer) for flag in _flags(error)):
        if _thread.is_checking:
            checkify.check_error(error)
    elif any(map(bool, _flags(error))):
        text = str(error.get_exception()).split(" (`check` failed)")[0]
        raise ValueError(text)


def raise_errors(is_waiting: bool = True) -> None:
    """Raise the error of the first step of this thread that failed.

    Args:
        is_waiting: wait for steps that run; False: look at those that have ended.
    """
    errors = _thread.errors
    while errors:
        is_ready = all(flag.is_ready() for flag in _flags(errors[0]))
        if not (is_ready or is_waiting or len(errors) > _MAX_PENDING):
            return
        try:
            raise_error(errors.popleft())
        except ValueError:
            errors.clear()
            raise


def compile_step(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a step of Keras' trainer, as ``jax.jit`` does; a failed check keeps the state."""
    import jax

    if "donate_argnums" not in options:  # not a step
        return jax.jit(function, **options)

    def program(state, data):
        error, (outputs, new_state) = return_errors(function)(state, data)
        return (outputs, error), _keep_if_failed(_flags(error), state, new_state)

    compiled_program = jax.jit(program, **options)

    @wraps(function)
    def step(state, data):
        raise_errors(is_waiting=False)
        (outputs, error), new_state = compiled_program(state, data)
        if _flags(error):
            _thread.errors.append(error)
        return outputs, new_state

    return step


def _keep_if_failed(flags, state, new_state):
    import jax

    if not flags or jax.tree.structure(state) != jax.tree.structure(new_state):
        return new_state
    is_failed = jax.numpy.any(jax.numpy.stack(flags))
    return jax.tree.map(
        lambda new, old: new if new is old else jax.numpy.where(is_failed, old, new),
        new_state,
        state,
    )


def install() -> None:
    """Patch Keras' trainer: compile steps by ``compile_step``, and restore variables on errors."""
    import jax
    from keras.src.backend.jax import trainer

    original = trainer.JAXTrainer
    if hasattr(original, "_bert4keras_sync"):
        return
    if trainer.jit is jax.jit:  # with NNX it is another
        trainer.jit = compile_step
    original._bert4keras_sync = original.jax_state_sync
    original.jax_state_sync = _sync_and_raise
    original._make_function = _restore_on_error(original._make_function)
    for name in ("fit", "evaluate", "predict"):
        setattr(original, name, _sync_on_error(getattr(original, name)))


def _sync_and_raise(self: Any) -> None:
    self._bert4keras_sync()
    raise_errors()


def _sync_on_error(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self, *args, **kwargs):
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            _thread.errors.clear()
            self._bert4keras_sync()
            raise

    return call


def _restore_on_error(make_function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make_function)
    def make(self, step_function, *args, **kwargs):
        def step(state, data):
            outputs, _thread.trainer_state = step_function(state, data)
            return outputs, _thread.trainer_state

        run = make_function(self, step, *args, **kwargs)

        def run_or_restore(state, iterator):
            _thread.trainer_state = state
            try:
                return run(state, iterator)
            except BaseException:
                _restore(self, _thread.trainer_state)
                raise
            finally:
                _thread.trainer_state = None

        return run_or_restore

    return make


def _restore(model: keras.Model, state: Any) -> None:
    """Put a state back into the variables, unless its memory was taken."""
    import jax

    is_lost = any(getattr(x, "is_deleted", bool)() for x in jax.tree.leaves(state))
    if len(state) in _STATES and not is_lost:
        model._jax_state = dict(zip(_STATES[len(state)], state))
        model._jax_state_synced = False
        model._bert4keras_sync()
