"""Recipes of adversarial training and regularization: FGM, PGD, VAT, gradient penalty, R-Drop.

A recipe takes the forward function of a model and returns another one, with another loss:
``recipe(forward, model) -> forward``. A forward function runs the model on the batch:
``forward(perturbations, state) -> (loss, PassOutput)``.

- perturbations: {index of a trainable variable: tensor to add to it}. To perturb the embedding is
  to add a tensor to the weights of the layer ``Embedding-Token``.
- state: values of the variables that are not trained, such as the seed of dropout, before the pass;
  None for the values at the start of the step.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeAlias

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checks import (
    check_arguments,
    check_boolean,
    check_integer,
    check_number,
    check_size,
)
from bert4keras.optimizers import patterns
from bert4keras.optimizers.base import register

_Perturbations: TypeAlias = dict[int, Tensor]


class PassOutput(NamedTuple):
    """Output of a forward pass, without the loss: predictions, their masks, the state after it."""

    y_pred: Any
    mask: Any
    state: list[Tensor]


Forward: TypeAlias = Callable[[_Perturbations, list[Tensor] | None], tuple[Tensor, PassOutput]]


_CHECKS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {  # argument: check, its limits
    "epsilon": (check_number, {"minimum": 0}),
    "alpha": (check_number, {"minimum": 0}),
    "xi": (check_number, {"above": 0}),
    "steps": (check_size, {}),
    "iters": (check_integer, {"minimum": 0}),
    "from_logits": (check_boolean, {}),
}


@dataclass(frozen=True)
class Recipe:
    """Base of recipes; the fields of the dataclass are its config."""

    def __call__(self, forward: Forward, model: Any) -> Forward:
        """Return a forward function with the loss of this recipe."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        """Check the arguments."""
        for name, (check, limits) in _CHECKS.items():
            if name in self.__dataclass_fields__:
                check_arguments(self, check, name, **limits)

    def check_variables(self, variables: list[keras.Variable]) -> None:
        """Raise a ValueError if a variable that the recipe perturbs is missing."""

    def get_config(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recipe":
        return cls(**config)


@dataclass(frozen=True)
class _PerturbingRecipe(Recipe):
    """Base of recipes that perturb the variables whose path matches ``pattern``."""

    pattern: str = "Embedding-Token"

    def check_variables(self, variables: list[keras.Variable]) -> None:
        self._find_indices(variables)

    def _find_indices(self, variables):
        (pattern,) = patterns.validate_patterns(self.pattern, f"{type(self).__name__}.pattern")
        indices = [i for i, v in enumerate(variables) if patterns.matches_any([pattern], v.path)]
        if not indices:
            raise ValueError(
                f"Expected {type(self).__name__}.pattern to match the path of a trainable "
                f"variable, got {pattern!r}; the paths are {[v.path for v in variables][:5]}... "
                "Give the name of a layer, and let it be trainable"
            )
        return indices

    def _perturbation_shapes(self, model):
        variables = model.trainable_variables
        return [variables[i].shape for i in self._find_indices(variables)]

    def _bind(self, model, forward, perturbations, state):
        """Return the forward pass as a function of further perturbations, and zeros to start at.

        The gradient of this function by its argument is the gradient by the perturbed weights.
        """
        indices = self._find_indices(model.trainable_variables)
        zeros = [ops.zeros(shape, "float32") for shape in self._perturbation_shapes(model)]

        def perturb_and_forward(deltas):
            return forward(_add_perturbations(perturbations, dict(zip(indices, deltas))), state)

        return perturb_and_forward, zeros


@register
@dataclass(frozen=True)
class PGD(_PerturbingRecipe):
    """Projected gradient descent: adversarial training in several steps (arXiv:1706.06083).

    The perturbation d of the embedding starts at 0. At each step d becomes d + alpha g / |g|,
    clipped to the norm epsilon, with g the gradient of the loss at w + d (Madry et al.).

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: largest norm of d, over all its entries.
        alpha: norm of a step.
        steps: number of steps; each costs a forward and a backward pass.
    """

    epsilon: float = 1.0
    alpha: float = 0.3
    steps: int = 3

    def __call__(self, forward: Forward, model: Any) -> Forward:
        def adversarial_forward(perturbations, state):
            function, deltas = self._bind(model, forward, perturbations, state)
            for _ in range(self.steps):
                _, gradients = backend.value_and_grad(function, deltas)
                step = _scale_to_norm(gradients, self.alpha)
                deltas = _clip_norm([d + s for d, s in zip(deltas, step)], self.epsilon)
                # the perturbation is a constant: no gradient flows through its computation
                deltas = [ops.stop_gradient(d) for d in deltas]
            return function(deltas)

        return adversarial_forward


@register
@dataclass(frozen=True)
class FGM(_PerturbingRecipe):
    """Fast gradient method: adversarial training that perturbs the embedding (arXiv:1605.07725).

    The loss is computed at w + epsilon g / |g|, with w the weights of the embedding and g the
    gradient of the loss at w (Miyato et al.; https://kexue.fm/archives/7234).

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: norm of the perturbation, over all its entries.

    Example:
        >>> from bert4keras.training import FGM
        >>> FGM("Embedding-Token", epsilon=0.5).epsilon
        0.5
    """

    epsilon: float = 0.5

    def __call__(self, forward: Forward, model: Any) -> Forward:
        # FGM perturbs the embedding by one step of PGD along the gradient, of length epsilon
        return PGD(self.pattern, self.epsilon, self.epsilon, steps=1)(forward, model)


@register
@dataclass(frozen=True)
class GradientPenalty(_PerturbingRecipe):
    """Gradient penalty: adds epsilon / 2 |g|^2 to the loss (https://kexue.fm/archives/7234).

    g is the gradient of the loss by the embedding. To first order this is FGM, but smooth, and it
    costs more: the gradient of a gradient.

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: weight of the penalty.
    """

    epsilon: float = 1.0

    def __call__(self, forward: Forward, model: Any) -> Forward:
        def penalized_forward(perturbations, state):
            function, zeros = self._bind(model, forward, perturbations, state)
            # create_graph: the penalty contains the gradients, and is differentiated in turn
            (loss, output), gradients = backend.value_and_grad(function, zeros, create_graph=True)
            return loss + 0.5 * self.epsilon * _squared_norm(gradients), output

        return penalized_forward


@register
@dataclass(frozen=True)
class VAT(_PerturbingRecipe):
    """Virtual adversarial training: adds the change that a perturbation makes (arXiv:1704.03976).

    The direction u starts at random. In each of ``iters`` power iterations, u becomes the gradient
    of KL(f(w), f(w + xi u)), normalized. KL(f(w), f(w + epsilon u)) is added to the loss. It needs
    no labels: give unlabelled samples the weight 0 (Miyato et al.; https://kexue.fm/archives/7466).

    Args:
        pattern: a regular expression, searched in the paths of trainable variables.
        epsilon: norm of the perturbation.
        xi: norm of the perturbation in power iterations.
        iters: number of power iterations.
        from_logits: True if predictions are logits, without softmax.
    """

    epsilon: float = 1.0
    xi: float = 10.0
    iters: int = 1
    from_logits: bool = False

    def __call__(self, forward: Forward, model: Any) -> Forward:
        def virtual_adversarial_forward(perturbations, state):
            loss, output = forward(perturbations, state)
            reference = keras.tree.map_structure(ops.stop_gradient, output.y_pred)
            u, start = model.draw_normal(self._perturbation_shapes(model), output.state)
            function, _ = self._bind(model, forward, perturbations, start)

            def perturbed_divergence(deltas):
                _, output_q = function(deltas)
                divergence = kl_divergence(
                    reference, output_q.y_pred, output.mask, self.from_logits
                )
                return divergence, output_q.state

            for _ in range(self.iters):
                _, u = backend.value_and_grad(perturbed_divergence, _scale_to_norm(u, self.xi))
            deltas = [ops.stop_gradient(d) for d in _scale_to_norm(u, self.epsilon)]
            divergence, end = perturbed_divergence(deltas)
            return loss + divergence, output._replace(state=end)

        return virtual_adversarial_forward


@register
@dataclass(frozen=True)
class RDrop(Recipe):
    """R-Drop: KL divergence between two dropout passes (Liang et al., arXiv:2106.14448).

    The loss is the mean of both losses, plus alpha / 4 (KL(p, q) + KL(q, p)) of their predictions
    (https://kexue.fm/archives/8496).

    Args:
        alpha: weight of the divergence.
        from_logits: True if predictions are logits, without softmax.

    Example:
        >>> from bert4keras.training import FGM, RDrop
        >>> recipes = [RDrop(alpha=2.0), FGM("Embedding-Token")]  # for AdversarialModel
    """

    alpha: float = 4.0
    from_logits: bool = False

    def __call__(self, forward: Forward, model: Any) -> Forward:
        def rdrop_forward(perturbations, state):
            loss_p, p = forward(perturbations, state)
            # the state after the first pass: dropout draws another mask
            loss_q, q = forward(perturbations, p.state)
            pairs = [(p.y_pred, q.y_pred), (q.y_pred, p.y_pred)]
            divergence = sum(kl_divergence(*pair, p.mask, self.from_logits) for pair in pairs)
            return 0.5 * (loss_p + loss_q) + 0.25 * self.alpha * divergence, q

        return rdrop_forward


def kl_divergence(p: Any, q: Any, mask: Any = None, from_logits: bool = False) -> Tensor:
    """Compute the mean of KL(p, q) over visible positions, summed over several predictions.

    Args:
        p: probabilities (B, ..., n), or a nest of them.
        q: like ``p``.
        mask: nested like them; (B, ...) or None, true for visible positions.
        from_logits: True if they are logits, without softmax.
    """
    flat_p, flat_q = keras.tree.flatten(p), keras.tree.flatten(q)
    masks = mask if isinstance(mask, list | tuple) else [mask] * len(flat_p)
    return sum(_kl_divergence(*item, from_logits) for item in zip(flat_p, flat_q, masks))


def _kl_divergence(p, q, mask, from_logits):
    log_p, log_q = (_log_probabilities(x, from_logits) for x in (p, q))
    divergence = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
    if mask is None:
        return ops.mean(divergence)
    visible = ops.cast(mask, "float32")
    return ops.sum(divergence * visible) / ops.maximum(ops.sum(visible), 1.0)


def _log_probabilities(x, from_logits):
    x = ops.cast(x, "float32")
    return ops.log_softmax(x) if from_logits else ops.log(ops.maximum(x, keras.config.epsilon()))


def _squared_norm(tensors):
    return sum(ops.sum(ops.square(x)) for x in tensors)


def _scale_to_norm(tensors, norm):
    """Scale tensors to a common norm over all their entries; zeros stay zero."""
    scale = norm * ops.rsqrt(ops.maximum(_squared_norm(tensors), 1e-24))
    return [x * scale for x in tensors]


def _clip_norm(tensors, norm):
    scale = ops.minimum(1.0, norm * ops.rsqrt(ops.maximum(_squared_norm(tensors), 1e-24)))
    return [x * scale for x in tensors]


def _add_perturbations(first, second):
    return {i: first.get(i, 0.0) + second.get(i, 0.0) for i in {*first, *second}}
