"""From a worm to a rat: what nets of very many neurons take, beside brains of as many."""

from . import style
from .tables import tables_of

# name -> (neurons of the whole nervous system or brain, where the number is from)
BRAINS = {
    "worm (C. elegans)": (302, "White et al. 1986"),
    "fruit fly": (139_255, "Dorkenwald et al. 2024"),
    "bat (as claimed)": (50_000_000, "Curci et al. 2021: about 50 million"),
    "mouse": (71_000_000, "Herculano-Houzel et al. 2006"),
    "rat": (200_000_000, "Herculano-Houzel et al. 2006"),
}


def scale(table, *, title=None):
    """Seconds of a step and of an evolution, and peak memory, against hidden neurons; grey lines: brains of as many neurons.

    table: a DataFrame with columns neurons, step_seconds, evolve_seconds and peak_gib, a row a net that was really trained
    (`benchmarks.scale`, or results of `sparselab.experiments.extreme.run`), of one batch size. TypeError for anything else.
    """
    columns = ("neurons", "step_seconds", "evolve_seconds", "peak_gib")
    rows = tables_of("table", table, columns, "benchmarks.scale")[""].sort_values("neurons")
    figure, axes = style.blank(1, 2, height=3.4, title=style.heading(title, None))
    places = rows["neurons"].to_numpy(float)
    lines = (
        ("a training step", axes[0, 0], "step_seconds"), ("an evolution", axes[0, 0], "evolve_seconds"),
        ("peak of the process", axes[0, 1], "peak_gib"),
    )  # fmt: skip
    for number, (label, ax, name) in enumerate(lines):
        ax.loglog(places, rows[name].to_numpy(float), label=label, linewidth=1.5, markersize=5, **style.look(number))
    for ax in axes.flat:
        _brains(ax, places.min(), 3 * max(places.max(), BRAINS["rat"][0]))
        ax.legend(loc="upper left", fontsize=9)
    style.label(axes[0, 0], "hidden neurons", "seconds")
    style.label(axes[0, 1], "hidden neurons", "GiB")
    return style.finish(figure, {name: rows[name].tolist() for name in columns})


def _brains(ax, low, high):
    """A line and a name for each brain within the picture, where curves are not; room for the legend above."""
    ax.set_xlim(0.4 * low, high)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top * (top / bottom) ** 0.35)
    before = 0
    for name, (neurons, _) in BRAINS.items():
        if neurons > 0.6 * low:
            height = 0.4 if neurons < (low * high) ** 0.5 else 0.03  # above the curves, then below
            side = "left" if neurons < 4 * before else "right"  # of two that are close
            ax.axvline(neurons, color=style.GREY, linestyle=":", linewidth=1)
            ax.text(
                neurons, height, f" {name} ", transform=ax.get_xaxis_transform(), rotation=90, fontsize=9, ha=side, va="bottom"
            )  # fmt: skip
            before = neurons
