#! -*- coding: utf-8 -*-
# Layers that look, inside of call, for a layer before them, and use another layer there
import numpy as np
from bert4keras.layers import *


def layer_before(x, name, seen):
    layer = x if isinstance(x, keras.layers.Layer) else x._keras_history[0]
    if layer.name == name:
        return layer
    if layer not in seen:
        seen.append(layer)
        before = layer._inbound_nodes[0].inbound_layers
        for one in before if isinstance(before, list) else [before]:
            found = layer_before(one, name, seen)
            if found is not None:
                return found


class Scores(Layer):
    def __init__(self, table, **kwargs):
        super(Scores, self).__init__(**kwargs)
        self.table = table

    def call(self, inputs):
        if not hasattr(self, 'kernel'):
            self.kernel = K.transpose(layer_before(inputs, self.table, []).embeddings)
            self.units = K.int_shape(self.kernel)[1]
        return K.dot(inputs, self.kernel)

    def compute_output_shape(self, input_shape):
        return input_shape[:-1] + (self.units,)


class NormalScores(Layer):
    def __init__(self, table, **kwargs):
        super(NormalScores, self).__init__(**kwargs)
        self.table = table
        self.norm = LayerNormalization()

    def call(self, inputs):
        kernel = search_layer(inputs, self.table).embeddings
        return K.dot(self.norm(inputs), K.transpose(kernel))


ids = Input(shape=(None,))
x = Embedding(11, 4, name='Table')(ids)
x = Dense(4)(x)
for scores in [Scores('Table'), NormalScores('Table')]:
    model = keras.models.Model(ids, Activation('softmax')(scores(x)))
    model.compile('adam', 'sparse_categorical_crossentropy')
    before = model.get_layer('Table').get_weights()[0]
    model.fit(np.ones((8, 5)), np.zeros((8, 5, 1)), epochs=1, verbose=0)
    change = np.abs(model.get_layer('Table').get_weights()[0] - before).max(axis=1)
    assert (change > 0).all()  # also the rows of ids that no input has
    assert model.predict(np.ones((2, 3))).shape == (2, 3, 11)
