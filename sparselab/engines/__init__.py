"""Running training steps: compiled as a whole (fused) or layer by layer, with the same bits."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
