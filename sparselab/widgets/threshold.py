"""The threshold panel (notebook 04): how much of a trained net to prune, and what is left of its accuracy, time and bytes.

The curve is computed once. The point at the slider is a net that is made and evaluated, not an interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING

from .. import figures
from ..analysis import prune_curve
from ..datasets import Dataset
from ..evolution import importances
from ..experiments import studies
from ..figures.style import limit_height, set_height
from ..nn import summary
from ..nn.footprint import dense_bytes, dense_links
from ..nn.mlp import SparseMLP, check_no_estimator
from ..utils import checks
from . import markup
from .costs import AT_ONCE
from .explorer import Explorer, control
from .panel import TrainingPanel
from .trade_off import consistent_copy, with_test_set
from .views import View

if TYPE_CHECKING:
    from pandas import DataFrame

CURVE, POINT, REMEMBERED = 10, 5, 256  # timed predictions for the curve and for a point; number of points that are remembered


@dataclass(frozen=True)
class Pruned:
    """A net and what is left of it after pruning.

    table: the curve, including this amount; row, whole, dense: links, neurons, bytes … of the pruned, unpruned and dense net.
    """

    model: SparseMLP
    amount: float
    importance: str
    min_neurons: int
    table: object
    row: dict
    whole: dict
    dense: dict


def threshold_panel(
    model: SparseMLP | TrainingPanel, data: Dataset | tuple | None = None, *, curve: DataFrame | None = None, amount: float = 0.5,
    importance: str = "incoming", min_neurons: int = 1, seed: int = 0, threads: int | None = None,
) -> Explorer:  # fmt: skip
    """Panel with a pruning threshold to drag: what is left of a trained net's neurons, links, bytes, time and accuracy.

    Parameters
    ----------
    model : SparseMLP or TrainingPanel
        A trained net with a hidden layer, or a panel that has trained one. It is copied.
    data : Dataset or (X, y, X_test, y_test), optional
        The data of the net; a TrainingPanel brings its own. Without test samples the training samples are used.
    curve : DataFrame, optional
        The result of `prune_curve` for this net, if it has been computed already.
    amount : float, default 0.5
        Share of the hidden neurons to prune at first, in [0, 1].
    importance : {"incoming", "outgoing", "product"}, default "incoming"
        What makes a neuron important.
    min_neurons : int, default 1
        Neurons that stay in each layer at least.
    seed : int, default 0
        Seed of `prune_curve`.
    threads : int, optional
        Threads for predictions, all cores by default.

    Returns
    -------
    Explorer
        The panel.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.widgets import threshold_panel
    >>> experiment = sl.build(sl.ExperimentConfig(dataset="digits", hidden=(20,), epochs=1, threads=1))
    >>> history = list(experiment.train())
    >>> panel = threshold_panel(experiment.model, experiment.data, amount=0.5, threads=1)
    >>> panel.wait(60), panel.result.row["neurons"]
    (True, 10)
    """
    if isinstance(model, TrainingPanel):
        model, data = model.model, model.view_model.data if data is None else data
    checks.choice("importance", importance, importances.NAMES)
    checks.integer("min_neurons", min_neurons)
    amount = min(round(checks.fraction("amount", amount), 2), 0.99)
    check_no_estimator(model, "model", "a SparseMLP with a hidden layer, or a TrainingPanel that has one")
    if not isinstance(model, SparseMLP) or len(model.layers) < 2:
        checks.fail("model", model, "a SparseMLP with a hidden layer, or a TrainingPanel that has one", TypeError)
    study = ThresholdStudy(consistent_copy(model), data, {importance: curve}, min_neurons, seed, threads)
    hint = "share of the hidden neurons to prune"
    controls = {
        "amount": control(
            "FloatSlider", "amount", value=amount, min=0.0, max=0.99, step=0.01, readout_format=".2f", tooltip=hint,
            continuous_update=True,
        ),
        "importance": control("Dropdown", "importance", options=list(importances.NAMES), value=importance),
    }  # fmt: skip
    return Explorer(controls, study.pruned, VIEWS, table, title="how much of this net can go?", limited=True)


class ThresholdStudy:
    """Computes and remembers a curve for each importance, a row for each amount, and the time of the dense net."""

    def __init__(self, model, data, curves, min_neurons, seed, threads):
        self.model, self.data, self.min_neurons = model, with_test_set(prune_curve.as_dataset(data, model)), min_neurons
        options = {"min_neurons": min_neurons, "seed": seed, "threads": threads, "progress": False}
        self.compute = partial(prune_curve.prune_curve, model, self.data, **options)
        self.curves = {name: table for name, table in curves.items() if table is not None}
        self.row = lru_cache(REMEMBERED)(self._row)

    def pruned(self, values):
        """The Pruned net that the controls describe."""
        import pandas

        amount, importance = round(float(values["amount"]), 2), values["importance"]
        curve, row, whole = self.curve(importance), self.row(amount, importance), self.row(0.0, importance)
        if amount not in set(curve["amount"]):
            curve = pandas.concat([curve, row]).sort_values("amount", ignore_index=True)
        row, whole = row.iloc[0].to_dict(), whole.iloc[0].to_dict()
        return Pruned(self.model, amount, importance, self.min_neurons, curve, row, whole, self.dense)

    def curve(self, importance):
        """The table of `prune_curve`, computed on first use."""
        if importance not in self.curves:
            self.curves[importance] = self.compute(importance=importances.NAMES[importance], repeats=CURVE)
        return self.curves[importance]

    def _row(self, amount, importance):
        curve = self.curve(importance)
        known = curve[curve["amount"] == amount]
        return known if len(known) else self.compute([amount], importance=importances.NAMES[importance], repeats=POINT)

    @cached_property
    def dense(self):
        """Links, neurons, bytes and measured seconds of a dense net of the original widths."""
        sizes = self.model.neurons.sizes
        size = {"links": dense_links(sizes), "neurons": sum(sizes[1:-1]), "bytes": dense_bytes(sizes, copies=1)}
        return size | {"seconds": studies.dense_inference(sizes, self.data.n_test, limit=AT_ONCE)}


def table(pruned):
    """HTML: what is left, beside the unpruned and the dense net."""
    accuracy = pruned.row["accuracy"]
    score = "loss" if accuracy is None or accuracy != accuracy else "accuracy"
    write = {
        "links": "{:,}".format, "neurons": "{:,}".format, "bytes": summary.size, score: "{:.3f}".format, "seconds": markup.seconds
    }  # fmt: skip
    names = {"neurons": "hidden neurons", "seconds": "inference"}
    rows = []
    for name, as_text in write.items():
        values = [pruned.row[name], pruned.whole[name], pruned.dense.get(name, "")]
        texts = [as_text(value) if value != "" else "–" for value in values]
        rows.append((names.get(name, name), *texts))
    widths = "-".join(map(str, pruned.row["widths"]))
    about = f"net {widths}. Inference: all test samples, measured here; dense: a net of the original widths, not trained."
    return markup.table(rows, ("", "pruned", "unpruned", "dense")) + markup.note(about)


def strengths(pruned):
    """The neurons by importance, and where the threshold is."""
    what = pruned.model, pruned.amount, pruned.importance
    return limit_height(figures.strength_histogram(*what, min_neurons=pruned.min_neurons))


VIEWS = {
    "trade-off": View("trade-off", lambda pruned: set_height(figures.trade_off(pruned.table, pruned.amount), 4.6)),
    "strength": View("neuron strength", strengths),
}
