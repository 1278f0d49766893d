#! -*- coding: utf-8 -*-
# Functions of keras.backend that old attention and pooling layers call, some inside of a Lambda
import numpy as np
from bert4keras.backend import keras, K
from keras.layers import Dense, Input, Lambda
from keras.models import Model


def same(a, b):
    a = K.eval(a) if not isinstance(a, np.ndarray) else a
    assert np.shape(a) == np.shape(b) and np.allclose(a, b, atol=1e-5), (a, b)


array = np.arange(6, dtype='float32').reshape(2, 3)
x = K.constant(array)

# names and defaults
same(K.expand_dims(x), array[:, :, None])
same(K.expand_dims(x, 1), array[:, None])
same(K.repeat_elements(x, rep=2, axis=1), array.repeat(2, 1))
same(K.tile(x, n=[1, 2]), np.tile(array, (1, 2)))
same(K.pow(x, a=2), array ** 2)
same(K.ones_like(x, name='ones'), np.ones((2, 3)))
same(K.zeros_like(x, dtype='int32', name='zeros'), np.zeros((2, 3)))
same(K.maximum(x=x, y=2.), array.clip(2))
same(K.equal(x=x, y=2.), array == 2)
same(K.squeeze(K.expand_dims(x, 1), axis=1), array)
same(K.cumprod(x), array.cumprod(0))
same(K.slice(x, start=[0, 1], size=[-1, 2]), array[:, 1:3])
same(K.clip(x, None, 1), array.clip(None, 1))
same(K.clip(K.arange(4), 1, None), [1, 1, 2, 3])
same(K.stop_gradient([x, x])[1], array)
same(K.flatten(x=x), array.flatten())
assert K.dtype(K.arange(3)) == 'int32' and K.dtype(K.arange(3, dtype='float32')) == 'float32'
assert isinstance(K.cast_to_floatx([1, 2]), np.ndarray)
assert K.is_variable(K.variable(1.)) and not K.is_variable(x)
assert K.is_placeholder(K.placeholder((2, 3))) and not K.is_placeholder(x)

# losses, norms
focal = K.binary_focal_crossentropy(K.constant([[1., 0.]]), K.constant([[.8, .5]]))
same(focal, [[.2 ** 2 * -np.log(.8), .5 ** 2 * -np.log(.5)]])
labels, probas = K.constant([0, 255], dtype='int32'), K.constant([[.5, .5], [.1, .9]])
same(K.sparse_categorical_crossentropy(labels, probas, ignore_class=255), [-np.log(.5), 0])
mean, var = array.mean(0), array.var(0)
expected = (array - mean) / np.sqrt(var + 1e-3) * 2 + 1
beta, gamma = K.ones((3,)), K.ones((3,)) * 2
same(K.batch_normalization(x, mean, var, beta, gamma), expected)
for a, b in zip(K.normalize_batch_in_training(x, gamma, beta, [0]), [expected, mean, var]):
    same(a, b)
image = np.arange(16, dtype='float32').reshape(1, 2, 2, 4)
same(K.bias_add(K.constant(image), K.constant([1., 2.]), 'channels_first'),
     image + np.array([1, 2])[:, None, None])
parts = K.constant([1., 0.]), K.constant([1., 1.]), None, None
same(K.batch_normalization(K.constant(image), *parts, axis=1, epsilon=0.),
     image - np.array([1, 0])[:, None, None])

# loops
same(K.foldr(lambda a, b: a * 2 + b, x), array[1] * 2 + array[0])
same(K.foldl(lambda a, b: a * 2 + b, x), array[0] * 2 + array[1])
steps = K.constant(np.arange(12).reshape(2, 3, 2))
mask = K.constant([[1, 1, 0], [1, 1, 1]])


def step(inputs, states):
    total, weight = states
    total = total + inputs * weight
    return total, [total]


kwargs = {'mask': mask, 'constants': [K.constant([[2.], [1.]])]}
last, outputs, states = K.rnn(step, steps, [K.zeros((2, 2))], **kwargs)
same(outputs, [[[0, 2], [4, 8], [4, 8]], [[6, 7], [14, 16], [24, 27]]])
same(last, [[4, 8], [24, 27]])
outputs = K.rnn(step, steps, [K.zeros((2, 2))], zero_output_for_mask=True, **kwargs)[1]
same(K.eval(outputs)[0], [[0, 2], [4, 8], [0, 0]])
outputs = K.rnn(step, steps, [K.zeros((2, 2))], return_all_outputs=False, **kwargs)[1]
same(outputs, [[[4, 8]], [[24, 27]]])
outputs = K.rnn(step, steps, [K.zeros((2, 2))], go_backwards=True, **kwargs)[1]
same(K.eval(outputs)[1], [[10, 11], [18, 20], [24, 27]])

