"""One training panel for each notebook, declared by its settings, controls and views.

Making a panel again, as running its cell after a reload of the page does, returns the one whose training is under way. One with
other settings, or `new=True`, stops the training of the one before.
"""

from __future__ import annotations

import weakref
from typing import Any

from ..experiments.config import ExperimentConfig
from . import plans
from .controls import DESCRIPTION
from .panel import TrainingPanel
from .toolkit import make

__all__ = ["activation_panel", "evolution_panel", "paper_panel", "parallel_panel", "pruning_panel", "start_panel"]
DIGITS = {"dataset": "digits", "hidden": (300, 300), "epsilon": 5.0, "weight_decay": 2e-4, "epochs": 300}
PRUNING = {"epochs": 60, "pruning": "shrink", "pruning_start": 10, "pruning_stop": 30, "pruning_every": 5}
PARALLEL = {"epochs": 30, "workers": 2, "threads": 1}  # one thread for the baseline, too, since a worker has one
WIDTH = 300  # neurons of each hidden layer in the panel of activations
_latest = {}  # kind -> (reference to the panel of this kind that was made last, what it was asked for)


def start_panel(*, new: bool = False, **settings: Any) -> TrainingPanel:
    """Panel of notebook 00: a whole training with the settings that matter first.

    Parameters
    ----------
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins.

    Returns
    -------
    TrainingPanel
        The panel; the one before while it is training with these settings.

    Examples
    --------
    >>> from sparselab.widgets import start_panel
    >>> panel = start_panel(dataset="digits", hidden=(10,), epochs=1, threads=1)
    >>> len(panel.run())
    1
    """
    return opened(
        "start",
        ExperimentConfig(**{"epochs": 60} | settings),
        new,
        controls=("learning_rate", "epsilon", "epochs"),
        views=("curves", "predictions", "images", "connectivity", "input", "neurons", "costs"),
    )


def evolution_panel(*, new: bool = False, **settings: Any) -> TrainingPanel:
    """Panel of notebook 02: links that move, with the links of each pixel after every epoch.

    Parameters
    ----------
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins.

    Returns
    -------
    TrainingPanel
        The panel; the one before while it is training with these settings.

    Examples
    --------
    >>> from sparselab.widgets import evolution_panel
    >>> panel = evolution_panel(hidden=(10,), rule="static")
    >>> panel.form.config.rule
    'static'
    """
    return opened(
        "evolution",
        ExperimentConfig(**DIGITS | settings),
        new,
        controls=("zeta", "learning_rate", "weight_decay", "rule", "epsilon", "epochs"),
        views=("input", "topology", "neuron", "curves", "degrees", "connectivity", "neurons"),
        spans={"zeta": (0.0, 0.9, 0.05), "weight_decay": (0.0, 0.002, 0.0001)},
    )


def activation_panel(depth: int = 4, *, new: bool = False, **settings: Any) -> TrainingPanel:
    """Panel of notebook 03: activation, slope and depth, and what they do to functions, gradients and accuracy.

    Parameters
    ----------
    depth : int, default 4
        Number of hidden layers.
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins.

    Returns
    -------
    TrainingPanel
        The panel; the one before while it is training with these settings.

    Examples
    --------
    >>> from sparselab.widgets import activation_panel
    >>> activation_panel(depth=2, dataset="digits").form.config.hidden
    (300, 300)
    """
    return opened(
        "activation",
        ExperimentConfig(**{"epochs": 30, "hidden": (WIDTH,) * depth} | settings),
        new,
        controls=("learning_rate", "activation", "alpha", "hidden", "initializer", "epochs"),
        views=("functions", "gradients", "curves"),
        complete=lambda panel: add_depth(panel, depth),
    )


def pruning_panel(*, new: bool = False, **settings: Any) -> TrainingPanel:
    """Panel of notebook 04: weak neurons are pruned during training; what will be pruned is said before Start.

    Parameters
    ----------
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins.

    Returns
    -------
    TrainingPanel
        The panel; the one before while it is training with these settings.

    Examples
    --------
    >>> from sparselab.widgets import pruning_panel
    >>> panel = pruning_panel(dataset="digits", hidden=(20,), pruning_amount=0.5)
    >>> "hidden widths 20 → 10" in panel.plan.value
    True
    """
    return opened(
        "pruning",
        ExperimentConfig(**PRUNING | settings),
        new,
        controls=(
            "zeta", "learning_rate", "pruning", "pruning_amount", "pruning_percentile", "pruning_start", "pruning_stop",
            "pruning_every", "importance", "epochs",
        ),
        views=("curves", "neurons", "strength", "trade-off", "connectivity"),
        spans={"zeta": (0.0, 0.9, 0.05), "pruning_start": (1, 100, 1), "pruning_stop": (0, 100, 1), "pruning_every": (1, 50, 1)},
        complete=lambda panel: plans.attach(panel, plans.pruning_plan, plans.relevant_for_pruning),
    )  # fmt: skip


