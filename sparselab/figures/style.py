"""How every figure looks, said to each artist: matplotlib's settings are shared by all threads and are never touched.

`rc_context` is not used: two of them in two threads leave the settings of one of them behind, and panels draw in threads.
"""

from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .tables import TableFigure, attach

# Okabe and Ito's palette without its yellow, which white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
INK, GREY, MESH = "#222222", "#777777", "#E4E4E4"
WIDTH, LARGE, SMALL = 6.4, 10, 9  # inches; points


def blank(rows=1, columns=1, *, height, width=WIDTH, title=None, image=False, **grid):
    """(figure, axes (rows, columns)) in the house style; `grid` is for `Figure.subplots`."""
    figure = TableFigure(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    if title:
        figure.suptitle(title, fontsize=LARGE, color=INK)
    for ax in axes.flat:
        dress(ax, image)
    return figure, axes


def dress(ax, image=False):
    """Face, frame, ticks and mesh of one pair of axes; images have a full frame and no mesh."""
    ax.set_facecolor("white")
    ax.set_axisbelow(True)
    ax.grid(False, which="both")
    if not image:
        ax.grid(True, color=MESH, linewidth=0.7, linestyle="-")
    for side, spine in ax.spines.items():
        spine.set(visible=image or side in ("left", "bottom"), color=GREY, linewidth=0.8)
    ax.tick_params(which="both", labelsize=SMALL, color=GREY, labelcolor=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set(fontsize=SMALL, color=INK)


def label(ax, x=None, y=None, title=None):
    """Texts of one pair of axes."""
    if x:
        ax.set_xlabel(x, fontsize=SMALL, color=INK)
    if y:
        ax.set_ylabel(y, fontsize=SMALL, color=INK)
    if title:
        ax.set_title(title, fontsize=SMALL, color=INK)


def legend(place, handles, labels, *, title=None, **options):
    """A legend of exactly these entries, on axes or (outside, below) on a figure."""
    if not handles:
        return
    labels = [f" {text}" if text.startswith("_") else text for text in labels]  # a leading "_" means "hide" to matplotlib
    made = place.legend(
        handles, labels, fontsize=SMALL, title=title, title_fontsize=SMALL, frameon=False, labelcolor=INK, **options
    )
    made.get_title().set_color(INK)


def below(figure, handles, labels, *, columns=3, title=None):
    """A legend under all axes."""
    legend(figure, handles, labels, title=title, loc="outside lower center", ncols=min(columns, max(1, len(labels))))


def look(number):
    """Colour and marker of the run or layer with this number; pairs repeat after 56."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def plain(text, longest=40):
    """A name as it was given: one line, not too long, `$` no mathematics."""
    text = " ".join(str(text).split())
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return text.replace("$", r"\$")


def heading(title=None, dataset=None):
    """Title and dataset (a Dataset, or a name) as one line; the dataset's source always stands beside its name."""
    if dataset is not None and hasattr(dataset, "source"):
        dataset = f"{dataset.name} (source: {dataset.source})"
    return " · ".join(plain(part, 80) for part in (title, dataset) if part is not None) or None


def whole(axis):
    """Ticks of an axis at whole numbers only, written with thousands separators."""
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def colour_bar(figure, image, axes, text, ticks=None):
    """The scale of an image, with its unit."""
    bar = figure.colorbar(image, ax=axes, ticks=ticks)
    bar.ax.tick_params(labelsize=SMALL, color=GREY, labelcolor=INK)
    bar.outline.set(edgecolor=GREY, linewidth=0.8)
    bar.set_label(text, fontsize=SMALL, color=INK)


def epochs(ax, numbers):
    """A horizontal axis of epochs; one epoch alone gets room on both sides."""
    whole(ax.xaxis)
    if len(set(numbers)) == 1:
        ax.set_xlim(numbers[0] - 1, numbers[0] + 1)


def finish(figure, rows):
    """Attach the table; no text goes through TeX, whatever the user's settings say (names have underscores)."""
    for text in figure.findobj(Text):
        text.set_usetex(False)
    return attach(figure, rows)
