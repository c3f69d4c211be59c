"""Records of a run, model files, checkpoints, and the folder that holds them."""

from ..utils import lazy

_NAMES = {
    "checkpoint": ["Checkpoint", "load_checkpoint", "save_checkpoint"],
    "container": ["CheckpointError"],
    "model_file": ["load", "save"],
    "records": ["EpochRecord", "History", "StepRecord"],
    "run_dir": ["RunDir", "RunDirBusyError"],
    "state": ["TrainingState"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
