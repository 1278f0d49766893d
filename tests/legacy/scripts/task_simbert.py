#! -*- coding: utf-8 -*-
# SimBERT: UniLM and similarity within the batch, two losses in one layer
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.optimizers import Adam, extend_with_weight_decay, extend_with_gradient_accumulation
from bert4keras.snippets import sequence_padding, DataGenerator, AutoRegressiveDecoder
from keras.models import Model

tokenizer = Tokenizer("bert/vocab.txt", do_lower_case=True)
data = [["今天天气好", "天气好"], ["我爱北京", "北京"]]


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids = [], []
        for is_end, (text, synonym) in self.sample(random):
            for i in range(2):
                token_ids, segment_ids = tokenizer.encode(text, synonym, maxlen=32)
                batch_token_ids.append(token_ids)
                batch_segment_ids.append(segment_ids)
                text, synonym = synonym, text
            if len(batch_token_ids) == self.batch_size or is_end:
                yield [sequence_padding(batch_token_ids), sequence_padding(batch_segment_ids)], None
                batch_token_ids, batch_segment_ids = [], []


class TotalLoss(Loss):
    def compute_loss(self, inputs, mask=None):
        loss1 = self.compute_loss_of_seq2seq(inputs, mask)
        loss2 = self.compute_loss_of_similarity(inputs, mask)
        self.add_metric(loss1, name="seq2seq_loss")
        self.add_metric(loss2, name="similarity_loss")
        return loss1 + loss2

    def compute_loss_of_seq2seq(self, inputs, mask=None):
        y_true, y_mask, _, y_pred = inputs
        y_true = y_true[:, 1:]
        y_mask = y_mask[:, 1:]
        y_pred = y_pred[:, :-1]
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        loss = K.sum(loss * y_mask) / K.sum(y_mask)
        return loss

    def compute_loss_of_similarity(self, inputs, mask=None):
        _, _, y_pred, _ = inputs
        y_true = self.get_labels_of_similarity(y_pred)
        y_pred = K.l2_normalize(y_pred, axis=1)
        similarities = K.dot(y_pred, K.transpose(y_pred))
        similarities = similarities - K.eye(K.shape(y_pred)[0]) * 1e12
        similarities = similarities * 20
        loss = K.categorical_crossentropy(y_true, similarities, from_logits=True)
        return loss

    def get_labels_of_similarity(self, y_pred):
        idxs = K.arange(0, K.shape(y_pred)[0])
        idxs_1 = idxs[None, :]
        idxs_2 = (idxs + 1 - idxs % 2 * 2)[:, None]
        labels = K.equal(idxs_1, idxs_2)
        labels = K.cast(labels, K.floatx())
        return labels


bert = build_transformer_model(
    "bert/bert_config.json",
    "bert/bert_model.ckpt",
    with_pool="linear",
    application="unilm",
    return_keras_model=False,
)
encoder = keras.models.Model(bert.model.inputs, bert.model.outputs[0])
seq2seq = keras.models.Model(bert.model.inputs, bert.model.outputs[1])
outputs = TotalLoss([2, 3])(bert.model.inputs + bert.model.outputs)
model = keras.models.Model(bert.model.inputs, outputs)

AdamW = extend_with_weight_decay(Adam, "AdamW")
AdamWG = extend_with_gradient_accumulation(AdamW, "AdamWG")
optimizer = AdamWG(
    learning_rate=2e-4,
    weight_decay_rate=0.01,
    exclude_from_weight_decay=["Norm", "bias"],
    grad_accum_steps=2,
)
model.compile(optimizer=optimizer)


class SynonymsGenerator(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        token_ids, segment_ids = inputs
        token_ids = np.concatenate([token_ids, output_ids], 1)
        segment_ids = np.concatenate([segment_ids, np.ones_like(output_ids)], 1)
        return self.last_token(seq2seq).predict([token_ids, segment_ids])

    def generate(self, text, n=1, topp=0.95):
        token_ids, segment_ids = tokenizer.encode(text, maxlen=32)
        output_ids = self.random_sample([token_ids, segment_ids], n, topp=topp)
        return [tokenizer.decode(ids) for ids in output_ids]


synonyms = SynonymsGenerator(start_id=None, end_id=tokenizer._token_end_id, maxlen=6)


class Evaluate(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        model.save_weights("./latest_model.weights")
        assert {"loss", "seq2seq_loss", "similarity_loss"} <= set(logs), logs
        assert abs(logs["seq2seq_loss"] + logs["similarity_loss"] - logs["loss"]) < 1e-2, logs


train_generator = data_generator(data, 4)
model.fit(train_generator.forfit(), steps_per_epoch=2, epochs=1, callbacks=[Evaluate()])
r = synonyms.generate("天气好", 2)
assert len(r) == 2
Z = encoder.predict(
    [
        sequence_padding([tokenizer.encode(t)[0] for t in r]),
        sequence_padding([tokenizer.encode(t)[1] for t in r]),
    ]
)
assert Z.shape == (2, 8)
