"""Losses on the decoded face of the predicted clip (Avatar V's personality fine-tuning)."""

from likeness.training.auxiliary.config import AuxiliaryConfig
from likeness.training.auxiliary.judges import Judges
from likeness.training.auxiliary.losses import AuxiliaryLosses, AuxiliaryResult

__all__ = ["AuxiliaryConfig", "AuxiliaryLosses", "AuxiliaryResult", "Judges"]
