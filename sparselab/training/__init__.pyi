# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from .estimate import MemoryEstimate as MemoryEstimate
from .estimate import estimate_memory as estimate_memory
from .loop import evaluate as evaluate
from .loop import predict as predict
from .loop import predict_topk as predict_topk
from .loop import steps as steps
from .loop import train as train
from .memory import Plan as Plan
from .progress import watch as watch
