"""Widgets: panels that let one watch and steer a training, made from the config's fields and from `sparselab.figures`.

A panel is a declaration (which controls, which views); the training itself is a `Run`, which knows no screen. This is the only
room that imports ipywidgets; where it is missing the same objects run headless and print text. Names load on first use.
"""

from ..utils import lazy

_NAMES = {
    ".training.progress": ["watch"],
    "form": ["ConfigForm"],
    "explorer": ["Explorer"],
    "extremes": ["ExtremePanel", "extreme_panel"],
    "page.page": ["Workbench", "workbench"],
    "panel": ["TrainingPanel"],
    "layer": ["layer_panel"],
    "panels": ["activation_panel", "evolution_panel", "parallel_panel", "pruning_panel", "start_panel"],
    "live_run": ["Run"],
    "threshold": ["threshold_panel"],
    "views": ["VIEWS", "View"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
