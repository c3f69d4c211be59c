# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from .neuron_ids import Neurons as Neurons
from .random_graph import erdos_renyi as erdos_renyi
from .rewiring import Rewiring as Rewiring
from .rewiring import grow as grow
from .rewiring import keep_neurons as keep_neurons
from .rewiring import rewire as rewire
from .rewiring import union as union
from .topology import MAX_WIDTH as MAX_WIDTH
from .topology import Topology as Topology
from .topology import Transposed as Transposed
