"""The skeleton that every family fills in.

Hooks, about in the order in which they are called; a family, or a subclass in your script,
overrides those in which it differs:

=====================================  =============================================================
``get_inputs()``                       the input tensors
``apply_embeddings(inputs)``           from ids to vectors
``sum_embeddings(inputs)``             the sum of vectors that makes these
``embed_positions(inputs)``            vectors with their positions added, where they are added
``block(index)``                       name of a block; equal names share their weights
``apply_main_layers(inputs, index)``   one block
``attend(x, name, index)``             its self-attention
``attention(inputs, name, ...)``       any attention layer, in the family's sizes
``feed_forward(x, name)``              the feed-forward half of a block
``residual(x, name, sublayer)``        how either is joined to its input: order of sum and norm
``normalize(x, name, epsilon=None)``   a normalization
``compute_attention_bias(inputs)``     a mask or bias for attention, or None
``compute_position_bias(inputs)``      relative or rotary positions, or None
``apply_final_layers(inputs)``         output heads
``arguments_of(config)``               arguments from a config.json; a class method
``config_for(config, checkpoint)``     the same, changed for a checkpoint's layout; a class method
``variable_mapping()``                 layer name -> variables of a checkpoint
``load_variable(checkpoint, name)``    one variable, made ready for its weight
``load_embeddings(embeddings)``        rows of a table that the vocabulary keeps
``create_variable(name, value)``       the reverse of ``load_variable``, for writing
=====================================  =============================================================
"""

import warnings
from functools import partial

import keras
from keras.layers import Dense, Dropout

from bert4keras import backend
from bert4keras.layers import (
    Add,
    AttentionBias,
    Concatenate1D,
    Embedding,
    FeedForward,
    LayerNormalization,
    MultiHeadAttention,
)
from bert4keras.models.checkpointing import Stored
from bert4keras.models.initial import Initial, spared


