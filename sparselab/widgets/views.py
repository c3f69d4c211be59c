"""Views: what a panel can show, each a function of what is shown (a ViewModel) that returns a Figure, or None for nothing yet.

Views marked `timeline`, `layers` or `neurons` follow the epoch slider, the layer menu and the neuron slider. A new view is a
function and an entry in VIEWS, or a View passed to the panel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .. import figures
from ..evolution import importances, widths_without
from ..experiments.experiment import activation_of, build, loss_of
from ..figures.style import limit_height, set_height
from . import prediction_views, worker_views
from .costs import STEPPED, sparse_and_dense, stepped_gigabytes
from .pictures import cells
from .pictures import curves as curve_data
from .pictures import stages as stage_data
from .pictures.picture import in_browser
from .trade_off import consistent_copy, curve_of

POINTS = 300  # at most so many epochs of a curve are drawn by matplotlib while a training runs
NO_EPOCHS = "Press Start: loss and accuracy (R² of numbers) appear here, epoch by epoch."
COMPARED = ("relu", "leaky_relu")  # activations beside the chosen one


@dataclass(frozen=True)
class View:
    """A tab of a panel.

    Parameters
    ----------
    title : str
        Title of the tab.
    draw : callable
        Gets what the panel shows (in an Explorer: what its study returned) and returns a matplotlib Figure, or None where
        there is nothing to see yet.
    timeline : bool, default False
        Whether the view follows the epoch slider.
    layers : bool, default False
        Whether the view follows the layer menu.
    empty : str, optional
        Text in place of the figure where `draw` returns None.
    data : callable, optional
        Gets the same, and {option: value} of what was chosen in the picture, and returns what the browser draws itself (see
        `sparselab.widgets.pictures`), or None. `draw` is then used for files, and where there is no anywidget.
    gif : callable, optional
        Gets what the panel shows and returns the bytes of an animated GIF, or none.
    neurons : bool, default False
        Whether the view follows the neuron slider.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.widgets import View
    >>> view = View("bytes", lambda shown: sl.figures.memory(shown.model))
    >>> view.title, view.timeline
    ('bytes', False)
    """

    title: str
    draw: Callable[[Any], Any]
    timeline: bool = False
    layers: bool = False
    empty: str = "Nothing to see yet: press Start."
    data: Callable[[Any, dict], dict | None] | None = None
    gif: Callable[[Any], bytes] | None = None
    neurons: bool = False


def sampled(history):
    """At most POINTS records of a history, including the last one."""
    step = -(-len(history) // POINTS) if len(history) else 1
    return history[::-1][::step][::-1]


def drawn(history):
    """The records that matplotlib draws: all where it only writes files."""
    return history if in_browser() else sampled(history)


def curves(view_model, x="epoch"):
    """Loss and accuracy of this run and of earlier ones."""
    draw = figures.learning_curves  # looked up first, so that matplotlib is imported before Start is pressed
    runs = {label: drawn(history) for label, history in view_model.runs.items()}
    figure = draw(worker_views.unnamed(runs), x=x, dataset=view_model.common_data) if runs else None
    return figure and with_legend(worker_views.marked(figure, view_model.current) if x == "epoch" else figure)


def curves_in_browser(view_model, choices, x="epoch"):
    """The same for the browser."""
    runs = view_model.runs
    if not runs:
        return None
    runs = runs if len(runs) > 1 else {"": next(iter(runs.values()))}
    split = worker_views.split_of(view_model.current) if x == "epoch" else None
    marks = [] if split is None else [(split, "end of phase 1")]
    return curve_data.content(runs, choices, x, dataset=view_model.common_data, marks=marks)


def by_bytes(view_model):
    """{label: records} of the current run and its dense twin, with gigabytes (`costs.STEPPED`) in place of the seconds."""
    run = view_model.current
    runs = {"sparse": run} | ({"dense twin": run.twin} if run.twin is not None else {})
    return {
        label: [replace(record, seconds=float(n)) for record, n in zip(list(one.history), stepped_gigabytes(one))]
        for label, one in runs.items()
        if one.history and one.experiment
    }


def bytes_curves(view_model):
    """Loss and accuracy of a run and of its dense twin against the bytes that their steps went through."""
    runs = by_bytes(view_model)
    if not runs:
        return None
    figure = figures.learning_curves(runs, x="seconds", dataset=view_model.data)
    for ax in figure.axes:
        ax.set_xlabel(STEPPED)
    figure.data["gigabytes"] = figure.data.pop("seconds")
    return with_legend(figure)


def bytes_in_browser(view_model, choices):
    """The same for the browser."""
    runs = by_bytes(view_model)
    return curve_data.content(runs, choices, "seconds", axis=(STEPPED, "GB"), dataset=view_model.data) if runs else None


def with_legend(figure, height=3.9):
    """Learning curves at least `height` inches high, and higher where a long legend needs it."""
    return set_height(figure, max(height, figure.get_figheight()))


def connectivity(view_model):
    """The current links of one layer."""
    return view_model.topology and figures.connectivity(view_model.topology, bins=128)


def links_in_browser(view_model, choices):
    """The same for the browser, with the weights of single links."""
    topologies, number = view_model.topologies, view_model.layer_number
    if not topologies:
        return None
    number = min(number, len(topologies) - 1)
    layer = view_model.model.layers[number]
    stages = [(epoch, topologies[number]) for epoch, topologies in list(view_model.current.stages)]
    return cells.link_content(layer.topology, layer.w, f"layer {number + 1}", choices, stages)


def input_map(view_model):
    """Links of each pixel after the epoch at the slider."""
    fan_out = view_model.fan_out
    if fan_out is None or getattr(view_model.data, "image_shape", None) is None:
        return None
    return figures.input_map(fan_out, title=when(view_model.shown_epoch[0]), dataset=view_model.data)


def pixels_in_browser(view_model, choices):
    """The same for the browser, with the strength of each pixel in the net as it is now."""
    fan_out = view_model.fan_out
    if fan_out is None or getattr(view_model.data, "image_shape", None) is None:
        return None
    history, (epoch, _) = view_model.current.history, view_model.shown_epoch
    now = view_model.model is not None and epoch == (history[-1].epoch if history else 0)
    if not now:
        return cells.input_content(fan_out, view_model.data, title=when(epoch))
    pixel, strength = choices.get("pixel"), view_model.model.layers[0].strength_out()
    layer = consistent_copy(view_model.model).layers[0] if pixel else None
    fields = cells.receptive_fields(layer, pixel, view_model.data.image_shape) if pixel else None
    return cells.input_content(fan_out, view_model.data, title=when(epoch), strength=strength, fields=fields)


def layer_stages(view_model):
    """(stages of the current run, number of the layer in the menu, shape of the images if it is the first one)."""
    number = min(view_model.layer_number, max(0, len(view_model.topologies) - 1))
    return list(view_model.current.stages), number, getattr(view_model.data, "image_shape", None) if number == 0 else None


def stages_figure(view_model):
    """The links of a layer at up to four of its stages, or its links now where it has no images."""
    stages, number, shape = layer_stages(view_model)
    if not stages:
        return None
    first = stages[0][1][number]
    same = {epoch: topologies[number] for epoch, topologies in stages if topologies[number].shape == first.shape}
    if shape is None or len(same) < 2:
        return figures.connectivity(stages[-1][1][number], bins=128)
    epochs = [list(same)[i] for i in sorted({round(part * (len(same) - 1)) for part in (0, 1 / 3, 2 / 3, 1)})]
    return figures.topology_stages({epoch: same[epoch] for epoch in epochs}, dataset=view_model.data)


def stages_in_browser(view_model, choices):
    """Links that go and come, event by event, for the browser."""
    stages, number, shape = layer_stages(view_model)
    if not stages:
        return None
    strength = None if view_model.model is None else view_model.model.layers[number].strength()
    return stage_data.content(stages, number, choices, shape, strength)


def stages_gif(view_model):
    """The same as an animated GIF."""
    stages, number, shape = layer_stages(view_model)
    return stage_data.gif(stages, number, shape) if stages else b""


def degrees(view_model):
    """Links per neuron after the epoch at the slider."""
    epoch, record = view_model.shown_epoch
    number = min(view_model.layer_number, max(0, len(view_model.topologies) - 1))
    if record is None:
        first = view_model.current.first or view_model.topologies
        return figures.degree_histograms(first[number], title=when(0)) if first else None
    one = replace(record, fan_in=record.fan_in[number : number + 1], fan_out=record.fan_out[number : number + 1])
    return figures.degree_histograms(one, title=when(epoch))


def when(epoch):
    """An epoch of a run in words."""
    return f"after epoch {epoch}" if epoch else "before training"


def neurons(view_model):
    """Links, active neurons, turnover."""
    history = sampled(view_model.current.history)
    return limit_height(figures.links_and_neurons(history), 4.6) if history else None


def costs(view_model):
    """Links, bytes and seconds beside the measured dense equivalent."""
    if view_model.model is None:
        return None
    labels, title = ("truly sparse", "dense"), "measured on this machine"
    return figures.compare_costs(*sparse_and_dense(view_model), labels=labels, title=title)


def memory(view_model):
    """Bytes by layer."""
    return limit_height(figures.memory(view_model.model)) if view_model.model else None


def phases(view_model):
    """Seconds by phase."""
    history = sampled(view_model.current.history)
    return figures.phases(history, mean=len(history) > 60) if history else None


def weights(view_model):
    """Weights by layer."""
    return limit_height(figures.weights_histogram(view_model.model)) if view_model.model else None


def functions(view_model):
    """The chosen activation and its slopes beside ReLU, layer by layer."""
    config = view_model.settings()
    chosen = {config.activation: activation_of(config), "relu": "relu"}
    return limit_height(figures.activation_functions(chosen, depth=min(6, max(1, len(config.hidden)))))


def gradients(view_model):
    """Gradient norms of the untrained net with this activation and with others, and of the trained net."""
    data, run = view_model.data, view_model.current
    if data is None:
        return None
    config = view_model.settings()
    names = dict.fromkeys([config.activation, *COMPARED])
    nets = {f"{name}, untrained": build(config.replace(activation=name), data=data).model for name in names}
    if run.history:
        nets[f"{run.config.activation}, after epoch {run.history[-1].epoch}"] = run.experiment.model
    options = {"loss": loss_of(run.config if run.history else config, data), "n_samples": 256}
    norm = lambda net: figures.gradient_norm_per_layer(net, data.X_train, data.y_train, **options)
    return figures.gradient_norms({name: norm(net) for name, net in nets.items()}, dataset=data)


def strengths(view_model):
    """Neurons by importance, and those that the pruning chosen in the form would still remove."""
    model, config = view_model.model, view_model.settings()
    if model is None or len(model.layers) < 2:
        return None
    title = when(view_model.current.history[-1].epoch if view_model.current.history else 0)
    return limit_height(figures.strength_histogram(model, share_to_prune(model, config), config.importance, title=title))


def share_to_prune(model, config):
    """Share of the current neurons that the config's pruning would still remove; None without pruning."""
    if config.pruning == "links":
        return config.pruning_percentile / 100
    left = widths_without(model.neurons.sizes[1:-1], config.pruning_amount)
    return None if config.pruning == "none" else max(0.0, 1 - left[0] / model.sizes[1])


