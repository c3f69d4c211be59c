"""Widgets: panels that let one watch and steer a training, made from the config's fields and from `sparselab.figures`.

A panel is a declaration (which controls, which views); the training itself is a `Run`, which knows no screen. This is the only
room that imports ipywidgets; where it is missing the same objects run headless and print text. Names load on first use.
"""

import importlib

_HOMES = {
    "form": ["ConfigForm"],
    "explorer": ["Explorer"],
    "panel": ["TrainingPanel"],
    "layer": ["layer_panel"],
    "panels": ["activation_panel", "evolution_panel", "start_panel"],
    "run": ["Run"],
    "views": ["VIEWS", "View"],
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
