"""Optimizer extensions: weight decay, LAMB, lazy updates, accumulation, lookahead, averages."""

from keras import ops

from bert4keras.backend.dispatch import count_replicas
from bert4keras.checks import check_arguments, check_number, check_size
from bert4keras.optimizers import patterns
from bert4keras.optimizers.base import Extension, OptimizerClass, extend_optimizer


class _WeightDecay(Extension):
    """Decoupled weight decay."""

    pattern_arguments = ("exclude_from_weight_decay",)

    def __init__(self, *args, weight_decay_rate=0.01, exclude_from_weight_decay=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.weight_decay_rate = weight_decay_rate
        check_arguments(self, check_number, "weight_decay_rate", minimum=0)
        self.exclude_from_weight_decay = patterns.validate_patterns(
            exclude_from_weight_decay, "exclude_from_weight_decay"
        )

    def update_step(self, gradient, variable, learning_rate):
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if not self.matches(variable, "exclude_from_weight_decay"):
            rate = self.scale_learning_rate(variable, learning_rate) * self.weight_decay_rate
            self.assign_sub(variable, ops.cast(rate, variable.dtype) * before)

    def get_config(self):
        return {
            **super().get_config(),
            "weight_decay_rate": self.weight_decay_rate,
            "exclude_from_weight_decay": list(self.exclude_from_weight_decay),
        }


def extend_with_weight_decay(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add decoupled weight decay (Loshchilov & Hutter, arXiv:1711.05101).

    After each update, w decreases by lr * weight_decay_rate times its value before the update.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - weight_decay_rate: the rate, 0.01 by default.
        - exclude_from_weight_decay: regular expressions, none by default. A variable does not decay
          if one of them occurs in its path.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_weight_decay
        >>> AdamW = extend_with_weight_decay(Adam, "AdamW")
        >>> optimizer = AdamW(2e-5, exclude_from_weight_decay=["Norm", "bias"])
        >>> optimizer.weight_decay_rate
        0.01
    """
    return extend_optimizer(BaseOptimizer, _WeightDecay, name)


class _LayerAdaptation(Extension):
    """Scales the update of each variable to the norm of its weights, as LAMB does."""

    pattern_arguments = ("exclude_from_layer_adaptation",)

    def __init__(self, *args, exclude_from_layer_adaptation=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.exclude_from_layer_adaptation = patterns.validate_patterns(
            exclude_from_layer_adaptation, "exclude_from_layer_adaptation"
        )

    def update_step(self, gradient, variable, learning_rate):
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if self.matches(variable, "exclude_from_layer_adaptation"):
            return
        step = ops.convert_to_tensor(variable) - before
        weight_norm, step_norm = (ops.sqrt(ops.sum(ops.square(x))) for x in (before, step))
        rate = self.scale_learning_rate(variable, learning_rate)
        target_norm = weight_norm * ops.cast(rate, variable.dtype)
        is_defined = ops.logical_and(weight_norm > 0, step_norm > 0)
        # the inner `where` keeps 0 / 0 = NaN out of the branch that is not selected
        ratio = ops.where(is_defined, target_norm / ops.where(is_defined, step_norm, 1.0), 1.0)
        self.assign(variable, before + ratio * step)

    def get_config(self):
        exclusions = list(self.exclude_from_layer_adaptation)
        return {**super().get_config(), "exclude_from_layer_adaptation": exclusions}


def extend_with_layer_adaptation(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add layer-wise adaptation: LAMB, if the base is Adam with weight decay (arXiv:1904.00962).

    An update lr u becomes lr u |w| / |u|, with |.| the Euclidean norm over a variable. If w or u
    is zero, the update is not scaled.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. Weight decay of this class is
            part of u. Weight decay that extends the new class is not.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - exclude_from_layer_adaptation: regular expressions, none by default. Updates of a variable
          are not scaled if one of them occurs in its path.

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
    return extend_optimizer(BaseOptimizer, _LayerAdaptation, name)


class _LazyOptimization(Extension):
    """Updates only the rows whose gradient is not zero."""

    pattern_arguments = ("include_in_lazy_optimization",)

    def __init__(self, *args, include_in_lazy_optimization=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.include_in_lazy_optimization = patterns.validate_patterns(
            include_in_lazy_optimization, "include_in_lazy_optimization"
        )

    def update_step(self, gradient, variable, learning_rate):
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if self.matches(variable, "include_in_lazy_optimization"):
            has_gradient = ops.any(ops.not_equal(gradient, 0), axis=-1, keepdims=True)
            self.assign(variable, ops.where(has_gradient, ops.convert_to_tensor(variable), before))

    def get_config(self):
        inclusions = list(self.include_in_lazy_optimization)
        return {**super().get_config(), "include_in_lazy_optimization": inclusions}


def extend_with_lazy_optimization(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add lazy updates: embeddings of tokens that are not in a batch do not change.

    Momentum, and weight decay inside ``BaseOptimizer``, change every row of an embedding at each
    step. Lazy updates change only rows whose gradient is not zero. Moments decay as before.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - include_in_lazy_optimization: regular expressions, none by default. Updates of a variable
          are lazy if one of them occurs in its path.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_lazy_optimization
        >>> LazyAdam = extend_with_lazy_optimization(Adam, "LazyAdam")
        >>> optimizer = LazyAdam(1e-3, include_in_lazy_optimization=["Embedding-Token"])
    """
    return extend_optimizer(BaseOptimizer, _LazyOptimization, name)


class _GradientAccumulation(Extension):
    """Updates once in several batches, by the mean of their gradients."""

    def __init__(self, *args, grad_accum_steps=2, **kwargs):
        steps = _check_steps("grad_accum_steps", grad_accum_steps, "Give 1 for no accumulation.")
        # Keras refuses 1; None turns its accumulation off
        super().__init__(*args, gradient_accumulation_steps=steps if steps > 1 else None, **kwargs)
        self.grad_accum_steps = steps

    def build_extension(self, variables):
        super().build_extension(variables)
        replicas = count_replicas()
        if replicas > 1 and self.grad_accum_steps > 1:
            raise ValueError(
                f"Expected one device for gradient accumulation, got a strategy with {replicas} "
                "replicas, on which Keras cannot accumulate gradients. Give grad_accum_steps=1 and "
                "larger batches, or train on one device."
            )

    def get_config(self):
        config = super().get_config()
        del config["gradient_accumulation_steps"]
        return {**config, "grad_accum_steps": self.grad_accum_steps}


def extend_with_gradient_accumulation(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add gradient accumulation: one update by the mean gradient of several batches.

    This is the accumulation of Keras, under the name of bert4keras 0.x. Schedules count batches, so
    multiply the steps of ``lr_schedule`` by ``grad_accum_steps``. Bias correction, ``iterations``
    and averages count updates.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. Under
            ``tf.distribute.MirroredStrategy`` Keras cannot accumulate: a ValueError says so.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - grad_accum_steps: the number of batches, 2 by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_gradient_accumulation
        >>> AdamGA = extend_with_gradient_accumulation(Adam, "AdamGA")
        >>> optimizer = AdamGA(2e-5, grad_accum_steps=16)
    """
    return extend_optimizer(BaseOptimizer, _GradientAccumulation, name)


def _check_steps(name, value, remedy):
    """Return a number of steps as an int; files may hold 2.0 for 2."""
    is_whole_float = isinstance(value, float) and value.is_integer()
    return check_size(name, int(value) if is_whole_float else value, remedy)


def _paired_slots(optimizer, slots):
    """Return pairs (variable of the model, its slot).

    Variables without a slot are left out: Keras gives none to float8 scales, whose gradient
    replaces their value.
    """
    pairs = zip(optimizer._trainable_variables, slots)
    return [(variable, slot) for variable, slot in pairs if slot is not None]


class _Lookahead(Extension):
    """Moves the weights back towards their slow copy, once in several updates."""

    def __init__(self, *args, steps_per_slow_update=5, slow_step_size=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self.steps_per_slow_update = _check_steps(
            "steps_per_slow_update", steps_per_slow_update, "The paper uses 5 to 10."
        )
        self.slow_step_size = slow_step_size
        check_arguments(self, check_number, "slow_step_size", minimum=0, maximum=1)

    def build_extension(self, variables):
        super().build_extension(variables)
        self._slow = self.add_optimizer_variables(variables, "slow")

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is not None:
            self.build(list(trainable_variables))  # no effect if built already
        # Copied here and not in `build`: weights may be loaded after it. Both methods run in every
        # step and select by `where`, because a compiled step has no Python `if` on a counter.
        self._copy_to_slow(self._is_slow_update())
        super().apply(grads, trainable_variables)
        self._interpolate(self._is_slow_update())

    def _is_slow_update(self):
        return ops.equal(self.iterations % self.steps_per_slow_update, 0)

    def _copy_to_slow(self, is_slow_update):
        for variable, slow in _paired_slots(self, self._slow):
            slow.assign(ops.where(is_slow_update, variable.value, slow.value))

    def _interpolate(self, is_slow_update):
        for variable, slow in _paired_slots(self, self._slow):
            interpolation = slow + self.slow_step_size * (variable - slow)
            variable.assign(ops.where(is_slow_update, interpolation, variable.value))

    def get_config(self):
        return {
            **super().get_config(),
            "steps_per_slow_update": self.steps_per_slow_update,
            "slow_step_size": self.slow_step_size,
        }


def extend_with_lookahead(BaseOptimizer: OptimizerClass, name: str | None = None) -> OptimizerClass:
    """Add lookahead (Zhang et al., arXiv:1907.08610): k steps forward, one step back.

    After k updates from w to w', the weights become w + slow_step_size (w' - w).

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - steps_per_slow_update: k, 5 by default.
        - slow_step_size: the share of the way that remains, 0.5 by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_lookahead
        >>> AdamLookahead = extend_with_lookahead(Adam, "AdamLookahead")
        >>> optimizer = AdamLookahead(1e-3, steps_per_slow_update=5, slow_step_size=0.5)
    """
    return extend_optimizer(BaseOptimizer, _Lookahead, name)


class _ExponentialMovingAverage(Extension):
    """Maintains moving averages of the weights, and copies them into the model on demand."""

    def __init__(self, *args, ema_momentum=0.999, **kwargs):
        remedy = "1 - 1 / n averages about n updates."
        check_number("ema_momentum", ema_momentum, above=0, below=1, remedy=remedy)
        super().__init__(*args, ema_momentum=ema_momentum, **kwargs)
        self._old_weights = None

    def build_extension(self, variables):
        super().build_extension(variables)
        self._averages = self.add_optimizer_variables(variables, "average")
        # the average of ones: the sum of all coefficients, by which bias correction divides
        self._total = self.add_variable((), name="average_total")

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        # With accumulation most batches change no weight. They must not change the average either,
        # so their decay is 1. `_iterations` counts batches.
        is_update = ops.equal(self._iterations % (self.gradient_accumulation_steps or 1), 0)
        decay = ops.where(is_update, self.ema_momentum, 1.0)
        for variable, average in _paired_slots(self, self._averages):
            self._update_ema(average, variable, decay)
        self._update_ema(self._total, 1.0, decay)

    def _update_ema(self, average, value, decay):
        decay = ops.cast(decay, average.dtype)
        average.assign(decay * average + (1 - decay) * value)

    def apply_ema_weights(self, bias_correction: bool = True) -> None:
        """Copy the averages into the model, and save its weights for ``reset_old_weights``.

        Before the first update there is no average, and the weights do not change.

        Args:
            bias_correction: divide by the sum of the coefficients, because averages start at 0.

        Raises:
            RuntimeError: the averages are in the model already.
        """
        if self._old_weights is not None:
            raise RuntimeError(
                "Expected the model's own weights, but the averages are in the model already. Call "
                "reset_old_weights() before another apply_ema_weights()"
            )
        total = float(ops.convert_to_numpy(self._total)) if self.built else 0.0
        pairs = _paired_slots(self, self._averages) if total else []
        # On JAX, fit donates the buffers of variables to the compiled step, which overwrites them.
        # So saved weights are copies, and an average never shares its buffer with a weight.
        self._old_weights = [ops.copy(variable) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(average / total if bias_correction else ops.copy(average))

    def reset_old_weights(self) -> None:
        """Restore the weights that ``apply_ema_weights`` replaced.

        Raises:
            RuntimeError: ``apply_ema_weights`` was not called.
        """
        if self._old_weights is None:
            raise RuntimeError(
                "Expected saved weights to restore, but there are none. Call apply_ema_weights() "
                "first"
            )
        pairs = _paired_slots(self, self._averages) if self._old_weights else []
        for (variable, _), weights in zip(pairs, self._old_weights):
            variable.assign(weights)
        self._old_weights = None


def extend_with_exponential_moving_average(
    BaseOptimizer: OptimizerClass, name: str | None = None
) -> OptimizerClass:
    """Add an exponential moving average (EMA) of the weights, for evaluation and saving.

    At each update the average becomes m average + (1 - m) w. It starts at 0; bias correction
    divides it by 1 - m^t. Training continues with the weights, not with the averages.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. Extensions of the new class,
            such as lookahead, act after the average is updated.
        name: name of the new class.

    Returns:
        A class with the arguments of the base, and these keyword arguments:

        - ema_momentum: m, 0.999 by default.

        Its ``apply_ema_weights(bias_correction=True)`` copies the averages into the model, and
        ``reset_old_weights()`` restores the weights. Under ``mixed_float16`` Keras wraps
        optimizers; call these methods on ``model.optimizer.inner_optimizer``.

    Example:
        >>> from bert4keras.backend import keras
        >>> from bert4keras.optimizers import Adam, extend_with_exponential_moving_average
        >>> AdamEMA = extend_with_exponential_moving_average(Adam, "AdamEMA")
        >>> class Evaluate(keras.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         self.model.optimizer.apply_ema_weights()
        ...         # evaluate and save here
        ...         self.model.optimizer.reset_old_weights()
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(AdamEMA(1e-3, ema_momentum=0.99), "mse")
        >>> x, y = keras.ops.ones((4, 2)), keras.ops.ones((4, 1))
        >>> history = model.fit(x, y, callbacks=[Evaluate()], verbose=0)
    """
    return extend_optimizer(BaseOptimizer, _ExponentialMovingAverage, name)
