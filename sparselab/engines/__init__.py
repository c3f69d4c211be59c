"""Engines run training steps: whole steps in compiled code (fused) or one kernel call a layer (layerwise), with the same bits."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
