#! -*- coding:utf-8 -*-
# PET: the label is a word behind a mask; loss and accuracy inside a layer
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import Loss
from bert4keras.tokenizers import Tokenizer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam
from bert4keras.snippets import sequence_padding, DataGenerator, open
from keras.layers import Lambda, Dense

tokenizer = Tokenizer("bert/vocab.txt", do_lower_case=True)
prefix = "不好"
mask_idx = 1
pos_id, neg_id = tokenizer.token_to_id("好"), tokenizer.token_to_id("不")
data = [("我爱北京", 1), ("我不爱你", 0), ("今天天气", 2)]


def random_masking(token_ids):
    rands = np.random.random(len(token_ids))
    source, target = [], []
    for r, t in zip(rands, token_ids):
        if r < 0.15 * 0.8:
            source.append(tokenizer._token_mask_id)
            target.append(t)
        else:
            source.append(t)
            target.append(0)
    return source, target


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_output_ids = [], [], []
        for is_end, (text, label) in self.sample(random):
            text = prefix + text
            token_ids, segment_ids = tokenizer.encode(text, maxlen=32)
            if random:
                source_ids, target_ids = random_masking(token_ids)
            else:
                source_ids, target_ids = token_ids[:], token_ids[:]
            if label < 2:
                source_ids[mask_idx] = tokenizer._token_mask_id
                target_ids[mask_idx] = pos_id if label == 1 else neg_id
            batch_token_ids.append(source_ids)
            batch_segment_ids.append(segment_ids)
            batch_output_ids.append(target_ids)
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids)
                batch_segment_ids = sequence_padding(batch_segment_ids)
                batch_output_ids = sequence_padding(batch_output_ids)
                yield [batch_token_ids, batch_segment_ids, batch_output_ids], None
                batch_token_ids, batch_segment_ids, batch_output_ids = [], [], []


class CrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_mask = K.cast(K.not_equal(y_true, 0), K.floatx())
        accuracy = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        accuracy = K.sum(accuracy * y_mask) / K.sum(y_mask)
        self.add_metric(accuracy, name="accuracy")
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        loss = K.sum(loss * y_mask) / K.sum(y_mask)
        return loss


model = build_transformer_model("bert/bert_config.json", "bert/bert_model.ckpt", with_mlm=True)
y_in = keras.layers.Input(shape=(None,))
outputs = CrossEntropy(1)([y_in, model.output])
train_model = keras.models.Model(model.inputs + [y_in], outputs)
train_model.compile(optimizer=Adam(1e-3))
train_model.summary()

shown = []


class Evaluator(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        model.save_weights("mlm_model.weights")
        shown.append(logs)


train_generator = data_generator(data, 2)
train_model.fit_generator(
    train_generator.forfit(),
    steps_per_epoch=len(train_generator),
    epochs=1,
    callbacks=[Evaluator()],
)
assert 0 <= shown[0]["accuracy"] <= 1 and 0 <= shown[0]["acc"] <= 1
for x_true, _ in data_generator(data, 2):
    x_true, y_true = x_true[:2], x_true[2]
    y_pred = model.predict(x_true)
    y_pred = y_pred[:, mask_idx, [neg_id, pos_id]].argmax(axis=1)
    assert set(y_pred) <= {0, 1}