def trade_off(view_model):
    """What the current net loses and saves at each amount of pruning; computed once an epoch, if the view is open."""
    run, model, data = view_model.current, view_model.model, view_model.data
    if not run.history or len(model.layers) < 2:
        return None
    importance = importances.NAMES[view_model.settings().importance]
    threads = run.config.threads or None
    options = {"training": run.active, "threads": threads, "loss": loss_of(run.config, data)}
    curve = curve_of(model, data, run.history[-1].epoch, importance, **options)
    on = "" if data.X_test is not None else ", on the training samples"
    return set_height(figures.trade_off(curve.table, title=f"pruned {when(curve.epoch)}{on}"), 4.5)


VIEWS = {
    "curves": View("learning curves", curves, empty=NO_EPOCHS, data=curves_in_browser),
    "clock": View("wall clock", partial(curves, x="seconds"), empty=NO_EPOCHS, data=partial(curves_in_browser, x="seconds")),
    "bytes": View("bytes", bytes_curves, empty=NO_EPOCHS, data=bytes_in_browser),
    "connectivity": View("connectivity", connectivity, layers=True, data=links_in_browser),
    "topology": View(
        "topology",
        stages_figure,
        layers=True,
        data=stages_in_browser,
        gif=stages_gif,
        empty="Press Start: links that go and come appear here, event by event.",
    ),
    "input": View("input map", input_map, timeline=True, empty="Only for images whose links are known.", data=pixels_in_browser),
    "predictions": View(
        "predictions",
        prediction_views.confusion,
        data=prediction_views.confusion_in_browser,
        empty=prediction_views.NO_PREDICTIONS,
    ),
    "images": View("test images", prediction_views.images, empty=prediction_views.NO_IMAGES),
    "neuron": View("one neuron", prediction_views.neuron, neurons=True, empty=prediction_views.NO_NEURON),
    "degrees": View("degrees", degrees, timeline=True, layers=True),
    "neurons": View("links & neurons", neurons),
    "strength": View("neuron strength", strengths),
    "trade-off": View("trade-off", trade_off, empty="Press Start: accuracy against the amount of pruning appears here."),
    "costs": View("time & memory", costs),
    "memory": View("memory", memory),
    "phases": View("phases", phases),
    "weights": View("weights", weights),
    "workers": View("timeline", worker_views.timeline, empty=worker_views.NO_WORKERS),
    "staleness": View("staleness", worker_views.staleness, empty=worker_views.NO_PUSHES),
    "dropped": View("dropped", worker_views.dropped, empty=worker_views.NO_PUSHES),
    "average": View("average", worker_views.average, empty=NO_EPOCHS),
    "speed-up": View("speed-up", worker_views.speed_up, empty=worker_views.NOT_COMPARED),
    "functions": View("functions", functions),
    "gradients": View("gradients", gradients),
}
