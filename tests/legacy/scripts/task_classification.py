#! -*- coding:utf-8 -*-
# Sentiment by the vector of [CLS]
import numpy as np
from bert4keras.backend import keras, set_gelu
from bert4keras.tokenizers import Tokenizer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_piecewise_linear_lr
from bert4keras.snippets import sequence_padding, DataGenerator
from keras.layers import Lambda, Dense

set_gelu("tanh")
maxlen = 16
batch_size = 2
config_path = "bert/bert_config.json"
checkpoint_path = "bert/bert_model.ckpt"
dict_path = "bert/vocab.txt"

train_data = [("今天天气好", 1), ("今天不好", 0), ("我爱北京", 1), ("我不爱你", 0)]
tokenizer = Tokenizer(dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (text, label) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text, maxlen=maxlen)
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            batch_labels.append([label])
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids)
                batch_segment_ids = sequence_padding(batch_segment_ids)
                batch_labels = sequence_padding(batch_labels)
                yield [batch_token_ids, batch_segment_ids], batch_labels
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


train_generator = data_generator(train_data, batch_size)
valid_generator = data_generator(train_data, batch_size)

bert = build_transformer_model(
    config_path=config_path,
    checkpoint_path=checkpoint_path,
    model="bert",
    return_keras_model=False,
)
output = Lambda(lambda x: x[:, 0], name="CLS-token")(bert.model.output)
output = Dense(units=2, activation="softmax", kernel_initializer=bert.initializer)(output)
model = keras.models.Model(bert.model.input, output)
model.summary()

AdamLR = extend_with_piecewise_linear_lr(Adam, name="AdamLR")
model.compile(
    loss="sparse_categorical_crossentropy",
    optimizer=AdamLR(lr=1e-3, lr_schedule={10: 1, 20: 0.1}),
    metrics=["accuracy"],
)


def evaluate(data):
    total, right = 0.0, 0.0
    for x_true, y_true in data:
        y_pred = model.predict(x_true).argmax(axis=1)
        y_true = y_true[:, 0]
        total += len(y_true)
        right += (y_true == y_pred).sum()
    return right / total


class Evaluator(keras.callbacks.Callback):
    def __init__(self):
        self.best_val_acc = -1.0

    def on_epoch_end(self, epoch, logs=None):
        val_acc = evaluate(valid_generator)
        if val_acc > self.best_val_acc:
            self.best_val_acc = val_acc
            model.save_weights("best_model.weights")


evaluator = Evaluator()
model.fit(
    train_generator.forfit(),
    steps_per_epoch=len(train_generator),
    epochs=1,
    callbacks=[evaluator],
)
token_ids, segment_ids = tokenizer.encode("我爱")
before = model.predict([[token_ids], [segment_ids]])
model.load_weights("best_model.weights")
assert np.allclose(before, model.predict([[token_ids], [segment_ids]]))
assert 0 <= evaluator.best_val_acc <= 1
