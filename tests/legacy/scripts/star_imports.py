#! -*- coding: utf-8 -*-
# Everything of everything, and functions of K that are seldom met
import os

os.environ["TF_KERAS"] = "1"
from bert4keras.backend import *
from bert4keras.layers import *
from bert4keras.models import *
from bert4keras.optimizers import *
from bert4keras.snippets import *
from bert4keras.tokenizers import *
import tensorflow_core.python.keras.backend as old_backend

assert old_backend is keras.backend and tf.keras is keras
assert is_string(json.dumps(re.sub("a", "b", "a"))) and np.ones(1).sum() == 1
bert = build_transformer_model("bert/bert_config.json", return_keras_model=False)
assert search_layer(bert.model.output, "Embedding-Token") is not None


class Pooled(Layer):
    """Attention pooling with an activation and an initializer by name"""

    def __init__(self, activation="tanh", kernel_initializer="uniform", **kwargs):
        super(Pooled, self).__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (3, input_shape[-1], 4), initializer="zeros")

    def call(self, inputs, mask=None):
        x = K.conv1d(inputs, self.kernel, padding="causal")
        x = sequence_masking(x, mask, "-inf", 1)
        return self.activation(K.max(x, axis=1))

    def compute_mask(self, inputs, mask=None):
        return None


model = Model(bert.inputs, Dense(2, activation="softmax")(Pooled()(bert.output)))
model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(1e-3), metrics=["acc"])
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
model.fit([ids, ids * 0], np.array([0, 1]), verbose=0)

images = K.constant(np.arange(16.0).reshape(1, 4, 4, 1))
assert K.eval(K.pool2d(images, (2, 2), (2, 2)))[0, :, :, 0].tolist() == [[5, 7], [13, 15]]
assert K.eval(K.conv2d(images, K.ones((2, 2, 1, 1)), (2, 2))).shape == (1, 2, 2, 1)
assert K.eval(K.reverse(K.arange(3), 0)).tolist() == [2, 1, 0]
assert K.eval(K.repeat(K.ones((2, 3)), 4)).shape == (2, 4, 3)
assert K.eval(K.in_test_phase(1.0, 2.0, training=True)) == 2
assert K.eval(K.random_uniform_variable((2,), 1, 2)).min() >= 1
assert keras.backend.identity(images).shape == (1, 4, 4, 1) and not K.is_sparse(images)
probas = np.full((1, 4, 3), 0.05, "float32")
probas[0, [0, 1, 2, 3], [0, 2, 1, 2]] = 0.9
cost = K.ctc_batch_cost(np.array([[0, 1]]), probas, np.array([[4]]), np.array([[2]]))
other = K.ctc_batch_cost(np.array([[1, 0]]), probas, np.array([[4]]), np.array([[2]]))
assert K.eval(cost).shape == (1, 1) and K.eval(cost) < K.eval(other)
paths, _ = K.ctc_decode(probas, np.array([4]))
assert K.eval(paths[0])[0].tolist()[:2] == [0, 1]
