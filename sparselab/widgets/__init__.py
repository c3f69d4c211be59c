"""Widgets: panels to watch and to control a training, made from the config's fields and from `sparselab.figures`.

A panel declares controls and views; the training itself is a `Run`, which knows nothing of widgets. No other package imports
ipywidgets; where it is missing, the same objects work without a screen and print text. Names are loaded on first use.
"""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
