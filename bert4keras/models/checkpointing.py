"""The half of a model that knows configurations and checkpoints."""

from bert4keras.checkpoints import expand_blocks, keep_rows
from bert4keras.models import loading
from bert4keras.models.config import arguments_of, check_computable, written_keys


class Stored:
    """What a family says of its files, and how it is filled from them and written to them."""

    weights = {}  # layer -> variables of a checkpoint, in Google's names; {i} is the block
    vocabulary = ()  # variables with a row for each id
    transposed = ()  # variables that a checkpoint holds transposed
    dialects = ()  # foreign names and layouts that are understood
    hugging_face = None  # the dialect to write safetensors in; None where transformers has none
    model_type = None  # the family's name in a config.json
    keys = {}  # argument -> its key in a config.json, where they differ
    tie_word_embeddings = True  # whether the scores of tokens come from their embeddings
    config_defaults = {}  # settings that a config.json of transformers may leave out
    computable = {}  # settings of a config.json of which one value alone can be computed
    optional = ()  # layers that published checkpoints lack: they stay as initialised, and warn

    @classmethod
    def arguments_of(cls, config):
        """The arguments that a configuration gives, from Google's or Hugging Face's keys."""
        check_computable(cls, config)
        return arguments_of(config, cls.keys, cls.config_defaults)

    @classmethod
    def config_for(cls, config, checkpoint):
        """The configuration, changed where the layout of a checkpoint asks for it."""
        return config

    def variable_mapping(self):
        """Layer name -> names of its variables in a checkpoint, in the order of its weights."""
        return expand_blocks(self.weights, self.num_hidden_layers)

    def load_embeddings(self, embeddings):
        """The rows of a table that the vocabulary keeps, and those it compounds."""
        return keep_rows(embeddings, self.keep_tokens, self.compound_tokens)

    def load_variable(self, checkpoint, name):
        """One variable of a checkpoint as its weight holds it.

        Args:
            checkpoint: a mapping from names to arrays.
            name: a name of ``variable_mapping``.
        """
        variable = checkpoint[name]
        if name in self.transposed:
            variable = variable.T
        return self.load_embeddings(variable) if name in self.vocabulary else variable

    def create_variable(self, name, value, dtype=None):
        """One weight as a checkpoint holds it: the reverse of ``load_variable``, rows apart."""
        value = value.T if name in self.transposed else value
        return value.astype(dtype or value.dtype, copy=False)

    def load_weights_from_checkpoint(self, checkpoint, mapping=None):
        """Fill the model from a checkpoint, or change nothing and say all that does not fit.

        Args:
            checkpoint: a path of any format that ``open_checkpoint`` reads, or {name: array}.
            mapping: layer name -> variable names; ``variable_mapping()`` by default.

        Raises:
            ValueError: variables are missing or of another shape, the file is missing, damaged or
                not safe to open.
        """
        loading.read(self, checkpoint, mapping)

    def expect(self, checkpoint):
        """Build without drawing the weights that a checkpoint is about to give."""
        loads = type(self).load_weights_from_checkpoint is Stored.load_weights_from_checkpoint
        if loads and not self.ignore_invalid_weights and not self.layers:
            self.filled = frozenset(self.mapping_of(checkpoint)) - {*self.optional}

    def mapping_of(self, checkpoint):
        """The table to read a checkpoint by, for families stored in more than one way."""
        return self.variable_mapping()

    def written_mapping(self):
        """The table to write by: a layer for each name of a variable."""
        return self.variable_mapping()

    def save_weights_as_checkpoint(self, filename, mapping=None, dtype=None):
        """Write the weights under the names of pretrained checkpoints.

        Args:
            filename: ``*.safetensors`` is written with Hugging Face's names, ``*.h5`` with
                Google's; anything else is the prefix of a TF1 checkpoint.
            mapping: layer name -> variable names; that of the family by default.
            dtype: type of the numbers; that of the weights by default.
        """
        loading.write(self, filename, mapping, dtype)

    def save_pretrained(self, folder, dtype=None, tokenizer=None):
        """Write a folder that ``build_transformer_model`` opens in one argument.

        It holds ``config.json`` and ``model.safetensors``; ``transformers`` opens it too, where it
        has the family.

        Args:
            folder: where to; made if it is not there.
            dtype: type of the numbers; that of the weights by default.
            tokenizer: whose vocabulary is written beside them; none by default.

        Raises:
            ValueError: ``transformers`` has the family, but computes not what this model does.
        """
        loading.write_folder(self, folder, dtype, tokenizer)

    def hugging_face_config(self):
        """The ``config.json`` of the same model: that of ``transformers``, or of our own."""
        differences = [what for what, differs in self.beyond_hugging_face().items() if differs]
        if differences:
            raise ValueError(
                f"transformers has no {type(self).__name__} with {', '.join(differences)}. Write "
                "the weights with save_weights_as_checkpoint instead."
            )
        named = {} if self.hugging_face is None else {"architectures": [self.architecture()]}
        return {**named, "model_type": self.model_type, **written_keys(self)}

    def beyond_hugging_face(self):
        """What a folder cannot say, and whether this model does it: {what: does it}."""
        return {
            "a condition of its normalizations": self.layer_norm_conds[0] is not None,
            "residual_attention_scores": self.residual_attention_scores,
        }

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        raise NotImplementedError
