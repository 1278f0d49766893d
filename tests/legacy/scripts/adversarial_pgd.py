#! -*- coding: utf-8 -*-
# PGD in steps: gradients of the total loss by K.function, weights put back
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from keras.layers import Lambda, Dense
from keras.models import Model

config_path = 'bert/bert_config.json'
checkpoint_path = 'bert/bert_model.ckpt'
ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]])
segments = np.zeros_like(ids)

bert = build_transformer_model(config_path, checkpoint_path, return_keras_model=False)
output = Lambda(lambda x: x[:, 0])(bert.model.output)
output = Dense(2, activation='softmax', kernel_initializer=bert.initializer, name='head')(output)
model = Model(bert.model.input, output)

model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3), metrics=['accuracy'])


def pgd_training(model, name, epsilon=1.0, alpha=0.3, k=2):
    if model.train_function is None:
        model._make_train_function()
    old_train_function = model.train_function
    embeddings = model.get_layer(name).embeddings
    gradients = K.gradients(model.total_loss, [embeddings])[0]
    norm = K.sqrt(K.sum(K.square(gradients)))
    step = alpha * gradients / (norm + 1e-8)
    steps = K.function(model._feed_inputs + model._feed_targets + model._feed_sample_weights, [step, norm])

    def train_function(inputs):
        backup = K.get_value(embeddings)
        for _ in range(k):
            delta, length = steps(inputs)
            assert length > 0
            moved = K.get_value(embeddings) + delta
            r = moved - backup
            if np.sqrt((r**2).sum()) > epsilon:
                r = epsilon * r / np.sqrt((r**2).sum())
            K.set_value(embeddings, backup + r)
        assert np.sqrt(((K.get_value(embeddings) - backup)**2).sum()) > 0.3
        outputs = old_train_function(inputs)
        K.set_value(embeddings, backup)
        return outputs

    model.train_function = train_function


pgd_training(model, 'Embedding-Token')
history = model.fit([ids, segments], np.array([[0], [1]]), batch_size=1, epochs=1, verbose=0)
assert 'accuracy' in history.history
assert model.predict([ids, segments]).shape == (2, 2)
