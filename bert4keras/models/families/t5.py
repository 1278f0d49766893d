"""T5 (Raffel et al., arXiv:1910.10683), T5.1.1 and mT5 (Xue et al., arXiv:2010.11934)."""

from functools import partial
from typing import Any, Literal

import keras
from keras.layers import Input

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.layers import AttachMask, CausalMask, Embedding, ScaleOffset
from bert4keras.models.families.t5_base import DECODER_WEIGHTS, ENCODER_WEIGHTS, T5_Base
from bert4keras.models.hugging_face import Unsupported
from bert4keras.models.mixins import LM_Mask
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation, head_activation

_DECODER_KEYS = (  # settings that the config.json of a decoder alone needs
    "version",
    "tie_word_embeddings",
    "cross_position_bias",
    "scale_decoder_outputs",
    "context_mask",
)
_CROSS_POSITION_BIAS = Unsupported(
    "cross_position_bias", lambda model: model._decoder.cross_position_bias
)
_OUTPUT_SCALE = Unsupported(
    "scale_decoder_outputs other than False without the tied head of a T5",
    lambda model: model._decoder.has_output_scale and not _has_tied_head(model),
)


def _has_tied_head(model):
    """True if ``transformers`` can scale the vectors before the head, or not."""
    return bool(model._decoder.with_lm and model.tie_word_embeddings and model.model_type == "t5")


class T5_Encoder(T5_Base):
    """The encoder of T5.

    Args:
        *args, **kwargs: as for ``T5_Base``.

    Input: "Encoder-Input-Token" (B, L). Output: vectors (B, L, D) with the padding mask.
    """

    checkpoint_spec: CheckpointSpec = T5_Base.checkpoint_spec.replace(weights=ENCODER_WEIGHTS)
    config_spec: ConfigSpec = T5_Base.config_spec.replace(
        unsupported_args=(*T5_Base.config_spec.unsupported_args, "with_lm")
    )
    stack: Literal["Encoder", "Decoder"] = "Encoder"

    def get_inputs(self) -> Tensor:
        """Make the input of the source's token ids."""
        return self.token_input()

    def apply_embeddings(self, inputs: Tensor) -> Tensor:
        """Embed the source's tokens."""
        return self.embed_tokens(inputs)

    def compute_position_bias(self, inputs: Any = None) -> Tensor:
        """Return biases of the distances within the source."""
        if self.position_bias is None:
            self.position_bias: Any = self.relative_position_bias(inputs, inputs)
        return self.position_bias

    def apply_final_layers(self, inputs: Tensor) -> Tensor:
        """Apply the last norm."""
        return self.output_norm(inputs)

    def architecture(self) -> str:
        return f"{self.model_type.upper()}EncoderModel"


