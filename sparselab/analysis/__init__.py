"""Analysis of sparse nets: how evolution changed the links, which neurons still work, what a run has cost.

Every function returns numbers (a pandas DataFrame, a dict or a float), which `sparselab.figures` draws. Nothing of size
n_in × n_out is allocated: time and memory grow with links and neurons only. Names are loaded on first use.
"""

from ..utils import lazy

# No module has the name of a function: importing it would replace the function by the module.
__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
