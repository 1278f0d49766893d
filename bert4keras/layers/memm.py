"""Maximum entropy Markov model in both directions."""

from keras import ops

from bert4keras import backend
from bert4keras.layers.base import register
from bert4keras.layers.crf import SequenceScores, mean_visible, share_equal
from bert4keras.layers.viterbi import visible_scores


@register
class MaximumEntropyMarkovModel(SequenceScores):
    """Bidirectional MEMM: each label is predicted from its scores and the true label beside it.

    McCallum et al. 2000, "Maximum Entropy Markov Models", and https://kexue.fm/archives/7213.
    Forward, the scores of a position are the mean of its own and the transitions from the label
    before; backward, of its own and the transitions to the label after. A first position has its
    own alone. The loss is the mean cross-entropy of both, in float32; it needs no recursion, so it
    is faster than that of a CRF.

    Args:
        lr_multiplier: as in ``ConditionalRandomField``.
        hidden_dim: rank of the transitions, for many labels: an (n, hidden_dim) matrix for the left
            label and one for the right; None for a whole (n, n) matrix.

    Call arguments:
        inputs: (B, L, n), scores of labels without activation.
        mask: (B, L), true where visible; padding stands on the right.

    Returns:
        The scores, -inf where hidden. Hidden positions count neither in losses nor in accuracies.
        No mask passes.

    Raises:
        ValueError: a visible label that is not below n.
        RuntimeError: on JAX, an accuracy among the metrics of a model: it needs the transitions,
            which Keras hides from metrics there.

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

    def __init__(self, lr_multiplier=1, hidden_dim=None, **kwargs):
        super().__init__(lr_multiplier, **kwargs)
        self.hidden_dim = hidden_dim

    def build(self, input_shape):
        n = input_shape[-1]
        if self.hidden_dim is None:
            self._trans = self.add_transitions("trans", (n, n))
        else:
            self._l_trans = self.add_transitions("l_trans", (n, self.hidden_dim))
            self._r_trans = self.add_transitions("r_trans", (n, self.hidden_dim))

    @property
    def trans(self):
        """The score of label j after label i, (n, n)."""
        if self.hidden_dim is None:
            return self.multiplied(self._trans)
        return ops.matmul(self.l_trans, ops.transpose(self.r_trans))

    @property
    def l_trans(self):
        """The left factor of the transitions, (n, hidden_dim)."""
        return self.multiplied(self._l_trans)

    @property
    def r_trans(self):
        """The right factor of the transitions, (n, hidden_dim)."""
        return self.multiplied(self._r_trans)

    def reverse_sequence(self, inputs, mask=None):
        """Turn the visible part of each row round.

        Args:
            inputs: list of tensors (B, L, ...).
            mask: (B, L), true where visible, on the left; None for whole rows.

        Returns:
            A list of tensors of the same shapes.
        """
        batch, length = ops.shape(inputs[0])[:2]
        visible = ops.ones((batch, length)) if mask is None else mask
        count = ops.sum(ops.cast(visible, "int32"), axis=1, keepdims=True)
        place = ops.expand_dims(ops.arange(length, dtype="int32"), 0)
        place = ops.where(place < count, count - 1 - place, place)
        return [backend.batch_gather(x, place) for x in inputs]

    def basic_loss(self, y_true, y_pred, go_backwards=False):
        """Mean cross-entropy of the visible positions in one direction, a scalar."""
        labels, scores, visible = self._directed(y_true, y_pred, go_backwards)
        chosen = ops.squeeze(ops.take_along_axis(scores, labels[..., None], axis=-1), -1)
        return mean_visible(ops.logsumexp(scores, axis=-1) - chosen, visible)

    def basic_accuracy(self, y_true, y_pred, go_backwards=False):
        """The share of visible positions predicted right in one direction, true labels beside."""
        return share_equal(*self._directed(y_true, y_pred, go_backwards))

    def _directed(self, y_true, y_pred, go_backwards):
        """Labels, scores that know the label before, and what is visible, in the order of going."""
        scores, visible = visible_scores(y_pred)
        labels = self.checked_labels(y_true, visible, scores.shape[-1])
        if go_backwards:
            turned = [labels, scores, ops.cast(visible, "int32")]
            labels, scores, visible = self.reverse_sequence(turned, visible)
            visible = visible > 0
        after = self._scores_beside(labels, go_backwards)
        after = ops.concatenate([scores[:, :1], after[:, :-1]], axis=1)
        return labels, (scores + after) / 2, visible

    def _scores_beside(self, labels, go_backwards):
        """Transition scores (B, L, n) to the labels after, or backwards before, the given ones."""
        if self.hidden_dim is None:
            trans = ops.transpose(self.trans) if go_backwards else self.trans
            return ops.take(trans, labels, axis=0)
        known, wanted = self.l_trans, self.r_trans
        if go_backwards:
            known, wanted = wanted, known
        return ops.matmul(ops.take(known, labels, axis=0), ops.transpose(wanted))

    def sparse_loss(self, y_true, y_pred):
        """Mean of both directions' losses, a scalar; labels (B, L) or (B, L, 1)."""
        return (self.basic_loss(y_true, y_pred) + self.basic_loss(y_true, y_pred, True)) / 2

    def dense_loss(self, y_true, y_pred):
        """``sparse_loss`` from one-hot labels (B, L, n)."""
        return self.sparse_loss(ops.argmax(y_true, axis=-1), y_pred)

    def sparse_accuracy(self, y_true, y_pred):
        """Mean of both directions' accuracies, a scalar; labels (B, L) or (B, L, 1)."""
        forward = self.basic_accuracy(y_true, y_pred)
        return (forward + self.basic_accuracy(y_true, y_pred, True)) / 2

    def dense_accuracy(self, y_true, y_pred):
        """``sparse_accuracy`` from one-hot labels (B, L, n)."""
        return self.sparse_accuracy(ops.argmax(y_true, axis=-1), y_pred)

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim}
