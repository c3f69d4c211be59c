"""Figures: records or arrays in, a matplotlib Figure out that carries its table (`to_frame`) and saves both (`save_figure`).

The object API only: nothing here knows pyplot or changes matplotlib's settings, so figures may be drawn in any thread. Names
are loaded on first use; matplotlib is imported then, and only in this room.
"""

from ..utils import lazy

# Modules are never named like a function: the import system would put the module in the function's place.
_NAMES = {
    "activity": ["activation_functions"],
    "arithmetic": ["run_costs"],
    "timings": ["phases"],
    "costs": ["compare_costs", "memory"],
    "curves": ["learning_curves"],
    "degrees": ["degree_histograms"],
    "gradients": ["gradient_norm_per_layer", "gradient_norms"],
    "degrees_by_epoch": ["degree_evolution"],
    "images": ["connectivity"],
    "ladder": ["scale"],
    "lifetimes": ["link_ages"],
    "neurons": ["neuron_health", "reach"],
    "parallels": ["parallel_coordinates"],
    "pixels": ["input_map", "input_maps"],
    "plans": ["memory_plan"],
    "staleness": ["dropped_entries", "staleness_histogram"],
    "speeds": ["speed_up"],
    "stages": ["topology_stages"],
    "stepwise": ["loss_by_step"],
    "strengths": ["strength_histogram"],
    "table_figure": ["TableFigure", "png_bytes", "save_figure", "to_frame"],
    "teams": ["accuracy_by_phase"],
    "tradeoff": ["trade_off"],
    "turnover": ["links_and_neurons"],
    "values": ["weights_histogram"],
    "workers": ["worker_timeline"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
