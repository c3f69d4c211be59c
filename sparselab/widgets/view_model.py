"""What the views look at: the current run, earlier ones to compare with, and an untrained net where nothing runs yet."""

import threading
from types import SimpleNamespace

from .. import datasets
from ..experiments.experiment import build
from ..experiments.run_labels import labels
from ..nn.footprint import expected_links
from .live_run import LiveRun

SMALL = ("digits", "fashion_mnist_small", "madelon_like")  # loaded without being asked: nothing is fetched, nothing takes long
LINKS = 5_000_000  # an untrained net with more links than this is not built just to be looked at
EARLIER = 5  # runs that are kept for the curves


class ViewModel:
    """current: a Run; kept: earlier ones (config, history, changes). settings: () -> the config that stands in the form.

    epoch and layer_number: where slider and menu stand.
    """

    def __init__(self, settings, *, data=None, rules=None):
        self.settings, self.given, self.rules = settings, data, rules
        self.loaded, self.ahead, self.lock = {}, None, threading.RLock()
        self.epoch = self.layer_number = 0
        self.clear()

    def clear(self):
        """No run, none kept."""
        self.kept, self.current, self.loaded, self.ahead = [], LiveRun(self.settings()), {}, None

    def new_run(self, config, **options):
        """A Run of `config` in the place of the current one, which is kept for the curves unless this one repeats it."""
        return self.put(LiveRun(config, make=self.make, rules=self.rules, **options))

    def put(self, run):
        """This Run in the place of the current one, which is kept for the curves unless this one repeats it."""
        if self.current.history and (self.current.config != run.config or self.current.changes):
            earlier = {name: getattr(self.current, name) for name in ("config", "history", "changes")}
            self.kept = [*self.kept, SimpleNamespace(**earlier)][-EARLIER:]
        self.current = run
        return run

    def make(self, config):
        """The experiment of a config, with the data that were given or loaded."""
        return build(config, data=self.data_of(config.dataset))

    def data_of(self, name):
        """The data given, or those called `name`: loaded once."""
        if self.given is None and name not in self.loaded:
            self.loaded = {name: datasets.load(name)}
        return self.loaded[name] if self.given is None else self.given

    @property
    def experiment(self):
        """The one that runs or ran, else an untrained one with the form's settings, else None."""
        run = self.current
        return run.experiment if run.experiment or run.active else self._untrained()

    def _untrained(self):
        """Whatever is wrong with it is said at Start, and nowhere before."""
        with self.lock:
            try:
                config = self.settings()
                if self.ahead is None or self.ahead.config != config:
                    self.ahead = self.make(config) if self._is_light(config) else None
            except Exception:
                self.ahead = None
            return self.ahead

    def _is_light(self, config):
        at_hand = self.given is not None or config.dataset in (*self.loaded, *SMALL)
        if not at_hand:
            return False
        data = self.data_of(config.dataset)
        sizes = (data.n_features, *config.hidden, data.n_outputs)
        return expected_links(sizes, epsilon=config.epsilon).sum() <= LINKS

    @property
    def model(self):
        """The net of `experiment`, or None."""
        return self.experiment.model if self.experiment else None

    @property
    def data(self):
        """The data given, or those of `experiment`, or None."""
        return self.experiment.data if self.given is None and self.experiment else self.given

    @property
    def topologies(self):
        """Those of the net, now; () without one."""
        return tuple(layer.topology for layer in self.model.layers) if self.model else ()

    @property
    def topology(self):
        """That of the layer in the menu, or None."""
        return self.topologies[min(self.layer_number, len(self.topologies) - 1)] if self.topologies else None

    @property
    def runs(self):
        """{label: History} of the runs that have one: those kept, then the current one."""
        runs = [*self.kept, *([self.current] if self.current.history else [])]
        return dict(zip(labels(runs), (run.history for run in runs), strict=True))

    @property
    def moment(self):
        """(epoch, record) that the slider stands on, or the nearest with degrees; (0, None) before training."""
        known = [record for record in list(self.current.history) if record.fan_out]
        if not known or self.epoch == 0:
            return 0, None
        record = min(known, key=lambda one: abs(one.epoch - self.epoch))
        return record.epoch, record

    @property
    def fan_out(self):
        """(n_in,) links of each input at that moment, or None without a net."""
        epoch, record = self.moment
        if record is not None:
            return record.fan_out[0]
        first = self.current.first or self.topologies
        return first[0].fan_out if first else None
