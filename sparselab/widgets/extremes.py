"""The panel of very many neurons (notebook 06): what a net would need, before anything runs; then a few real steps of it."""

import threading
import traceback
from dataclasses import dataclass

from .. import figures
from ..experiments import extreme
from ..nn import footprint, summary
from ..training import memory
from ..utils import resources
from . import markup
from .explorer import Explorer
from .toolkit import make
from .views import View

LOOK = {"style": {"description_width": "95px"}, "layout": {"width": "97%"}, "continuous_update": False}
STEPS = {"steps": 3, "steps_after": 1}
NAMES = "neurons", "layers", "epsilon", "batch"


class StoppedError(Exception):
    """Somebody pressed Stop."""


@dataclass(frozen=True)
class Wanted:
    """An Extreme and what is known of this machine: results of `extreme.run` so far, bytes available."""

    what: extreme.Extreme
    measured: tuple
    available: int | None

    @property
    def plans(self):
        """{text: MemoryEstimate} of each memory.Plan."""
        return {str(plan): self.what.estimate_with(plan) for plan in memory.PLANS}

    @property
    def fits(self):
        """Whether the smallest plan has room; True where nobody knows."""
        return self.available is None or min(one.total for one in self.plans.values()) <= self.available

    @property
    def nearest(self):
        """The measured net whose size is closest to this one's, by a factor; None without any."""
        distance = lambda one: max(one["neurons"] / self.what.neurons, self.what.neurons / one["neurons"])
        return min(self.measured, key=distance, default=None)

    @property
    def step_seconds(self):
        """Of a training step, from the rate at which the nearest measured net got its rows; None without one."""
        if self.nearest is None:
            return None
        rate = self.nearest["gather_gb_per_second"] * 1e9
        return extreme.gathered_bytes(self.what.expected_links, self.what.batch) / rate


class ExtremePanel(Explorer):
    """`start()`, `stop()`, `wait()`: what the buttons do. `results`: what `extreme.run` gave, one dict a run."""

    def __init__(self, neurons, layers, epsilon, batch, features, rows):
        self.features, self.results, self.running, self.ended = features, [*rows], None, False
        number = lambda kind, name, **options: make(kind, description=name, **LOOK | options)
        controls = {
            "neurons": number("FloatLogSlider", "neurons", value=neurons, min=4, max=8.5, step=0.1, readout_format=".3g"),
            "layers": number("IntSlider", "layers", value=layers, min=1, max=20),
            "epsilon": number("FloatSlider", "epsilon ε", value=epsilon, min=1.0, max=20.0, step=0.5),
            "batch": make("Dropdown", options=[8, 16, 32, 64, 128], value=batch, description="batch", **LOOK),
        }  # fmt: skip
        button = lambda name, style: make("Button", description=name, button_style=style, layout={"width": "110px"})
        self.start_button = button("Run 4 steps", "success").add_class("sparselab-start")
        self.stop_button = button("Stop", "").add_class("sparselab-stop")
        self.bar = make("IntProgress", value=0, min=0, max=10, layout={"width": "97%"})
        self.phase = make("HTML", value=markup.status("ready", "a plan only: nothing of it stands in memory"))
        self.phase.add_class("sparselab-status")
        super().__init__(controls, self._wanted, VIEWS, table, title="how many neurons does this machine hold?")
        self.start_button.on_click(lambda button: self.start())
        self.stop_button.on_click(lambda button: self.stop())

    def _arranged(self):
        widget = super()._arranged()
        left = widget.children[1].children[0]
        buttons = make("HBox", children=[self.start_button, self.stop_button])
        left.children = (*left.children[:4], buttons, self.bar, self.phase, *left.children[4:])
        return widget

    def _wanted(self, values):
        what = extreme.Extreme(**{name: values[name] for name in NAMES} | {"neurons": round(values["neurons"])}, **self._given())
        return Wanted(what, tuple(self.results), resources.available())

    def _given(self):
        return STEPS | {"features": self.features}

    def start(self):
        """Run a few steps, an evolution, and one more step, in a thread; a second start does nothing."""
        if self.running and self.running.is_alive():
            self.phase.value = markup.status("running", "already running: Stop it first")
            return
        what = self._wanted(self.values).what
        self.ended, self.running = False, threading.Thread(target=self._run, args=(what,), daemon=True, name="sparselab extreme")
        self.running.start()

    def stop(self):
        """End the run after the phase it is in."""
        self.ended = True

    def wait(self, timeout=None):
        """Until the run is over and everything is drawn; False if that takes longer."""
        if self.running:
            self.running.join(timeout)
        return not (self.running and self.running.is_alive()) and super().wait(timeout)

    def _run(self, what):
        try:
            self._told("planning", 0, 10)
            found = extreme.run(what, progress=False, tell=self._told)
        except StoppedError:
            self.phase.value = markup.status("stopped", "nothing of it is kept")
        except Exception as error:
            self.phase.value = markup.error(f"{type(error).__name__}: {error}", traceback.format_exc())
        else:
            self.results.append(found)
            self.bar.value = self.bar.max
            self.phase.value = markup.status("finished", f"step {markup.seconds(found['step_seconds'])} · {told_of(found)}")
        self.studied = None  # what is measured now changes the table
        self.painter.ask()

    def _told(self, phase, done, of):
        if self.ended:
            raise StoppedError
        self.bar.max, self.bar.value = of, done
        self.phase.value = markup.status("running", phase)


def told_of(found):
    """What came out of a run, in a line."""
    return f"evolution {markup.seconds(found['evolve_seconds'])} · {found['peak_gib']:.1f} GiB"


def extreme_panel(neurons=1e6, layers=10, *, epsilon=1.0, batch=32, features=65_536, measured=()):
    """neurons, layers, epsilon, batch → what it would need, part by part and plan by plan, and whether that fits; then run it.

    measured: results of `extreme.run`, dicts, whose rate tells how long a step will take.
    """
    return ExtremePanel(neurons, layers, epsilon, batch, features, measured)


def table(wanted):
    """What the net would be and need, beside the dense net."""
    what, dense = wanted.what, footprint.dense_links(wanted.what.sizes)
    links, chosen = sum(what.expected_links), what.estimate
    have = "unknown" if wanted.available is None else summary.size(wanted.available)
    rows = [
        ("links", f"{links:,.0f}", f"{dense:,.0f}"),
        ("bytes in training", summary.size(chosen.total), summary.size(footprint.dense_bytes(what.sizes))),
        ("available now", have, have),
    ]
    verdict = "It fits." if wanted.fits else "It does not fit: a run would be refused before anything is allocated."
    seconds = "Press Run: then this machine's rate is known, and the time of a step can be told."
    if wanted.nearest is not None:
        near = wanted.nearest
        seconds = (
            f"A step would take about {markup.seconds(wanted.step_seconds)}, at {near['gather_gb_per_second']:.1f} GB/s of rows "
            f"from random places (measured at {near['neurons']:,} neurons)."
        )
    return markup.table(rows, ("", "sparse", "dense")) + markup.note(f"{verdict} {seconds}")


def ladder(wanted):
    """The nets measured so far, beside brains."""
    if not wanted.measured:
        return None
    import pandas

    return figures.scale(pandas.DataFrame(wanted.measured), title="measured on this machine")


VIEWS = {
    "plan": View("memory plan", lambda wanted: figures.memory_plan(wanted.plans, available=wanted.available)),
    "ladder": View("from a worm to a rat", ladder, empty="Press Run: every net that was really trained is a point here."),
}
