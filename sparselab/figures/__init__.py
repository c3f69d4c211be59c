"""Figures: records or arrays in, a matplotlib Figure out that carries its table (`to_frame`) and saves both (`save_figure`).

The object API only: nothing here knows pyplot or changes matplotlib's settings, so figures may be drawn in any thread. Names
are loaded on first use; matplotlib is imported then, and only in this room.
"""

import importlib

# Modules are never named like a function: the import system would put the module in the function's place.
_HOMES = {
    "activity": ["activation_functions"],
    "clocks": ["phases"],
    "costs": ["compare_costs", "memory"],
    "curves": ["learning_curves"],
    "degrees": ["degree_histograms"],
    "gradients": ["gradient_norm_per_layer", "gradient_norms"],
    "images": ["connectivity"],
    "pixels": ["input_map", "input_maps"],
    "tables": ["TableFigure", "png_bytes", "save_figure", "to_frame"],
    "turnover": ["links_and_neurons"],
    "values": ["weights_histogram"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME_OF)


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return globals()[name]


def __dir__():
    return sorted([*globals(), *__all__])
