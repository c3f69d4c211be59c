"""Which links exist, and how they change."""

from ..utils import lazy

_NAMES = {
    "topology": ["MAX_WIDTH", "Topology", "Transposed"],
    "rewiring": ["Rewiring", "erdos_renyi", "grow", "keep_neurons", "rewire", "union"],
    "neuron_ids": ["Neurons"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
