"""The training loop, its memory plan, and its progress as text."""

from ..utils import lazy

_NAMES = {
    "loop": ["evaluate", "predict", "steps", "train"],
    "estimate": ["MemoryEstimate", "estimate_memory"],
    "memory": ["Plan"],
    "progress": ["watch"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
