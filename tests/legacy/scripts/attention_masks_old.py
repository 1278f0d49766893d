#! -*- coding: utf-8 -*-
# Masks of attention as before 0.9: compute_attention_mask and a_mask, ones and zeros; center of norms
import numpy as np
from bert4keras.backend import keras, K
from bert4keras.layers import *
from bert4keras.models import build_transformer_model, BERT, LM_Mask


class Causal(object):
    def compute_attention_mask(self, inputs=None):
        if self.attention_mask is None:

            def lm_mask(s):
                idxs = K.arange(0, K.shape(s)[1])
                mask = K.cast(idxs[None, :] <= idxs[:, None], K.floatx())
                return mask[None, None]

            self.attention_mask = self.apply(
                inputs=self.inputs[0], layer=Lambda, function=lm_mask, name='Attention-LM-Mask'
            )
        return self.attention_mask


class GPT(Causal, BERT):
    """所有层都单向"""


class FirstLayerCausal(BERT):
    def compute_attention_mask(self, layer_id, segment_ids=None):
        return Causal.compute_attention_mask(self) if layer_id == 0 else None


class OwnBlock(LM_Mask, BERT):
    def apply_main_layers(self, inputs, index):
        x = inputs
        name = 'Transformer-%d-MultiHeadSelfAttention' % index
        attention_mask = self.compute_attention_mask(index)
        xi, x, arguments = x, [x, x, x, attention_mask], {'a_mask': True}
        x = self.apply(
            inputs=x,
            layer=MultiHeadAttention,
            arguments=arguments,
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            scaled_dot_product=True,
            kernel_initializer=self.initializer,
            name=name,
        )
        x = self.apply(inputs=[xi, x], layer=Add, name='%s-Add' % name)
        x = self.apply(inputs=x, layer=LayerNormalization, center=False, epsilon=1e-6, name='%s-Norm' % name)
        return self.apply(inputs=x, layer=BiasAdd, name='%s-Bias' % name)


class OwnBlockAndMask(GPT):
    apply_main_layers = OwnBlock.apply_main_layers


ids = np.array([[2, 6, 7, 3, 8, 3], [2, 8, 3, 0, 9, 4]])
for family in [GPT, FirstLayerCausal, OwnBlock, OwnBlockAndMask]:
    model = build_transformer_model('bert/bert_config.json', model=family)
    whole, part = (model.predict([x, np.zeros_like(x)]) for x in (ids, ids[:, :3]))
    assert np.allclose(whole[:, :3], part, atol=1e-5), family  # what comes later is not seen
norm = LayerNormalization(center=False, epsilon=1e-6)
x = np.array([[1., 3.]], 'float32')
assert np.allclose(K.eval(norm(K.constant(x))), x / np.sqrt(5), atol=1e-5)
assert len(norm.get_weights()) == 1
