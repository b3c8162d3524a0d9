"""Training: the loop, its checkpoints, its log."""

from .checkpoint import Checkpoint, latest
from .trainer import TrainConfig, Trainer

__all__ = ["Checkpoint", "TrainConfig", "Trainer", "latest"]
