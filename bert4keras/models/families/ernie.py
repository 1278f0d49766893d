"""ERNIE of Baidu (Sun et al., arXiv:1904.09223; 2.0: arXiv:1907.12412; 3.0: arXiv:2107.02137)."""

from collections.abc import Mapping
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import hugging_face
from bert4keras.layers import Add, ConstantIds
from bert4keras.models.families.bert import BERT, HEAD_RULES
from bert4keras.models.heads import CausalLMHead
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_HUGGING_FACE = hugging_face(
    (r"^bert/", "ernie/"),
    *HEAD_RULES,
    prefix="ernie.",
)


class ERNIE(BERT):
    """ERNIE: BERT, from 2.0 on with a vector of the task added to those of the tokens.

    Args:
        use_task_id: add the vectors of tasks.
        task_type_vocab_size: number of tasks.
        task_id: the task of every text, from 0; None to take ids of tasks (B, L) as a further
            input, "Input-Task".
        *args, **kwargs: as for ``BERT``.

    Outputs: as of BERT.

    Raises:
        ValueError: ``task_id`` is none of the tasks.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights={
            **BERT.checkpoint_spec.weights,
            "Embedding-Task": ["bert/embeddings/task_type_embeddings"],
        },
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="ernie",
        keys={
            **BERT.config_spec.keys,
            "use_task_id": "use_task_id",
            "task_type_vocab_size": "task_type_vocab_size",
        },
    )
    task_heads: Mapping[str, type[Any]] = {**BERT.task_heads, "text-generation": CausalLMHead}

    def __init__(
        self,
        *args: Any,
        use_task_id: bool = False,
        task_type_vocab_size: int = 3,
        task_id: int | None = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if task_id is not None and not 0 <= task_id < task_type_vocab_size:
            raise ValueError(
                f"task_id must be from 0 to {task_type_vocab_size - 1}, or None for an input of "
                f"ids; got {task_id!r}"
            )
        self.use_task_id = use_task_id
        self.task_type_vocab_size = task_type_vocab_size
        self.task_id = task_id

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs; tasks come last."""
        has_task_input = self.use_task_id and self.task_id is None
        return super().input_names + (["Input-Task"] if has_task_input else [])

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed as BERT does, with the task of every text among the inputs."""
        inputs = inputs if isinstance(inputs, list) else [inputs]
        if self.use_task_id and self.task_id is not None:
            task = self.apply(inputs[0], ConstantIds, value=self.task_id, name="Task-Ids")
            inputs = [*inputs, task]
        return super().apply_embeddings(inputs)

    def embed_positions(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Add vectors of positions and of tasks."""
        if not self.use_task_id:
            return super().embed_positions(inputs)
        *inputs, tasks = inputs
        x = super().embed_positions(self.simplify(inputs))
        tasks = self.embed(tasks, "Embedding-Task", self.task_type_vocab_size)
        return self.apply([x, tasks], Add, name="Embedding-Position-Task")

    def architecture(self) -> str:
        head = super().architecture().removeprefix("Bert")
        return "Ernie" + head.replace("LMHeadModel", "ForCausalLM")
