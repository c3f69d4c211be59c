"""Legends with exactly the entries they are given, in as many columns as fit under the figure."""

import numpy as np

from .style import INK, SMALL

COLUMNS = 5  # largest number of columns


def legend(place, handles, labels, **options):
    """Add a legend with exactly these entries to axes or a figure."""
    if not handles:
        return
    labels = [f" {text}" if text.startswith("_") else text for text in labels]  # matplotlib hides labels with a leading "_"
    place.legend(handles, labels, fontsize=SMALL, frameon=False, labelcolor=INK, **options)


def below(figure, handles, labels):
    """Add a legend below all axes, in as many columns as fit; the figure becomes higher by its lines."""
    labels = list(labels)
    columns = next((n for n in range(min(COLUMNS, len(labels)), 1, -1) if entries_width(labels, n) < figure.get_figwidth()), 1)
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(labels) // columns))
    legend(figure, list(handles), labels, loc="outside lower center", ncols=columns)


def entries_width(labels, columns):
    """Approximate width in inches of a legend with these entries, filled column by column."""
    parts = np.array_split([len(label) for label in labels], columns)
    return sum(0.6 + 0.076 * max(part) for part in parts)
