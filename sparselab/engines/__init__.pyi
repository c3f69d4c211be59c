# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from .base import DivergedError as DivergedError
from .base import Outcome as Outcome
from .fused import FusedEngine as FusedEngine
from .layerwise import LayerwiseEngine as LayerwiseEngine
from .select import create as create
from .select import is_fusable as is_fusable
from .select import outputs as outputs
