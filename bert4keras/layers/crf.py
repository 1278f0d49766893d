"""Conditional random field (CRF): a loss on whole label paths, for sequence labelling."""

from collections.abc import Iterable

from keras import ops

from bert4keras.backend.types import Shape, Tensor
from bert4keras.layers.base import register
from bert4keras.layers.sequence_loss import sequence_loss
from bert4keras.layers.sequence_scores import SequenceScores, check_equal_shapes, visible_accuracy
from bert4keras.layers.viterbi import (
    append_mask,
    extend_paths,
    has_started,
    init_paths,
    scan_positions,
    visible_scores,
    viterbi_decode,
)


@register
class ConditionalRandomField(SequenceScores):
    """Linear-chain CRF: a score for each pair of neighbouring labels, and a loss on whole paths.

    Lafferty et al. 2001, "Conditional Random Fields", and https://kexue.fm/archives/5542. Next to a
    pretrained encoder the transitions learn too slowly; ``lr_multiplier`` makes them faster
    (https://kexue.fm/archives/7196). The score of a path is the sum of its label scores and
    transitions, and the loss is log(sum over paths of e^score) - score of the true path, computed
    in float32.

    Args:
        lr_multiplier: the transitions are stored divided by it. An optimizer such as Adam, whose
            steps do not depend on the size of gradients, then moves them faster by this factor.

    Call arguments:
        inputs: (B, L, n), scores of labels without activation.
        mask: padding mask (B, L), true where visible.

    Returns:
        The scores, -inf where hidden: padding on either side counts neither in losses nor in
        accuracies. Padding inside a row is skipped in the sum over paths but not in the score of
        the true path, as in 0.x. No mask passes.

    Raises:
        ValueError: a visible label that is not below n, or weights for single tokens (losses). A
            loss is one number for a row, and so is its ``sample_weight``.

    A saved model does not find the loss, which is a method: load it with ``compile=False``, and
    compile it with the loss of ``model.get_layer(...)``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.layers import ConditionalRandomField
        >>> inputs = keras.Input((None, 4))
        >>> crf = ConditionalRandomField(lr_multiplier=100)
        >>> model = keras.Model(inputs, crf(keras.layers.Dense(3)(inputs)))
        >>> model.compile("adam", loss=crf.sparse_loss, metrics=[crf.sparse_accuracy])
        >>> x, labels = np.ones((2, 5, 4)), np.zeros((2, 5))
        >>> history = model.fit(x, labels, verbose=0)
        >>> tuple(crf.decode(model.predict(x, verbose=0)).shape)
        (2, 5)
    """

    def build(self, input_shape: Shape) -> None:
        self._trans = self.add_transitions("trans", (input_shape[-1], input_shape[-1]))

    @property
    def trans(self) -> Tensor:
        """Transition scores (n, n): of label j after label i."""
        return self.scale_transitions(self._trans)

    @sequence_loss
    def dense_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the negative log-likelihood (B,) of one-hot labels (B, L, n)."""
        scores, visible = visible_scores(y_pred)
        check_equal_shapes(
            f"one-hot labels and scores of {self.name}, (B, L, n),",
            ops.convert_to_tensor(y_true).shape,
            scores.shape,
            "For labels (B, L) use sparse_loss.",
        )
        y_true = ops.where(visible[..., None], ops.cast(y_true, "float32"), 0.0)
        paths, _ = scan_positions(
            lambda paths, position: self.log_norm_step(position, [paths])[0],
            init_paths(scores),
            append_mask(scores, visible),
        )
        log_norm = ops.where(has_started(paths)[:, 0], ops.logsumexp(paths, axis=1), 0.0)
        return log_norm - self.target_score(y_true, scores)

    @sequence_loss
    def sparse_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the negative log-likelihood (B,) of labels (B, L) or (B, L, 1)."""
        visible, n = visible_scores(y_pred)[1], y_pred.shape[-1]
        labels = self.read_labels(y_true, visible, n)
        return self.dense_loss(ops.one_hot(labels, n, dtype="float32"), y_pred)

    def target_score(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return scores (B,) of paths (B, L, n), one-hot, 0 where hidden, in finite scores."""
        points = ops.sum(y_true * y_pred, axis=[1, 2])
        moves = ops.matmul(y_true[:, :-1], self.trans) * y_true[:, 1:]
        return points + ops.sum(moves, axis=[1, 2])

    def log_norm_step(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Extend the sum over paths by one position, as a step for ``K.rnn``.

        Args:
            inputs: (B, n + 1), the scores and, last, 1 where visible or 0.
            states: list of one tensor (B, n), the log of the sum over paths to each label.

        Returns:
            The next state, and a list of it.
        """
        paths = extend_paths(states[0], inputs, self.trans, ops.logsumexp)
        return paths, [paths]

    def dense_accuracy(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return ``sparse_accuracy`` from one-hot labels (B, L, n)."""
        return self.sparse_accuracy(ops.argmax(y_true, axis=-1), y_pred)

    def sparse_accuracy(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the share of visible positions whose highest score is the label.

        Transitions do not count: ``decode`` applies them.
        """
        scores, visible = visible_scores(y_pred)
        labels = self.read_labels(y_true, visible, scores.shape[-1])
        return visible_accuracy(labels, scores, visible)

    def decode(
        self, y_pred: Tensor, starts: Iterable[int] | None = None, ends: Iterable[int] | None = None
    ) -> Tensor:
        """Return the best paths (B, L), 0 where hidden, by ``viterbi_decode``.

        Args:
            y_pred: (B, L, n), the output of the layer.
            starts: labels that a path may start with; None for all.
            ends: labels that a path may end with; None for all.
        """
        return viterbi_decode(y_pred, self.trans, starts=starts, ends=ends)
