#! -*- coding: utf-8 -*-
# Entities by GlobalPointer
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.backend import multilabel_categorical_crossentropy
from bert4keras.layers import GlobalPointer
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.optimizers import Adam
from bert4keras.snippets import sequence_padding, DataGenerator, open, to_array
from keras.models import Model

categories = {"LOC": 0, "PER": 1}
data = [
    ["我爱北京", (2, 3, "LOC")],
    ["李明不好", (0, 1, "PER")],
    ["今天天气好"],
    ["我爱李明", (2, 3, "PER")],
]
tokenizer = Tokenizer("bert/vocab.txt", do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, d in self.sample(random):
            tokens = tokenizer.tokenize(d[0], maxlen=32)
            mapping = tokenizer.rematch(d[0], tokens)
            start_mapping = {j[0]: i for i, j in enumerate(mapping) if j}
            end_mapping = {j[-1]: i for i, j in enumerate(mapping) if j}
            token_ids = tokenizer.tokens_to_ids(tokens)
            labels = np.zeros((len(categories), 32, 32))
            for start, end, label in d[1:]:
                labels[categories[label], start_mapping[start], end_mapping[end]] = 1
            batch_token_ids.append(token_ids)
            batch_segment_ids.append([0] * len(token_ids))
            batch_labels.append(labels[:, : len(token_ids), : len(token_ids)])
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids)
                batch_segment_ids = sequence_padding(batch_segment_ids)
                batch_labels = sequence_padding(batch_labels, seq_dims=3)
                yield [batch_token_ids, batch_segment_ids], batch_labels
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


def global_pointer_crossentropy(y_true, y_pred):
    bh = K.prod(K.shape(y_pred)[:2])
    y_true = K.reshape(y_true, (bh, -1))
    y_pred = K.reshape(y_pred, (bh, -1))
    return K.mean(multilabel_categorical_crossentropy(y_true, y_pred))


def global_pointer_f1_score(y_true, y_pred):
    y_pred = K.cast(K.greater(y_pred, 0), K.floatx())
    return 2 * K.sum(y_true * y_pred) / K.sum(y_true + y_pred)


model = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt")
output = GlobalPointer(heads=len(categories), head_size=8)(model.output)
model = Model(model.input, output)
model.compile(
    loss=global_pointer_crossentropy, optimizer=Adam(1e-3), metrics=[global_pointer_f1_score]
)
train_generator = data_generator(data, 2)
history = model.fit(train_generator.forfit(), steps_per_epoch=2, epochs=1, verbose=0)
assert "global_pointer_f1_score" in history.history
token_ids, segment_ids = to_array(*[[x] for x in tokenizer.encode("我爱北京")])
scores = model.predict([token_ids, segment_ids])[0]
scores[:, [0, -1]] -= np.inf
scores[:, :, [0, -1]] -= np.inf
assert scores.shape == (2, 6, 6)
