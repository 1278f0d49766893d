#! -*- coding: utf-8 -*-
# Encoder and decoder made of Transformer's hooks; arguments that nothing knows
import json
from bert4keras.layers import *
from bert4keras.models import BERT, LM_Mask, Model, RoFormerV2, Transformer
from bert4keras.optimizers import Adam, extend_with_parameter_wise_lr
from bert4keras.snippets import AutoRegressiveDecoder, sequence_padding
from bert4keras.tokenizers import Tokenizer
import tensorflow as tf

tf.set_random_seed(1)
tokenizer = Tokenizer("bert/vocab.txt", do_lower_case=True)


class Half(Transformer):
    """What encoder and decoder have in common"""

    def embed(self, x):
        x = self.apply(
            inputs=x,
            layer=Embedding,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            name="Embedding-Token",
        )
        x = self.apply(
            inputs=x,
            layer=Lambda,
            function=lambda x: x * self.hidden_size**0.5,
            name="Scale",
        )
        return self.apply(
            inputs=x,
            layer=SinusoidalPositionEmbedding,
            output_dim=self.embedding_size,
            name="Embedding-Position",
        )

    def attention(self, inputs, name, **arguments):
        xi, z = inputs[0], self.layer_norm_conds[0]
        x = self.apply(
            inputs=inputs,
            layer=MultiHeadAttention,
            arguments=arguments,
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            key_size=self.attention_key_size,
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
        )
        x = self.apply(inputs=[xi, x], layer=Add, name="%s-Add" % name)
        return self.apply(
            inputs=self.simplify([x, z]),
            layer=LayerNormalization,
            conditional=(z is not None),
            hidden_units=self.layer_norm_conds[1],
            hidden_activation=self.layer_norm_conds[2],
            hidden_initializer=self.initializer,
            name="%s-Norm" % name,
        )


class Encoder(Half):
    def get_inputs(self):
        return [self.apply(layer=Input, shape=(self.sequence_length,), name="Input-Source")]

    def apply_embeddings(self, inputs):
        inputs = inputs[:]
        return self.embed(inputs.pop(0))

    def apply_main_layers(self, inputs, index):
        return self.attention([inputs] * 3, "Encoder-%d" % index, a_bias=None)

    def apply_final_layers(self, inputs):
        return inputs


class Decoder(LM_Mask, Half):
    def get_inputs(self):
        x = self.apply(layer=Input, shape=(self.sequence_length,), name="Input-Target")
        shape = (self.sequence_length, self.hidden_size)
        return [self.apply(layer=Input, shape=shape, name="Input-Context"), x]

    def apply_embeddings(self, inputs):
        c, x = inputs
        return [c, self.embed(x)]

    def apply_main_layers(self, inputs, index):
        c, x = inputs
        bias = self.compute_attention_bias(index)
        x = self.attention([x, x, x, bias], "Self-%d" % index, a_bias=True)
        return [c, self.attention([x, c, c], "Cross-%d" % index, a_bias=None)]

    def apply_final_layers(self, inputs):
        x = self.apply(
            inputs=inputs[1], layer=Embedding, arguments={"mode": "dense"}, name="Embedding-Token"
        )
        x = self.apply(inputs=x, layer=ScaleOffset, scale=False, name="Bias")
        return self.apply(inputs=x, layer=Activation, activation="softmax", name="Probas")

    def compute_attention_bias(self, inputs=None):
        old_inputs = self.inputs[:]
        self.inputs = [old_inputs[1]]
        mask = super(Decoder, self).compute_attention_bias(inputs)
        self.inputs = old_inputs
        return mask


settings = dict(
    vocab_size=tokenizer._vocab_size,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    hidden_act="relu",
    dropout_rate=0.1,
)
encoder = Encoder(**settings)
encoder.build()
decoder = Decoder(prefix="Decoder-", embedding=encoder.layers["Embedding-Token"], **settings)
decoder.build()
outputs = decoder.call(encoder.outputs + decoder.inputs[1:])


