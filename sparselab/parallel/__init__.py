"""Training with several workers and a parameter server: threads, processes, or a Dask cluster. Names load on first use."""

from .. import lazy

_HOMES = {
    "averaging": ["average"],
    "calibration": ["Costs", "calibrate", "saturation"],
    "crew": ["WorkerLostError"],
    "events": ["Failures", "Network"],
    "server": ["ParameterServer"],
    "simulate": ["simulate_parallel"],
    "tasks": ["Snapshot"],
    "wasap": ["train_parallel"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES, ("backends",))
