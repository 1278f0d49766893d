"""What to train on instead of the plain loss: attacked weights, smooth losses, two dropouts.

A recipe is callable(run, model) -> another run. A run is callable(delta, state) -> (loss, Seen), a
pass of the model over a batch: with tensors added to trainable variables, {index: tensor}, and with
values of those that are not trained, such as the state of dropout, or None before the first pass.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from bert4keras import backend
from bert4keras.optimizers import patterns
from bert4keras.optimizers.extension import register


class Seen(NamedTuple):
    """What a pass gives beside its loss: predictions, their masks, the state after it."""

    y_pred: Any
    mask: Any
    state: Any


class Recipe:
    """Base of recipes; fields of the dataclass are its config."""

    def check(self, variables):
        """Raise a ValueError if these are not the variables that it needs."""

    def get_config(self):
        return asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Attack(Recipe):
    """Base of recipes that move the variables whose path a regular expression is found in."""

    def check(self, variables):
        self.places(variables)

    def places(self, variables):
        """The indices of those variables."""
        (pattern,) = patterns.checked(self.pattern, f"{type(self).__name__}.pattern")
        found = [i for i, v in enumerate(variables) if patterns.chooses([pattern], v.path)]
        if not found:
            raise ValueError(
                f"{type(self).__name__} moves the variables whose path holds {pattern!r}, and no "
                f"trainable one does; they are {[v.path for v in variables][:5]} and so on. Give a "
                "layer's name, and let it be trainable"
            )
        return found

    def shapes(self, model):
        """The shapes of those of a model."""
        variables = model.trainable_variables
        return [variables[i].shape for i in self.places(variables)]

    def around(self, model, run, delta, state):
        """The run as a function of a list of tensors to add, and such a list of zeros."""
        places = self.places(model.trainable_variables)
        zeros = [ops.zeros(shape, "float32") for shape in self.shapes(model)]
        return lambda moves: run(_added(delta, dict(zip(places, moves))), state), zeros


@register
@dataclass(frozen=True)
class PGD(Attack):
    """Train on the worst weights nearby, found in several steps (Madry et al., arXiv:1706.06083).

    The move d of the variables begins at 0. At each step d becomes d + alpha g / |g|, cut to the
    length epsilon, with g the gradient of the loss there.

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: the greatest length of d, as one vector.
        alpha: the length of a step.
        steps: how many; each costs a pass forward and back.
    """

    pattern: str = "Embedding-Token"
    epsilon: float = 1.0
    alpha: float = 0.3
    steps: int = 3

    def __call__(self, run, model):
        def attacked(delta, state):
            function, moves = self.around(model, run, delta, state)
            for _ in range(self.steps):
                _, g = backend.value_and_grad(function, moves)
                step = _of_length(g, self.alpha)
                moves = _cut([d + s for d, s in zip(moves, step)], self.epsilon)
                moves = [ops.stop_gradient(d) for d in moves]
            return function(moves)

        return attacked


@register
@dataclass(frozen=True)
class FGM(Attack):
    """Train on weights moved along the gradient (Miyato et al., arXiv:1605.07725).

    The loss is taken at w + epsilon g / |g|, with g the gradient of the loss at w
    (https://kexue.fm/archives/7234).

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: the length of the move, as one vector.

    Example:
        >>> from bert4keras.training import FGM
        >>> FGM("Embedding-Token", epsilon=0.5).epsilon
        0.5
    """

    pattern: str = "Embedding-Token"
    epsilon: float = 0.5

    def __call__(self, run, model):
        return PGD(self.pattern, self.epsilon, self.epsilon, steps=1)(run, model)


@register
@dataclass(frozen=True)
class GradientPenalty(Attack):
    """Add epsilon / 2 |g|^2 to the loss, with g its gradient (https://kexue.fm/archives/7234).

    To first order it is FGM, smooth, and costs more.

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: the weight of the penalty.
    """

    pattern: str = "Embedding-Token"
    epsilon: float = 1.0

    def __call__(self, run, model):
        def penalized(delta, state):
            function, zeros = self.around(model, run, delta, state)
            (loss, seen), g = backend.value_and_grad(function, zeros, create_graph=True)
            return loss + 0.5 * self.epsilon * _square(g), seen

        return penalized


@register
@dataclass(frozen=True)
class VAT(Attack):
    """Add how far predictions can be moved (Miyato et al., arXiv:1704.03976).

    Of a random direction u, ``iters`` times u becomes the gradient of KL(f(w), f(w + xi u)) where u
    has the length 1; KL(f(w), f(w + epsilon u)) is added to the loss. It needs no labels: give
    samples without any the weight 0 (https://kexue.fm/archives/7466).

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: the length of the move.
        xi: the length of the move that the direction is found with.
        iters: how often it is bettered.
        from_logits: whether predictions are scores without softmax.
    """

    pattern: str = "Embedding-Token"
    epsilon: float = 1.0
    xi: float = 10.0
    iters: int = 1
    from_logits: bool = False

    def __call__(self, run, model):
        def smoothed(delta, state):
            loss, seen = run(delta, state)
            still = keras.tree.map_structure(ops.stop_gradient, seen.y_pred)
            u, begin = model.normal(self.shapes(model), seen.state)
            function, _ = self.around(model, run, delta, begin)

            def change(moves):
                _, there = function(moves)
                apart = divergence(still, there.y_pred, seen.mask, self.from_logits)
                return apart, there.state

            for _ in range(self.iters):
                _, u = backend.value_and_grad(change, _of_length(u, self.xi))
            farthest = [ops.stop_gradient(d) for d in _of_length(u, self.epsilon)]
            apart, after = change(farthest)
            return loss + apart, seen._replace(state=after)

        return smoothed


@register
@dataclass(frozen=True)
class RDrop(Recipe):
    """Have two dropouts agree (Liang et al., arXiv:2106.14448; https://kexue.fm/archives/8496).

    The loss is the mean of two passes, and alpha / 4 (KL(p, q) + KL(q, p)) of their predictions.

    Args:
        alpha: the weight of the divergence.
        from_logits: whether predictions are scores without softmax.

    Example:
        >>> from bert4keras.training import FGM, RDrop
        >>> recipes = [RDrop(alpha=2.0), FGM("Embedding-Token")]  # for AdversarialModel
    """

    alpha: float = 4.0
    from_logits: bool = False

    def __call__(self, run, model):
        def agreed(delta, state):
            first, p = run(delta, state)
            second, q = run(delta, p.state)
            sides = [(p.y_pred, q.y_pred), (q.y_pred, p.y_pred)]
            apart = sum(divergence(*side, p.mask, self.from_logits) for side in sides)
            return 0.5 * (first + second) + 0.25 * self.alpha * apart, q

        return agreed


def divergence(p, q, mask=None, from_logits=False):
    """Mean of KL(p, q), the sum of it where there are several predictions.

    Args:
        p, q: probabilities (B, ..., n), or nested ones.
        mask: nested like them; (B, ...) or None, true where visible.
        from_logits: whether they are scores without softmax.
    """
    flat = [keras.tree.flatten(x) for x in (p, q)]
    masks = mask if isinstance(mask, list | tuple) else [mask] * len(flat[0])
    return sum(_divergence(*pair, m, from_logits) for *pair, m in zip(*flat, masks))


def _divergence(p, q, mask, from_logits):
    log_p, log_q = (_log(x, from_logits) for x in (p, q))
    apart = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
    if mask is None:
        return ops.mean(apart)
    visible = ops.cast(mask, "float32")
    return ops.sum(apart * visible) / ops.maximum(ops.sum(visible), 1.0)


def _log(x, from_logits):
    x = ops.cast(x, "float32")
    return ops.log_softmax(x) if from_logits else ops.log(ops.maximum(x, keras.config.epsilon()))


def _square(tensors):
    return sum(ops.sum(ops.square(x)) for x in tensors)


def _of_length(tensors, length):
    """Tensors scaled so that they have a length, as one vector; zero stays zero."""
    scale = length * ops.rsqrt(ops.maximum(_square(tensors), 1e-24))
    return [x * scale for x in tensors]


def _cut(tensors, length):
    scale = ops.minimum(1.0, length * ops.rsqrt(ops.maximum(_square(tensors), 1e-24)))
    return [x * scale for x in tensors]


def _added(delta, more):
    return {i: delta.get(i, 0.0) + more.get(i, 0.0) for i in {*delta, *more}}
