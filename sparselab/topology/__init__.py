"""Which links of a layer exist, how they change, and which of the original neurons are left."""

from ..utils import lazy

_NAMES = {
    "topology": ["MAX_WIDTH", "Topology", "Transposed"],
    "random_graph": ["erdos_renyi"],
    "rewiring": ["Rewiring", "grow", "keep_neurons", "rewire", "union"],
    "neuron_ids": ["Neurons"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
