"""Training on more than the plain loss: a model around a model."""

import keras

from bert4keras import backend
from bert4keras.optimizers.extension import register
from bert4keras.training.recipes import Recipe, Seen


@register
class AdversarialModel(keras.Model):
    """A model that trains another one by recipes: FGM, PGD, VAT, GradientPenalty, RDrop.

    It shares all weights with the other model, predicts and is evaluated like it, and is compiled
    and fitted in its place. Metrics are those of the plain predictions. Weights are moved along the
    gradient under that dropout which they are then trained with.

    Args:
        model: a built Keras model.
        recipes: a recipe, or a list of them, the innermost first: of ``[RDrop(), FGM()]`` the
            attack is on the loss of RDrop.
        **kwargs: those of ``keras.Model``.

    Raises:
        TypeError: what is no recipe.
        ValueError: a recipe whose variables the model has not.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.training import FGM, AdversarialModel
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
        >>> trained = AdversarialModel(model, FGM("head/kernel", epsilon=0.1))
        >>> trained.compile("adam", "mse")
        >>> history = trained.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
        >>> model.predict(np.ones((4, 2)), verbose=0).shape
        (4, 1)
    """

    def __init__(self, model, recipes, **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self.seeds = keras.random.SeedGenerator()
        self.recipes = list(recipes) if isinstance(recipes, list | tuple) else [recipes]
        for recipe in self.recipes:
            if not isinstance(recipe, Recipe):
                raise TypeError(
                    "AdversarialModel takes recipes, such as FGM('Embedding-Token'), got "
                    f"{recipe!r}. Make an instance of a class of recipes"
                )
            recipe.check(model.trainable_variables)
        self.built = True

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The plain loss of given predictions; in training, that of the recipes."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        self._losses_override = []  # JAX puts those of the first pass there
        state = [variable.value for variable in self.non_trainable_variables]
        given = loss, Seen(y_pred, _masks_of(y_pred), state)

        def run(delta, begin):
            if begin is None and not delta:
                return given
            return self._pass(x, y, sample_weight, delta, begin or state)

        for recipe in self.recipes:
            run = recipe(run, self)
        loss, seen = run({}, None)
        for variable, old, new in zip(self.non_trainable_variables, state, seen.state):
            if new is not old:
                variable.assign(new)
        return loss

    def _pass(self, x, y, sample_weight, delta, state):
        """Predictions and their loss, with ``delta`` added to weights, from a state."""

        def predict():
            y_pred = self(x, training=True)
            return super(AdversarialModel, self).compute_loss(x, y, y_pred, sample_weight), y_pred

        (loss, y_pred), after = self._inside(predict, state, delta)
        return loss, Seen(y_pred, _masks_of(y_pred), after)

    def normal(self, shapes, state):
        """Random tensors of a normal distribution, and the state after they were drawn."""
        draw = lambda: [keras.random.normal(shape, seed=self.seeds) for shape in shapes]  # noqa: E731
        return self._inside(draw, state)

    def _inside(self, function, state, delta=()):
        """What a function returns under given values of all variables, and the state after it."""
        weights = [variable.value for variable in self.trainable_variables]
        weights = [x + delta[i] if i in delta else x for i, x in enumerate(weights)]
        kept = [variable.value for variable in self.metrics_variables]
        variables = self.trainable_variables + self.non_trainable_variables + self.metrics_variables
        values = list(zip(variables, weights + state + kept))
        with keras.StatelessScope(values, collect_losses=True) as scope:
            result = function()
        return result, [scope.get_current_value(v) for v in self.non_trainable_variables]

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "model": serialize(self.model),
            "recipes": [serialize(recipe) for recipe in self.recipes],
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        make = keras.saving.deserialize_keras_object
        config = dict(config)
        model = make(config.pop("model"), custom_objects=custom_objects)
        recipes = [make(recipe, custom_objects=custom_objects) for recipe in config.pop("recipes")]
        return cls(model, recipes, **config)


def _masks_of(y_pred):
    return [backend.get_mask(x) for x in keras.tree.flatten(y_pred)]
