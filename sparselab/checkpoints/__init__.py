"""Records of a run, model files, checkpoints, and the folder that holds them."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
