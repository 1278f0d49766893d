"""Linear-chain CRF, and what it shares with other losses over a sequence of labels."""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.base import Layer, register
from bert4keras.layers.viterbi import (
    begun,
    extend_paths,
    marked,
    no_paths,
    scan_positions,
    visible_scores,
    viterbi_decode,
)


class SequenceScores(Layer):
    """Base of layers that mark padding in label scores and whose methods are losses on them."""

    def __init__(self, lr_multiplier=1, **kwargs):
        super().__init__(**kwargs)
        self.lr_multiplier = lr_multiplier
        self.autocast = False  # float32 scores stay exact under mixed precision

    def call(self, inputs, mask=None):
        scores = backend.sequence_masking(inputs, mask, "-inf", 1)
        return ops.copy(scores) if scores is inputs else scores  # which may carry a mask

    def compute_mask(self, inputs, mask=None):
        return None  # Keras would weigh the loss of each row by its mask once more

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "lr_multiplier": self.lr_multiplier}

    def add_transitions(self, name, shape):
        """A weight that is stored divided by ``lr_multiplier``."""
        glorot = keras.initializers.GlorotUniform()

        def divided(shape, dtype=None):
            return glorot(shape, dtype) / self.lr_multiplier

        return self.add_weight(name=name, shape=shape, initializer=divided, autocast=False)

    def multiplied(self, weight):
        """The value of a weight of ``add_transitions``."""
        try:
            return ops.convert_to_tensor(weight) * self.lr_multiplier
        except TypeError as error:  # the weight has no value
            raise RuntimeError(
                f"{self.name} cannot read its transitions here: on JAX, Keras takes the weights "
                "away while metrics run, and this one needs them. Compile without it, and call it "
                "on what model.predict gives"
            ) from error

    def checked_labels(self, y_true, visible, n):
        """Labels (B, L) as int32, 0 where hidden."""
        labels = ops.convert_to_tensor(y_true)
        if len(labels.shape) != 2 and (len(labels.shape) != 3 or labels.shape[2] != 1):
            raise ValueError(
                f"{self.name} takes labels (B, L) or (B, L, 1), got the shape "
                f"{tuple(labels.shape)}. For one-hot labels use dense_loss and dense_accuracy"
            )
        labels = ops.squeeze(labels, 2) if len(labels.shape) == 3 else labels
        labels = ops.where(visible, ops.cast(labels, "int32"), 0)
        low, high = ops.min(labels, initial=0), ops.max(labels, initial=0)
        return backend.assert_that(
            ops.logical_and(low >= 0, high < n),
            f"{self.name} takes labels from 0 to {n - 1}, as its input has {n} scores; the "
            "smallest and the largest given are as follows. Number the labels from 0, or widen "
            "the Dense layer before it",
            low,
            high,
            passthrough=labels,
        )


@register
class ConditionalRandomField(SequenceScores):
    """Linear-chain CRF: one score for each pair of neighbouring labels, and a loss on whole paths.

    Lafferty et al. 2001, "Conditional Random Fields", and https://kexue.fm/archives/5542. Beside a
    pretrained encoder the transitions learn too slowly; ``lr_multiplier`` quickens them
    (https://kexue.fm/archives/7196). The score of a path is the sum of its label scores and
    transitions, and the loss is log(sum over paths of e^score) - score of the true path, computed
    in float32.

    Args:
        lr_multiplier: the transitions are stored divided by it, so that an optimizer such as Adam,
            whose steps do not depend on the size of gradients, moves them that much faster.

    Call arguments:
        inputs: (B, L, n), scores of labels without activation.
        mask: (B, L), true where visible.

    Returns:
        The scores, -inf where hidden. The methods find the padding by that, so it counts neither
        in losses nor in accuracies, on the right or on the left. A hole inside a row is bridged in
        the sum over paths but not in the score of the true path, as it always was. No mask passes.

    Raises:
        ValueError: a visible label that is not below n (losses).

    A saved model does not know the loss again, as it is a method: load it with ``compile=False``
    and compile it with that of ``model.get_layer(...)``.

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

    def build(self, input_shape):
        self._trans = self.add_transitions("trans", (input_shape[-1], input_shape[-1]))

    @property
    def trans(self):
        """The score of label j after label i, (n, n)."""
        return self.multiplied(self._trans)

    def dense_loss(self, y_true, y_pred):
        """Negative log-likelihood (B,) of one-hot labels (B, L, n)."""
        scores, visible = visible_scores(y_pred)
        y_true = ops.where(visible[..., None], ops.cast(y_true, "float32"), 0.0)
        paths, _ = scan_positions(
            lambda paths, position: self.log_norm_step(position, [paths])[0],
            no_paths(scores),
            marked(scores, visible),
        )
        log_norm = ops.where(begun(paths)[:, 0], ops.logsumexp(paths, axis=1), 0.0)
        return log_norm - self.target_score(y_true, scores)

    def sparse_loss(self, y_true, y_pred):
        """Negative log-likelihood (B,) of labels (B, L) or (B, L, 1), integers or whole floats."""
        visible, n = visible_scores(y_pred)[1], y_pred.shape[-1]
        labels = self.checked_labels(y_true, visible, n)
        return self.dense_loss(ops.one_hot(labels, n, dtype="float32"), y_pred)

    def target_score(self, y_true, y_pred):
        """Scores (B,) of the paths (B, L, n), one-hot, 0 where hidden, through finite scores."""
        points = ops.sum(y_true * y_pred, axis=[1, 2])
        moves = ops.matmul(y_true[:, :-1], self.trans) * y_true[:, 1:]
        return points + ops.sum(moves, axis=[1, 2])

    def log_norm_step(self, inputs, states):
        """One position of the sum over paths, as a step for ``K.rnn``.

        Args:
            inputs: (B, n + 1), the scores and, last, 1 where visible or 0.
            states: list of one tensor (B, n), the log of the sum over paths to each label.

        Returns:
            The next state, and a list of it.
        """
        paths = extend_paths(states[0], inputs, self.trans, ops.logsumexp)
        return paths, [paths]

    def dense_accuracy(self, y_true, y_pred):
        """``sparse_accuracy`` from one-hot labels (B, L, n)."""
        return self.sparse_accuracy(ops.argmax(y_true, axis=-1), y_pred)

    def sparse_accuracy(self, y_true, y_pred):
        """The share of visible positions whose highest score, without transitions, is the label."""
        scores, visible = visible_scores(y_pred)
        return share_equal(self.checked_labels(y_true, visible, scores.shape[-1]), scores, visible)

    def decode(self, y_pred, starts=None, ends=None):
        """The best paths (B, L), 0 where hidden; ``viterbi_decode`` takes other transitions.

        Args:
            y_pred: (B, L, n), what the layer returns.
            starts: labels that a path may begin with; None for all.
            ends: labels that a path may end with; None for all.
        """
        return viterbi_decode(y_pred, self.trans, starts=starts, ends=ends)


def share_equal(labels, scores, visible):
    """The share of visible positions (B, L) whose highest score is the label; 0 if none is."""
    equal = ops.equal(labels, ops.cast(ops.argmax(scores, axis=-1), "int32"))
    return mean_visible(ops.cast(equal, "float32"), visible)


def mean_visible(values, visible):
    """The mean over visible positions; 0 if there is none."""
    total = ops.sum(ops.where(visible, values, 0.0))
    return total / ops.maximum(ops.sum(ops.cast(visible, "float32")), 1.0)
