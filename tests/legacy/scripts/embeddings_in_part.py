#! -*- coding: utf-8 -*-
# P-tuning: an embedding that replaces its own table while it computes; arrays of float64
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import Loss, Embedding
from bert4keras.models import build_transformer_model, BERT
from bert4keras.optimizers import Adam


class PtuningEmbedding(Embedding):
    """只优化部分Token"""

    def call(self, inputs, mode="embedding"):
        embeddings = self.embeddings
        embeddings_sg = K.stop_gradient(embeddings)
        mask = np.zeros((K.int_shape(embeddings)[0], 1))
        mask[6:9] += 1
        self.embeddings = embeddings * mask + embeddings_sg * (1 - mask)
        return super(PtuningEmbedding, self).call(inputs, mode)


class PtuningBERT(BERT):
    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        if layer is Embedding:
            layer = PtuningEmbedding
        return super(PtuningBERT, self).apply(inputs, layer, arguments, **kwargs)


class CrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_mask = K.cast(mask[1], K.floatx())[:, 1:]
        loss = K.sparse_categorical_crossentropy(y_true[:, 1:], y_pred[:, :-1])
        return K.sum(loss * y_mask) / K.sum(y_mask)


class Scaled(keras.layers.Layer):
    """A layer that keeps what it has computed"""

    def __init__(self, **kwargs):
        super(Scaled, self).__init__(**kwargs)
        self.supports_masking = True

    def call(self, x):
        if not hasattr(self, "scale"):
            self.scale = K.ones_like(x) * np.array([0.5])
        return x * self.scale


model = build_transformer_model(
    "bert/bert_config.json",
    "bert/bert_model.ckpt",
    model=PtuningBERT,
    segment_vocab_size=0,
    application="lm",
)
for layer in model.layers:
    if layer.name != "Embedding-Token":
        layer.trainable = False
before = K.eval(model.get_layer("Embedding-Token").embeddings)
output = CrossEntropy(1)([model.input, Scaled()(model.output)])
model = keras.models.Model(model.input, output)
model.compile(optimizer=Adam(1e-2))
ids = np.array([[2, 6, 7, 8, 3], [2, 9, 10, 3, 0]])
model.fit(ids, epochs=2, verbose=0)
moved = np.abs(K.eval(model.get_layer("Embedding-Token").embeddings) - before).max(axis=1)
assert moved[6:9].min() > 0 and moved[:6].max() == 0 and moved[9:].max() == 0
assert model.predict(ids).shape[:2] == ids.shape
model.save_weights("tuned.weights")
model.load_weights("tuned.weights")
