#! -*- coding: utf-8 -*-
# ALBERT's blocks share a layer: the output of a depth by get_output_at
import numpy as np
from bert4keras.backend import keras, K, search_layer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.layers import ConditionalRandomField
from keras.layers import Dense, Dropout, Bidirectional, LSTM
from keras.models import Model

bert_layers = 2
model = build_transformer_model("albert/bert_config.json", "albert/bert_model.ckpt", model="albert")
output_layer = "Transformer-FeedForward-Norm"
output = model.get_layer(output_layer).get_output_at(bert_layers - 1)
output = Dropout(0.1)(output)
output = Bidirectional(LSTM(4, return_sequences=True))(output)
output = Dense(5)(output)
CRF = ConditionalRandomField(lr_multiplier=100)
output = CRF(output)
model = Model(model.input, output)
for layer in model.layers:
    layer.trainable = layer.trainable
model.compile(loss=CRF.dense_loss, optimizer=Adam(lr=1e-3), metrics=[CRF.dense_accuracy])
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
labels = np.eye(5)[np.array([[0, 1, 2, 0], [0, 3, 0, 0]])]
model.fit([ids, ids * 0], labels, epochs=2, batch_size=1, verbose=0)
assert model.predict([ids, ids * 0]).shape == (2, 4, 5)
assert search_layer(model.output, "Embedding-Token").embeddings.shape[1] == 6
