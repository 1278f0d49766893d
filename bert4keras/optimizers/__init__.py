"""Optimizers."""

from bert4keras.optimizers.adafactor import AdaFactor
from bert4keras.optimizers.adam import Adam
from bert4keras.optimizers.lion import Lion, Tiger

AdaFactorV1 = AdaFactorV2 = AdaFactor
LionV2 = Lion

__all__ = ["AdaFactor", "Adam", "Lion", "Tiger"]
