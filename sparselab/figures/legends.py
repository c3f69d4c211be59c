"""Legends that say exactly what they are told, and that fit under their figure whatever the names are."""

import numpy as np

from .style import INK, SMALL

COLUMNS = 5  # at most


def legend(place, handles, labels, **options):
    """A legend of exactly these entries, on axes or (outside, below) on a figure."""
    if not handles:
        return
    labels = [f" {text}" if text.startswith("_") else text for text in labels]  # a leading "_" means "hide" to matplotlib
    place.legend(handles, labels, fontsize=SMALL, frameon=False, labelcolor=INK, **options)


def below(figure, handles, labels):
    """A legend under all axes, in as many columns as fit; the figure grows by its lines."""
    labels = list(labels)
    columns = next((n for n in range(min(COLUMNS, len(labels)), 1, -1) if entries_width(labels, n) < figure.get_figwidth()), 1)
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(labels) // columns))
    legend(figure, list(handles), labels, loc="outside lower center", ncols=columns)


def entries_width(labels, columns):
    """Roughly the inches that legend entries in so many columns need, filled column by column."""
    parts = np.array_split([len(label) for label in labels], columns)
    return sum(0.6 + 0.076 * max(part) for part in parts)
