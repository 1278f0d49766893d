#! -*- coding: utf-8 -*-
# GPT-like classes of old blogs: LM_Mask mixed in, a bias of attention
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

from bert4keras.models import BERT, LM_Mask, UniLM_Mask, extend_with_language_model
from bert4keras.layers import MultiHeadAttention, LayerNormalization, Add, FeedForward, Dropout


class GPTLike(LM_Mask, BERT):
    """单向语言模型，取最后一层"""
    def apply_final_layers(self, inputs):
        x = super(GPTLike, self).apply_final_layers(inputs)
        return self.apply(x, Lambda, function=lambda x: x * 1.0, name='Scaled')


class PreNorm(BERT):
    """把norm放到前面的BERT"""
    def apply_main_layers(self, inputs, index):
        x = inputs
        attention_name = 'Transformer-%d-MultiHeadSelfAttention' % index
        feed_forward_name = 'Transformer-%d-FeedForward' % index
        attention_mask = self.compute_attention_bias(index)
        xi, x, arguments = x, [x, x, x], {'a_bias': None}
        if attention_mask is not None:
            arguments['a_bias'] = True
            x.append(attention_mask)
        x = self.apply(
            inputs=x,
            layer=MultiHeadAttention,
            arguments=arguments,
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            key_size=self.attention_key_size,
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=attention_name,
        )
        x = self.apply(inputs=x, layer=Dropout, rate=self.dropout_rate, name='%s-Dropout' % attention_name)
        x = self.apply(inputs=[xi, x], layer=Add, name='%s-Add' % attention_name)
        xi = x
        x = self.apply(inputs=x, layer=LayerNormalization, name='%s-Norm' % feed_forward_name)
        x = self.apply(
            inputs=x,
            layer=FeedForward,
            units=self.intermediate_size,
            activation=self.hidden_act,
            kernel_initializer=self.initializer,
            name=feed_forward_name,
        )
        return self.apply(inputs=[xi, x], layer=Add, name='%s-Add' % feed_forward_name)


causal = build_transformer_model(config_path, checkpoint_path, model=GPTLike, with_mlm=True)
a = causal.predict([ids[:1], segments[:1]])
b = causal.predict([ids[:1, :2], segments[:1, :2]])
assert np.allclose(a[:, :2], b, atol=1e-5)
base = build_transformer_model(config_path, model=PreNorm)
x = Lambda(lambda x: x[:, 0])(base.output)
model = Model(base.inputs, Dense(2, activation='softmax')(x))
model.compile(loss='sparse_categorical_crossentropy', optimizer=Adam(1e-3))
model.fit([ids, segments], np.array([0, 1]), epochs=2, verbose=0)
assert model.predict([ids, segments]).shape == (2, 2)
