"""Variables with random gradients, steps on every backend, and the same steps in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()
QUICK = {
    "run_eagerly": BACKEND == "tensorflow"
}  # for ``compile``: tracing takes longer than a step
under_jit = pytest.mark.skipif(BACKEND == "torch", reason="torch.compile takes a minute")
SHAPES = {
    "Embedding-Token/embeddings": (5, 4),
    "Dense/kernel": (2, 4, 3),
    "Dense-Norm/gamma": (4,),
}
KERNEL, GAMMA = "Dense/kernel", "Dense-Norm/gamma"
STEPS = 5


def arrays(seed):
    """One random array for each variable, by its path."""
    random = np.random.default_rng(seed)
    return {path: random.normal(size=shape) for path, shape in SHAPES.items()}


START = arrays(0)
GRADIENTS = [arrays(seed) for seed in range(1, 1 + STEPS)]


def variables():
    """Keras variables, at the start."""
    made = []
    for path, value in START.items():
        scope, name = path.split("/")
        with keras.name_scope(scope):
            made.append(keras.Variable(value.astype("float32"), name=name))
    assert [variable.path for variable in made] == list(START)
    return made


def as_arrays(tensors):
    return dict(zip(SHAPES, (ops.convert_to_numpy(x) for x in tensors)))


def walk(optimizer, gradients=GRADIENTS, jit=BACKEND == "jax"):
    """The weights after each call of an optimizer, a list of {path: array}."""
    weights = variables()
    optimizer.build(weights)
    step = compiled_step(optimizer, weights) if jit else optimizer.apply
    path = []
    for gradient in gradients:
        step([ops.convert_to_tensor(g.astype("float32")) for g in gradient.values()])
        path.append(as_arrays(weights))
    return path


def compiled_step(optimizer, weights):
    """``apply`` under XLA."""
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


def numpy_walk(direction, rate, gradients=GRADIENTS, start=START, decay=0.0, adapt=False):
    """The same from a formula: w -= rate u, with u = direction(w, g, t, state) + decay w.

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


def made_again(optimizer):
    """A second optimizer from the config of the first."""
    return keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))


def settings(optimizer):
    """What an optimizer was told, by attribute."""
    plain = {
        k: v for k, v in vars(optimizer).items() if isinstance(v, int | float | str | tuple | dict)
    }
    return plain | {
        "learning_rate": float(optimizer._learning_rate),
        "config": optimizer.get_config(),
    }


def assert_same_walk(got, want, tolerance=1e-6):
    assert len(got) == len(want) and not np.allclose(got[0][GAMMA], got[-1][GAMMA])
    for ours, theirs in zip(got, want):
        for name in SHAPES:
            np.testing.assert_allclose(ours[name], theirs[name], atol=tolerance, rtol=tolerance)


def averaged(state, key, new, beta):
    """state[key], a moving average that begins at 0, with a new value in it."""
    state[key] = beta * state.get(key, 0.0) + (1 - beta) * new
    return state[key]


def adam(w, g, t, state, beta_1=0.9, beta_2=0.999, epsilon=1e-6, bias_correction=True):
    m = averaged(state, "m", g, beta_1)
    v = averaged(state, "v", g**2, beta_2)
    correction = np.sqrt(1 - beta_2**t) / (1 - beta_1**t) if bias_correction else 1.0
    return correction * m / (np.sqrt(v) + epsilon)


def lion(w, g, t, state, beta_1=0.95, beta_2=0.98):
    u = np.sign(beta_1 * state.get("m", 0.0) + (1 - beta_1) * g)
    averaged(state, "m", g, beta_2)
    return u


def tiger(w, g, t, state, beta=0.965):
    return np.sign(averaged(state, "m", g, beta))


def rms(x):
    return np.sqrt(np.mean(x**2))


def adafactor(w, g, t, state, beta1=0.0, beta2=None, factored=True, scaled=True, clip=1.0):
    beta2 = 1 - t**-0.8 if beta2 is None else beta2
    if factored and w.ndim > 1:  # the two longest axes of these shapes are the first and second,
        longest = (0, 1) if w.ndim == 2 else (1, 2)  # or the last two
        r, c = (
            averaged(state, axis, np.mean(g**2, axis, keepdims=True), beta2) for axis in longest
        )
        v = r * c / np.mean(r, longest[1], keepdims=True)
    else:
        v = averaged(state, "v", g**2, beta2)
    u = g / np.sqrt(v)
    u = u / max(1.0, rms(u) / clip)
    u = averaged(state, "m", u, beta1) if beta1 else u
    return u * max(1e-3, rms(w)) if scaled else u
