#! -*- coding:utf-8 -*-
# Triples by CasRel: gathered subjects, a conditional norm, the loss on the model, EMA
import numpy as np
from bert4keras.backend import keras, K, batch_gather
from bert4keras.layers import Loss
from bert4keras.layers import LayerNormalization
from bert4keras.tokenizers import Tokenizer
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_exponential_moving_average
from bert4keras.snippets import sequence_padding, DataGenerator
from keras.layers import Input, Dense, Lambda, Reshape
from keras.models import Model

predicates = 3
tokenizer = Tokenizer("bert/vocab.txt")
data = [("李明爱北京", (1, 2), (4, 5, 1)), ("今天李明不好", (3, 4), (5, 6, 0))]


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        X, S, SL, SI, OL = [], [], [], [], []
        for is_end, (text, s, (o1, o2, p)) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text)
            subject_labels = np.zeros((len(token_ids), 2))
            subject_labels[s[0], 0] = 1
            subject_labels[s[1], 1] = 1
            object_labels = np.zeros((len(token_ids), predicates, 2))
            object_labels[o1, p, 0] = 1
            object_labels[o2, p, 1] = 1
            X.append(token_ids)
            S.append(segment_ids)
            SL.append(subject_labels)
            SI.append(s)
            OL.append(object_labels)
            if len(X) == self.batch_size or is_end:
                X, S = sequence_padding(X), sequence_padding(S)
                SL = sequence_padding(SL, value=np.zeros(2))
                SI = np.array(SI)
                OL = sequence_padding(OL, value=np.zeros((predicates, 2)))
                yield [X, S, SL, SI, OL], None
                X, S, SL, SI, OL = [], [], [], [], []


def extract_subject(inputs):
    """根据subject_ids从output中取出subject的向量表征"""
    output, subject_ids = inputs
    start = batch_gather(output, subject_ids[:, :1])
    end = batch_gather(output, subject_ids[:, 1:])
    subject = K.concatenate([start, end], 2)
    return subject[:, 0]


subject_labels = Input(shape=(None, 2), name="Subject-Labels")
subject_ids = Input(shape=(2,), name="Subject-Ids")
object_labels = Input(shape=(None, predicates, 2), name="Object-Labels")

bert = build_transformer_model(
    config_path="bert/bert_config.json",
    checkpoint_path="bert/bert_model.ckpt",
    return_keras_model=False,
)
output = Dense(units=2, activation="sigmoid", kernel_initializer=bert.initializer)(
    bert.model.output
)
subject_preds = Lambda(lambda x: x**2)(output)
subject_model = Model(bert.model.inputs, subject_preds)

output = bert.model.layers[-2].get_output_at(-1)
subject = Lambda(extract_subject)([output, subject_ids])
output = LayerNormalization(conditional=True)([output, subject])
output = Dense(units=predicates * 2, activation="sigmoid", kernel_initializer=bert.initializer)(
    output
)
output = Lambda(lambda x: x**4)(output)
object_preds = Reshape((-1, predicates, 2))(output)
object_model = Model(bert.model.inputs + [subject_ids], object_preds)


class TotalLoss(Loss):
    """subject_loss与object_loss之和，都是二分类交叉熵"""

    def compute_loss(self, inputs, mask=None):
        subject_labels, object_labels = inputs[:2]
        subject_preds, object_preds, _ = inputs[2:]
        if mask[4] is None:
            mask = 1.0
        else:
            mask = K.cast(mask[4], K.floatx())
        subject_loss = K.binary_crossentropy(subject_labels, subject_preds)
        subject_loss = K.mean(subject_loss, 2)
        subject_loss = K.sum(subject_loss * mask) / K.sum(mask)
        object_loss = K.binary_crossentropy(object_labels, object_preds)
        object_loss = K.sum(K.mean(object_loss, 3), 2)
        object_loss = K.sum(object_loss * mask) / K.sum(mask)
        return subject_loss + object_loss


subject_preds, object_preds = TotalLoss([2, 3])(
    [subject_labels, object_labels, subject_preds, object_preds, bert.model.output]
)
train_model = Model(
    bert.model.inputs + [subject_labels, subject_ids, object_labels],
    [subject_preds, object_preds],
)
AdamEMA = extend_with_exponential_moving_average(Adam, name="AdamEMA")
optimizer = AdamEMA(learning_rate=1e-3)
train_model.compile(optimizer=optimizer)


class Evaluator(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        optimizer.apply_ema_weights()
        train_model.save_weights("best_model.weights")
        optimizer.reset_old_weights()


train_generator = data_generator(data, 2)
train_model.fit(train_generator.forfit(), steps_per_epoch=2, epochs=1, callbacks=[Evaluator()])
train_model.load_weights("best_model.weights")
token_ids, segment_ids = tokenizer.encode("李明爱北京")
token_ids, segment_ids = np.array([token_ids]), np.array([segment_ids])
assert subject_model.predict([token_ids, segment_ids]).shape == (1, 7, 2)
object_preds = object_model.predict([token_ids, segment_ids, np.array([[1, 2]])])
assert object_preds.shape == (1, 7, 3, 2)
