"""Figures: records or arrays in, a matplotlib Figure out that carries its table (`to_frame`) and saves both (`save_figure`).

The object API only: nothing here knows pyplot or changes matplotlib's settings, so figures may be drawn in any thread. Names
are loaded on first use; matplotlib is imported then, and only in this room.
"""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
