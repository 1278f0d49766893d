"""Extensions that keep further weights beside those of the model: lookahead and averages."""

from keras import ops

from bert4keras.optimizers.extension import Extension, extend


def _beside(optimizer, kept):
    """Pairs of the model's variables and those kept beside them; float8 has scales without."""
    return [pair for pair in zip(optimizer._trainable_variables, kept) if pair[1] is not None]


class Lookahead(Extension):
    """Pulls the weights back, time and again, towards where they came from."""

    def __init__(self, *args, steps_per_slow_update=5, slow_step_size=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        if steps_per_slow_update != int(steps_per_slow_update) or steps_per_slow_update < 1:
            raise ValueError(
                "steps_per_slow_update is a number of updates, whole and at least 1, got "
                f"{steps_per_slow_update!r}. Its authors take 5 to 10"
            )
        self.steps_per_slow_update = int(steps_per_slow_update)
        self.slow_step_size = slow_step_size

    def prepare(self, variables):
        super().prepare(variables)
        self._slow = self.add_optimizer_variables(variables, "slow")

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is not None:
            self.build(list(trainable_variables))  # unless it is
        self._remember(self._at_slow_update())
        super().apply(grads, trainable_variables)
        self._pull_back(self._at_slow_update())

    def _at_slow_update(self):
        return ops.equal(self.iterations % self.steps_per_slow_update, 0)

    def _remember(self, now):
        for variable, slow in _beside(self, self._slow):
            slow.assign(ops.where(now, variable.value, slow.value))

    def _pull_back(self, now):
        for variable, slow in _beside(self, self._slow):
            pulled = slow + self.slow_step_size * (variable - slow)
            variable.assign(ops.where(now, pulled, variable.value))

    def get_config(self):
        return {
            **super().get_config(),
            "steps_per_slow_update": self.steps_per_slow_update,
            "slow_step_size": self.slow_step_size,
        }


def extend_with_lookahead(BaseOptimizer, name=None):  # noqa: N803
    """Lookahead (Zhang et al., arXiv:1907.08610): k steps forward, one back.

    After k updates from w to w', the weights become w + slow_step_size (w' - w), and so on.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - steps_per_slow_update: k, 5 by default.
        - slow_step_size: the share of the way that is kept, 0.5 by default.

    Example:
        >>> from bert4keras.optimizers import Adam, extend_with_lookahead
        >>> AdamLookahead = extend_with_lookahead(Adam, "AdamLookahead")
        >>> optimizer = AdamLookahead(1e-3, steps_per_slow_update=5, slow_step_size=0.5)
    """
    return extend(BaseOptimizer, Lookahead, name)


class ExponentialMovingAverage(Extension):
    """Keeps moving averages of the weights, and puts them into the model when asked."""

    def __init__(self, *args, ema_momentum=0.999, **kwargs):
        if not 0 < ema_momentum < 1:
            raise ValueError(
                "ema_momentum is the share of an average that stays at each update, above 0 and "
                f"below 1, got {ema_momentum!r}. About 1 - 1 / n averages n updates"
            )
        super().__init__(*args, ema_momentum=ema_momentum, **kwargs)
        self._old_weights = None

    def prepare(self, variables):
        super().prepare(variables)
        self._averages = self.add_optimizer_variables(variables, "average")
        self._total = self.add_variable((), name="average_total")  # of an average of ones

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        is_update = ops.equal(self._iterations % (self.gradient_accumulation_steps or 1), 0)
        stays = ops.where(is_update, self.ema_momentum, 1.0)
        for variable, average in _beside(self, self._averages):
            self._average(average, variable, stays)
        self._average(self._total, 1.0, stays)

    def _average(self, average, value, stays):
        stays = ops.cast(stays, average.dtype)
        average.assign(stays * average + (1 - stays) * value)

    def apply_ema_weights(self, bias_correction=True):
        """Put the averages into the model, and keep its weights for ``reset_old_weights``.

        Before the first update there is no average, and the weights stay.

        Args:
            bias_correction: divide by the sum of what the weights counted, as averages begin at 0.

        Raises:
            RuntimeError: they are in the model already.
        """
        if self._old_weights is not None:
            raise RuntimeError(
                "The averages are in the model already, and its own weights would be lost. Call "
                "reset_old_weights() before another apply_ema_weights()"
            )
        total = float(ops.convert_to_numpy(self._total)) if self.built else 0.0
        pairs = _beside(self, self._averages) if total else []
        # copies: on JAX, fit gives the memory of variables away, and no two may share it
        self._old_weights = [ops.copy(variable) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(average / total if bias_correction else ops.copy(average))

    def reset_old_weights(self):
        """Put the weights back that ``apply_ema_weights`` took out.

        Raises:
            RuntimeError: it has not been called.
        """
        if self._old_weights is None:
            raise RuntimeError(
                "There are no weights to put back: apply_ema_weights() takes them out of the "
                "model. Call it first"
            )
        pairs = _beside(self, self._averages) if self._old_weights else []
        for (variable, _), weights in zip(pairs, self._old_weights):
            variable.assign(weights)
        self._old_weights = None


def extend_with_exponential_moving_average(BaseOptimizer, name=None):  # noqa: N803
    """Moving averages of the weights, to evaluate and to save with.

    At each update the average becomes m average + (1 - m) w. It begins at 0, which its sum of
    shares, 1 - m^t, corrects for. Training goes on with the weights themselves.

    Args:
        BaseOptimizer: a class of Keras optimizers, extended or not. What stands around the new
            class, such as lookahead, acts after the averages are taken.
        name: of the new class.

    Returns:
        A class with the arguments of the base, and by keyword

        - ema_momentum: m, 0.999 by default.

        Its ``apply_ema_weights(bias_correction=True)`` puts the averages into the model, and
        ``reset_old_weights()`` the weights back. Under ``mixed_float16`` Keras wraps optimizers,
        and these are methods of ``model.optimizer.inner_optimizer``.

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
    return extend(BaseOptimizer, ExponentialMovingAverage, name)
