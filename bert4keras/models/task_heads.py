"""``build_task_model``: a transformer with the head of a task, from a folder of Hugging Face."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.checkpoints.hub import resolve_hub_path
from bert4keras.checks import check_boolean, check_choice, check_integer, check_strings, describe
from bert4keras.models.build import build_transformer_model, family_of
from bert4keras.models.config import describe_source, read_config
from bert4keras.models.heads import TaskHead
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Transformer

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
_MOST_LABELS = 10**6


@dataclass(frozen=True)
class TaskModel:
    """A transformer with the head of a task.

    Attributes:
        model: the Keras model; its output is the logits, in float32.
        task: name of the task, as ``transformers`` has it.
        labels: names of the outputs, in the order of their ids; none if the task has no labels.
        problem_type: "single_label_classification", "multi_label_classification" or "regression";
            None if the configuration does not say it.
        transformer: the ``Transformer`` that the model is of.
    """

    model: Any
    task: str
    labels: list[str]
    problem_type: str | None
    transformer: Transformer

    def save_pretrained(
        self, folder: StrPath, tokenizer: Any = None, dtype: str | None = None
    ) -> None:
        """Write a folder that ``build_task_model`` and ``transformers`` open.

        Args:
            folder: the folder, created if it is missing.
            tokenizer: a tokenizer whose files are written too; none by default.
            dtype: type of the numbers; that of the weights by default.

        Raises:
            ValueError: ``transformers`` has the family, but cannot compute what this model does.
        """
        self.transformer.save_pretrained(folder, dtype=dtype, tokenizer=tokenizer)


def build_task_model(
    folder_or_config: StrPath | Mapping[str, Any],
    checkpoint_path: Any = None,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    problem_type: str | None = None,
    new_head: bool = False,
    **kwargs: Any,
) -> TaskModel:
    """Build a model with the head of a task, and fill it from a checkpoint.

    Args:
        folder_or_config: a folder of Hugging Face, its ``config.json``, ``"hf://..."``, or a dict
            of such keys. A folder given without a checkpoint is searched for one.
        checkpoint_path: weights to load, as in ``build_transformer_model``; None for random ones.
        task: "text-classification", "token-classification", "question-answering", "fill-mask",
            "next-sentence-prediction" or "text-generation"; by default that of ``architectures`` in
            the configuration.
        labels: names of the outputs of a classifier; by default ``id2label`` of the configuration.
        problem_type: "single_label_classification", "multi_label_classification" or "regression",
            for texts; by default that of the configuration. It changes no logits.
        new_head: True to add an untrained head to a pretrained model, and read the other weights.
        **kwargs: arguments of ``build_transformer_model``, but for heads.

    Returns:
        The task model. Its logits are (B, C) for texts, (B, L, C) for tokens, (B, L, 2) for answers
        (start and end), (B, L, V) for masked and causal LM, (B, 2) for next sentences. Those of
        tokens have no meaning at padding, and padding does not change others.

    Raises:
        TypeError: an argument of a wrong type, or one that the model does not take.
        ValueError: the configuration names no task that the family has here, or labels that are
            not distinct or not numbered from 0; the checkpoint does not fit.
        FileNotFoundError: a path leads nowhere.

    Example:
        >>> from bert4keras.models import build_task_model
        >>> config = dict(model_type="bert", vocab_size=50, hidden_size=8, num_hidden_layers=2,
        ...               num_attention_heads=2, intermediate_size=16, hidden_act="gelu",
        ...               architectures=["BertForSequenceClassification"])
        >>> classifier = build_task_model(config, labels=["bad", "good"])
        >>> classifier.task
        'text-classification'
        >>> classifier.model.output_shape
        (None, 2)
    """
    _check_arguments(kwargs)
    check_boolean("new_head", new_head, is_optional=False)
    source = resolve_hub_path(folder_or_config)
    config = read_config(source)
    family, implied_settings = family_of(kwargs.pop("model", None), config)
    if task == "text-generation":
        _check_causal(config, family, kwargs.get("application"))
    task = _find_task(config, family, task, bool(new_head), describe_source(source))
    head = family.task_heads[task]
    if new_head and not head.weights:
        raise ValueError(
            f"Expected new_head=True with a classifier or question-answering, got {task}, whose "
            "head is trained with the model. Leave new_head out."
        )
    family = type(
        family.__name__,
        (head, family),
        {
            "__doc__": family.__doc__,
            "__module__": family.__module__,
            "task": task,
            "labels": _find_labels(config, head, task, labels, bool(new_head)),
            "problem_type": _find_problem_type(config, task, problem_type),
            "head_settings": _read_settings(config, head),
            "has_new_head": bool(new_head),
            "checkpoint_spec": _adapt_spec(family, head),
            "config_spec": _extend_config_spec(family, head),
        },
    )
    transformer = build_transformer_model(
        source,
        checkpoint_path,
        model=family,
        return_keras_model=False,
        **{**implied_settings, **head.arguments, **kwargs},
    )
    return TaskModel(transformer.model, task, list(family.labels), family.problem_type, transformer)


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise a TypeError for an argument that the task chooses."""
    for name in arguments:
        if name.startswith(("with_", "final_")) or name == "return_keras_model":
            raise TypeError(
                f"build_task_model takes no argument {name!r}. The task chooses the head: pass "
                "task=..., or call build_transformer_model."
            )


