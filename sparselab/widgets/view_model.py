"""What the views show: the current run, earlier runs to compare with, and an untrained net before anything runs."""

import threading
from types import SimpleNamespace

from .. import datasets
from ..datasets.coerce import given_dataset
from ..experiments.config import data_options, layer_densities
from ..experiments.experiment import build
from ..experiments.run_labels import labels
from ..nn.footprint import expected_links
from .live_run import LiveRun

SMALL = ("digits", "fashion_mnist_small", "madelon_like")  # loaded without being asked for: no download, no long wait
LINKS = 5_000_000  # an untrained net with more links than this is not built just to be shown
EARLIER = 5  # number of earlier runs that are kept for the curves
DENSE = {"density": 1.0, "topology": "er", "rule": "static", "final_density": 0.0, "pruning": "none", "workers": 0}


class ViewModel:
    """current: a LiveRun; earlier: runs before it (config, history, changes). settings: () -> the config in the form.

    epoch, layer_number and neuron: where the epoch slider, the layer menu and the neuron slider stand. large: whether pictures
    are for a whole screen.
    """

    def __init__(self, settings, *, data=None, rules=None):
        self.settings, self.given, self.rules = settings, given_dataset(data), rules
        self.lock, self.epoch, self.layer_number, self.neuron, self.large = threading.RLock(), 0, 0, 0, False
        self.clear()

    def clear(self):
        """Forget all runs and loaded data."""
        self.earlier, self.current, self.loaded, self.untrained = [], LiveRun(self.settings()), {}, None

    def new_run(self, config, **options):
        """Make a LiveRun of `config` the current one."""
        return self.replace_run(LiveRun(config, make=self.make, rules=self.rules, **options))

    def replace_run(self, run):
        """Make `run` the current one; the one before is kept for the curves, but not what it had repeated."""
        before = self.current
        if before.history:
            kept = SimpleNamespace(config=before.config, history=before.history, changes=before.changes)
            self.earlier = [*self.others, kept][-EARLIER:]
        self.current = run
        return run

    def dense_twin(self, config, **options):
        """A LiveRun of the dense net with the widths, data, seed and other settings of a config."""
        return LiveRun(config.replace(**DENSE), make=self.make, **options)

    def make(self, config):
        """The experiment of a config, with the given or loaded data."""
        return build(config, data=self.data_of(config))

    def data_of(self, config):
        """The given data, or those of a config, which are loaded once."""
        if self.given is not None:
            return self.given
        key = self._key(config)
        if key not in self.loaded:
            self.loaded = {key: datasets.load(config.dataset, **data_options(config))}
        return self.loaded[key]

    @staticmethod
    def _key(config):
        """What decides which data a config names."""
        return config.dataset, repr(data_options(config))

    def at_hand(self, config):
        """Whether the data of a config can be used without a download or a long wait."""
        return self.given is not None or config.dataset in SMALL or self._key(config) in self.loaded

    @property
    def experiment(self):
        """The experiment that runs or ran, else an untrained one with the settings of the form, else None."""
        run = self.current
        return run.experiment if run.experiment or run.active else self.untrained_experiment()

    def untrained_experiment(self):
        """One with the settings of the form; None where they are invalid, which Start will report, or the net is too large."""
        with self.lock:
            try:
                config = self.settings()
                if self.untrained is None or self.untrained.config != config:
                    self.untrained = self.make(config) if self._is_light(config) else None
            except Exception:
                self.untrained = None
            return self.untrained

    def _is_light(self, config):
        if not self.at_hand(config):
            return False
        data = self.data_of(config)
        sizes = (data.n_features, *config.hidden, data.n_outputs)
        return expected_links(sizes, density=layer_densities(config, sizes)).sum() <= LINKS

    @property
    def model(self):
        """The net of `experiment`, or None."""
        return self.experiment.model if self.experiment else None

    @property
    def data(self):
        """The given data, or those of `experiment`, or None."""
        return self.experiment.data if self.given is None and self.experiment else self.given

    @property
    def topologies(self):
        """The topology of each layer now; () without a net."""
        return tuple(layer.topology for layer in self.model.layers) if self.model else ()

    @property
    def topology(self):
        """The topology of the layer in the menu, or None."""
        return self.topologies[min(self.layer_number, len(self.topologies) - 1)] if self.topologies else None

    @property
    def others(self):
        """The earlier runs, without those that the current one has repeated to their end."""
        return [one for one in self.earlier if not repeats(self.current, one)]

    @property
    def all_runs(self):
        """The runs that have records: earlier ones, then the current one."""
        return [*self.others, *([self.current] if self.current.history else [])]

    @property
    def common_data(self):
        """The data that all runs have in common, for a title, or None."""
        return self.data if len({self._key(run.config) for run in self.all_runs}) < 2 else None

    @property
    def runs(self):
        """{label: History} of `all_runs`, and of the dense twin of the current one."""
        runs, twin = self.all_runs, self.current.twin
        found = dict(zip(labels(runs), (run.history for run in runs), strict=True))
        return found | ({"dense twin": twin.history} if twin is not None and twin.history else {})

    @property
    def shown_epoch(self):
        """(epoch, record) at the epoch slider, or the nearest one with degrees; (0, None) before training."""
        known = [record for record in list(self.current.history) if record.fan_out]
        if not known or self.epoch == 0:
            return 0, None
        record = min(known, key=lambda one: abs(one.epoch - self.epoch))
        return record.epoch, record

    @property
    def fan_out(self):
        """(n_in,) links of each input after that epoch, or None without a net."""
        epoch, record = self.shown_epoch
        if record is not None:
            return record.fan_out[0]
        first = self.current.first or self.topologies
        return first[0].fan_out if first else None


def repeats(run, one):
    """Whether a run has come as far as another one with the same settings; one that was steered by hand repeats none."""
    return run.config == one.config and not run.changes and not one.changes and len(run.history) >= len(one.history)
