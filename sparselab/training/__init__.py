"""The training loop, its memory plan, and its progress as text."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
