# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from .dask import Cluster as Cluster
from .executor import Executors as Executors
from .local import Local as Local
from .local import Serial as Serial
from .local import Threads as Threads
from .processes import Processes as Processes
from .registry import get as get