class T5_Decoder(LM_Mask, T5_Base):
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

    checkpoint_spec: CheckpointSpec = T5_Base.checkpoint_spec.replace(
        weights=DECODER_WEIGHTS,
        dialects=T5_Base.checkpoint_spec.readable_dialects,
        hugging_face=None,  # transformers has no decoder alone
    )
    config_spec: ConfigSpec = T5_Base.config_spec.replace(
        model_type="t5_decoder",
        keys={**T5_Base.config_spec.keys, **{name: name for name in _DECODER_KEYS}},
    )
    stack: Literal["Encoder", "Decoder"] = "Decoder"

    def __init__(
        self,
        *args: Any,
        with_lm: Activation | bool = True,
        cross_position_bias: bool = True,
        scale_decoder_outputs: bool | None = None,
        context_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.num_hidden_layers: int = self.num_decoder_layers
        self.with_lm = with_lm
        self.cross_position_bias = cross_position_bias
        self.scale_decoder_outputs = scale_decoder_outputs
        self.context_mask = context_mask

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Build the model; arguments as for ``Transformer.build``."""
        super().build(*args, **kwargs)
        self.model.supports_masking = True  # its graph uses the context's mask; Keras warns else

    @property
    def model_type(self) -> str:
        """Name of the family in a ``config.json``; one for all versions."""
        return "t5_decoder"

    @property
    def has_output_scale(self) -> bool:
        """True if the last vectors are scaled."""
        scale = self.scale_decoder_outputs
        return scale is None or bool(scale and self.with_lm)

    def get_inputs(self) -> list[Tensor]:
        """Make the inputs: context, token ids of the target, the context's mask if wanted."""
        shape = (self.sequence_length, self.hidden_size)
        context = self.apply(layer=Input, shape=shape, name="Input-Context")
        inputs = [context, self.token_input()]
        if self.context_mask:
            inputs.append(self.id_input("Input-Context-Mask"))
        return inputs

    def apply_embeddings(self, inputs: list[Tensor]) -> list[Tensor]:
        """Embed the target's tokens, and give the context its mask."""
        context, tokens, *mask = inputs
        if mask:
            context = self.apply([context, *mask], AttachMask, name="Decoder-Context-Mask")
        return [context, self.embed_tokens(tokens)]

    def compute_attention_bias(self, index: Any = None) -> Tensor:
        """Return a causal mask over the target, which is the second input."""
        if self.attention_bias is None:
            self.attention_bias: Tensor | None = self.apply(
                self.inputs[1], CausalMask, name="Attention-LM-Mask"
            )
        return self.attention_bias

    def compute_position_bias(self, inputs: Any = None) -> tuple[Tensor, Tensor | None]:
        """Return biases of the distances within the target, and from it to the context or None."""
        if self.position_bias is None:
            context, x = inputs
            across = self.relative_position_bias(x, context) if self.cross_position_bias else None
            self.position_bias: Any = self.relative_position_bias(x, x), across
        return self.position_bias

    def apply_main_layers(self, inputs: list[Tensor], index: int) -> list[Tensor]:
        """Apply one block: attention on the target, on the context, then feed-forward."""
        context, x = inputs
        name, (position, cross_position) = (
            self.block_name(index),
            self.compute_position_bias(inputs),
        )
        self_attention = partial(
            self.attention_to, bias=self.compute_attention_bias(index), position=position
        )
        cross_attention = partial(self.attention_to, context=context, position=cross_position)
        x = self.residual(x, f"{name}-MultiHeadSelfAttention", self_attention)
        x = self.residual(x, f"{name}-MultiHeadCrossAttention", cross_attention)
        return [context, self.residual(x, f"{name}-FeedForward", self.feed_forward)]

    def attention_to(
        self,
        x: Tensor,
        name: str,
        context: Tensor | None = None,
        bias: Tensor | None = None,
        position: Tensor | None = None,
    ) -> Tensor:
        """Apply attention on a context, or on the target itself without one."""
        context = x if context is None else context
        return self.attention([x, context, context], name, bias, position)

    def apply_final_layers(self, inputs: list[Tensor]) -> Tensor:
        """Apply the last norm, the scale, and the head if it is wanted."""
        x = self.output_norm(inputs[1])
        if self.has_output_scale:
            scale = self.hidden_size**-0.5
            x = self.apply(x, ScaleOffset, scale=scale, offset=False, name="Decoder-Output-Scale")
        return self.predict_tokens(x) if self.with_lm else x

    def predict_tokens(self, x: Tensor) -> Tensor:
        """Score tokens: (B, L, V)."""
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Decoder-Output-Mapping")
        activation = backend.get_activation(head_activation(self.with_lm, "softmax"))
        name, options = "Decoder-Output-LM", {"dtype": self.output_dtype}
        if not self.tie_word_embeddings:
            return self.dense(x, self.vocab_size, name, activation, use_bias=False, **options)
        x = self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        name = f"{name}-Activation"
        return self.apply(
            x, keras.layers.Activation, None, activation=activation, name=name, **options
        )


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

    checkpoint_spec: CheckpointSpec = T5_Base.checkpoint_spec.replace(
        weights=ENCODER_WEIGHTS | DECODER_WEIGHTS
    )
    config_spec: ConfigSpec = T5_Base.config_spec.replace(
        hf_unsupported=T5_Base.config_spec.hf_unsupported | {_CROSS_POSITION_BIAS, _OUTPUT_SCALE}
    )
    is_encoder_decoder = True

    def __init__(
        self,
        *args: Any,
        with_lm: Activation | bool = True,
        cross_position_bias: bool = True,
        scale_decoder_outputs: bool | None = None,
        context_mask: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
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

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Build encoder and decoder, then the whole; arguments as for ``Transformer.build``."""
        for part in (self._encoder, self._decoder):
            part.build(*args, **kwargs)
        self.encoder: keras.Model = self._encoder.model
        self.decoder: keras.Model = self._decoder.model
        super().build(*args, **kwargs)

    def get_inputs(self) -> list[Tensor]:
        """Return token ids of the source and of the target: inputs of encoder and decoder."""
        return [self._encoder.inputs[0], self._decoder.inputs[1]]

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Apply the decoder to the encoder's output."""
        self._decoder.position_bias, self._decoder.attention_scores = None, {}
        return self._decoder.call([self._encoder.outputs[0], inputs[1]])

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the tables of encoder and decoder."""
        return self._encoder.variable_mapping() | self._decoder.variable_mapping()

    def hugging_face_config(self) -> dict[str, Any]:
        config = super().hugging_face_config()
        if _has_tied_head(self) and not self._decoder.has_output_scale:
            config["scale_decoder_outputs"] = False  # as transformers 5 does for a T5.1.1
        return config

    def architecture(self) -> str:
        head = "ForConditionalGeneration" if self._decoder.with_lm else "Model"
        return f"{self.model_type.upper()}{head}"
