"""Views: what a panel can show, each a function of the `Subject` that gives a Figure, or None where there is nothing yet.

Those marked `timeline` or `layers` obey the epoch slider and the layer menu. A new view is a function and a line in VIEWS, or a
View handed to the panel.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from .. import figures
from ..evolution import importances, widths_without
from ..experiments.experiment import activation_of, build
from ..figures.style import limit_height, set_height
from . import teams
from .costs import sides
from .trade import curve_of

POINTS = 300  # epochs of a curve that are drawn: more cannot be seen and take long
FIRST = "Press Start: accuracy and loss appear here, epoch by epoch."
COMPARED = ("relu", "leaky_relu")


@dataclass(frozen=True)
class View:
    """A tab: its title, the function subject -> Figure or None, whether epoch slider and layer menu matter."""

    title: str
    draw: Callable
    timeline: bool = False
    layers: bool = False
    empty: str = "Nothing to see yet: press Start."


def sampled(history):
    """At most POINTS records, the last one among them."""
    step = -(-len(history) // POINTS) if len(history) else 1
    return history[::-1][::step][::-1]


def clock(subject):
    """The same curves against seconds of training."""
    return curves(subject, "seconds")


def curves(subject, x="epoch"):
    """Loss and accuracy of this run and of those kept."""
    draw = figures.learning_curves  # asked for first: so matplotlib is imported while the panel waits for its Start
    runs = {label: sampled(history) for label, history in subject.runs.items()}
    if len(runs) == 1:
        runs = next(iter(runs.values()))
    figure = draw(runs, x=x, dataset=subject.data) if runs else None
    return figure and set_height(teams.marked(figure, subject.current) if x == "epoch" else figure, 3.9)


def connectivity(subject):
    """The links of one layer, now."""
    return subject.topology and figures.connectivity(subject.topology, bins=128)


def input_map(subject):
    """Links of each pixel, after the epoch of the slider."""
    fan_out = subject.fan_out
    if fan_out is None or getattr(subject.data, "image_shape", None) is None:
        return None
    return figures.input_map(fan_out, title=when(subject.moment[0]), dataset=subject.data)


def degrees(subject):
    """Links a neuron, after the epoch of the slider."""
    epoch, record = subject.moment
    number = min(subject.layer_number, max(0, len(subject.topologies) - 1))
    if record is None:
        first = subject.current.first or subject.topologies
        return figures.degree_histograms(first[number], title=when(0)) if first else None
    one = replace(record, fan_in=record.fan_in[number : number + 1], fan_out=record.fan_out[number : number + 1])
    return figures.degree_histograms(one, title=when(epoch))


def when(epoch):
    """A moment of a run in words."""
    return f"after epoch {epoch}" if epoch else "before training"


def neurons(subject):
    """Links, active neurons, turnover."""
    history = sampled(subject.current.history)
    return limit_height(figures.links_and_neurons(history), 4.6) if history else None


def costs(subject):
    """Links, bytes and seconds beside the measured dense equivalent."""
    if subject.model is None:
        return None
    return figures.compare_costs(*sides(subject), labels=("truly sparse", "dense"), title="measured on this machine")


def memory(subject):
    """Bytes by layer."""
    return limit_height(figures.memory(subject.model)) if subject.model else None


def phases(subject):
    """Seconds by phase."""
    history = sampled(subject.current.history)
    return figures.phases(history, mean=len(history) > 60) if history else None


def weights(subject):
    """Weights by layer."""
    return limit_height(figures.weights_histogram(subject.model)) if subject.model else None


def functions(subject):
    """The chosen activation and its slopes beside ReLU, layer by layer."""
    config = subject.settings()
    chosen = {config.activation: activation_of(config), "relu": "relu"}
    return limit_height(figures.activation_functions(chosen, depth=min(6, max(1, len(config.hidden)))))


def gradients(subject):
    """Gradient norms: the untrained net with this activation beside others; the trained one where there is one."""
    data, run = subject.data, subject.current
    if data is None:
        return None
    config = subject.settings()
    names = dict.fromkeys([config.activation, *COMPARED])
    nets = {f"{name}, untrained": build(config.replace(activation=name), data=data).model for name in names}
    if run.history:
        nets[f"{run.config.activation}, after epoch {run.history[-1].epoch}"] = run.experiment.model
    norm = lambda net: figures.gradient_norm_per_layer(net, data.X_train, data.y_train, n_samples=256)
    return figures.gradient_norms({name: norm(net) for name, net in nets.items()}, dataset=data)


def strengths(subject):
    """Neurons by importance, now, and those that the form's pruning would still take."""
    model, config = subject.model, subject.settings()
    if model is None or len(model.layers) < 2:
        return None
    title = when(subject.current.history[-1].epoch if subject.current.history else 0)
    return limit_height(figures.strength_histogram(model, share_ahead(model, config), config.importance, title=title))


def share_ahead(model, config):
    """Share of the neurons of today that the config's pruning still takes; None without pruning."""
    if config.pruning == "links":
        return config.pruning_percentile / 100
    left = widths_without(model.neurons.sizes[1:-1], config.pruning_amount)
    return None if config.pruning == "none" else max(0.0, 1 - left[0] / model.sizes[1])


def trade_off(subject):
    """What the net of now loses and saves at each amount of pruning; computed once an epoch, when somebody looks."""
    run, model, data = subject.current, subject.model, subject.data
    if not run.history or len(model.layers) < 2:
        return None
    importance = importances.NAMES[subject.settings().importance]
    threads = run.config.threads or None
    curve = curve_of(model, data, run.history[-1].epoch, importance, training=run.active, threads=threads)
    on = "" if data.X_test is not None else ", on the training samples"
    return set_height(figures.trade_off(curve.table, title=f"pruned {when(curve.epoch)}{on}"), 4.5)


VIEWS = {
    "curves": View("learning curves", curves, empty=FIRST),
    "clock": View("wall clock", clock, empty=FIRST),
    "connectivity": View("connectivity", connectivity, layers=True),
    "input": View("input map", input_map, timeline=True, empty="Only for images whose links are known."),
    "degrees": View("degrees", degrees, timeline=True, layers=True),
    "neurons": View("links & neurons", neurons),
    "strength": View("neuron strength", strengths),
    "trade-off": View("trade-off", trade_off, empty="Press Start: what would be left of the accuracy appears here."),
    "costs": View("time & memory", costs),
    "memory": View("memory", memory),
    "phases": View("phases", phases),
    "weights": View("weights", weights),
    "workers": View("timeline", teams.timeline, empty=teams.ALONE),
    "staleness": View("staleness", teams.staleness, empty=teams.NO_PUSHES),
    "dropped": View("dropped", teams.dropped, empty=teams.NO_PUSHES),
    "average": View("average", teams.average, empty=FIRST),
    "speed-up": View("speed-up", teams.speed_up, empty=teams.NOT_COMPARED),
    "functions": View("functions", functions),
    "gradients": View("gradients", gradients),
}
