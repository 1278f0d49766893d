"""Training: callbacks, and adversarial training of a model (FGM, PGD, VAT, R-Drop)."""

from bert4keras.training.adversarial import AdversarialModel
from bert4keras.training.best_pipeline import BestPipeline
from bert4keras.training.callbacks import BackupAndResume, BestCheckpoint, RaiseOnNaN
from bert4keras.training.recipes import FGM, PGD, VAT, GradientPenalty, RDrop

__all__ = [
    "FGM",
    "PGD",
    "VAT",
    "AdversarialModel",
    "BackupAndResume",
    "BestCheckpoint",
    "BestPipeline",
    "GradientPenalty",
    "RDrop",
    "RaiseOnNaN",
]
