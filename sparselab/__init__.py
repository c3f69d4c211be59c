"""sparselab: an interactive workbench for truly sparse neural networks.

Missing links do not exist: no mask, nothing of size n_in × n_out, cost and memory proportional to the links. Names are loaded
on first use (PEP 562), so that `import sparselab` stays fast.
"""

from . import lazy

__version__ = "0.1.0"

_HOMES = {
    "activations": ["AllNegative", "AllReLU", "FixedSlopes", "Identity", "LeakyReLU", "ReLU", "Tanh"],
    "checkpoints": ["Checkpoint", "load_checkpoint", "save_checkpoint"],
    "container": ["CheckpointError"],
    "engines": ["DivergedError"],
    "estimators": ["SparseFeatureSelector", "SparseMLPClassifier"],
    "evolution": ["SET", "ImportancePruning", "PruneRegrow", "criteria", "importances", "regrowths"],
    "experiment": ["ExperimentConfig", "build"],
    "history": ["EpochRecord", "History", "StepRecord"],
    "initializers": ["HeUniform", "Normal", "XavierUniform"],
    "layers": ["SparseLinear"],
    "losses": ["MeanSquaredError", "SoftmaxCrossEntropy"],
    "memory": ["InsufficientMemoryError", "MemoryEstimate", "estimate_memory"],
    "mlp": ["Parameters", "SparseMLP"],
    "neurons": ["Neurons"],
    "optimizers": ["MomentumSGD"],
    "parallel": ["ParameterServer", "WorkerLostError", "average", "simulate_parallel", "train_parallel"],
    "pruning": ["prune_curve"],
    "rewiring": ["Rewiring", "erdos_renyi", "rewire"],
    "runfolder": ["RunDirBusyError"],
    "state": ["TrainingState"],
    "storage": ["load", "save"],
    "sweeps": ["sweep"],
    "topology": ["Topology"],
    "training": ["evaluate", "predict", "steps", "train"],
}
_ROOMS = (
    "activations", "analysis", "datasets", "evolution", "export", "figures", "initializers", "losses", "schedules", "widgets",
)  # fmt: skip

__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES, _ROOMS)
