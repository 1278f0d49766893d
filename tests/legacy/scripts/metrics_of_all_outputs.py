#! -*- coding: utf-8 -*-
# One list of metrics for two outputs; targets by name; a class weight that is none
import glob
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.layers import *
from keras.models import Model
from keras.losses import kullback_leibler_divergence

bert = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt")
logits = Dense(3)(Lambda(lambda x: x[:, 0])(bert.output))
probas = Activation("softmax", name="hard")(logits)
soft = Activation("softmax", name="soft")(Lambda(lambda x: x / 3)(logits))
model = Model(bert.inputs, [probas, soft])
model.compile(
    loss=["categorical_crossentropy", kullback_leibler_divergence],
    optimizer=Adam(1e-3),
    metrics=["acc", keras.metrics.MeanSquaredError(name="mse")],
    loss_weights=[1, 9],
)
ids = np.array([[2, 6, 7, 3], [2, 8, 9, 3]])
y = keras.utils.to_categorical([0, 2], 3)


def data_generator():
    while True:
        yield [ids, ids * 0], [y, y]


history = model.fit_generator(data_generator(), steps_per_epoch=2, epochs=1, verbose=0)
assert {"hard_acc", "soft_acc", "hard_mse", "soft_mse"} < set(history.history)

# 单输出，按名字给目标
model = Model(bert.input, outputs=[Dense(3, activation="softmax", name="rel_out")(logits)])
model.compile(
    optimizer=keras.optimizers.Adam(lr=5e-6),
    loss={"rel_out": "categorical_crossentropy"},
    metrics={"rel_out": "accuracy"},
)


def named_generator():
    while True:
        yield {"Input-Token": ids, "Input-Segment": ids * 0}, {"rel_out": y}


path = "relations-{epoch:02d}-{acc:.4f}-{val_acc:.4f}.hdf5"
model.fit_generator(
    named_generator(),
    steps_per_epoch=2,
    epochs=1,
    validation_data=named_generator(),
    validation_steps=1,
    class_weight="auto",
    callbacks=[keras.callbacks.ModelCheckpoint(path, save_best_only=True)],
    verbose=0,
)
(file,) = glob.glob("relations*.hdf5")
model.load_weights(file, by_name=True, skip_mismatch=True, reshape=True)
