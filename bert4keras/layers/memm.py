"""Maximum entropy Markov model (MEMM) in both directions, for sequence labelling."""

from typing import Any

from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Shape, Tensor
from bert4keras.checks import check_arguments, check_size
from bert4keras.layers.base import register
from bert4keras.layers.sequence_loss import batch_loss
from bert4keras.layers.sequence_scores import SequenceScores, mean_visible, visible_accuracy
from bert4keras.layers.viterbi import visible_scores


@register
class MaximumEntropyMarkovModel(SequenceScores):
    """Bidirectional MEMM: predicts each label from its scores and the true label next to it.

    McCallum et al. 2000, "Maximum Entropy Markov Models", and https://kexue.fm/archives/7213.
    Forward, the scores of a position are the mean of its label scores and the transitions from the
    previous label; backward, of its label scores and the transitions to the next label. The first
    position has no transitions. The loss is the mean cross-entropy of both directions, in float32.
    It needs no recursion, so it is faster than the loss of a CRF.

    Args:
        lr_multiplier: as for ``ConditionalRandomField``.
        hidden_dim: rank of the transitions, for many labels: an (n, hidden_dim) matrix for the left
            label and one for the right; None for a whole (n, n) matrix.

    Call arguments:
        inputs: (B, L, n), scores of labels without activation.
        mask: padding mask (B, L), true where visible; padding is on the right.

    Returns:
        The scores, -inf where hidden. Hidden positions count neither in losses nor in accuracies.
        No mask passes.

    Raises:
        ValueError: a visible label that is not below n, or a ``sample_weight``: the loss is one
            number for a batch.
        RuntimeError: on JAX, an accuracy among the metrics of a model: it needs the transitions,
            which Keras removes there while metrics run.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import MaximumEntropyMarkovModel
        >>> memm = MaximumEntropyMarkovModel(hidden_dim=2)
        >>> scores = memm(np.zeros((1, 3, 5), "float32"))
        >>> memm.sparse_loss(np.array([[0, 1, 2]]), scores).shape == ()
        True
        >>> tuple(memm.trans.shape)
        (5, 5)
    """

    def __init__(self, lr_multiplier: float = 1, hidden_dim: int | None = None, **kwargs: Any):
        super().__init__(lr_multiplier, **kwargs)
        self.hidden_dim = hidden_dim
        check_arguments(self, check_size, "hidden_dim", is_optional=True)

    def build(self, input_shape: Shape) -> None:
        n = input_shape[-1]
        if self.hidden_dim is None:
            self._trans = self.add_transitions("trans", (n, n))
        else:
            self._l_trans = self.add_transitions("l_trans", (n, self.hidden_dim))
            self._r_trans = self.add_transitions("r_trans", (n, self.hidden_dim))

    @property
    def trans(self) -> Tensor:
        """Transition scores (n, n): of label j after label i."""
        if self.hidden_dim is None:
            return self.scale_transitions(self._trans)
        return ops.matmul(self.l_trans, ops.transpose(self.r_trans))

    @property
    def l_trans(self) -> Tensor:
        """Left factor of the transitions, (n, hidden_dim)."""
        return self.scale_transitions(self._l_trans)

    @property
    def r_trans(self) -> Tensor:
        """Right factor of the transitions, (n, hidden_dim)."""
        return self.scale_transitions(self._r_trans)

    def reverse_sequence(self, inputs: list[Tensor], mask: Tensor | None = None) -> list[Tensor]:
        """Reverse the visible part of each row.

        Args:
            inputs: list of tensors (B, L, ...).
            mask: padding mask (B, L), true where visible, on the left; None for whole rows.

        Returns:
            A list of tensors of the same shapes.
        """
        batch, length = ops.shape(inputs[0])[:2]
        visible = ops.ones((batch, length)) if mask is None else mask
        count = ops.sum(ops.cast(visible, "int32"), axis=1, keepdims=True)
        indices = ops.expand_dims(ops.arange(length, dtype="int32"), 0)
        indices = ops.where(indices < count, count - 1 - indices, indices)
        return [backend.batch_gather(x, indices) for x in inputs]

    def basic_loss(self, y_true: Tensor, y_pred: Tensor, go_backwards: bool = False) -> Tensor:
        """Return the mean cross-entropy of the visible positions in one direction, a scalar."""
        labels, scores, visible = self._in_direction(y_true, y_pred, go_backwards)
        label_scores = ops.squeeze(ops.take_along_axis(scores, labels[..., None], axis=-1), -1)
        return mean_visible(ops.logsumexp(scores, axis=-1) - label_scores, visible)

    def basic_accuracy(self, y_true: Tensor, y_pred: Tensor, go_backwards: bool = False) -> Tensor:
        """Return the share of right predictions in one direction, next to true labels."""
        return visible_accuracy(*self._in_direction(y_true, y_pred, go_backwards))

    def _in_direction(self, y_true, y_pred, go_backwards):
        """Return labels, scores with transitions, and the padding mask, in one direction."""
        scores, visible = visible_scores(y_pred)
        labels = self.read_labels(y_true, visible, scores.shape[-1])
        if go_backwards:
            tensors = [labels, scores, ops.cast(visible, "int32")]
            labels, scores, visible = self.reverse_sequence(tensors, visible)
            visible = visible > 0
        transitions = self._transitions_from(labels, go_backwards)
        transitions = ops.concatenate([scores[:, :1], transitions[:, :-1]], axis=1)
        return labels, (scores + transitions) / 2, visible

    def _transitions_from(self, labels, go_backwards):
        """Return transition scores (B, L, n) from labels to the next, or to the previous ones."""
        if self.hidden_dim is None:
            trans = ops.transpose(self.trans) if go_backwards else self.trans
            return ops.take(trans, labels, axis=0)
        source, target = self.l_trans, self.r_trans
        if go_backwards:
            source, target = target, source
        return ops.matmul(ops.take(source, labels, axis=0), ops.transpose(target))

    @batch_loss
    def sparse_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean of both directions' losses, a scalar; labels (B, L) or (B, L, 1)."""
        return (self.basic_loss(y_true, y_pred) + self.basic_loss(y_true, y_pred, True)) / 2

    @batch_loss
    def dense_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return ``sparse_loss`` from one-hot labels (B, L, n)."""
        return self.sparse_loss(ops.argmax(y_true, axis=-1), y_pred)

    def sparse_accuracy(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean of both directions' accuracies, a scalar; labels (B, L) or (B, L, 1)."""
        forward = self.basic_accuracy(y_true, y_pred)
        return (forward + self.basic_accuracy(y_true, y_pred, True)) / 2

    def dense_accuracy(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return ``sparse_accuracy`` from one-hot labels (B, L, n)."""
        return self.sparse_accuracy(ops.argmax(y_true, axis=-1), y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden_dim": self.hidden_dim}