class Transformer(Stored):
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
        recompute: gradient checkpointing: layers compute again in the backward pass what they would
            keep in memory (arXiv:1604.06174). Same numbers, less memory, more time.
    """

    epsilon = None  # of the normalizations; None is Keras' own, 1e-7
    refused = ()  # arguments of its base that the family has no use for
    ignored = ()  # the same, but old scripts give them: with a warning
    applications = ("encoder", "lm", "unilm")
    use_bias = True  # in attention and feed-forward
    norm = {}  # further arguments of the normalizations
    position_kind = None  # what compute_position_bias gives: a p_bias of MultiHeadAttention

    def __init__(
        self,
        vocab_size,
        hidden_size,
        num_hidden_layers,
        num_attention_heads,
        intermediate_size,
        hidden_act,
        dropout_rate=None,
        attention_dropout_rate=None,
        embedding_size=None,
        attention_head_size=None,
        attention_key_size=None,
        sequence_length=None,
        keep_tokens=None,
        compound_tokens=None,
        residual_attention_scores=False,
        ignore_invalid_weights=False,
        autoresize_weights=False,
        layers=None,
        prefix=None,
        name=None,
        layer_norm_eps=None,
        pad_token_id=0,
        recompute=False,
    ):
        kept = vocab_size if keep_tokens is None else len(keep_tokens)
        self.vocab_size = kept + len(compound_tokens or ())
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.attention_head_size = attention_head_size or hidden_size // num_attention_heads
        self.attention_key_size = attention_key_size or self.attention_head_size
        self.intermediate_size = intermediate_size
        self.hidden_act = hidden_act
        self.dropout_rate = dropout_rate or 0
        self.attention_dropout_rate = attention_dropout_rate or 0
        self.embedding_size = embedding_size or hidden_size
        self.sequence_length = sequence_length
        self.keep_tokens = keep_tokens
        self.compound_tokens = compound_tokens
        self.residual_attention_scores = residual_attention_scores
        self.ignore_invalid_weights = ignore_invalid_weights
        self.autoresize_weights = autoresize_weights
        self.layers = {} if layers is None else layers
        self.prefix = _usable(prefix or "")
        self.name = name
        self.layer_norm_eps = layer_norm_eps
        self.pad_token_id = pad_token_id
        self.recompute = recompute
        self.filled = ()  # layers whose first weights a checkpoint is about to replace
        self.attention_bias = None
        self.position_bias = None
        self.attention_scores = {}  # kind of attention -> its scores in the block before
        self.built = False

    @property
    def initializer(self):
        """A new initializer of weights: a truncated normal distribution of deviation 0.02."""
        return Initial(stddev=0.02)

    @property
    def table_initializer(self):
        """A new initializer of tables of vectors; that of all weights by default."""
        return self.initializer

    # Building

    def build(
        self,
        attention_caches=None,
        layer_norm_cond=None,
        layer_norm_cond_hidden_size=None,
        layer_norm_cond_hidden_act=None,
        additional_input_layers=None,
    ):
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
        self.attention_caches = attention_caches or {}
        self.layer_norm_conds = [
            layer_norm_cond,
            layer_norm_cond_hidden_size,
            layer_norm_cond_hidden_act or "linear",
        ]
        if layer_norm_cond is not None:
            self.filled = ()  # no checkpoint fills the maps of a condition
        inputs = self.get_inputs()
        self.set_inputs(inputs, additional_input_layers)
        self.set_outputs(self.call(inputs))
        self.model = keras.Model(self.input, self.output, name=self.name)
        self.built = True

    def call(self, inputs):
        """From input tensors to output tensors."""
        x = self.apply_embeddings(inputs)
        for index in range(self.num_hidden_layers):
            x = self.apply_main_layers(x, index)
        return self.apply_final_layers(x)

    def prefixed(self, name):
        """The name that a layer has in this model."""
        return None if name is None else self.prefix + name

    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        """Call the layer of a name, making it when the name is first met.

        Args:
            inputs: what the layer is called on; None returns the layer itself.
            layer: the layer's class.
            arguments: keyword arguments of the call.
            **kwargs: arguments of the class, ``name`` among them.
        """
        if layer is Dropout and not self.dropout_rate:
            return inputs
        attention = isinstance(layer, type) and issubclass(layer, MultiHeadAttention)
        if attention and self.residual_attention_scores:
            kwargs["return_attention_scores"] = True
        name = kwargs["name"] = self.prefixed(kwargs.get("name"))
        if name not in self.layers:
            created = layer(**kwargs)
            if self.recompute:
                created.recompute = True  # looked at by those of our layers that keep much
            name = name or created.name
            self.layers[name] = created
        layer, arguments = self.layers[name], dict(arguments or {})
        if inputs is None:
            return layer
        with spared(name.removeprefix(self.prefix) in self.filled):
            if isinstance(layer, MultiHeadAttention):
                return self._attended(layer, list(inputs), arguments)
            return layer(inputs, **arguments)

    def _attended(self, layer, inputs, arguments):
        """An attention layer called with what the caches and the block before give it."""
        name = layer.name.removeprefix(self.prefix)
        inputs = self._with_caches(layer.name, name, inputs, arguments)
        if not self.residual_attention_scores:
            return layer(inputs, **arguments)
        inputs = self._with_scores(name, inputs, arguments)
        output, self.attention_scores[_kind(name)] = layer(inputs, **arguments)
        return output

    def _with_caches(self, layer_name, name, inputs, arguments):
        """Inputs of an attention layer with cached keys and values before its own."""
        caches = self.attention_caches.get(layer_name)
        if caches is None:
            return inputs
        if arguments.get("a_bias"):
            raise ValueError("attention_caches cannot be used with a causal or UniLM mask")
        for i, part in ((1, "Cached-Key"), (2, "Cached-Value")):
            pair = [caches[i - 1], inputs[i]]
            inputs[i] = self.apply(pair, Concatenate1D, name=f"{name}-{part}")
        return inputs

    def _with_scores(self, name, inputs, arguments):
        """Inputs of an attention layer with the scores of the one before as bias."""
        bias = self.attention_scores.get(_kind(name))
        if bias is None:
            return inputs
        if arguments.get("a_bias"):
            pair = [bias, inputs.pop(3)]
            bias = self.apply(pair, AttentionBias, name=f"{name}-Attention-Bias")
        arguments["a_bias"] = True
        return [*inputs[:3], bias, *inputs[3:]]

    def set_inputs(self, inputs, additional_input_layers=None):
        """Keep the inputs, further ones included."""
        several = isinstance(inputs, list | tuple)
        self.inputs = list(inputs) if several else [inputs]
        more = additional_input_layers
        if more is not None:
            self.inputs += list(more) if isinstance(more, list | tuple) else [more]
        self.input = self.inputs if len(self.inputs) > 1 else self.inputs[0]

    def set_outputs(self, outputs):
        """Keep the outputs."""
        self.outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        self.output = self.outputs if len(self.outputs) > 1 else self.outputs[0]

    def simplify(self, inputs):
        """Drop what is None; a single input that is left stands bare."""
        inputs = [x for x in inputs if x is not None]
        return inputs[0] if len(inputs) == 1 else inputs

    # Parts of the graph

    def get_inputs(self):
        """The input tensors of the family."""
        raise NotImplementedError

    def apply_embeddings(self, inputs):
        """From ids to vectors (B, L, D)."""
        raise NotImplementedError

    def apply_final_layers(self, inputs):
        """Output heads on the last vectors."""
        raise NotImplementedError

    def embed(self, ids, name, size):
        """Vectors of ids; tokens carry the padding mask."""
        return self.apply(
            ids,
            Embedding,
            input_dim=size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.table_initializer,
            mask_zero=name == "Embedding-Token" and self.pad_token_id is not None,
            pad_id=self.pad_token_id,
            name=name,
        )

    def dense(self, x, units, name, activation=None, **kwargs):
        """A dense layer in the family's initialisation."""
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
    def exact(self):
        """The dtype of probabilities: float32 under mixed precision."""
        return keras.config.dtype_policy().variable_dtype

    def block(self, index):
        """Name of a block; blocks of one name share their weights."""
        return f"Transformer-{index}"

    def apply_main_layers(self, inputs, index):
        """One block: attention, then feed-forward, each joined to its input by ``residual``."""
        name = self.block(index)
        attend = partial(self.attend, index=index)
        x = self.residual(inputs, f"{name}-MultiHeadSelfAttention", attend)
        return self.residual(x, f"{name}-FeedForward", self.feed_forward)

    def attend(self, x, name, index):
        """Self-attention."""
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(x)
        return self.attention([x, x, x], name, bias, position)

    def attention(
        self, inputs, name, bias=None, position=None, layer=MultiHeadAttention, **options
    ):
        """An attention layer of the family's sizes.

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
        sizes = {
            "heads": self.num_attention_heads,
            "head_size": self.attention_head_size,
            "out_dim": self.hidden_size,
            "key_size": self.attention_key_size,
            "use_bias": self.use_bias,
            "attention_dropout": self.attention_dropout_rate,
            "kernel_initializer": self.initializer,
        }
        inputs = self.simplify([*inputs, bias, position])
        return self.apply(inputs, layer, arguments, **{**sizes, **options}, name=name)

    def feed_forward(self, x, name, **options):
        """The feed-forward half of a block.

        Args:
            **options: further arguments of the layer.
        """
        sizes = {
            "units": self.intermediate_size,
            "activation": self.hidden_act,
            "use_bias": self.use_bias,
            "kernel_initializer": self.initializer,
        }
        return self.apply(x, FeedForward, **{**sizes, **options}, name=name)

    def residual(self, x, name, sublayer):
        """Join a sublayer to its input: dropout, sum, norm."""
        y = self.drop(sublayer(x, name), f"{name}-Dropout")
        return self.normalize(self.apply([x, y], Add, name=f"{name}-Add"), f"{name}-Norm")

    def drop(self, x, name):
        """Dropout, where there is any."""
        return self.apply(x, Dropout, rate=self.dropout_rate, name=name)

    def normalize(self, x, name, epsilon=None):
        """Layer normalization, conditional if the model has a condition.

        Args:
            epsilon: where it is not the family's; ``layer_norm_eps`` goes before.
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
            **self.norm,
        )

    def compute_attention_bias(self, inputs=None):
        """A mask or bias for attention; none in an encoder."""
        return self.attention_bias

    def compute_position_bias(self, inputs=None):
        """Relative positions for attention; none by default."""
        return self.position_bias


def _kind(name):
    """What an attention layer attends to, from its name: its own sequence or another."""
    return name.rpartition("-")[2]


def _usable(prefix):
    """A prefix that Keras 3 takes in the names of layers."""
    if "/" in prefix:
        warnings.warn(
            f"Layer names cannot hold '/': prefix {prefix!r} is used with '-'", stacklevel=3
        )
    return prefix.replace("/", "-")
