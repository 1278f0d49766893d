"""Optimizers that step by the sign of a momentum, and so keep one number for each weight."""

import keras

from bert4keras.optimizers.extension import DenseGradients, register


@register
class Lion(DenseGradients, keras.optimizers.Lion):
    """Lion (Chen et al., arXiv:2302.06675), with its authors' numbers for language.

    A step is lr sign(beta_1 m + (1 - beta_1) g); then m becomes beta_2 m + (1 - beta_2) g.

    Args:
        learning_rate: a float, or a schedule of Keras; about a fifth of Adam's.
        beta_1: share of m in the step.
        beta_2: share of m that stays.
        **kwargs: those of ``keras.optimizers.Lion``.

    Example:
        >>> from bert4keras.optimizers import Lion
        >>> round(float(Lion().learning_rate), 6)
        0.0003
    """

    def __init__(self, learning_rate=3e-4, beta_1=0.95, beta_2=0.98, **kwargs):
        super().__init__(learning_rate, beta_1, beta_2, **kwargs)


@register
class Tiger(DenseGradients, keras.optimizers.Lion):
    """Tiger, the tight-fisted optimizer (Su Jianlin, https://kexue.fm/archives/9512).

    m becomes beta m + (1 - beta) g, and a step is lr sign(m): Lion with one beta. The article
    scales the step of a matrix by its root mean square, and halves that of biases and norms. As
    all numbers of a sign have the size 1, that is what layer adaptation and rates by path do; see
    the example.

    Args:
        learning_rate: a float, or a schedule of Keras.
        beta: share of m that stays.
        **kwargs: those of ``keras.optimizers.Optimizer``.

    Example:
        >>> from bert4keras import optimizers
        >>> Tiger = optimizers.extend_with_weight_decay(optimizers.Tiger)
        >>> Tiger = optimizers.extend_with_layer_adaptation(Tiger)
        >>> Tiger = optimizers.extend_with_parameter_wise_lr(Tiger, "RelativeTiger")
        >>> vectors = ["bias", "beta", "gamma"]
        >>> optimizer = Tiger(
        ...     1e-3,
        ...     exclude_from_weight_decay=vectors,
        ...     exclude_from_layer_adaptation=vectors,
        ...     paramwise_lr_schedule={name: 0.5 for name in vectors},
        ... )
    """

    def __init__(self, learning_rate=1e-3, beta=0.965, **kwargs):
        super().__init__(learning_rate, beta, beta, **kwargs)

    def get_config(self):
        config = super().get_config()
        config["beta"] = config.pop("beta_1")
        del config["beta_2"]
        return config
