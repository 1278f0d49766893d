"""Training: callbacks, and a model that adds adversarial and consistency losses."""

from bert4keras.training.adversarial import AdversarialModel
from bert4keras.training.callbacks import BackupAndResume, BestCheckpoint, RaiseOnNaN
from bert4keras.training.recipes import FGM, PGD, VAT, GradientPenalty, RDrop

__all__ = [
    "FGM",
    "PGD",
    "VAT",
    "AdversarialModel",
    "BestCheckpoint",
    "GradientPenalty",
    "RDrop",
    "BackupAndResume",
    "RaiseOnNaN",
]