class CrossEntropy(Loss):
    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_true, y_pred = K.cast(y_true[:, 1:], "int32"), y_pred[:, :-1]
        y_mask = K.cast(K.greater(y_true, 0), K.floatx())
        loss = tf.keras.losses.CategoricalCrossentropy(reduction="none")(
            K.one_hot(y_true, tokenizer._vocab_size), y_pred
        )
        accuracy = tf.keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        self.add_metric(K.sum(accuracy * y_mask) / K.sum(y_mask), "acc")
        return K.sum(loss * y_mask) / K.sum(y_mask)


seq2seq = Model(
    encoder.inputs + decoder.inputs[1:], CrossEntropy([1])(decoder.inputs[1:] + [outputs])
)
AdamP = extend_with_parameter_wise_lr(Adam)
optimizer = AdamP(learning_rate=1e-3, paramwise_lr_schedule={"Decoder": 10 / 3}, beta_2=0.998)
seq2seq.compile(optimizer=optimizer)
ids = sequence_padding([tokenizer.encode(t)[0] for t in ["今天天气好", "北京"]])
assert "acc" in seq2seq.fit([ids, ids], epochs=1, verbose=0).history


class AutoSeq(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        return self.last_token(seq2seq).predict([inputs[0], output_ids])


start, end = tokenizer._token_start_id, tokenizer._token_end_id
autoseq = AutoSeq(start_id=start, end_id=end, maxlen=4)
assert len(tokenizer.ids_to_tokens(autoseq.beam_search(ids[:1], topk=2))) > 1

# a configuration as it stands in its file
config = json.load(open("bert/bert_config.json"))
config["max_position"] = config.get("max_position_embeddings")
bert = BERT(initializer_range=0.02, **config)
bert.build(**config)
bert.load_weights_from_checkpoint("bert/bert_model.ckpt")


class Speech(RoFormerV2):
    """Gated attention on features, no vocabulary, and an initializer that is a method"""

    def initializer(self, shape, dtype=None, order=3, gain=1.0):
        return super(Speech, self).initializer(shape, dtype, order, gain)

    def get_inputs(self):
        return [self.apply(layer=Input, shape=(self.sequence_length, 8), name="Input-Feature")]

    def apply_embeddings(self, inputs):
        return self.apply(inputs=inputs[0], layer=Masking, name="Masking")

    def apply_main_layers(self, inputs, index):
        x = self.apply(
            inputs=[inputs, self.compute_position_bias(inputs)],
            layer=GatedAttentionUnit,
            arguments={"a_bias": None, "p_bias": "rotary"},
            units=self.intermediate_size,
            key_size=self.attention_key_size,
            activation=self.hidden_act,
            normalization="squared_relu",
            kernel_initializer=self.initializer,
            name="GAU-%d" % index,
        )
        x = self.apply(
            inputs=x,
            layer=Lambda,
            function=self.survive,
            arguments={"p_survival": 0.7},
            name="Survive-%d" % index,
        )
        return self.apply(
            inputs=x,
            layer=LayerNormalization,
            zero_mean=False,
            scale=False,
            offset=False,
            name="Norm-%d" % index,
        )

    def apply_final_layers(self, inputs):
        return inputs

    def survive(self, y, p_survival=1.0):
        if K.backend() == "jax":  # which draws nothing without a seed, see in_train_phase.py
            return y
        survival = K.random_binomial((1,), p=p_survival)
        return K.in_test_phase(y, 1.0 / p_survival * survival * y)


settings.update(vocab_size=None, num_attention_heads=1, attention_key_size=4, hidden_act="swish")
speech = Speech(max_position=512, **settings)
speech.build()
assert speech.model.predict(np.ones((2, 5, 8))).shape == (2, 5, 8)
drawn = [K.eval(speech.initializer((2, 3), "float32", gain=gain)).any() for gain in (0.0, 1.0)]
assert drawn == [False, True]
