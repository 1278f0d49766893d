"""T5 (Raffel et al., arXiv:1910.10683), T5.1.1 and mT5 (Xue et al., arXiv:2010.11934)."""

from functools import partial

from keras.layers import Activation, Input

from bert4keras import backend
from bert4keras.layers import CausalMask, Embedding, ScaleOffset, WithMask
from bert4keras.models.families.t5_base import DECODER, ENCODER, T5_Base
from bert4keras.models.mixins import LM_Mask

WRITTEN = (  # settings that the config.json of a decoder alone needs
    "version",
    "tie_word_embeddings",
    "cross_position_bias",
    "scale_decoder_outputs",
    "context_mask",
)


class T5_Encoder(T5_Base):  # noqa: N801  (inherited name)
    """The encoder of T5.

    Args:
        *args, **kwargs: as for ``T5_Base``.

    Input: "Encoder-Input-Token" (B, L). Output: vectors (B, L, D) with the padding mask.
    """

    half = "Encoder"
    weights = ENCODER
    refused = (*T5_Base.refused, "with_lm")

    def get_inputs(self):
        """Ids of the source."""
        return self.ids()

    def apply_embeddings(self, inputs):
        """Vectors of the source's tokens."""
        return self.embed_tokens(inputs)

    def compute_position_bias(self, inputs=None):
        """Biases of the distances within the source."""
        if self.position_bias is None:
            self.position_bias = self.distances(inputs, inputs)
        return self.position_bias

    def apply_final_layers(self, inputs):
        """The last norm."""
        return self.finish(inputs)

    def architecture(self):
        """The class in ``transformers``."""
        return f"{self.model_type.upper()}EncoderModel"