def parallel_panel(*, new: bool = False, **settings: Any) -> TrainingPanel:
    """Panel of notebook 05: several workers train one net, then each its own; 0 workers give the baseline.

    Parameters
    ----------
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins.

    Returns
    -------
    TrainingPanel
        The panel; the one before while it is training with these settings.

    Examples
    --------
    >>> from sparselab.widgets import parallel_panel
    >>> panel = parallel_panel(dataset="digits", hidden=(20,), workers=2)
    >>> "2 workers send gradients to one shared net" in panel.plan.value
    True
    """
    return opened(
        "parallel",
        ExperimentConfig(**PARALLEL | settings),
        new,
        controls=("learning_rate", "zeta", "workers", "backend", "async_fraction", "synchronous", "epochs"),
        views=("curves", "workers", "staleness", "dropped", "average", "speed-up", "costs"),
        spans={"zeta": (0.0, 0.9, 0.05), "workers": (0, 8, 1)},
        complete=lambda panel: plans.attach(panel, plans.worker_plan, plans.relevant_for_workers),
    )


def paper_panel(name: str = "madelon", *, new: bool = False, **settings: Any) -> TrainingPanel:
    """Panel of notebook 10: one of the paper's nets with the paper's settings, to run a cell of its table 2 again.

    Parameters
    ----------
    name : {"fashion_mnist", "cifar10", "madelon", "higgs", "leukemia"}, default "madelon"
        The experiment of the paper, as in `ExperimentConfig.paper`.
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins, in place of the paper's; `dataset` for a stand-in of its data.

    Returns
    -------
    TrainingPanel
        The panel; the one before while it is training with these settings.

    Raises
    ------
    ValueError
        If the paper has no experiment of this name.

    Examples
    --------
    >>> from sparselab.widgets import paper_panel
    >>> paper_panel("madelon", dataset="madelon_like", epochs=10).form.config.hidden
    (400, 100, 400)
    """
    return opened(
        "paper",
        ExperimentConfig.paper(name, **settings),
        new,
        controls=("activation", "alpha", "pruning", "pruning_percentile", "pruning_start", "pruning_every", "seed", "epochs"),
        views=("curves", "neurons", "costs"),
        spans={"pruning_start": (1, 300, 1), "pruning_every": (1, 50, 1)},
        complete=lambda panel: plans.attach(panel, plans.pruning_plan, plans.relevant_for_pruning),
    )


def add_depth(panel, depth):
    """Put a slider for the number of hidden layers on top of the form."""
    slider = make(
        "IntSlider", value=depth, min=1, max=10, description="depth", tooltip="number of hidden layers", style=DESCRIPTION,
        layout={"width": "97%"},
    )  # fmt: skip
    hidden = panel.form.controls["hidden"]
    slider.observe(lambda change: hidden.write((WIDTH,) * change["new"]), "value")
    panel.form.widget.children = (slider, *panel.form.widget.children)


def opened(kind, config, new, *, complete=lambda panel: None, **declaration):
    """The TrainingPanel of this kind that is training with this config; else a new one, made whole by `complete`."""

    def make_panel():
        panel = TrainingPanel(config, **declaration)
        complete(panel)
        return panel

    return latest(kind, config, make_panel, new)


def latest(kind, asked, make_panel, new=False):
    """The panel of this kind made last if it is training and was `asked` for by equal settings; else `make_panel()`.

    new: a new one in any case. The one before is told to stop.
    """
    earlier, settings = _latest.get(kind, (None, None))
    panel = earlier and earlier()
    if panel is not None and panel.active and asked == settings and not new:
        return panel
    if panel is not None:
        panel.stop(0)
    panel = make_panel()
    _latest[kind] = weakref.ref(panel), asked
    return panel
