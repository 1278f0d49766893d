"""Task heads of ``transformers``: classes that come before a family in its task models.

A family lists its heads in ``task_heads``, task -> class. What differs between families is a table
of weights, the keys of dropout rates, or one hook, ``apply_heads``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras.layers import Dropout

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import Checkpoint, Dialect, dense
from bert4keras.checks import check_rate
from bert4keras.layers import FirstToken, SentencePooling
from bert4keras.models.transformer import Activation, Transformer

if TYPE_CHECKING:
    _Base = Transformer
else:
    _Base = object  # each head stands before a Transformer

CLASSIFIER = {"Classifier": dense("classifier")}
CLASSIFIER_DROPOUT: Mapping[str, Any] = {"classifier_dropout": None}


class TaskHead(_Base):
    """Base of task heads: weights, settings and names of a head; the family computes the vectors.

    Attributes:
        architectures: ends of the classes of ``transformers`` that have the head; the first is
            written.
        arguments: arguments of the family that the head needs.
        weights: layer -> names of its variables, of the layers that only this head has.
        pretrained_layers: layers before these that a pretrained checkpoint may hold. A new head
            reads them if they are there.
        settings: keys of ``config.json`` that the head reads -> their defaults in ``transformers``.
        dropout_keys: keys of the rate of dropout; the first that is not null counts.
        default_dropout: the rate if all are null; None for that of the family.
        dialect: names of ``transformers`` for the whole model, where they differ by the head.
        remedy: what to do if a checkpoint has no such head.
        has_labels: True if ``id2label`` names the outputs.
    """

    architectures: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = {}
    weights: Mapping[str, Sequence[str]] = CLASSIFIER
    pretrained_layers: tuple[str, ...] = ()
    settings: Mapping[str, Any] = CLASSIFIER_DROPOUT
    dropout_keys: tuple[str, ...] = ("classifier_dropout",)
    default_dropout: float | None = None
    dialect: Dialect | None = None
    has_labels = True
    remedy = "To train a new head, pass new_head=True, and labels=[...] for a classifier."
    # of one model
    task: str = ""
    labels: tuple[str, ...] = ()
    problem_type: str | None = None
    head_settings: Mapping[str, Any] = {}
    has_new_head = False

    @property
    def num_outputs(self) -> int:
        """Number of outputs of the head."""
        return len(self.labels)

    @classmethod
    def replace(cls, **attributes: Any) -> type[Any]:
        """Return a subclass with other attributes, for a family that differs in them alone."""
        return type(cls.__name__, (cls,), {"__doc__": cls.__doc__, **attributes})

    @classmethod
    def check_setting(cls, key: str, value: Any) -> None:
        """Raise a ValueError for a setting of the head that is wrong: a rate of dropout."""
        try:
            check_rate(key, value, "Correct the configuration.")
        except TypeError as error:
            raise ValueError(str(error)) from None

    # Layers

    @property
    def head_dropout(self) -> float:
        """The rate of dropout in the head."""
        rates = [self.head_settings.get(key) for key in self.dropout_keys]
        fallback = self.dropout_rate if self.default_dropout is None else self.default_dropout
        return next((rate for rate in rates if rate is not None), fallback)

    def drop(self, x: Tensor, name: str, rate: float | None = None) -> Tensor:
        """Apply dropout at a rate of its own; by default that of the head."""
        rate = self.head_dropout if rate is None else rate
        name = self.prefixed(name)
        if rate and name not in self.layers:
            self.layers[name] = Dropout(rate, name=name)
        return self.layers[name](x) if rate else x

    def score_outputs(self, x: Tensor, **options: Any) -> Tensor:
        """Compute the logits: the last layer of ``weights``.

        Args:
            **options: further arguments of the layer.
        """
        name = list(self.weights)[-1]
        options = {"use_bias": True, "dtype": self.output_dtype, **options}
        return self.dense(x, self.num_outputs, name, **options)

    # Weights

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the table of weights, with those of the head."""
        return self.add_head(super().variable_mapping())

    def mapping_to_write(self) -> dict[str, list[str]]:
        """Return the table to write by, with the weights of the head."""
        return self.add_head(super().mapping_to_write())

    def mapping_to_read(self, checkpoint: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the table to read a checkpoint by, without a new head."""
        table = self.add_head(super().mapping_to_read(checkpoint))
        if not self.has_new_head:
            return table
        absent = {
            layer
            for layer in self.pretrained_layers
            if not all(name in checkpoint for name in table.get(layer, ()))
        }
        new_layers = {*self.weights, *absent}
        return {layer: names for layer, names in table.items() if layer not in new_layers}

    def add_head(self, table: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return a table of weights with those of the head."""
        return {layer: list(names) for layer, names in {**table, **self.weights}.items()}

    @property
    def output_variables(self) -> Sequence[str]:
        """Names of the variables whose last axis are the outputs of the head."""
        return list(self.weights.values())[-1] if self.weights else ()

    def load_variable(self, checkpoint: Mapping[str, Any], name: str) -> Any:
        """Read one variable; one of the head must have an output for each label."""
        variable = super().load_variable(checkpoint, name)
        count = np.shape(variable)[-1:]
        if name in self.output_variables and count != (self.num_outputs,):
            raise ValueError(f"a head of {_count(*count)}, expected {_count(self.num_outputs)}")
        return variable

    def find_remedy(self, checkpoint: Checkpoint) -> str | None:
        """Return what to do about a head that a checkpoint lacks, or has in another size."""
        table = self.mapping_to_read(checkpoint)
        head = {layer: names for layer, names in table.items() if self.is_in_head(layer)}
        missing = [name for names in head.values() for name in names if name not in checkpoint]
        if not any(name in checkpoint for names in table.values() for name in names):
            return None  # it is another kind of file
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            return f"The checkpoint has no head for {self.task}: {names}. {self.remedy}"
        outputs = [] if self.has_new_head else self.output_variables
        if any(checkpoint.shape(name)[-1:] != (self.num_outputs,) for name in outputs):
            return (
                "The head must have an output for each label. Correct id2label, or pass labels=... "
                "with a name for each output, or new_head=True to train another head."
            )
        return None

    def is_in_head(self, layer: str) -> bool:
        """True for a layer that only models with this head have."""
        return layer in self.weights

    # In transformers

    def hugging_face_config(self) -> dict[str, Any]:
        """Return the ``config.json`` of the same model, with its labels and their settings."""
        changes = {key: x for key, x in self.head_settings.items() if x != self.settings[key]}
        config = {**super().hugging_face_config(), **changes}
        config["architectures"] = [self.architecture()]
        if self.has_labels:
            config["id2label"] = {str(i): label for i, label in enumerate(self.labels)}
            config["label2id"] = {label: i for i, label in enumerate(self.labels)}
            config["problem_type"] = self.problem_type
        return config

    def architecture(self) -> str:
        """Return the class of ``transformers`` with the same head, or a name of our own."""
        if self.checkpoint_spec.hugging_face is None:
            return f"{type(self).__name__}{self.architectures[0]}"
        family = re.sub(r"(LMHeadModel|Model|For[A-Z]\w*)$", "", super().architecture())
        return family + self.architectures[0]


def _count(number: int = 0) -> str:
    return f"{number} output{'s' * (number != 1)}"


# Heads that score whole texts


class SequenceHead(TaskHead):
    """Base of heads that score whole texts: (B, C)."""

    architectures = ("ForSequenceClassification",)


class PooledHead(SequenceHead):
    """Classifier on the pooler of BERT."""

    pretrained_layers = ("Pooler-Dense",)
    pool: Callable[[Tensor], Tensor]

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score the pooled first token: (B, C)."""
        return self.score_outputs(self.drop(self.pool(inputs), "Classifier-Dropout"))


class DenseHead(SequenceHead):
    """Classifier of two layers on the first token, with dropout before each."""

    weights = {
        "Classifier-Dense": dense("classifier/dense"),
        "Classifier": dense("classifier/out_proj"),
    }
    inner_activation: Activation | None = "tanh"  # None for hidden_act
    input_dropout: float | None = None  # before the first layer; None for that of the head

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score the first token: (B, C)."""
        x = self.apply(inputs, FirstToken, name="Classifier-Token")
        x = self.drop(x, "Classifier-Token-Dropout", self.input_dropout)
        activation = self.inner_activation or self.hidden_act
        x = self.dense(x, self.hidden_size, "Classifier-Dense", activation, use_bias=True)
        return self.score_outputs(self.drop(x, "Classifier-Dropout"))


class LastTokenHead(SequenceHead):
    """Classifier of decoders, on the last token that is no padding."""

    weights = {"Classifier": ["score/kernel"]}
    settings: Mapping[str, Any] = {}

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score the last token: (B, C)."""
        if self.pad_token_id is None:
            raise ValueError(
                "Expected a pad_token_id, got None: the classifier reads the last token before the "
                "padding. Pass pad_token_id=..., an id with which no text ends."
            )
        x = self.apply(inputs, SentencePooling, modes=["last"], name="Classifier-Token")
        return self.score_outputs(x, use_bias=False)


# Heads that score tokens


class TokenHead(TaskHead):
    """Classifier of each token."""

    architectures = ("ForTokenClassification",)

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score each token: (B, L, C)."""
        return self.score_outputs(self.drop(inputs, "Classifier-Dropout"))


class AnswerHead(TaskHead):
    """Scores of each token as the start and as the end of an answer."""

    architectures = ("ForQuestionAnswering",)
    weights = {"Answer": dense("qa_outputs")}
    settings: Mapping[str, Any] = {}
    default_dropout: float | None = 0.0
    has_labels = False

    @property
    def num_outputs(self) -> int:
        """Two outputs: start and end."""
        return 2

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score each token: (B, L, 2)."""
        return self.score_outputs(self.drop(inputs, "Answer-Dropout"))


# Defaults of decoders in transformers

DECODER_DROPOUT: Mapping[str, Any] = {
    "settings": {"classifier_dropout": None, "hidden_dropout": None},
    "dropout_keys": ("classifier_dropout", "hidden_dropout"),
    "default_dropout": 0.1,
}


# Heads of pretraining


class PretrainedHead(TaskHead):
    """Base of heads that the family itself has: its arguments ask for them."""

    weights: Mapping[str, Sequence[str]] = {}
    settings: Mapping[str, Any] = {}
    has_labels = False
    remedy = "Take a checkpoint that was pretrained with it."

    def is_in_head(self, layer: str) -> bool:
        """True for a layer of the model behind its last block."""
        is_behind = layer.startswith(("MLM-", "NSP-", "Output-LM"))
        return is_behind and self.prefixed(layer) in self.layers


class MaskedLMHead(PretrainedHead):
    """The masked LM head of a family: (B, L, V)."""

    architectures = ("ForMaskedLM", "ForPreTraining")
    arguments: Mapping[str, Any] = {"with_mlm": "linear"}


class NextSentenceHead(PretrainedHead):
    """The head that predicts whether two sentences follow each other: (B, 2)."""

    architectures = ("ForNextSentencePrediction", "ForPreTraining")
    arguments: Mapping[str, Any] = {"with_nsp": True}
    sentence_activation: Activation = "linear"


class CausalLMHead(PretrainedHead):
    """The head of a causal LM: (B, L, V)."""

    architectures = ("ForCausalLM", "LMHeadModel")
    arguments: Mapping[str, Any] = {"with_mlm": "linear"}
