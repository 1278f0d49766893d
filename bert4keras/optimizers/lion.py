"""Lion and Tiger: optimizers that step by the sign of a momentum, with one slot per weight."""

from typing import Any

import keras

from bert4keras.checks import check_number
from bert4keras.optimizers.base import (
    DenseGradients,
    LearningRate,
    check_learning_rate,
    register,
)


@register
class Lion(DenseGradients, keras.optimizers.Lion):
    """Lion (Chen et al., arXiv:2302.06675), with the authors' defaults for language models.

    A step is lr sign(beta_1 m + (1 - beta_1) g); then m becomes beta_2 m + (1 - beta_2) g.

    Args:
        learning_rate: a float or a Keras schedule; about a fifth of Adam's.
        beta_1: weight of the momentum m in the step.
        beta_2: decay rate of m.
        **kwargs: arguments of ``keras.optimizers.Lion``.

    Example:
        >>> from bert4keras.optimizers import Lion
        >>> round(float(Lion().learning_rate), 6)
        0.0003
    """

    def __init__(
        self,
        learning_rate: LearningRate = 3e-4,
        beta_1: float = 0.95,
        beta_2: float = 0.98,
        **kwargs: Any,
    ) -> None:
        for name, value in (("beta_1", beta_1), ("beta_2", beta_2)):
            check_number(f"{name} of {type(self).__name__}", value, above=0, maximum=1)
        super().__init__(check_learning_rate(learning_rate), beta_1, beta_2, **kwargs)


@register
class Tiger(DenseGradients, keras.optimizers.Lion):
    """Tiger, the tight-fisted optimizer (Su Jianlin, https://kexue.fm/archives/9512).

    m becomes beta m + (1 - beta) g, and a step is lr sign(m): Lion with one beta. The article also
    scales the step of a matrix by the root mean square of its weights, and halves the step of
    biases and norms. Layer adaptation and learning rates by path do the same, because every entry
    of a sign has the size 1. The example shows how.

    Args:
        learning_rate: a float or a Keras schedule.
        beta: decay rate of the momentum m.
        **kwargs: arguments of ``keras.optimizers.Optimizer``.

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

    def __init__(
        self, learning_rate: LearningRate = 1e-3, beta: float = 0.965, **kwargs: Any
    ) -> None:
        check_number(f"beta of {type(self).__name__}", beta, above=0, maximum=1)
        super().__init__(check_learning_rate(learning_rate), beta, beta, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["beta"] = config.pop("beta_1")
        del config["beta_2"]
        return config
