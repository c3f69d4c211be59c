"""Which links of a layer exist, how they change, and which of the original neurons are left."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
