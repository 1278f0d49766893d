#! -*- coding: utf-8 -*-
# A class of one's own between BERT and its heads: overridden hooks and apply
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import Embedding, LayerNormalization, Add, Dropout
from bert4keras.models import build_transformer_model, BERT, LM_Mask
from bert4keras.optimizers import Adam
from keras.layers import Dense, Lambda


class TaskBERT(BERT):
    """BERT with an embedding of tasks, and a head"""

    def __init__(self, num_tasks=3, **kwargs):
        super(TaskBERT, self).__init__(**kwargs)
        self.num_tasks = num_tasks

    def get_inputs(self):
        inputs = super(TaskBERT, self).get_inputs()
        task = self.apply(layer=keras.layers.Input, shape=(None,), name="Input-Task")
        return inputs + [task]

    def apply_embeddings(self, inputs):
        task = inputs.pop(2)
        x = super(TaskBERT, self).apply_embeddings(inputs)
        t = self.apply(
            inputs=task,
            layer=Embedding,
            input_dim=self.num_tasks,
            output_dim=self.hidden_size,
            embeddings_initializer=self.initializer,
            name="Embedding-Task",
        )
        x = self.apply(inputs=[x, t], layer=Add, name="Embedding-Task-Add")
        return x

    def apply_final_layers(self, inputs):
        x = inputs
        x = self.apply(inputs=x, layer=Lambda, function=lambda x: x[:, 0], name="CLS")
        x = self.apply(
            inputs=x,
            layer=Dense,
            units=2,
            activation="softmax",
            kernel_initializer=self.initializer,
            name="Head",
        )
        return x

    def load_variable(self, checkpoint, name):
        return super(TaskBERT, self).load_variable(checkpoint, name)

    def variable_mapping(self):
        mapping = super(TaskBERT, self).variable_mapping()
        return mapping


bert = build_transformer_model(
    "bert/bert_config.json",
    "bert/bert_model.ckpt",
    model=TaskBERT,
    num_tasks=4,
    return_keras_model=False,
)
model = bert.model
model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(1e-3), metrics=["accuracy"])
ids = np.array([[2, 6, 7, 3], [2, 8, 0, 0]])
x = [ids, np.zeros_like(ids), np.ones_like(ids)]
model.fit(x, np.array([[0], [1]]), epochs=2, verbose=0)
assert model.predict(x).shape == (2, 2)
assert model.get_layer("Embedding-Task").get_weights()[0].shape == (4, 8)
