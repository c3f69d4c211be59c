# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .container import CheckpointError as CheckpointError
from .model_file import load as load
from .model_file import save as save
from .records import EpochRecord as EpochRecord
from .records import History as History
from .records import StepRecord as StepRecord
from .run_dir import RunDir as RunDir
from .run_dir import RunDirBusyError as RunDirBusyError
from .state import TrainingState as TrainingState
