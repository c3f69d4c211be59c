"""Which links exist, and how they change."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
