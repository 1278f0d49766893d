"""Extensions that change the update of one variable, once the optimizer has made it."""

from keras import ops

from bert4keras.optimizers import patterns
from bert4keras.optimizers.extension import Extension, extend


class WeightDecay(Extension):
    """Takes a share of each weight away."""

    searched = ("exclude_from_weight_decay",)

    def __init__(self, *args, weight_decay_rate=0.01, exclude_from_weight_decay=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.weight_decay_rate = weight_decay_rate
        self.exclude_from_weight_decay = patterns.checked(
            exclude_from_weight_decay, "exclude_from_weight_decay"
        )

    def update_step(self, gradient, variable, learning_rate):
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if not self.chosen(variable, "exclude_from_weight_decay"):
            share = self.rate(variable, learning_rate) * self.weight_decay_rate
            self.assign_sub(variable, ops.cast(share, variable.dtype) * before)

    def get_config(self):
        return {
            **super().get_config(),
            "weight_decay_rate": self.weight_decay_rate,
            "exclude_from_weight_decay": list(self.exclude_from_weight_decay),
        }


def extend_with_weight_decay(BaseOptimizer, name=None):  # noqa: N803
    """Decoupled weight decay (Loshchilov & Hutter, arXiv:1711.05101).

    After each update, w loses lr * weight_decay_rate times what it was before.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - weight_decay_rate: the share, 0.01.
        - exclude_from_weight_decay: regular expressions; a variable keeps its weights where one is
          found in its path. None by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_weight_decay
        >>> AdamW = extend_with_weight_decay(Adam, "AdamW")
        >>> optimizer = AdamW(2e-5, exclude_from_weight_decay=["Norm", "bias"])
        >>> optimizer.weight_decay_rate
        0.01
    """
    return extend(BaseOptimizer, WeightDecay, name)


class LayerAdaptation(Extension):
    """Makes the length of each variable's update a share of the length of its weights."""

    searched = ("exclude_from_layer_adaptation",)

    def __init__(self, *args, exclude_from_layer_adaptation=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.exclude_from_layer_adaptation = patterns.checked(
            exclude_from_layer_adaptation, "exclude_from_layer_adaptation"
        )

    def update_step(self, gradient, variable, learning_rate):
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if self.chosen(variable, "exclude_from_layer_adaptation"):
            return
        step = ops.convert_to_tensor(variable) - before
        size, length = (ops.sqrt(ops.sum(ops.square(x))) for x in (before, step))
        wanted = size * ops.cast(self.rate(variable, learning_rate), variable.dtype)
        known = ops.logical_and(size > 0, length > 0)
        ratio = ops.where(known, wanted / ops.where(known, length, 1.0), 1.0)
        self.assign(variable, before + ratio * step)

    def get_config(self):
        excluded = list(self.exclude_from_layer_adaptation)
        return {**super().get_config(), "exclude_from_layer_adaptation": excluded}


def extend_with_layer_adaptation(BaseOptimizer, name=None):  # noqa: N803
    """Layer-wise adaptation: LAMB, if the base is Adam with weight decay (arXiv:1904.00962).

    An update lr u becomes lr u |w| / |u|, where |.| is the length of a variable as one vector; a
    variable that is zero, or whose u is, takes the update as it is.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. Weight decay that it has is a
            part of u; weight decay put around the new class is not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - exclude_from_layer_adaptation: regular expressions; a variable takes updates as they are
          where one is found in its path. None by default.

    Example:
        >>> from bert4keras import optimizers
        >>> AdamW = optimizers.extend_with_weight_decay(optimizers.Adam, "AdamW")
        >>> LAMB = optimizers.extend_with_layer_adaptation(AdamW, "LAMB")
        >>> optimizer = LAMB(
        ...     1e-3,
        ...     exclude_from_weight_decay=["Norm", "bias"],
        ...     exclude_from_layer_adaptation=["Norm", "bias"],
        ... )
    """
    return extend(BaseOptimizer, LayerAdaptation, name)


class LazyOptimization(Extension):
    """Leaves rows alone whose gradient is zero."""

    searched = ("include_in_lazy_optimization",)

    def __init__(self, *args, include_in_lazy_optimization=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.include_in_lazy_optimization = patterns.checked(
            include_in_lazy_optimization, "include_in_lazy_optimization"
        )

    def update_step(self, gradient, variable, learning_rate):
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if self.chosen(variable, "include_in_lazy_optimization"):
            touched = ops.any(ops.not_equal(gradient, 0), axis=-1, keepdims=True)
            self.assign(variable, ops.where(touched, ops.convert_to_tensor(variable), before))

    def get_config(self):
        included = list(self.include_in_lazy_optimization)
        return {**super().get_config(), "include_in_lazy_optimization": included}


def extend_with_lazy_optimization(BaseOptimizer, name=None):  # noqa: N803
    """Lazy updates: tokens that a batch has not keep their vectors.

    Momentum, and weight decay inside ``BaseOptimizer``, move every row of an embedding at each
    step; with this, only rows with a gradient other than zero. Moments fade as before.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - include_in_lazy_optimization: regular expressions; updates of a variable are lazy where
          one is found in its path. None by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_lazy_optimization
        >>> LazyAdam = extend_with_lazy_optimization(Adam, "LazyAdam")
        >>> optimizer = LazyAdam(1e-3, include_in_lazy_optimization=["Embedding-Token"])
    """
    return extend(BaseOptimizer, LazyOptimization, name)