# images
same(K.resize_images(K.constant(image), 2, 1, 'channels_last'), image.repeat(2, 1))
same(K.resize_images(K.constant(image), 1, 2, 'channels_first'), image.repeat(2, 3))
resized = K.resize_images(K.ones((1, 2, 2, 1)), 2, 2, 'channels_last', interpolation='bilinear')
same(resized, np.ones((1, 4, 4, 1)))
same(K.resize_volumes(K.ones((1, 1, 2, 1, 1)), 2, 1, 3, 'channels_last'), np.ones((1, 2, 2, 3, 1)))
padded = K.spatial_2d_padding(K.ones((1, 1, 1, 1)), padding=((1, 0), (0, 2)))
same(padded, np.pad(np.ones((1, 1, 1, 1)), ((0, 0), (1, 0), (0, 2), (0, 0))))
same(K.pool3d(K.constant(np.arange(8).reshape(1, 2, 2, 2, 1)), (2, 2, 2), pool_mode='avg'),
     [[[[[3.5]]]]])
same(K.conv3d(K.ones((1, 2, 2, 2, 1)), K.ones((2, 2, 2, 1, 3))), np.full((1, 1, 1, 1, 3), 8))
same(K.depthwise_conv2d(K.ones((1, 2, 2, 2)), K.ones((2, 2, 2, 1))), np.full((1, 1, 1, 2), 4))
kernels = K.ones((2, 2, 2, 1)), K.ones((1, 1, 2, 3))
same(K.separable_conv2d(K.ones((1, 2, 2, 2)), *kernels), np.full((1, 1, 1, 3), 8))
kernels = K.ones((2, 2, 1)), K.ones((1, 2, 3))
same(K.separable_conv1d(K.ones((1, 2, 2)), *kernels), np.full((1, 1, 3), 4))
for output_shape in [(1, 4, 4, 1), (1, 5, 5, 1)]:
    arguments = K.ones((1, 2, 2, 1)), K.ones((2, 2, 1, 1)), output_shape
    up = K.conv2d_transpose(*arguments, strides=(2, 2))
    assert K.int_shape(up) == output_shape and K.eval(up).sum() == 16
kernel = np.arange(8, dtype='float32').reshape(2, 4, 1)
sequence = np.arange(6, dtype='float32').reshape(1, 3, 2)
expected = [[sequence[0, i:i + 2].flatten().dot(kernel[i]) for i in range(2)]]
same(K.local_conv1d(K.constant(sequence), K.constant(kernel), (2,), (1,)), np.array(expected))
kernel = np.arange(8, dtype='float32').reshape(2, 4, 1)
expected = [[image[0, :, i, :2].flatten().dot(kernel[i]) for i in range(2)]]
local = K.local_conv2d(K.constant(image[..., :2]), K.constant(kernel), (2, 1), (1, 1), (1, 2))
same(local, np.array(expected)[None])

# inside of a Lambda, with unknown sizes
place = Input(shape=(None, 4))
weights = Dense(1)(place)
weights = Lambda(lambda x: K.softmax(K.squeeze(x, -1)))(weights)
pooled = Lambda(lambda x: K.sum(x[0] * K.expand_dims(x[1]), axis=1))([place, weights])
twice = Lambda(lambda x: K.repeat_elements(K.expand_dims(x, axis=1), rep=2, axis=1))(pooled)
flat = Lambda(lambda x: K.batch_flatten(x))(Lambda(lambda x: K.tile(x, n=[1, 1, 2]))(twice))
model = Model(place, flat)
assert model.predict(np.ones((2, 5, 4))).shape == (2, 16)
assert np.allclose(model.predict(np.ones((2, 3, 4))), 1, atol=1e-5)

# the error of a function, not that of its layer
try:
    Lambda(lambda x: K.dot(x, no_such_name))(place)
    raised = 'nothing'
except Exception as error:
    raised = str(error)
assert 'no_such_name' in raised, raised