class T5_Decoder(LM_Mask, T5_Base):  # noqa: N801  (inherited name)
    """The decoder of T5: from a context and the tokens so far to the next ones.

    Args:
        with_lm: score tokens: True for softmax, an activation such as "linear", False for vectors.
        cross_position_bias: add the biases of distances to the attention on the context, too. This
            is the inherited default; Mesh TensorFlow and ``transformers`` do not, and what was
            trained there wants False. A folder of ``transformers`` opens with False.
        scale_decoder_outputs: multiply the last vectors by D^-0.5: None, the inherited default, in
            every version; True, as ``transformers`` does for a tied head, only before a head;
            False, as it does for a head of its own, never.
        context_mask: take a further input "Input-Context-Mask" (B, L'), 0 where the context is
            padding. Without it the padding is that of the Keras mask of a context which comes
            straight from the encoder, as in ``decoder([encoder(x), y])``; arrays carry none.
        *args, **kwargs: as for ``T5_Base``.

    Inputs: "Input-Context" (B, L', D), "Decoder-Input-Token" (B, L). Output: tokens (B, L, V), or
    vectors (B, L, D). The first token may be id 0; after it 0 is padding.
    """

    half = "Decoder"
    weights = DECODER
    model_type = "t5_decoder"
    hugging_face = None  # transformers has no decoder alone
    keys = T5_Base.keys | {name: name for name in WRITTEN}

    def __init__(
        self,
        *args,
        with_lm=True,
        cross_position_bias=True,
        scale_decoder_outputs=None,
        context_mask=False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.num_hidden_layers = self.num_decoder_layers
        self.with_lm = with_lm
        self.cross_position_bias = cross_position_bias
        self.scale_decoder_outputs = scale_decoder_outputs
        self.context_mask = context_mask

    def build(self, **kwargs):
        """Build the model; arguments as for ``Transformer.build``."""
        super().build(**kwargs)
        self.model.supports_masking = True  # its graph uses the context's mask; Keras warns else

    @property
    def scales(self):
        """Whether the last vectors are scaled."""
        scale = self.scale_decoder_outputs
        return scale is None or bool(scale and self.with_lm)

    def get_inputs(self):
        """The context, ids of the target, and the context's mask if wanted."""
        shape = (self.sequence_length, self.hidden_size)
        inputs = [self.apply(layer=Input, shape=shape, name="Input-Context"), self.ids()]
        if self.context_mask:
            name = "Input-Context-Mask"
            inputs.append(self.apply(layer=Input, shape=shape[:1], dtype="int32", name=name))
        return inputs

    def apply_embeddings(self, inputs):
        """The context, and vectors of the target's tokens."""
        context, tokens, *mask = inputs
        if mask:
            context = self.apply([context, *mask], WithMask, name="Decoder-Context-Mask")
        return [context, self.embed_tokens(tokens)]

    def compute_attention_bias(self, inputs=None):
        """A causal mask over the target, which is the second input."""
        if self.attention_bias is None:
            self.attention_bias = self.apply(self.inputs[1], CausalMask, name="Attention-LM-Mask")
        return self.attention_bias

    def compute_position_bias(self, inputs=None):
        """Biases of the distances within the target, and from it to the context or None."""
        if self.position_bias is None:
            context, x = inputs
            across = self.distances(x, context) if self.cross_position_bias else None
            self.position_bias = self.distances(x, x), across
        return self.position_bias

    def apply_main_layers(self, inputs, index):
        """One block: attention on the target, on the context, then feed-forward."""
        context, x = inputs
        name, (within, across) = self.block(index), self.compute_position_bias(inputs)
        attend = partial(self.attend_to, bias=self.compute_attention_bias(index), position=within)
        consult = partial(self.attend_to, context=context, position=across)
        x = self.residual(x, f"{name}-MultiHeadSelfAttention", attend)
        x = self.residual(x, f"{name}-MultiHeadCrossAttention", consult)
        return [context, self.residual(x, f"{name}-FeedForward", self.feed_forward)]

    def attend_to(self, x, name, context=None, bias=None, position=None):
        """Attention on the context, or on the target itself."""
        context = x if context is None else context
        return self.attention([x, context, context], name, bias, position)

    def apply_final_layers(self, inputs):
        """The last norm, the scale, and the head if it is wanted."""
        x = self.finish(inputs[1])
        if self.scales:
            scale = self.hidden_size**-0.5
            x = self.apply(x, ScaleOffset, scale=scale, offset=False, name="Decoder-Output-Scale")
        return self.predict_tokens(x) if self.with_lm else x

    def predict_tokens(self, x):
        """Scores or probabilities of tokens."""
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Decoder-Output-Mapping")
        activation = "softmax" if self.with_lm is True else self.with_lm
        name, exact = "Decoder-Output-LM", {"dtype": self.exact}
        if not self.tie_word_embeddings:
            return self.dense(x, self.vocab_size, name, activation, use_bias=False, **exact)
        x = self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        activation = backend.get_activation(activation)
        return self.apply(x, Activation, activation=activation, name=f"{name}-Activation", **exact)


class T5(T5_Base):
    """T5: text to text, an encoder and a decoder that share the vectors of tokens.

    Args:
        with_lm, cross_position_bias, scale_decoder_outputs, context_mask: as for ``T5_Decoder``;
            ``context_mask`` is for the decoder when used alone.
        *args, **kwargs: as for ``T5_Base``.

    Built, it has ``encoder``, ``decoder`` and ``model``, three Keras models with the same layers.
    ``model`` takes "Encoder-Input-Token" (B, L') and "Decoder-Input-Token" (B, L). Padding is
    masked on both sides.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="relu")
        >>> t5 = build_transformer_model(config, model="t5", return_keras_model=False)
        >>> t5.encoder.output_shape, t5.model.output_shape
        ((None, None, 8), (None, None, 50))
    """

    weights = ENCODER | DECODER
    is_encoder_decoder = True

    def __init__(
        self,
        *args,
        with_lm=True,
        cross_position_bias=True,
        scale_decoder_outputs=None,
        context_mask=False,
        name=None,
        **kwargs,
    ):
        super().__init__(*args, name=name, **kwargs)
        kwargs |= {"layers": self.layers, "prefix": self.prefix}
        name = "" if name is None else f"{name}_"
        self._encoder = T5_Encoder(*args, name=f"{name}Encoder", **kwargs)
        self._decoder = T5_Decoder(
            *args,
            with_lm=with_lm,
            cross_position_bias=cross_position_bias,
            scale_decoder_outputs=scale_decoder_outputs,
            context_mask=context_mask,
            name=f"{name}Decoder",
            **kwargs,
        )

    def build(self, **kwargs):
        """Build the halves, then the whole; arguments as for ``Transformer.build``."""
        for part in (self._encoder, self._decoder):
            part.filled = self.filled
            part.build(**kwargs)
        self.encoder, self.decoder = self._encoder.model, self._decoder.model
        super().build(**kwargs)

    def get_inputs(self):
        """Ids of the source and of the target: the inputs of the halves."""
        return [self._encoder.inputs[0], self._decoder.inputs[1]]

    def call(self, inputs):
        """The decoder on what the encoder gives."""
        self._decoder.position_bias, self._decoder.attention_scores = None, {}
        return self._decoder.call([self._encoder.outputs[0], inputs[1]])

    def variable_mapping(self):
        """The tables of both halves."""
        return self._encoder.variable_mapping() | self._decoder.variable_mapping()

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        decoder = self._decoder
        scales = bool(decoder.with_lm and self.tie_word_embeddings and self.model_type == "t5")
        return {
            **super().beyond_hugging_face(),
            "cross_position_bias": decoder.cross_position_bias,
            f"scale_decoder_outputs={decoder.scale_decoder_outputs}": decoder.scales != scales,
        }

    def architecture(self):
        """The class in ``transformers`` with the same head."""
        head = "ForConditionalGeneration" if self._decoder.with_lm else "Model"
        return f"{self.model_type.upper()}{head}"
