"""One panel a notebook, as declarations: which settings, which controls, which views.

Making a panel of a kind again, as a cell does that is run twice, stops the training of the one before.
"""

import weakref

from ..experiments.config import ExperimentConfig
from . import planned, teamwork
from .panel import TrainingPanel
from .toolkit import make

__all__ = ["activation_panel", "evolution_panel", "parallel_panel", "pruning_panel", "start_panel"]
DIGITS = {"dataset": "digits", "hidden": (300, 300), "epsilon": 5.0, "weight_decay": 2e-4, "epochs": 300}
PRUNING = {"epochs": 60, "pruning": "shrink", "pruning_start": 10, "pruning_stop": 30, "pruning_every": 5}
PARALLEL = {"epochs": 30, "workers": 2, "threads": 1}  # a thread for one training alone, too: as many as a worker has
WIDTH = 300  # neurons of each hidden layer in the activations' panel
_latest = weakref.WeakValueDictionary()  # kind -> its panel that was made last


def start_panel(**settings):
    """Notebook 00: a whole training with the few settings that matter first. settings: fields of ExperimentConfig."""
    return opened(
        "start",
        ExperimentConfig(**{"epochs": 60} | settings),
        controls=("learning_rate", "epsilon", "epochs"),
        views=("curves", "connectivity", "input", "neurons", "costs"),
    )


def evolution_panel(**settings):
    """Notebook 02: links that move. Drag the epoch slider of the input map; change the rule, start again, compare."""
    return opened(
        "evolution",
        ExperimentConfig(**DIGITS | settings),
        controls=("zeta", "learning_rate", "weight_decay", "rule", "epsilon", "epochs"),
        views=("input", "curves", "degrees", "connectivity", "neurons"),
        spans={"zeta": (0.0, 0.9, 0.05), "weight_decay": (0.0, 0.002, 0.0001)},
    )


def activation_panel(depth=4, **settings):
    """Notebook 03: what alpha, activation and depth do to the functions, to the gradients, and to the accuracy after Start."""
    panel = opened(
        "activation",
        ExperimentConfig(**{"epochs": 30, "hidden": (WIDTH,) * depth} | settings),
        controls=("learning_rate", "activation", "alpha", "hidden", "initializer", "epochs"),
        views=("functions", "gradients", "curves"),
    )
    slider = make("IntSlider", value=depth, min=1, max=10, description="depth", tooltip="number of hidden layers")
    slider.layout.width, slider.style = "97%", {"description_width": "125px"}
    hidden = panel.form.controls["hidden"]
    slider.observe(lambda change: hidden.write((WIDTH,) * change["new"]), "value")
    panel.form.widget.children = (slider, *panel.form.widget.children)
    return panel


def pruning_panel(**settings):
    """Notebook 04: weak neurons go while the net trains. What will go stands under the controls before you press Start."""
    panel = opened(
        "pruning",
        ExperimentConfig(**PRUNING | settings),
        controls=(
            "zeta", "learning_rate", "pruning", "pruning_amount", "pruning_percentile", "pruning_start", "pruning_stop",
            "pruning_every", "importance", "epochs",
        ),
        views=("curves", "neurons", "strength", "trade-off", "connectivity"),
        spans={"zeta": (0.0, 0.9, 0.05), "pruning_start": (1, 100, 1), "pruning_stop": (0, 100, 1), "pruning_every": (1, 50, 1)},
    )  # fmt: skip
    return planned.attach(panel, planned.plan, planned.counting)


def parallel_panel(**settings):
    """Notebook 05: several workers train one net, then each its own. Start it with 0 workers too, and compare."""
    panel = opened(
        "parallel",
        ExperimentConfig(**PARALLEL | settings),
        controls=("learning_rate", "zeta", "workers", "backend", "async_fraction", "synchronous", "epochs"),
        views=("curves", "workers", "staleness", "dropped", "average", "speed-up", "costs"),
        spans={"zeta": (0.0, 0.9, 0.05), "workers": (0, 8, 1)},
    )
    return planned.attach(panel, teamwork.plan, teamwork.counting)


def opened(kind, config, **declaration):
    """A TrainingPanel in the place of the one of this kind that was made before."""
    return latest(kind, lambda: TrainingPanel(config, **declaration))


def latest(kind, made):
    """What `made()` gives; the one of this kind that was made before, if it still trains, is told to stop."""
    earlier = _latest.get(kind)
    if earlier is not None:
        earlier.stop(0)
    _latest[kind] = panel = made()
    return panel
