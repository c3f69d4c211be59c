"""sparselab: an interactive workbench for truly sparse neural networks.

Missing links do not exist: no mask, nothing of size n_in × n_out, cost and memory proportional to the links. Names are loaded
on first use (PEP 562), so that `import sparselab` stays fast.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "activations": ["AllNegative", "AllReLU", "FixedSlopes", "Identity", "LeakyReLU", "ReLU", "Tanh"],
    "engines": ["DivergedError"],
    "estimators": ["SparseMLPClassifier"],
    "evolution": ["PruneRegrow", "SET"],
    "experiment": ["ExperimentConfig", "build"],
    "history": ["EpochRecord", "History", "StepRecord"],
    "initializers": ["HeUniform", "Normal", "XavierUniform"],
    "layers": ["SparseLinear"],
    "losses": ["MeanSquaredError", "SoftmaxCrossEntropy"],
    "mlp": ["Parameters", "SparseMLP"],
    "optimizers": ["MomentumSGD"],
    "rewiring": ["Rewiring", "erdos_renyi", "rewire"],
    "storage": ["load", "save"],
    "topology": ["Topology"],
    "training": ["TrainingState", "evaluate", "predict", "steps", "train"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("activations", "datasets", "evolution", "figures", "initializers", "losses", "schedules", "widgets")

__all__ = [*_HOME_OF, *_ROOMS]


def __getattr__(name):
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
