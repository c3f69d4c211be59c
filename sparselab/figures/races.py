"""Rules side by side, from what a RuleMeter has measured of each: accuracy, links, ITOP rate, degrees, idle neurons, time."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from ..analysis.records import degrees_in
from ..analysis.rule_meter import RuleMeter
from ..utils import checks
from . import legends, style
from .degrees_by_epoch import LINKS
from .table_figure import TableFigure
from .types import DatasetName

PANELS = {  # column of the table: factor, label
    "test_accuracy": (1, "test accuracy"), "density": (100, "links, %"),
    "itop_rate": (100, "ITOP rate, %"), "idle": (100, "idle neurons, %"),
}  # fmt: skip
WIDE = 3  # factor
BAND = "mean, min to max over n seeds"


def rule_race(
    meters: Mapping[str, RuleMeter | Sequence[RuleMeter]], *, layer: int = 1, side: str = "out", title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:  # fmt: skip
    """Draw by epoch accuracy, links, ITOP rate and idle neurons of several rules; their degrees, and the time of an event.

    Parameters
    ----------
    meters : dict
        ``{rule: RuleMeter}``, or a list of RuleMeters whose runs differ in their seeds only. Up to seven rules have colours of
        their own.
    layer : int, default 1
        Number of the layer, from 1, whose degrees after the last epoch are drawn; those of the first seed.
    side : {"in", "out"}, default "out"
        Its incoming or outgoing links.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Links are shown as a share of the possible ones, and so are, as the ITOP rate, all that were ever tried. Idle are neurons
        without incoming or without outgoing links, and those whose activation is flat on all samples. An event's time is the
        median over the epochs. The table has a row for each rule, seed and epoch, then for each rule and degree.

    Raises
    ------
    TypeError
        If `meters` holds anything but RuleMeters.
    ValueError
        If one has measured nothing, or `layer` or `side` is not allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.experiments import races
    >>> meters = races.run(["static", "SET"], 0.1, dataset="digits", hidden=(20,), epochs=2, progress=False)
    >>> sl.figures.rule_race(meters).to_frame()["rule"].unique().tolist()
    ['static', 'SET']
    """
    seeds = checked(meters)
    checks.choice("side", side, LINKS)
    first = next(iter(seeds.values()))[0].history[-1]
    checks.integer("layer", layer, high=len(first.nnz))
    tables = {rule: [_table(meter) for meter in each] for rule, each in seeds.items()}
    figure, axes = style.blank(3, 2, height=6.3, width=7.2, title=style.heading(title, dataset))
    for ax, (column, (factor, text)) in zip(axes.flat, PANELS.items()):
        for number, each in enumerate(tables.values()):
            _curve(ax, [table[["epoch", column]] for table in each], factor, number)
        style.label(ax, "epoch", text)
        style.numbered(ax, [epoch for each in tables.values() for table in each for epoch in table["epoch"]])
    links, tried, idle, degrees, times = axes.flat[1:]
    _scale_links(links)
    for ax in (tried, idle):
        ax.set_ylim(0, 1.05 * max(1.0, ax.get_ylim()[1]))
    rows = _degrees(degrees, seeds, layer, side)
    _times(times, tables)
    handles, labels = [Line2D([], [], **_look(number)) for number in range(len(seeds))], list(map(style.plain, seeds))
    if max(map(len, seeds.values())) > 1:
        handles, labels = [*handles, Patch(color=style.GREY, alpha=0.3, linewidth=0)], [*labels, BAND]
    legends.below(figure, handles, labels)
    return style.finish(figure, _rows(tables, rows))


def checked(meters):
    """{rule: [RuleMeter of each seed]}; TypeError or ValueError naming the argument."""
    allowed = "a dict {rule: RuleMeter, or a list of them}, with at least one epoch each"
    if not isinstance(meters, dict):
        checks.fail("meters", meters, allowed, TypeError)
    seeds = {rule: list(each) if isinstance(each, list | tuple) else [each] for rule, each in meters.items()}
    checks.different_texts("meters", meters)
    every = [meter for each in seeds.values() for meter in each]
    if not all(isinstance(meter, RuleMeter) for meter in every):
        checks.fail("meters", meters, allowed, TypeError)
    if not all(seeds.values()) or not every or not all(meter.history for meter in every):
        checks.fail("meters", meters, allowed)
    return seeds


def _table(meter):
    table = meter.to_frame()
    return table.assign(idle=table["idle"] / table["neurons"].clip(lower=1))


def _look(number):
    return {**style.look(number), "linestyle": style.dash(number), "linewidth": 1.5, "markersize": 4}


def _marked(number, points):
    """Which points have a marker: others for each rule, so that markers of curves that coincide are seen."""
    every = max(1, points // 6)
    return number % every, every


def _curve(ax, tables, factor, number):
    """The mean over seeds by epoch, with a band from the lowest to the highest."""
    import pandas

    groups = pandas.concat(tables).groupby("epoch").agg(["mean", "min", "max"]).droplevel(0, axis=1).dropna()
    epochs, look = groups.index.to_numpy(), _look(number)
    ax.plot(epochs, factor * groups["mean"], **look, markevery=_marked(number, len(epochs)))
    if len(tables) > 1:
        ax.fill_between(epochs, factor * groups["min"], factor * groups["max"], color=look["color"], alpha=0.15, linewidth=0)


def _scale_links(ax):
    """A logarithmic axis where the numbers of links differ by more than WIDE, else one from 0."""
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    if values.max() < WIDE * values.min():
        ax.set_ylim(0, 1.25 * values.max())
        return
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.7 * values.min())
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    style.label(ax, y="links, % (log scale)")


def _degrees(ax, seeds, layer, side):
    """Share of neurons with at least k links; returns rows of the table."""
    rows = []
    for number, (rule, each) in enumerate(seeds.items()):
        degrees, _ = degrees_in(each[0].history[-1], layer, side, "meters")
        values, counts = np.unique(degrees, return_counts=True)
        shares = 100 * counts[::-1].cumsum()[::-1] / max(1, len(degrees))
        rows += [{"rule": rule, "degree": int(k), "at_least": share} for k, share in zip(values, shares)]
        shown = values > 0
        ax.plot(values[shown], shares[shown], **_look(number), markevery=_marked(number, shown.sum()))
    ax.set_xscale("symlog", linthresh=10)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlim(left=0)
    ax.set_ylim(0, 104)
    style.label(ax, f"k {LINKS[side]}, layer {layer}, at the end", "neurons with ≥ k, %")
    return rows


def _times(ax, tables):
    """A point for each rule, with its name beside it."""
    for number, each in enumerate(tables.values()):
        times = [1e3 * table["event_seconds"].median() for table in each]
        times = [time for time in times if not np.isnan(time)]
        if times:
            ax.plot([min(times), max(times)], [number] * 2, color=_look(number)["color"], linewidth=1.5)
            ax.plot(np.mean(times), number, **style.look(number), markersize=7, linestyle="none")
        else:
            ax.text(
                0.03, number, "no events", transform=ax.get_yaxis_transform(), va="center", fontsize=style.SMALL, color=style.GREY
            )
    if len(ax.lines):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        low, high = ax.get_xlim()
        ax.set_xlim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
    ax.set_yticks(range(len(tables)), [style.plain(rule, 18) for rule in tables])
    ax.set_ylim(len(tables) - 0.5, -0.5)
    style.label(ax, "time per event (ms, log scale)")


def _rows(tables, degrees):
    """Rows of all epochs, then of all degrees; NaN in the columns of the other part."""
    rows = [
        {"rule": rule, "seed": seed} | row
        for rule, each in tables.items() for seed, table in enumerate(each) for row in table.to_dict("records")
    ]  # fmt: skip
    names = list(dict.fromkeys([*rows[0], "degree", "at_least"]))
    return [{name: row.get(name, np.nan) for name in names} for row in [*rows, *degrees]]
