"""sparselab: an interactive workbench for truly sparse neural networks.

Missing links are not stored: there are no masks and no arrays of size n_in × n_out, and time and memory are proportional to the
number of links. Names are imported on first use (PEP 562), so that `import sparselab` stays fast.
"""

from .utils import lazy, moved
from .utils.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
moved.install(__name__)
