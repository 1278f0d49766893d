"""``K``: the functions of Keras 2."""

import inspect

import numpy as np
import pytest
from keras import ops

from bert4keras import backend
from bert4keras.backend import K


def test_dtype_is_none_without_a_tensor():
    assert backend.dtype(np.zeros(2, "float32")) == "float32"
    assert backend.dtype(ops.zeros((1,), "int32")) == "int32"
    assert [backend.dtype(x) for x in (3, None, "x")] == [None, None, None]


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("arange", "start, stop=None, step=1, dtype='int32'"),
        ("batch_normalization", "x, mean, var, beta, gamma, axis=-1, epsilon=0.001"),
        ("equal", "x, y"),
        ("expand_dims", "x, axis=-1"),
        ("maximum", "x, y"),
        ("ones_like", "x, dtype=None, name=None"),
        ("pow", "x, a"),
        ("repeat_elements", "x, rep, axis"),
        ("slice", "x, start, size"),
        ("stop_gradient", "variables"),
        ("tile", "x, n"),
        ("variable", "value, dtype=None, name=None, constraint=None"),
    ],
)
def test_arguments_are_those_of_keras_2(name, arguments):
    parameters = inspect.signature(getattr(K, name)).parameters.values()
    names = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    assert ", ".join(names) == arguments


def test_expand_dims_adds_the_last_axis():
    assert K.int_shape(K.expand_dims(K.zeros((2, 3)))) == (2, 3, 1)


def test_slice_takes_a_size_of_minus_1_for_the_rest():
    x = np.arange(6).reshape(2, 3)
    assert (ops.convert_to_numpy(K.slice(ops.array(x), [0, 1], [-1, 1])) == x[:, 1:2]).all()


def test_clip_with_an_open_side_keeps_integers():
    result = K.clip(K.arange(4), None, 2)
    assert ops.convert_to_numpy(result).tolist() == [0, 1, 2, 2] and K.dtype(result) == "int32"


class TestRnn:
    def run(self, **kwargs):
        def step(x, states):
            total = states[0] + x * states[1]
            return total, [total]

        inputs, mask = ops.reshape(ops.arange(6.0), (2, 3, 1)), ops.array([[1, 1, 0], [1, 1, 1]])
        kwargs = {"mask": mask, "constants": [ops.array([[2.0], [1.0]])], **kwargs}
        last, outputs, states = K.rnn(step, inputs, [ops.zeros((2, 1))], **kwargs)
        assert ops.convert_to_numpy(last).tolist() == ops.convert_to_numpy(states[0]).tolist()
        return ops.convert_to_numpy(outputs)[..., 0].tolist()

    def test_steps_get_the_constants(self):
        assert self.run() == [[0, 2, 2], [3, 7, 12]]

    def test_zero_output_for_mask(self):
        assert self.run(zero_output_for_mask=True) == [[0, 2, 0], [3, 7, 12]]

    def test_last_output_alone(self):
        assert self.run(return_all_outputs=False) == [[2], [12]]

    def test_backwards(self):
        assert self.run(go_backwards=True, mask=None) == [[4, 6, 6], [5, 9, 12]]
