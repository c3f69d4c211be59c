"""Looking into a sparse net: what evolution made of its links, which neurons still work, what a run has cost.

Every function gives numbers (a pandas DataFrame, a dict or a float); `sparselab.figures` draws them. Nothing of size n_in × n_out
is ever allocated: time and memory are those of the links and neurons. Names are loaded on first use.
"""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
