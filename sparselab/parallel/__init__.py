"""Training with several workers and a parameter server: threads, processes, or a Dask cluster. Names load on first use."""

from ..utils import lazy

_NAMES = {
    "core.averaging": ["average"],
    "core.server": ["ParameterServer"],
    "core.worker": ["Snapshot"],
    "simulation.calibration": ["Costs", "calibrate", "saturation"],
    "simulation.events": ["Failures", "Network"],
    "simulation.simulate": ["simulate_parallel"],
    "supervisor": ["WorkerLostError"],
    "trainer": ["train_parallel"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES, ["backends"])
