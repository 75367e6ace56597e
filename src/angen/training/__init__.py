"""Training: configuration, crops, the loop, validation on held-out songs, checkpoints."""

from angen.training.clips import ClipVersion, TrainingClip
from angen.training.config import TrainConfig
from angen.training.loop import TrainResult, refuse_empty, train
from angen.training.validation import Validation, validate

__all__ = [
    "ClipVersion",
    "TrainConfig",
    "TrainResult",
    "TrainingClip",
    "Validation",
    "refuse_empty",
    "train",
    "validate",
]
