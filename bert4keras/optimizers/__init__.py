"""Optimizers, and extensions of any class of Keras optimizers.

``extend_with_*`` take a class and give a subclass, whose constructor has the arguments of the class
and, by keyword, those of the extension. They go around each other: rates and accumulation do the
same wherever they stand, and of the others each changes what those inside it have made. Variables
are named by their path, such as ``Transformer-0-FeedForward-Norm/gamma``.

A model that is saved with such an optimizer loads where the same class has been made, under the
same name, and trains on as if nothing had been. TypeError is raised for what is no class of
optimizers, ValueError for a class that has the extension already, and, when an optimizer is made,
for arguments outside their range. A pattern that fits no trainable variable is warned of.
"""

from bert4keras.optimizers.adafactor import AdaFactor
from bert4keras.optimizers.adam import Adam
from bert4keras.optimizers.averages import (
    extend_with_exponential_moving_average,
    extend_with_lookahead,
)
from bert4keras.optimizers.depth import layer_wise_decay
from bert4keras.optimizers.extension import export_to_custom_objects
from bert4keras.optimizers.lion import Lion, Tiger
from bert4keras.optimizers.rates import (
    extend_with_gradient_accumulation,
    extend_with_parameter_wise_lr,
    extend_with_piecewise_linear_lr,
)
from bert4keras.optimizers.steps import (
    extend_with_layer_adaptation,
    extend_with_lazy_optimization,
    extend_with_weight_decay,
)

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

__all__ = [
    "AdaFactor",
    "Adam",
    "Lion",
    "Tiger",
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
