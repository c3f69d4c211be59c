"""Widgets: panels that let one watch and steer a training, made from the config's fields and from `sparselab.figures`.

A panel is a declaration (which controls, which views); the training itself is a `Run`, which knows no screen. This is the only
room that imports ipywidgets; where it is missing the same objects run headless and print text. Names load on first use.
"""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
