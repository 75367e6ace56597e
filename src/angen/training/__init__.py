"""Training: configuration, crops, the loop, validation on held-out songs, checkpoints."""

from angen.training.clips import ClipVersion, TrainingClip, refuse_empty
from angen.training.config import TrainConfig, read_settings
from angen.training.distributed import ALONE, Processes
from angen.training.estimate import Estimate, estimate
from angen.training.events import Event, EventCallback, EventLog, append_event, no_event
from angen.training.loop import train
from angen.training.presets import PRESETS, preset, usual_epochs
from angen.training.result import TrainResult
from angen.training.resume import read_events, result_so_far
from angen.training.validation import Validation, validate

__all__ = [
    "ALONE",
    "PRESETS",
    "ClipVersion",
    "Estimate",
    "Event",
    "EventCallback",
    "EventLog",
    "Processes",
    "TrainConfig",
    "TrainResult",
    "TrainingClip",
    "Validation",
    "append_event",
    "estimate",
    "no_event",
    "preset",
    "read_events",
    "read_settings",
    "refuse_empty",
    "result_so_far",
    "train",
    "usual_epochs",
    "validate",
]
