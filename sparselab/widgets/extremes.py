"""The panel of very large nets (notebook 06): what a net would need before anything runs, then a few real steps of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .. import figures
from ..experiments import extreme
from ..nn import footprint, summary
from ..training import memory
from ..utils import resources
from . import markup
from .explorer import BackgroundExplorer, control
from .panels import latest
from .views import View


class StoppedError(Exception):
    """Stop was pressed."""


@dataclass(frozen=True)
class Request:
    """An Extreme, and what is known of this machine: results of `extreme.run` so far, bytes available or None."""

    what: extreme.Extreme
    measured: tuple
    available: int | None

    @property
    def plans(self):
        """{text: MemoryEstimate} of each memory plan."""
        return {str(plan): self.what.estimate_with(plan) for plan in memory.PLANS}

    @property
    def fits(self):
        """Whether there is room for the smallest plan; True where the available memory is unknown."""
        return self.available is None or min(one.total for one in self.plans.values()) <= self.available

    @property
    def nearest(self):
        """The measured net whose size is closest to this one's, as a factor; None without any."""
        distance = lambda one: max(one["neurons"] / self.what.neurons, self.what.neurons / one["neurons"])
        return min(self.measured, key=distance, default=None)

    @property
    def step_seconds(self):
        """Seconds of a training step, estimated from the rate of the nearest measured net; None without one."""
        if self.nearest is None:
            return None
        rate = self.nearest["gather_gb_per_second"] * 1e9
        return extreme.gathered_bytes(self.what.expected_links, self.what.batch) / rate


class ExtremePanel(BackgroundExplorer):
    """Panel of very large nets; `extreme_panel` makes one.

    Parameters
    ----------
    neurons : float
        Hidden neurons at first.
    layers : int
        Hidden layers.
    epsilon : float
        Sparsity.
    batch : {8, 16, 32, 64, 128}
        Samples of a mini-batch.
    features : int
        Number of inputs.
    rows : iterable of dict
        Results of `extreme.run` that are known already.

    Attributes
    ----------
    results : list of dict
        The results of `extreme.run`, one for each run.

    Examples
    --------
    >>> from sparselab.widgets import extreme_panel
    >>> panel = extreme_panel(10_000, layers=2, features=16)
    >>> panel.wait(30), panel.result.fits
    (True, True)
    """

    has_wide_table = False

    def __init__(
        self, neurons: float, layers: int, epsilon: float, batch: int, features: int, rows: Iterable[dict[str, Any]],
    ) -> None:  # fmt: skip
        self.features, self.results = features, [*rows]
        controls = {
            "neurons": control("FloatLogSlider", "neurons", value=neurons, min=4, max=8.5, step=0.1, readout_format=".3s"),
            "layers": control("IntSlider", "layers", value=layers, min=1, max=20),
            "epsilon": control("FloatSlider", "epsilon ε", value=epsilon, min=1.0, max=20.0, step=0.5),
            "batch": control("Dropdown", "batch", options=[8, 16, 32, 64, 128], value=batch),
        }
        title, hint = "how many neurons does this machine hold?", "a plan only: nothing is allocated yet"
        super().__init__(controls, self._request, VIEWS, table, title=title, hint=hint, start="Run 4 steps")

    def _request(self, values):
        values = values | {"neurons": round(values["neurons"])}
        what = extreme.Extreme(**values, features=self.features, steps=3, steps_after=1)
        return Request(what, tuple(self.results), resources.available())

    def _begin(self, values):
        return (self._request(values).what,)

    def _run(self, what):
        try:
            self._report("planning", 0, 10)
            found = extreme.run(what, progress=False, tell=self._report)
        except StoppedError:
            self.status.value = markup.status("stopped", "nothing is kept")
        except Exception as error:
            self.status.value = markup.exception(error)
        else:
            self.results.append(found)
            self.bar.value = self.bar.max
            step, evolution = (markup.seconds(found[name]) for name in ("step_seconds", "evolve_seconds"))
            text = f"· step {step} · evolution {evolution} · {found['peak_gib']:.1f} GiB"
            self.status.value = markup.status("finished", text)
        self._redraw()

    def _report(self, phase, done, total):
        if self.stopping:
            raise StoppedError
        self.bar.max, self.bar.value = total, done
        self.status.value = markup.status("running", phase)


def extreme_panel(
    neurons: float = 1e6, layers: int = 10, *, epsilon: float = 1.0, batch: int = 32, features: int = 65_536,
    measured: Iterable[dict[str, Any]] = (), new: bool = False,
) -> ExtremePanel:  # fmt: skip
    """Panel of very large nets: memory by part and by plan, whether it fits, and a button that trains a few steps.

    Parameters
    ----------
    neurons : float, default 1e6
        Hidden neurons at first, 1e4 to 3e8.
    layers : int, default 10
        Hidden layers, 1 to 20.
    epsilon : float, default 1.0
        Sparsity: a layer has about epsilon (n_in + n_out) links.
    batch : {8, 16, 32, 64, 128}, default 32
        Samples of a mini-batch.
    features : int, default 65536
        Number of inputs.
    measured : iterable of dict, default ()
        Results of `extreme.run`, from whose rates the time of a step is estimated.
    new : bool, default False
        Whether to make a panel even while one with these settings is running, which is stopped.

    Returns
    -------
    ExtremePanel
        The panel; the one before while it is running with these settings, whatever was measured.

    Examples
    --------
    >>> from sparselab.widgets import extreme_panel
    >>> panel = extreme_panel(10_000, layers=2, features=16)
    >>> panel.wait(30), sorted(panel.values)
    (True, ['batch', 'epsilon', 'layers', 'neurons'])
    """
    settings = neurons, layers, epsilon, batch, features
    return latest("extreme", settings, lambda: ExtremePanel(*settings, measured), new)


def table(request):
    """HTML: what the net would be and need, beside the dense net."""
    what, near = request.what, request.nearest
    have = "unknown" if request.available is None else summary.size(request.available)
    rows = [
        ("links", f"{sum(what.expected_links):,.0f}", f"{footprint.dense_links(what.sizes):,.0f}"),
        ("bytes in training", summary.size(what.estimate.total), summary.size(footprint.dense_bytes(what.sizes))),
        ("available now", have, have),
    ]
    verdict = "It fits." if request.fits else "It does not fit: a run would be refused before anything is allocated."
    seconds = "Press Run to measure the rate of this machine; then the time of a step can be estimated."
    if near is not None:
        seconds = (
            f"A step would take about {markup.seconds(request.step_seconds)}, at {near['gather_gb_per_second']:.1f} GB/s of rows "
            f"from random places (measured at {near['neurons']:,} neurons)."
        )
    return markup.table(rows, ("", "sparse", "dense")) + markup.note(f"{verdict} {seconds}")


def ladder(request):
    """The nets measured so far, beside brains."""
    if not request.measured:
        return None
    import pandas

    return figures.scale(pandas.DataFrame(request.measured), title="measured on this machine")


VIEWS = {
    "plan": View("memory plan", lambda request: figures.memory_plan(request.plans, available=request.available)),
    "ladder": View("from a worm to a rat", ladder, empty="Press Run: each net that was trained becomes a point here."),
}
