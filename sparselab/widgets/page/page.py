"""The page itself: the four tabs, made of their parts."""

from ...experiment import ExperimentConfig
from .. import panels
from ..toolkit import bundle, make
from .bench import Bench
from .look import STYLE


class Workbench:
    """One page to tune, watch and compare: `train`, a panel; show it as the last line of a cell."""

    def __init__(self, config=None, *, data=None):
        self.train = Bench(config, data=data)
        self.tabs = make("Tab", children=[self.train.screen.widget], titles=["Train"], selected_index=0)
        self.widget = make("VBox", children=[make("HTML", value=STYLE), self.tabs.add_class("sparselab-pages")])
        self.widget.add_class("sparselab-page")

    def stop(self, timeout=5.0):
        """End what is under way."""
        return self.train.stop(timeout)

    def __repr__(self):
        return repr(self.train)

    def _repr_mimebundle_(self, **options):
        return bundle(self.widget, repr(self), options)


def workbench(**settings):
    """Notebook 08: the page. settings: fields of ExperimentConfig, with which the form begins."""
    return panels.latest("workbench", lambda: Workbench(ExperimentConfig(**settings)))
