#! -*- coding: utf-8 -*-
# model.save and load_model under the name of the day
import numpy as np
from bert4keras.backend import keras, K, batch_gather
from bert4keras.layers import LayerNormalization, ConditionalRandomField
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_weight_decay
from keras.layers import Lambda, Dense
from keras.models import Model, load_model

bert = build_transformer_model(
    "bert/bert_config.json", "bert/bert_model.ckpt", return_keras_model=False
)
x = Lambda(lambda x: x[:, 0])(bert.model.output)
x = Dense(2, activation="softmax", kernel_initializer=bert.initializer)(x)
model = Model(bert.model.inputs, x)
AdamW = extend_with_weight_decay(Adam, name="AdamW")
model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
ids = np.array([[2, 6, 7, 3], [2, 8, 0, 0]])
history = model.fit([ids, np.zeros_like(ids)], np.array([0, 1]), epochs=2, verbose=0)
assert len(history.history["acc"]) == 2 and len(history.history["accuracy"]) == 2
model.save("test.model")
expected = model.predict([ids, np.zeros_like(ids)])
del model
model = load_model("test.model")
assert np.allclose(model.predict([ids, np.zeros_like(ids)]), expected, atol=1e-6)
model.fit([ids, np.zeros_like(ids)], np.array([0, 1]), verbose=0)

base = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt")
y = Dense(3)(base.output)
CRF = ConditionalRandomField()
model = Model(base.inputs, CRF(y))
model.save("ner.h5")
again = load_model("ner.h5", compile=False)
assert np.allclose(model.predict([ids, ids * 0]), again.predict([ids, ids * 0]), atol=1e-6)

place = keras.layers.Input((1,))
mean = Lambda(lambda x: K.mean(x, axis=1))(base.output)
token = Lambda(lambda x: batch_gather(x[0], K.cast(x[1], "int32"))[:, 0])([base.output, place])
model = Model(base.inputs + [place], [mean, token])
model.save("lambdas.h5")
again = load_model("lambdas.h5", custom_objects={"batch_gather": batch_gather})
x = [ids, ids * 0, np.array([[1], [2]])]
for one, other in zip(model.predict(x), again.predict(x)):
    assert np.allclose(one, other, atol=1e-6)
