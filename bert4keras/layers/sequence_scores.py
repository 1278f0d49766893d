"""Label scores of a sequence: padding marked by -inf, labels checked, means without padding."""

from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Shape, Tensor
from bert4keras.checks import check_arguments, check_number
from bert4keras.layers.base import Layer


class SequenceScores(Layer):
    """Base of layers that mark padding in label scores, and whose methods are losses on them.

    A loss gets no mask from Keras. The scores of padding are -inf, and so losses find it.
    """

    def __init__(self, lr_multiplier: float = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.lr_multiplier = lr_multiplier
        check_arguments(self, check_number, "lr_multiplier", above=0)
        self.autocast = False  # float32 scores stay exact under mixed precision

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        scores = backend.sequence_masking(inputs, mask, "-inf", 1)
        return ops.copy(scores) if scores is inputs else scores  # the inputs may carry a mask

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> None:
        return None  # Keras would weight the loss of each row by its mask once more

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "lr_multiplier": self.lr_multiplier}

    def add_transitions(self, name: str, shape: tuple[int, int]) -> keras.Variable:
        """Add a weight that is stored divided by ``lr_multiplier``."""
        glorot = keras.initializers.GlorotUniform()

        def initializer(shape, dtype=None):
            return glorot(shape, dtype) / self.lr_multiplier

        return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

    def scale_transitions(self, weight: keras.Variable) -> Tensor:
        """Return the value of a weight of ``add_transitions``, times ``lr_multiplier``."""
        try:
            return ops.convert_to_tensor(weight) * self.lr_multiplier
        except TypeError as error:  # the weight has no value
            raise RuntimeError(
                f"{self.name} cannot read its transitions here: on JAX, Keras removes the weights "
                "while metrics run. Compile without this metric, and call it on the result of "
                "model.predict."
            ) from error

    def check_shapes(self, labels: Tensor, visible: Tensor) -> None:
        """Refuse labels whose batch or length is not that of the scores."""
        check_equal_shapes(
            f"labels and scores of {self.name}, (B, L),",
            labels.shape[:2],
            visible.shape,
            "Pad the labels as the texts.",
        )

    def read_labels(self, y_true: Tensor, visible: Tensor, n: int) -> Tensor:
        """Return labels (B, L) as int32, 0 where hidden; raise an error unless they are below n."""
        labels = ops.convert_to_tensor(y_true)
        if len(labels.shape) != 2 and (len(labels.shape) != 3 or labels.shape[2] != 1):
            raise ValueError(
                f"Expected labels (B, L) or (B, L, 1) in {self.name}, got the shape "
                f"{tuple(labels.shape)}. For one-hot labels use dense_loss and dense_accuracy."
            )
        labels = ops.squeeze(labels, 2) if len(labels.shape) == 3 else labels
        self.check_shapes(labels, visible)
        labels = ops.where(visible, ops.cast(labels, "int32"), 0)
        low, high = ops.min(labels, initial=0), ops.max(labels, initial=0)
        return backend.assert_that(
            ops.logical_and(low >= 0, high < n),
            f"Expected labels from 0 to {n - 1} in {self.name}, as its input has {n} scores. "
            "Number the labels from 0, or widen the Dense layer before it. Got these smallest and "
            "largest labels:",
            low,
            high,
            passthrough=labels,
        )


def check_equal_shapes(names: str, first: Any, second: Any, remedy: str = "") -> None:
    """Refuse two shapes that differ in a size that is known."""
    first, second = tuple(first), tuple(second)
    pairs = zip(first, second)
    if len(first) != len(second) or any(None not in pair and len(set(pair)) > 1 for pair in pairs):
        raise ValueError(
            f"Expected {names} to have one shape, got {first} and {second}. {remedy}".rstrip()
        )


def visible_accuracy(labels: Tensor, scores: Tensor, visible: Tensor) -> Tensor:
    """Return the share of visible positions (B, L) whose highest score is the label, or 0."""
    equal = ops.equal(labels, ops.cast(ops.argmax(scores, axis=-1), "int32"))
    return mean_visible(ops.cast(equal, "float32"), visible)


def mean_visible(values: Tensor, visible: Tensor) -> Tensor:
    """Return the mean over visible positions, or 0 if there is none."""
    total = ops.sum(ops.where(visible, values, 0.0))
    return total / ops.maximum(ops.sum(ops.cast(visible, "float32")), 1.0)
