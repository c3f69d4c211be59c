# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from . import backends as backends
from .core.averaging import average as average
from .core.server import ParameterServer as ParameterServer
from .core.worker import Snapshot as Snapshot
from .simulation.calibration import Costs as Costs
from .simulation.calibration import calibrate as calibrate
from .simulation.calibration import saturation as saturation
from .simulation.events import Failures as Failures
from .simulation.events import Network as Network
from .simulation.simulate import simulate_parallel as simulate_parallel
from .split import train_split as train_split
from .supervisor import WorkerLostError as WorkerLostError
from .trainer import train_parallel as train_parallel
