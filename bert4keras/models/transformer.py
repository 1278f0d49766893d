"""The skeleton of all families: ``Transformer`` and its hooks.

Hooks, in about the order of their calls. A family, or a subclass in your script, overrides those in
which it differs; CONTRIBUTING.md says what to write to add a family:

=======================================  ===========================================================
``get_inputs()``                         the input tensors
``apply_embeddings(inputs)``             from ids to vectors
``sum_embeddings(inputs)``               the sum of vectors that makes these
``embed_positions(inputs)``              adds vectors of positions, in families that add them
``block_name(index)``                    name of a block; equal names share their weights
``apply_main_layers(inputs, index)``     one block
``self_attention(x, name, index)``       its self-attention
``attention(inputs, name, ...)``         any attention layer, in the family's sizes
``feed_forward(x, name)``                the feed-forward half of a block
``residual(x, name, sublayer)``          joins either to its input: order of sum and norm
``normalize(x, name, epsilon=None)``     a normalization
``dropout(x, name)``                     a dropout
``compute_attention_bias(index)``        an attention mask or bias, or None
``compute_position_bias(inputs)``        relative or rotary positions, or None
``apply_final_layers(inputs)``           last normalization, then output heads
``apply_heads(inputs)``                  output heads
``parse_config(config)``                 arguments from a config.json; a class method
``adapt_config(config, checkpoint)``     the same, changed for a checkpoint; a class method
``variable_mapping()``                   layer name -> variables of a checkpoint
``load_variable(checkpoint, name)``      one variable, made ready for its weight
``load_embeddings(embeddings)``          rows of a table that the vocabulary keeps
``create_variable(name, value)``         the reverse of ``load_variable``, for writing
=======================================  ===========================================================
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import keras
from keras.layers import Dense, Dropout, Input

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import expand_blocks, keep_rows
from bert4keras.layers import Add, Embedding, FeedForward, LayerNormalization, MultiHeadAttention
from bert4keras.models import checkpointing
from bert4keras.models.config import check_required_values, export_settings, translate_keys
from bert4keras.models.hugging_face import check_writable
from bert4keras.models.layer_calls import call_layer, is_skipped, make_layer
from bert4keras.models.settings import check_vocabulary
from bert4keras.models.skip_initialization import SkippableTruncatedNormal, call_of_layer
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_SPECIAL_TOKEN_IDS = ("bos_token_id", "eos_token_id", "sep_token_id")
Activation = str | Callable[[Tensor], Tensor]  # a name, or a function


class Transformer:
    """A stack of transformer blocks, built as a functional Keras model.

    Args:
        vocab_size: number of ids in the checkpoint's vocabulary.
        hidden_size: size D of the vectors.
        num_hidden_layers: number of blocks.
        num_attention_heads: heads of attention.
        intermediate_size: inner size of the feed-forward layers.
        hidden_act: their activation.
        dropout_rate: dropout on vectors; None for none.
        attention_dropout_rate: dropout on attention weights; None for none.
        embedding_size: size of the embeddings; ``hidden_size`` by default.
        attention_head_size: size of a head's values; ``hidden_size / heads`` by default.
        attention_key_size: size of a head's keys; ``attention_head_size`` by default.
        sequence_length: a fixed length L; None for any.
        keep_tokens: ids to keep, in their new order; the vocabulary shrinks to them.
        compound_tokens: lists of ids, or pairs (ids, weights), counted after ``keep_tokens``; each
            appends an id whose vector is the average of theirs.
        residual_attention_scores: add the scores of the block before (RealFormer,
            arXiv:2012.11747).
        ignore_invalid_weights: leave weights that a checkpoint lacks as initialised, and warn.
        autoresize_weights: fit weights of another width (https://kexue.fm/archives/8444).
        layers: layers by name to share with another model.
        prefix: put before the name of every layer.
        name: name of the Keras model.
        layer_norm_eps: epsilon of all normalizations; None for the family's own.
        pad_token_id: the id that is padding; None when no id is.
        bos_token_id: the id that begins a text, or several, as the configuration has it; None when
            it is not known.
        eos_token_id: the id that ends a text, or several. If it is the padding id too, as in chat
            models, only the run at the end of a row is padding.
        sep_token_id: the id between texts.
        recompute: gradient checkpointing: layers compute again in the backward pass what they would
            keep in memory (arXiv:1604.06174). Same numbers, less memory, more time.
    """

    checkpoint_spec: CheckpointSpec = CheckpointSpec()
    config_spec: ConfigSpec = ConfigSpec()
    task_heads: Mapping[str, type[Any]] = {}  # task -> class of ``models/heads.py``
    epsilon: float | None = None  # of the normalizations; None is Keras' own, 1e-7
    norm_options: Mapping[str, Any] = {}  # further arguments of the normalizations
    use_bias: bool = True  # in attention and feed-forward layers
    mask_kind: Literal["full", "causal", "unilm"] = "full"
    position_kind: str | None = None  # of compute_position_bias: a p_bias of MultiHeadAttention
    position_dtype: str = "int32"  # of the position ids that are a further input
    tie_word_embeddings: bool = True  # True if the scores of tokens come from their embeddings

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_act: Activation | Sequence[Activation],
        dropout_rate: float | None = None,
        attention_dropout_rate: float | None = None,
        embedding_size: int | None = None,
        attention_head_size: int | None = None,
        attention_key_size: int | None = None,
        sequence_length: int | None = None,
        keep_tokens: Sequence[int] | None = None,
        compound_tokens: Sequence[Any] | None = None,
        residual_attention_scores: bool = False,
        ignore_invalid_weights: bool = False,
        autoresize_weights: bool = False,
        layers: dict[str, Any] | None = None,
        prefix: str | None = None,
        name: str | None = None,
        layer_norm_eps: float | None = None,
        pad_token_id: int | None = 0,
        bos_token_id: int | Sequence[int] | None = None,
        eos_token_id: int | Sequence[int] | None = None,
        sep_token_id: int | Sequence[int] | None = None,
        recompute: bool = False,
    ) -> None:
        self.vocab_size: int = check_vocabulary(
            vocab_size, keep_tokens, compound_tokens, pad_token_id
        )
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.attention_head_size: int = attention_head_size or hidden_size // num_attention_heads
        self.attention_key_size: int = attention_key_size or self.attention_head_size
        self.intermediate_size = intermediate_size
        self.hidden_act: Any = hidden_act
        self.dropout_rate = dropout_rate or 0
        self.attention_dropout_rate = attention_dropout_rate or 0
        self.embedding_size: int = embedding_size or hidden_size
        self.sequence_length = sequence_length
        self.keep_tokens = keep_tokens
        self.compound_tokens = compound_tokens
        self.residual_attention_scores = residual_attention_scores
        self.ignore_invalid_weights = ignore_invalid_weights
        self.autoresize_weights = autoresize_weights
        self.layers: dict[str, Any] = {} if layers is None else layers
        self.prefix: str = _plain_prefix(prefix or "")
        self.name = name
        self.layer_norm_eps = layer_norm_eps
        self.pad_token_id = pad_token_id
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        self.sep_token_id = sep_token_id
        self.recompute = recompute
        self.attention_bias: Tensor | None = None
        self.position_bias: Any = None
        self.attention_scores: dict[str, Tensor] = {}  # those of the block before, by kind
        self.built: bool = False

    @property
    def initializer(self) -> keras.Initializer:
        """A new initializer of weights: a truncated normal distribution of deviation 0.02."""
        return SkippableTruncatedNormal(stddev=0.02)

    @property
    def table_initializer(self) -> keras.Initializer:
        """A new initializer of tables of vectors; that of all weights by default."""
        return self.initializer

    @property
    def pad_is_special(self) -> bool:
        """True if the padding id also begins, ends or separates texts."""
        return self.pad_token_id is not None and any(
            self.pad_token_id in (ids if isinstance(ids, list) else [ids])
            for ids in self.special_token_ids.values()
        )

    @property
    def special_token_ids(self) -> dict[str, Any]:
        """Known ids that begin, end or separate texts, counted after ``keep_tokens``."""
        ids = {name: getattr(self, name) for name in _SPECIAL_TOKEN_IDS}
        ids = {name: _keep_ids(value, self.keep_tokens) for name, value in ids.items()}
        return {name: value for name, value in ids.items() if value not in (None, [])}

    @property
    def padding_side(self) -> Literal["right"] | None:
        """The side of a row where padding stands; None if all padding ids are padding, as in 0.x.

        It is "right" if the id occurs inside texts: as an end, or as an ordinary token of a decoder
        of ``transformers``, whose texts need no padding id.
        """
        is_decoder = self.config_spec.defaults.get("pad_token_id", 0) is None
        is_from_transformers = self.bos_token_id is not None or self.eos_token_id is not None
        is_right = self.pad_is_special or (is_decoder and is_from_transformers)
        return "right" if is_right and self.pad_token_id is not None else None

    @property
    def mask_options(self) -> dict[str, Any]:
        """Arguments of self-attention: no token of a text sees padding that stands behind it."""
        is_needless = self.padding_side == "right" and self.mask_kind == "causal"
        return {"uses_padding_mask": False} if is_needless else {}

    # Building

    def build(
        self,
        attention_caches: Mapping[str, Sequence[Tensor]] | None = None,
        layer_norm_cond: Tensor | None = None,
        layer_norm_cond_hidden_size: int | None = None,
        layer_norm_cond_hidden_act: Activation | None = None,
        additional_input_layers: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Build ``self.model``.

        Args:
            attention_caches: {name of an attention layer: [keys, values]}, tensors (B, C, D) put
                before its own keys and values, all visible.
            layer_norm_cond: a condition (B, C); all normalizations become conditional.
            layer_norm_cond_hidden_size: size of a bottleneck behind the condition.
            layer_norm_cond_hidden_act: its activation; linear by default.
            additional_input_layers: a keras.Input, or a list, appended to the model's inputs.
        """
        if self.built:
            return
        self.attention_caches: Mapping[str, Sequence[Tensor]] = attention_caches or {}
        self.layer_norm_conds: list[Any] = [
            layer_norm_cond,
            layer_norm_cond_hidden_size,
            layer_norm_cond_hidden_act or "linear",
        ]
        inputs = self.get_inputs()
        self.set_inputs(inputs, additional_input_layers)
        self.set_outputs(self.call(inputs))
        self.model: Any = keras.Model(self.input, self.output, name=self.name)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Compute the output tensors from the input tensors."""
        x = self.apply_embeddings(inputs)
        for index in range(self.num_hidden_layers):
            x = self.apply_main_layers(x, index)
        return self.apply_final_layers(x)

    def prefixed(self, name: Any) -> Any:
        """Return the name that a layer has in this model."""
        return None if name is None else self.prefix + name

    def apply(
        self,
        inputs: Any = None,
        layer: Callable[..., Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Find the layer of a name, or make it, and call it.

        Dropout at rate 0 is left out. Attention layers get ``attention_caches`` and the scores of
        ``residual_attention_scores``: see ``models/layer_calls.py``.

        Args:
            inputs: inputs of the layer; None returns the layer itself.
            layer: the layer's class.
            arguments: keyword arguments of the call.
            **kwargs: arguments of the class, ``name`` among them.
        """
        if is_skipped(self, layer):
            return inputs
        name = kwargs["name"] = self.prefixed(kwargs.get("name"))
        if name not in self.layers:
            new_layer = make_layer(self, layer, kwargs)
            name = name or new_layer.name
            self.layers[name] = new_layer
        if inputs is None:
            return self.layers[name]
        with call_of_layer(self.layers[name]):
            return call_layer(self.layers[name], self, inputs, dict(arguments or {}))

    def set_inputs(
        self, inputs: Any, additional_input_layers: Tensor | Sequence[Tensor] | None = None
    ) -> None:
        """Store the model's inputs, with further ones behind them."""
        self.inputs: list[Any] = _as_list(inputs)
        if additional_input_layers is not None:
            self.inputs += _as_list(additional_input_layers)
        self.input: Any = self.inputs if len(self.inputs) > 1 else self.inputs[0]

    def set_outputs(self, outputs: Any) -> None:
        """Store the model's outputs."""
        self.outputs: list[Any] = _as_list(outputs)
        self.output: Any = self.outputs if len(self.outputs) > 1 else self.outputs[0]

    def simplify(self, inputs: Iterable[Any]) -> Any:
        """Drop None from a list; return a single item without the list."""
        inputs = [x for x in inputs if x is not None]
        return inputs[0] if len(inputs) == 1 else inputs

    # Parts of the graph

    def get_inputs(self) -> Any:
        """Make the input tensors of the family."""
        raise NotImplementedError

    def apply_embeddings(self, inputs: Any) -> Any:
        """Compute vectors (B, L, D) from ids."""
        raise NotImplementedError

    def apply_final_layers(self, inputs: Any) -> Any:
        """Apply the last normalization, if the family has one, then the output heads."""
        return self.apply_heads(inputs)

    def apply_heads(self, inputs: Any) -> Any:
        """Apply the output heads to the last vectors."""
        raise NotImplementedError

    def id_input(self, name: str) -> Tensor:
        """Make an input of ids (B, L)."""
        dtype = self.position_dtype if name == "Input-Position" else "int32"
        return self.apply(layer=Input, shape=(self.sequence_length,), dtype=dtype, name=name)

    def embed(self, ids: Tensor, name: str, size: int, **options: Any) -> Tensor:
        """Embed ids; those of tokens give the padding mask.

        Args:
            size: number of ids.
            **options: further arguments of the layer.
        """
        makes_mask = name == "Embedding-Token" and self.pad_token_id is not None
        return self.apply(
            ids,
            Embedding,
            input_dim=size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.table_initializer,
            mask_zero=makes_mask,
            pad_id=self.pad_token_id,
            padding_side=self.padding_side if makes_mask else None,
            pad_is_special=makes_mask and self.pad_is_special,
            name=name,
            **options,
        )

    def dense(
        self, x: Tensor, units: int, name: str, activation: Activation | None = None, **kwargs: Any
    ) -> Tensor:
        """Apply a dense layer with the family's initializer."""
        return self.apply(
            x,
            Dense,
            units=units,
            activation=backend.get_activation(activation),
            kernel_initializer=self.initializer,
            name=name,
            **kwargs,
        )

    @property
    def output_dtype(self) -> str:
        """The dtype of probabilities: float32 under mixed precision."""
        return keras.config.dtype_policy().variable_dtype

    def block_name(self, index: int) -> str:
        """Return the name of a block; blocks of one name share their weights."""
        return f"Transformer-{index}"

    def apply_main_layers(self, inputs: Any, index: int) -> Any:
        """Apply one block: attention, then feed-forward, each joined by ``residual``."""
        name = self.block_name(index)
        attention = partial(self.self_attention, index=index)
        x = self.residual(inputs, f"{name}-MultiHeadSelfAttention", attention)
        return self.residual(x, f"{name}-FeedForward", self.feed_forward)

    def self_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply the self-attention of a block."""
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(x)
        return self.attention([x, x, x], name, bias, position)

    def attention(
        self,
        inputs: Sequence[Tensor],
        name: str,
        bias: Tensor | None = None,
        position: Tensor | None = None,
        *,
        layer: type[Any] = MultiHeadAttention,
        **options: Any,
    ) -> Tensor:
        """Apply an attention layer of the family's sizes.

        Args:
            inputs: queries, keys and values.
            bias: mask or bias of the scores, or None.
            position: positions of the kind that ``position_kind`` names, or None.
            layer: its class.
            **options: further arguments of the layer.
        """
        arguments = {
            "a_bias": None if bias is None else True,
            "p_bias": None if position is None else self.position_kind,
        }
        sizes: dict[str, Any] = {
            "heads": self.num_attention_heads,
            "head_size": self.attention_head_size,
            "out_dim": self.hidden_size,
            "key_size": self.attention_key_size,
            "use_bias": self.use_bias,
            "attention_dropout": self.attention_dropout_rate,
            "kernel_initializer": self.initializer,
        }
        sizes |= self.mask_options if inputs[0] is inputs[1] else {}
        inputs = self.simplify([*inputs, bias, position])
        return self.apply(inputs, layer, arguments, **{**sizes, **options}, name=name)

    def feed_forward(self, x: Tensor, name: str, **options: Any) -> Tensor:
        """Apply the feed-forward half of a block.

        Args:
            **options: further arguments of the layer.
        """
        sizes: dict[str, Any] = {
            "units": self.intermediate_size,
            "activation": self.hidden_act,
            "use_bias": self.use_bias,
            "kernel_initializer": self.initializer,
        }
        return self.apply(x, FeedForward, **{**sizes, **options}, name=name)

    def residual(self, x: Tensor, name: str, sublayer: Callable[[Tensor, str], Tensor]) -> Tensor:
        """Join a sublayer to its input: dropout, sum, norm."""
        y = self.dropout(sublayer(x, name), f"{name}-Dropout")
        return self.normalize(self.apply([x, y], Add, name=f"{name}-Add"), f"{name}-Norm")

    def score_tokens(self, x: Tensor) -> Tensor:
        """Score tokens (B, L, V), by the table of their embeddings or by another table."""
        mode = {"mode": "dense"}
        if self.tie_word_embeddings:
            return self.apply(x, Embedding, arguments=mode, name="Embedding-Token")
        return self.apply(
            x,
            Embedding,
            arguments=mode,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            name="Output-LM",
        )

    def dropout(self, x: Tensor, name: str) -> Tensor:
        """Apply dropout, if the model has any."""
        return self.apply(x, Dropout, rate=self.dropout_rate, name=name)

    def normalize(self, x: Tensor, name: str, epsilon: float | None = None) -> Tensor:
        """Apply layer normalization, conditional if the model has a condition.

        Args:
            epsilon: where it is not the family's; ``layer_norm_eps`` has precedence.
        """
        condition, hidden_size, hidden_act = self.layer_norm_conds
        return self.apply(
            self.simplify([x, condition]),
            LayerNormalization,
            epsilon=self.layer_norm_eps or epsilon or self.epsilon,
            conditional=condition is not None,
            hidden_units=hidden_size,
            hidden_activation=hidden_act,
            hidden_initializer=self.initializer,
            name=name,
            **self.norm_options,
        )

    def compute_attention_bias(self, index: Any = None) -> Tensor | None:
        """Return the attention mask or bias of a block; an encoder has none.

        Args:
            index: number of the block. Scripts of 0.x may pass tensors.
        """
        return self.attention_bias

    def compute_position_bias(self, inputs: Any = None) -> Any:
        """Return relative or rotary positions for attention; None by default.

        Args:
            inputs: vectors (B, L, D), which tell the length.
        """
        return self.position_bias

    # Configurations and checkpoints

    load_weights_from_checkpoint: Callable[..., Any] = checkpointing.load_weights_from_checkpoint
    build_from_checkpoint: Callable[..., Any] = checkpointing.build_from_checkpoint
    plan_loading: Callable[..., Any] = checkpointing.plan_loading
    save_weights_as_checkpoint: Callable[..., Any] = checkpointing.save_weights_as_checkpoint
    save_pretrained: Callable[..., Any] = checkpointing.save_pretrained

    @classmethod
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration gives.

        Args:
            config: settings in Google's or Hugging Face's keys.
        """
        check_required_values(cls, config)
        return translate_keys(config, cls.config_spec)

    @classmethod
    def adapt_config(cls, config: dict[str, Any], checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments, changed if the layout of a checkpoint needs it."""
        return config

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the table of weights: layer name -> names of its variables in a checkpoint."""
        return expand_blocks(self.checkpoint_spec.weights, self.num_hidden_layers)

    def mapping_to_read(self, checkpoint: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the table to read a checkpoint by, for families stored in more than one way."""
        return self.variable_mapping()

    def mapping_to_write(self) -> dict[str, list[str]]:
        """Return the table to write by: a layer for each name of a variable."""
        return self.variable_mapping()

    def find_remedy(self, checkpoint: checkpointing.Checkpoint) -> str | None:
        """Return what to do about weights that a checkpoint lacks; None for the usual advice.

        Args:
            checkpoint: an open checkpoint that finds the names of ``variable_mapping``.
        """
        return None

    def load_embeddings(self, embeddings: Any) -> Any:
        """Select the rows of a table that the vocabulary keeps, and average those it compounds."""
        return keep_rows(embeddings, self.keep_tokens, self.compound_tokens)

    def load_variable(self, checkpoint: Mapping[str, Any], name: str) -> Any:
        """Read one variable of a checkpoint in the layout of its weight.

        Args:
            checkpoint: a mapping from names to arrays.
            name: a name of ``variable_mapping``.
        """
        variable = checkpoint[name]
        if name in self.checkpoint_spec.transposed_variables:
            variable = variable.T
        has_rows_of_ids = name in self.checkpoint_spec.vocabulary
        return self.load_embeddings(variable) if has_rows_of_ids else variable

    def create_variable(self, name: str, value: Any, dtype: Any = None) -> Any:
        """Convert one weight to the layout of a checkpoint: the reverse of ``load_variable``."""
        value = value.T if name in self.checkpoint_spec.transposed_variables else value
        return value.astype(dtype or value.dtype, copy=False)

    @property
    def model_type(self) -> str | None:
        """Name of the family in a ``config.json``."""
        return self.config_spec.model_type

    def hugging_face_config(self) -> dict[str, Any]:
        """Return the ``config.json`` of the same model: that of ``transformers``, or our own."""
        check_writable(self)
        config = {"model_type": self.model_type, **export_settings(self), **self.special_token_ids}
        if self.checkpoint_spec.hugging_face is None:
            return config
        return {"architectures": [self.architecture()], **config}

    def architecture(self) -> str:
        """Return the class of ``transformers`` with the same heads."""
        raise NotImplementedError


def head_activation(value: Activation | bool, default: Activation) -> Activation:
    """Return the activation of a head.

    Args:
        value: the argument that asks for the head: an activation, or True for the default.
        default: the default.
    """
    return default if isinstance(value, bool) else value


def _keep_ids(ids: Any, keep_tokens: Sequence[int] | None) -> Any:
    """Return an id, or a list of ids, counted after ``keep_tokens``; None for one it drops."""
    if isinstance(ids, list | tuple):
        return [i for x in ids if (i := _keep_ids(x, keep_tokens)) is not None]
    if ids is None or keep_tokens is None:
        return ids
    places = {token: place for place, token in enumerate(keep_tokens)}
    return places.get(ids)


def _as_list(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]


def _plain_prefix(prefix: str) -> str:
    """Return a prefix that Keras 3 allows in names of layers; on PyTorch it allows no dots."""
    if "/" in prefix or "." in prefix:
        warnings.warn(
            f"Layer names cannot hold '/' or '.': prefix {prefix!r} is used with '-'", stacklevel=3
        )
    return prefix.replace("/", "-").replace(".", "-")
