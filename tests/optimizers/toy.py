"""Helpers: variables with random gradients, steps on every backend, and the same in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from bert4keras import optimizers

BACKEND = keras.backend.backend()
# arguments of ``compile`` for models of a few steps: tracing takes longer than a step
FAST_COMPILE = {"run_eagerly": BACKEND == "tensorflow"}
needs_jit = pytest.mark.skipif(BACKEND == "torch", reason="torch.compile takes a minute")
SHAPES = {
    "Embedding-Token/embeddings": (5, 4),
    "Dense/kernel": (2, 4, 3),
    "Dense-Norm/gamma": (4,),
}
KERNEL, GAMMA = "Dense/kernel", "Dense-Norm/gamma"
STEPS = 5
BY_PATH = {"Dense": 2.0, "gamma": 0.5}  # multipliers of the rate; gamma's path has "Dense", too
EXTENSIONS = {
    "decay": optimizers.extend_with_weight_decay,
    "adapt": optimizers.extend_with_layer_adaptation,
    "lazy": optimizers.extend_with_lazy_optimization,
    "piecewise": optimizers.extend_with_piecewise_linear_lr,
    "by_path": optimizers.extend_with_parameter_wise_lr,
    "accumulate": optimizers.extend_with_gradient_accumulation,
    "lookahead": optimizers.extend_with_lookahead,
    "average": optimizers.extend_with_exponential_moving_average,
}


def extend(words, base=optimizers.Adam):
    """Extend an optimizer class by the words of ``EXTENSIONS``, the innermost first."""
    for word in words.split():
        base = EXTENSIONS[word](base)
    return base


def lr_multiplier(path):
    return np.prod([value for part, value in BY_PATH.items() if part in path])


def arrays(seed):
    """Return a random array for each variable, by its path."""
    random = np.random.default_rng(seed)
    return {path: random.normal(size=shape) for path, shape in SHAPES.items()}


START = arrays(0)
GRADIENTS = [arrays(seed) for seed in range(1, 1 + STEPS)]


def split_in_two(gradients):
    """Yield two gradients for each one, with the same mean."""
    noise = np.random.default_rng(9).normal
    for gradient in gradients:
        change = {path: noise(size=g.shape) for path, g in gradient.items()}
        yield {path: g + change[path] for path, g in gradient.items()}
        yield {path: g - change[path] for path, g in gradient.items()}


def make_variables():
    """Create Keras variables with the values of ``START``."""
    variables = []
    for path, value in START.items():
        scope, name = path.split("/")
        with keras.name_scope(scope):
            variables.append(keras.Variable(value.astype("float32"), name=name))
    assert [variable.path for variable in variables] == list(START)
    return variables


def to_arrays(tensors):
    return dict(zip(SHAPES, (ops.convert_to_numpy(x) for x in tensors)))


def run_steps(optimizer, gradients=GRADIENTS, jit=BACKEND == "jax"):
    """Return the weights after each step of an optimizer, a list of {path: array}."""
    weights = make_variables()
    optimizer.build(weights)
    step = compile_step(optimizer, weights) if jit else optimizer.apply
    path = []
    for gradient in gradients:
        step([ops.convert_to_tensor(g.astype("float32")) for g in gradient.values()])
        path.append(to_arrays(weights))
    return path


def compile_step(optimizer, weights):
    """Compile ``apply`` by XLA."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(optimizer.apply, jit_compile=True, autograph=False)
    import jax

    program = jax.jit(optimizer.stateless_apply)

    def step(gradients):
        state = [variable.value for variable in optimizer.variables]
        values, state = program(state, gradients, [w.value for w in weights])
        for variable, value in zip(weights + optimizer.variables, values + state):
            variable.assign(value)

    return step


def run_numpy_steps(direction, rate, gradients=GRADIENTS, start=START, decay=0.0, adapt=False):
    """Compute steps by a formula: w -= rate u, with u = direction(w, g, t, state) + decay w.

    Args:
        rate: a float, or callable(t, path) -> float; t counts from 1.
        adapt: scale u to the length of w.
    """
    path, states = [], {name: {} for name in start}
    weights = dict(start)
    for t, gradient in enumerate(gradients, 1):
        for name, w in weights.items():
            u = direction(w, gradient[name], t, states[name]) + decay * w
            u = u * np.linalg.norm(w) / np.linalg.norm(u) if adapt else u
            weights[name] = w - (rate(t, name) if callable(rate) else rate) * u
        path.append(dict(weights))
    return path


def recreate(optimizer):
    """Create an optimizer from the config of another one."""
    return keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))


def settings(optimizer):
    """Return the constructor's arguments of an optimizer, by attribute."""
    plain = {
        k: v for k, v in vars(optimizer).items() if isinstance(v, int | float | str | tuple | dict)
    }
    return plain | {
        "learning_rate": float(optimizer._learning_rate),
        "config": optimizer.get_config(),
    }


def assert_same_steps(got, want, tolerance=1e-6):
    assert len(got) == len(want) and not np.allclose(got[0][GAMMA], got[-1][GAMMA])
    for got_weights, want_weights in zip(got, want):
        for name in SHAPES:
            np.testing.assert_allclose(
                got_weights[name], want_weights[name], atol=tolerance, rtol=tolerance
            )


def update_average(state, key, value, beta):
    """Update the moving average state[key], which starts at 0, and return it."""
    state[key] = beta * state.get(key, 0.0) + (1 - beta) * value
    return state[key]


def adam(w, g, t, state, beta_1=0.9, beta_2=0.999, epsilon=1e-6, bias_correction=True):
    m = update_average(state, "m", g, beta_1)
    v = update_average(state, "v", g**2, beta_2)
    correction = np.sqrt(1 - beta_2**t) / (1 - beta_1**t) if bias_correction else 1.0
    return correction * m / (np.sqrt(v) + epsilon)


def lion(w, g, t, state, beta_1=0.95, beta_2=0.98):
    u = np.sign(beta_1 * state.get("m", 0.0) + (1 - beta_1) * g)
    update_average(state, "m", g, beta_2)
    return u


def tiger(w, g, t, state, beta=0.965):
    return np.sign(update_average(state, "m", g, beta))


def rms(x):
    return np.sqrt(np.mean(x**2))


def adafactor(w, g, t, state, beta1=0.0, beta2=None, is_factored=True, is_scaled=True, clip=1.0):
    beta2 = 1 - t**-0.8 if beta2 is None else beta2
    if is_factored and w.ndim > 1:  # the two longest axes of these shapes are the first and second,
        longest = (0, 1) if w.ndim == 2 else (1, 2)  # or the last two
        r, c = (
            update_average(state, axis, np.mean(g**2, axis, keepdims=True), beta2)
            for axis in longest
        )
        v = r * c / np.mean(r, longest[1], keepdims=True)
    else:
        v = update_average(state, "v", g**2, beta2)
    u = g / np.sqrt(v)
    u = u / max(1.0, rms(u) / clip)
    u = update_average(state, "m", u, beta1) if beta1 else u
    return u * max(1e-3, rms(w)) if is_scaled else u
