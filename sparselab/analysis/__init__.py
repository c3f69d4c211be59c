"""Looking into a sparse net: what evolution made of its links, which neurons still work, what a run has cost.

Every function gives numbers (a pandas DataFrame, a dict or a float); `sparselab.figures` draws them. Nothing of size n_in × n_out
is ever allocated: time and memory are those of the links and neurons. Names are loaded on first use.
"""

from ..utils import lazy

# Modules are never named like a function: the import system would put the module in the function's place.
_NAMES = {
    "costs": ["run_costs"],
    "degrees": ["degree_evolution", "power_law"],
    "distance": ["topology_distance"],
    "gradients": ["effective_gradient_norm", "gradient_norm_per_layer"],
    "health": ["neuron_health"],
    "lifetimes": ["LinkTracker"],
    "meter": ["Meter"],
    "paths": ["reachable"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
