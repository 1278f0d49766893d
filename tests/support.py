"""Helpers that the tests share: golden numbers, models by case, comparisons."""

import io
import json
import lzma
import tarfile
from functools import lru_cache
from pathlib import Path

import keras
import numpy as np
from keras import ops

GOLDEN = Path(__file__).parent / "golden"


def load_arrays(path):
    """Return the arrays of an .npz file of the golden folder, by name, loose or packed."""
    file = GOLDEN / path
    if file.exists():
        with np.load(file) as archive:
            return dict(archive)
    folder = next(x for x in file.parents if (x / "arrays.npz.xz").exists())
    prefix = file.relative_to(folder).as_posix() + "/"
    arrays = load_archive(folder / "arrays.npz.xz")
    return {key.removeprefix(prefix): x for key, x in arrays.items() if key.startswith(prefix)}


@lru_cache
def load_archive(path):
    """Return the arrays of an .npz.xz file of the golden folder, by name."""
    with np.load(io.BytesIO(lzma.decompress((GOLDEN / path).read_bytes()))) as archive:
        return dict(archive)


def unpack(path, folder):
    """Unpack a tar archive into a folder."""
    with tarfile.open(path) as archive:
        # the argument `filter` is missing in Python 3.11.2, the one of Debian 12
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)


def load_record(path):
    """Return a JSON file of the golden folder, packed or not."""
    data = (GOLDEN / path).read_bytes()
    return json.loads(lzma.decompress(data) if str(path).endswith(".xz") else data)


def randomize_weights(model):
    """Return a model with random weights, none zero or one: a lost weight changes its outputs."""
    rng = np.random.default_rng(0)
    for weight in getattr(model, "model", model).weights:
        if weight.trainable:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def compute_outputs(model, inputs):
    """Return the outputs of a model as arrays; eager, as tracing takes most of ``predict``."""
    got = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    got = got if isinstance(got, list | tuple) else [got]
    return [ops.convert_to_numpy(ops.cast(x, "float32")) for x in got]


def assert_close(got, want, atol=1e-5, rtol=1e-4):
    """Assert that arrays are equal up to tolerance, with infinities in the same places."""
    np.testing.assert_allclose(ops.convert_to_numpy(got), want, rtol=rtol, atol=atol)


def compute_gradients(loss, inputs):
    """Return the gradients of ``loss(tensors)`` with respect to arrays, on any backend."""
    tensors = [ops.convert_to_tensor(x) for x in inputs]
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.grad(loss)(tensors)
    if backend == "torch":
        import torch

        tensors = [x.clone().requires_grad_() for x in tensors]
        return torch.autograd.grad(loss(tensors), tensors)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = loss(tensors)
    return [tf.convert_to_tensor(g) for g in tape.gradient(value, tensors)]
