"""Optimizers, and extensions for any class of Keras optimizers.

``extend_with_*`` take an optimizer class and return a subclass. Its constructor has the arguments
of the class, and those of the extension as keywords. Extensions can be combined. Schedules and
accumulation have the same effect in any order; each other extension changes the result of those
inside it. Arguments select variables by path, such as ``Transformer-0-FeedForward-Norm/gamma``.

To load a model saved with such an optimizer, first create the same class under the same name.
Training then continues exactly.

Raises: TypeError if the argument is not an optimizer class; ValueError if the class has the
extension already. Constructors of the new classes raise ValueError for arguments out of range, and
warn of patterns that match no trainable variable.
"""

from typing import Any

from bert4keras.optimizers.adafactor import AdaFactor
from bert4keras.optimizers.adam import Adam
from bert4keras.optimizers.base import export_to_custom_objects
from bert4keras.optimizers.extensions import (
    extend_with_exponential_moving_average,
    extend_with_gradient_accumulation,
    extend_with_layer_adaptation,
    extend_with_lazy_optimization,
    extend_with_lookahead,
    extend_with_weight_decay,
)
from bert4keras.optimizers.lion import Lion, Tiger
from bert4keras.optimizers.schedules import (
    WarmupCosineDecay,
    extend_with_parameter_wise_lr,
    extend_with_piecewise_linear_lr,
    layer_wise_decay,
)

# Inherited aliases: bert4keras 0.x had a second version of each for tf.keras.
AdaFactorV1 = AdaFactorV2 = AdaFactor
LionV2 = Lion
extend_with_exponential_moving_average_v2 = extend_with_exponential_moving_average
extend_with_gradient_accumulation_v2 = extend_with_gradient_accumulation
extend_with_layer_adaptation_v2 = extend_with_layer_adaptation
extend_with_lazy_optimization_v2 = extend_with_lazy_optimization
extend_with_lookahead_v2 = extend_with_lookahead
extend_with_parameter_wise_lr_v2 = extend_with_parameter_wise_lr
extend_with_piecewise_linear_lr_v2 = extend_with_piecewise_linear_lr
extend_with_weight_decay_v2 = extend_with_weight_decay

custom_objects: dict[str, Any] = {"Adam": Adam, "AdaFactor": AdaFactor}  # inherited name

__all__ = [
    "AdaFactor",
    "Adam",
    "Lion",
    "Tiger",
    "WarmupCosineDecay",
    "custom_objects",
    "export_to_custom_objects",
    "extend_with_exponential_moving_average",
    "extend_with_gradient_accumulation",
    "extend_with_layer_adaptation",
    "extend_with_lazy_optimization",
    "extend_with_lookahead",
    "extend_with_parameter_wise_lr",
    "extend_with_piecewise_linear_lr",
    "extend_with_weight_decay",
    "layer_wise_decay",
]
