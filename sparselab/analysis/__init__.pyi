# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from .costs import run_costs as run_costs
from .degrees import degree_evolution as degree_evolution
from .degrees import power_law as power_law
from .distance import topology_distance as topology_distance
from .gradients import effective_gradient_norm as effective_gradient_norm
from .gradients import gradient_norm_per_layer as gradient_norm_per_layer
from .health import neuron_health as neuron_health
from .lifetimes import LinkTracker as LinkTracker
from .meter import Meter as Meter
from .paths import active_neurons as active_neurons
from .paths import reachable as reachable
from .rank_meter import RankMeter as RankMeter
from .rule_meter import RuleMeter as RuleMeter
