"""Figures of runs and networks. Each function returns a matplotlib Figure with its table (`to_frame`); `save_figure` writes both.

Only matplotlib's object API is used: no pyplot, no change of its settings, so figures may be drawn in any thread. Names are
loaded on first use; this is the only folder that imports matplotlib.
"""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
