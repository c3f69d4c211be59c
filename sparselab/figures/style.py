"""The common look of all figures, set on each artist: matplotlib's settings are shared by all threads and never changed.

`rc_context` is not used: panels draw in threads, and two overlapping contexts would leave the settings of one of them behind.
"""

import textwrap

from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .table_figure import TableFigure, attach

# The palette of Okabe and Ito without yellow, which is hard to see on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
INK, GREY, GRID = "#222222", "#777777", "#E4E4E4"
WIDTH, LARGE, SMALL = 6.4, 10, 9  # inches; points


def blank(rows=1, columns=1, *, height, width=WIDTH, title=None, image=False, **grid):
    """New (figure, axes (rows, columns)) in the common look; `grid` is passed to `Figure.subplots`."""
    layout = "compressed" if image else "constrained"
    figure = TableFigure(figsize=(width, height), dpi=100, layout=layout, facecolor="white")
    figure.get_layout_engine().set(w_pad=0.07, h_pad=0.06)
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    if title:
        figure.suptitle(textwrap.fill(title, int(12 * width)), fontsize=LARGE, color=INK)
    for ax in axes.flat:
        decorate(ax, image)
    return figure, axes


def decorate(ax, image=False):
    """Set background, frame, ticks and grid lines of axes; images have a full frame and no grid."""
    ax.set_facecolor("white")
    ax.set_axisbelow(True)
    ax.grid(False, which="both")
    if not image:
        ax.grid(True, color=GRID, linewidth=0.7, linestyle="-")
    for side, spine in ax.spines.items():
        spine.set(visible=image or side in ("left", "bottom"), color=GREY, linewidth=0.8)
    ax.tick_params(which="both", labelsize=SMALL, color=GREY, labelcolor=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set(fontsize=SMALL, color=INK)


def label(ax, x=None, y=None, title=None):
    """Set the labels and the title of axes."""
    if x:
        ax.set_xlabel(x, fontsize=SMALL, color=INK)
    if y:
        ax.set_ylabel(y, fontsize=SMALL, color=INK)
    if title:
        ax.set_title(title, fontsize=SMALL, color=INK)


def last_row(axes, used):
    """Hide the axes after the first `used`; returns the lowest visible ones of each column, with tick labels."""
    for ax in axes.flat[used:]:
        ax.set_visible(False)
    lowest = [[ax for ax in column if ax.get_visible()][-1] for column in axes.T]
    for ax in lowest:
        ax.tick_params(labelbottom=True)
    return lowest


def look(number):
    """Colour and marker of the run or layer with this number; pairs repeat after 56."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def dash(number):
    """Line style of the run or layer with this number."""
    return DASHES[number % len(DASHES)]


def hatch(number):
    """Hatch of the bars of the run, layer or phase with this number."""
    return HATCHES[number % len(HATCHES)]


def plain(text, longest=40):
    """A name on one line, shortened, with `$` escaped so that it does not start mathematics."""
    text = " ".join(str(text).split())
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return text.replace("$", r"\$")


def heading(title=None, dataset=None):
    """Title and dataset (a Dataset or a name) on one line; a Dataset's source is added to its name."""
    if dataset is not None and hasattr(dataset, "source"):
        dataset = f"{dataset.name} (source: {dataset.source})"
    return " · ".join(plain(part, 80) for part in (title, dataset) if part is not None) or None


def whole(axis, most=6):
    """Put at most `most` ticks on whole numbers, with thousands separators."""
    axis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def colour_bar(figure, image, axes, text, *, ticks=None, extend="neither"):
    """Add the colour scale of an image, with its unit; a power of ten for small and large numbers stands on top."""
    bar = figure.colorbar(image, ax=axes, ticks=ticks, extend=extend)
    bar.formatter.set_powerlimits((-2, 4))
    bar.formatter.set_useMathText(True)
    bar.ax.yaxis.get_offset_text().set(fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL, color=GREY, labelcolor=INK)
    bar.outline.set(edgecolor=GREY, linewidth=0.8)
    bar.set_label(text, fontsize=SMALL, color=INK)


def numbered(ax, numbers):
    """Make the horizontal axis one of whole numbers (epochs, layers), with half a bar's margin at both ends."""
    whole(ax.xaxis)
    ax.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)


def finish(figure, rows):
    """Attach the table, and switch off TeX for all texts, even if the user's settings ask for it (names have underscores)."""
    for text in figure.findobj(Text):
        text.set_usetex(False)
    return attach(figure, rows)


def set_height(figure, height):
    """Make the figure `height` inches high; returns it."""
    figure.set_size_inches(figure.get_figwidth(), height)
    return figure


def limit_height(figure, height=4.0):
    """Make the figure at most `height` inches high, so that it fits into a panel; returns it."""
    return set_height(figure, min(height, figure.get_figheight()))
