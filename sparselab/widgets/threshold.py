"""The panel of a threshold (notebook 04): how much of a trained net is pruned, and what is left of its accuracy, time and bytes.

The curve is computed once; the point under the slider is a net that was made and evaluated, not a point between two others.
"""

from dataclasses import dataclass
from functools import lru_cache

from .. import figures
from ..analysis import prune_curve
from ..evolution import importances
from ..experiments import studies
from ..figures.style import limit_height, set_height
from ..nn import summary
from ..nn.footprint import dense_bytes, dense_links
from ..nn.mlp import SparseMLP
from ..utils import checks
from . import markup
from .costs import AT_ONCE
from .explorer import Explorer
from .toolkit import make
from .trade import still, tested
from .views import View

CURVE, POINT, KEPT = 10, 5, 256  # predictions that are timed for the curve, at a point; points that are remembered
LOOK = {"style": {"description_width": "95px"}, "layout": {"width": "97%"}}


@dataclass(frozen=True)
class Cut:
    """A net, what is pruned, the curve (with the row of this amount), that row, the one of the whole net, of the dense one."""

    model: SparseMLP
    amount: float
    importance: str
    min_neurons: int
    table: object
    row: dict
    whole: dict
    dense: dict


def threshold_panel(model, data=None, *, curve=None, amount=0.5, importance="incoming", min_neurons=1, seed=0, threads=None):
    """A trained net and a threshold to drag: the mark on the trade-off curve, the cut among the neurons, links, bytes, accuracy.

    model: a SparseMLP, with its data (a Dataset or (X, y, X_test, y_test)); or a TrainingPanel that has run. It is copied.
    curve: a table of `prune_curve` of this net, so that it is not computed again. amount: where the slider starts. importance:
    "incoming", "outgoing" or "product". Without test samples the training samples are taken. Raises TypeError or ValueError.
    """
    if hasattr(model, "subject"):
        model, data = model.model, model.subject.data if data is None else data
    checks.choice("importance", importance, importances.NAMES)
    checks.integer("min_neurons", min_neurons)
    amount = min(round(checks.fraction("amount", amount), 2), 0.99)
    if not isinstance(model, SparseMLP) or len(model.layers) < 2:
        checks.fail("model", model, "a SparseMLP with a hidden layer, or a TrainingPanel that has one", TypeError)
    thinker = ThresholdStudy(still(model), data, {importance: curve}, min_neurons, seed, threads)
    controls = {
        "amount": make(
            "FloatSlider", value=amount, min=0.0, max=0.99, step=0.01, description="amount", readout_format=".2f",
            tooltip="share of the hidden neurons that goes", continuous_update=True, **LOOK,
        ),
        "importance": make("Dropdown", options=list(importances.NAMES), value=importance, description="importance", **LOOK),
    }  # fmt: skip
    return Explorer(controls, thinker.study, VIEWS, table, title="how much of this net can go?", limited=True)


class ThresholdStudy:
    """Computes and remembers: a curve for each importance, a row for each amount, the dense net's time."""

    def __init__(self, model, data, curves, min_neurons, seed, threads):
        self.model, self.data = model, tested(prune_curve.as_dataset(data, model))
        self.options = {"min_neurons": min_neurons, "seed": seed, "threads": threads, "progress": False}
        self.curves = {name: table for name, table in curves.items() if table is not None}
        self.row, self.dense_seconds = lru_cache(KEPT)(self._row), None

    def study(self, values):
        """The Cut that the controls describe."""
        amount, importance = round(float(values["amount"]), 2), values["importance"]
        curve = self.curve(importance)
        row, whole = self.row(amount, importance), self.row(0.0, importance)
        here = row if amount not in set(curve["amount"]) else curve.iloc[:0]
        least = self.options["min_neurons"]
        return Cut(self.model, amount, importance, least, joined(curve, here), first(row), first(whole), self.dense())

    def curve(self, importance):
        """The table of `prune_curve`, computed when first asked for."""
        if importance not in self.curves:
            function = importances.NAMES[importance]
            self.curves[importance] = prune_curve.prune_curve(
                self.model, self.data, importance=function, repeats=CURVE, **self.options
            )
        return self.curves[importance]

    def _row(self, amount, importance):
        known = self.curve(importance)
        found = known[known["amount"] == amount]
        if len(found):
            return found
        function = importances.NAMES[importance]
        return prune_curve.prune_curve(self.model, self.data, [amount], importance=function, repeats=POINT, **self.options)

    def dense(self):
        """Links, neurons, bytes and measured seconds of the dense net of the original widths."""
        sizes = self.model.neurons.sizes
        if self.dense_seconds is None:
            self.dense_seconds = (studies.dense_inference(sizes, self.data.n_test, limit=AT_ONCE),)
        size = {"links": dense_links(sizes), "neurons": sum(sizes[1:-1]), "bytes": dense_bytes(sizes, copies=1)}
        return size | {"seconds": self.dense_seconds[0]}


def joined(curve, row):
    """The curve with one more row, by amount."""
    import pandas

    return pandas.concat([curve, row]).sort_values("amount", ignore_index=True) if len(row) else curve


def first(table):
    """The first row as a dict."""
    return table.iloc[0].to_dict()


def table(cut):
    """What is left, beside the whole net and the dense one."""
    score = "loss" if cut.row["accuracy"] is None or cut.row["accuracy"] != cut.row["accuracy"] else "accuracy"
    write = {
        "links": "{:,}".format, "neurons": "{:,}".format, "bytes": summary.size, score: "{:.3f}".format, "seconds": markup.seconds
    }  # fmt: skip
    names = {"neurons": "hidden neurons", "seconds": "inference"}
    rows = []
    for name, as_text in write.items():
        values = [cut.row[name], cut.whole[name], cut.dense.get(name, "")]
        texts = [as_text(value) if value != "" else "–" for value in values]
        rows.append((names.get(name, name), *texts))
    widths = "-".join(map(str, cut.row["widths"]))
    about = f"net {widths}. Inference: all test samples, measured here; dense: a net of the original widths, not trained."
    return markup.table(rows, ("", "pruned", "unpruned", "dense")) + markup.note(about)


def strengths(cut):
    """The neurons, and the cut through them."""
    return limit_height(figures.strength_histogram(cut.model, cut.amount, cut.importance, min_neurons=cut.min_neurons))


VIEWS = {
    "trade-off": View("trade-off", lambda cut: set_height(figures.trade_off(cut.table, cut.amount), 4.6)),
    "strength": View("neuron strength", strengths),
}
