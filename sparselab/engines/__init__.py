"""Engines run training steps: whole steps in compiled code (fused) or one kernel call a layer (layerwise), with the same bits."""

from ..utils import lazy

_NAMES = {
    "base": ["DivergedError", "Outcome"],
    "fused": ["FusedEngine"],
    "layerwise": ["LayerwiseEngine"],
    "select": ["create", "is_fusable", "outputs"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