def _find_task(
    config: Mapping[str, Any], family: type[Transformer], task: str | None, is_new: bool, where: str
) -> str:
    """Return the task of a configuration, or check that the given one does not contradict it.

    Args:
        where: the file of the configuration, for messages.
    """
    heads = family.task_heads
    if not heads:
        raise ValueError(
            f"Expected a family with task heads, got {family.__name__}, which has none here. Build "
            "it with build_transformer_model."
        )
    if task is not None:
        check_choice("task", task, heads, f"These are the tasks of {family.__name__}.")
    names = check_strings(f"architectures{where}", config.get("architectures") or [])
    tasks = [x for x in heads if any(name.endswith(heads[x].architectures) for name in names)]
    if task is None and not tasks:
        raise ValueError(
            f"Expected architectures{where} to name a class with a head of {family.__name__}, got "
            f"{', '.join(names) or 'none'}. Pass task=..., one of {', '.join(heads)}."
        )
    if task is not None and tasks and task not in tasks and not is_new:
        raise ValueError(
            f"Expected task to be {tasks[0]!r}, as architectures{where} names {names[0]}, got "
            f"{task!r}. Leave task out, or pass new_head=True to train a head for it."
        )
    return task or tasks[0]


def _check_causal(
    config: Mapping[str, Any], family: type[Transformer], application: str | None
) -> None:
    """Raise a ValueError for text generation by a model whose positions see all others.

    Args:
        application: that of the caller, or None.
    """
    is_causal = family.mask_kind == "causal" or bool(config.get("is_decoder"))
    if not is_causal and application in (None, "encoder"):
        raise ValueError(
            f"Expected a causal model for text-generation, got {family.__name__}, whose positions "
            "see all others. Pass application='lm' for a causal mask."
        )


def _find_labels(
    config: Mapping[str, Any],
    head: type[TaskHead],
    task: str,
    labels: Sequence[str] | None,
    is_new: bool,
) -> tuple[str, ...]:
    """Return the names of the outputs: those given, or those of the configuration."""
    if not head.has_labels:
        if labels is not None:
            raise ValueError(
                f"Expected no labels for {task}, got {describe(labels)}. Leave it out."
            )
        return ()
    if labels is not None:
        return _check_labels("labels", check_strings("labels", labels))
    if is_new:
        raise ValueError("Expected labels for a new head, got None. Pass labels=[...].")
    if config.get("id2label") is not None:
        return _check_labels("id2label", _read_id2label(config))
    count = config.get("num_labels", 2)  # the default of transformers
    count = check_integer("num_labels", count, 1, _MOST_LABELS, "Correct the configuration.")
    return tuple(f"LABEL_{i}" for i in range(count))


def _read_id2label(config: Mapping[str, Any]) -> list[str]:
    """Return the labels of a configuration in the order of their ids."""
    id2label = config["id2label"]
    remedy = "Correct the configuration, or pass labels=[...]."
    if not isinstance(id2label, Mapping):
        raise ValueError(f"Expected id2label to be a dict, got {describe(id2label)}. {remedy}")
    by_id = {str(key): label for key, label in id2label.items()}
    ids = [str(i) for i in range(len(by_id))]
    if len(by_id) != len(id2label) or {*by_id} != {*ids}:
        raise ValueError(
            f"Expected id2label to have the ids 0 to {len(id2label) - 1}, got "
            f"{describe(list(id2label))}. {remedy}"
        )
    count = config.get("num_labels")
    if count not in (None, len(ids)):
        raise ValueError(
            f"Expected num_labels to be {len(ids)}, the length of id2label, got {describe(count)}. "
            f"{remedy}"
        )
    try:
        return check_strings("id2label", [by_id[i] for i in ids], remedy)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _check_labels(name: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels if they are one or more, and distinct."""
    repeats = sorted(label for label, count in Counter(labels).items() if count > 1)
    if not labels or repeats:
        got = f"{', '.join(map(repr, repeats))} more than once" if repeats else "none"
        raise ValueError(f"Expected {name} to hold distinct names of outputs, got {got}.")
    return tuple(labels)


def _find_problem_type(
    config: Mapping[str, Any], task: str, problem_type: str | None
) -> str | None:
    """Return the problem type that is given, or that of the configuration; texts alone have one."""
    if task != "text-classification":
        if problem_type is not None:
            got = describe(problem_type)
            raise ValueError(f"Expected no problem_type for {task}, got {got}. Leave it out.")
        return None
    if problem_type is None:
        problem_type = config.get("problem_type")
    if problem_type is None:
        return None
    return check_choice("problem_type", problem_type, PROBLEM_TYPES)


def _read_settings(config: Mapping[str, Any], head: type[TaskHead]) -> dict[str, Any]:
    """Return the settings of the head in a configuration, with the defaults of transformers."""
    settings = {key: config.get(key, default) for key, default in head.settings.items()}
    for key, value in settings.items():
        head.check_setting(key, value)
    return settings


def _adapt_spec(family: type[Transformer], head: type[TaskHead]) -> CheckpointSpec:
    """Return the names of a family's weights as a model with this head has them."""
    spec = family.checkpoint_spec
    return spec if head.dialect is None else spec.replace(hugging_face=head.dialect)


def _extend_config_spec(family: type[Transformer], head: type[TaskHead]) -> ConfigSpec:
    """Return the keys of a family's configuration, with those that the head reads."""
    spec = family.config_spec
    return spec.replace(used_keys=(*spec.used_keys, *head.settings))
