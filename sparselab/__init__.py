"""sparselab: an interactive workbench for truly sparse neural networks.

Missing links are not stored: there are no masks and no arrays of size n_in × n_out, and time and memory are proportional to the
number of links. Names are imported on first use (PEP 562), so that `import sparselab` stays fast.
"""

from .utils import lazy, moved
from .utils.version import __version__ as __version__

_NAMES = {
    "analysis.prune_curve": ["prune_curve"],
    "checkpoints.checkpoint": ["Checkpoint", "load_checkpoint", "save_checkpoint"],
    "checkpoints.container": ["CheckpointError"],
    "checkpoints.model_file": ["load", "save"],
    "checkpoints.records": ["EpochRecord", "History", "StepRecord"],
    "checkpoints.run_dir": ["RunDirBusyError"],
    "checkpoints.state": ["TrainingState"],
    "engines.base": ["DivergedError"],
    "estimators": ["SparseFeatureSelector", "SparseMLPClassifier"],
    "evolution": ["SET", "ImportancePruning", "PruneRegrow", "criteria", "importances", "regrowths"],
    "experiments.config": ["ExperimentConfig", "build"],
    "experiments.sweep": ["sweep"],
    "nn.activations": ["AllNegative", "AllReLU", "FixedSlopes", "Identity", "LeakyReLU", "ReLU", "Tanh"],
    "nn.footprint": ["InsufficientMemoryError"],
    "nn.initializers": ["HeUniform", "Normal", "XavierUniform"],
    "nn.linear": ["SparseLinear"],
    "nn.losses": ["MeanSquaredError", "SoftmaxCrossEntropy"],
    "nn.mlp": ["Parameters", "SparseMLP"],
    "nn.optimizers": ["LayerState", "MomentumSGD"],
    "parallel": ["ParameterServer", "WorkerLostError", "average", "simulate_parallel", "train_parallel"],
    "topology.neuron_ids": ["Neurons"],
    "topology.random_graph": ["erdos_renyi"],
    "topology.rewiring": ["Rewiring", "rewire"],
    "topology.topology": ["Topology"],
    "training.estimate": ["MemoryEstimate", "estimate_memory"],
    "training.loop": ["evaluate", "predict", "steps", "train"],
}
_MODULES = {
    "activations": "nn.activations",
    "analysis": "analysis",
    "datasets": "datasets",
    "evolution": "evolution",
    "export": "export",
    "figures": "figures",
    "initializers": "nn.initializers",
    "losses": "nn.losses",
    "schedules": "nn.schedules",
    "widgets": "widgets",
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES, _MODULES)
moved.install(__name__)
