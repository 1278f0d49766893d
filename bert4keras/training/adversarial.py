"""Adversarial training: a model that perturbs the weights of another one, such as its embedding.

The perturbations (FGM, PGD, VAT) and the other losses are the recipes in ``recipes.py``.
"""

from collections.abc import Sequence
from typing import Any

import keras

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.optimizers.base import register
from bert4keras.training.recipes import Forward, PassOutput, Recipe


@register
class AdversarialModel(keras.Model):
    """Model that trains another one by recipes: FGM, PGD, VAT, GradientPenalty, RDrop.

    It shares all weights with the other model, and predicts and evaluates like it. Compile and fit
    it in place of the other model. Metrics are those of the plain predictions. The perturbation is
    found under the same dropout as the pass that is trained on.

    Args:
        model: a built Keras model.
        recipes: a recipe, or a list of them, the innermost first: in ``[RDrop(), FGM()]`` FGM
            perturbs the embedding along the gradient of R-Drop's loss.
        **kwargs: arguments of ``keras.Model``.

    Raises:
        TypeError: a recipe is not an instance of a recipe class.
        ValueError: no trainable variable matches the pattern of a recipe.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.training import FGM, AdversarialModel
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
        >>> adversarial = AdversarialModel(model, FGM("head/kernel", epsilon=0.1))
        >>> adversarial.compile("adam", "mse")
        >>> history = adversarial.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
        >>> model.predict(np.ones((4, 2)), verbose=0).shape
        (4, 1)
    """

    def __init__(
        self, model: keras.Model, recipes: Recipe | Sequence[Recipe], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model: keras.Model = model
        self.seeds: keras.random.SeedGenerator = keras.random.SeedGenerator()
        self.recipes: list[Recipe] = [*recipes] if isinstance(recipes, Sequence) else [recipes]
        for recipe in self.recipes:
            if not isinstance(recipe, Recipe):
                raise TypeError(
                    "Expected recipes to be instances, such as FGM('Embedding-Token'), got "
                    f"{recipe!r}. Create an instance of FGM, PGD, VAT, GradientPenalty or RDrop"
                )
            recipe.check_variables(model.trainable_variables)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the predictions of the model inside."""
        return self.model(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Compute the plain loss of the predictions; in training, the loss of the recipes."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        # On JAX, Keras stores the losses here that layers added in the first pass; further passes
        # would return them in place of their own.
        self._losses_override = []
        state = [variable.value for variable in self.non_trainable_variables]
        plain_output = loss, PassOutput(y_pred, _flat_masks(y_pred), state)

        def plain_forward(perturbations, begin):
            if begin is None and not perturbations:
                return plain_output  # Keras computed this pass already
            return self._forward(x, y, sample_weight, perturbations, begin or state)

        forward: Forward = plain_forward
        for recipe in self.recipes:
            forward = recipe(forward, self)
        loss, output = forward({}, None)
        # passes run statelessly: assign the last state (seeds, moving averages) now
        for variable, old, new in zip(self.non_trainable_variables, state, output.state):
            if new is not old:
                variable.assign(new)
        return loss

    def _forward(self, x, y, sample_weight, perturbations, state):
        """Run the model with perturbed weights, from a state; return the loss and the output."""

        def predict():
            y_pred = self(x, training=True)
            return super(AdversarialModel, self).compute_loss(x, y, y_pred, sample_weight), y_pred

        (loss, y_pred), end = self._run_stateless(predict, state, perturbations)
        return loss, PassOutput(y_pred, _flat_masks(y_pred), end)

    def draw_normal(
        self, shapes: list[Any], state: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Draw tensors from a normal distribution; return them and the state after it."""
        draw = lambda: [keras.random.normal(shape, seed=self.seeds) for shape in shapes]  # noqa: E731
        return self._run_stateless(draw, state)

    def _run_stateless(self, function, state, perturbations=()):
        """Call a function with a state and perturbed weights; return its result and the new state.

        No variable changes. In a ``StatelessScope`` each variable has the value given here, so all
        layers read the perturbed weights. Layers under ``recompute_grad`` read them again when they
        repeat their forward pass.
        """
        weights = [variable.value for variable in self.trainable_variables]
        # here FGM, PGD and VAT perturb the weights of the embedding
        weights = [w + perturbations[i] if i in perturbations else w for i, w in enumerate(weights)]
        metrics = [variable.value for variable in self.metrics_variables]
        variables = self.trainable_variables + self.non_trainable_variables + self.metrics_variables
        values = list(zip(variables, weights + state + metrics))
        with keras.StatelessScope(values, collect_losses=True) as scope:
            result = function()
        return result, [scope.get_current_value(v) for v in self.non_trainable_variables]

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "model": serialize(self.model),
            "recipes": [serialize(recipe) for recipe in self.recipes],
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "AdversarialModel":
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        model = deserialize(config.pop("model"), custom_objects=custom_objects)
        recipes = [deserialize(r, custom_objects=custom_objects) for r in config.pop("recipes")]
        return cls(model, recipes, **config)


def _flat_masks(y_pred):
    return [backend.get_mask(x) for x in keras.tree.flatten(y_pred)]
