"""Running training steps: compiled as a whole (fused) or layer by layer, with the same bits."""

from ..utils import lazy

_NAMES = {
    "base": ["DivergedError", "Outcome"],
    "fused": ["FusedEngine"],
    "layerwise": ["LayerwiseEngine"],
    "select": ["create", "is_fusable", "outputs"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
