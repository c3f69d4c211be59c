"""A figure that carries its numbers: it shows itself in a notebook and is saved as picture and table together."""

import io
import threading
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.figure

from ..utils import checks

SUFFIXES = (".pdf", ".png", ".csv")
_FONTS = threading.Lock()


class TableFigure(matplotlib.figure.Figure):
    """A matplotlib Figure with `data`: the drawn numbers as {column: values}, all of one length."""

    data = None

    def to_frame(self):
        """The drawn numbers as a pandas DataFrame."""
        return to_frame(self)

    def _repr_png_(self):
        return png_bytes(self)


def attach(figure, rows):
    """Give the figure its table from a list of dicts with the same keys, or from {column: values}; returns the figure."""
    columns = rows if isinstance(rows, dict) else {name: [row[name] for row in rows] for name in rows[0]}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        checks.fail("data", lengths, "columns of one length")
    figure.data = columns
    return figure


def to_frame(figure):
    """The table of a figure made here, as a pandas DataFrame."""
    import pandas

    if getattr(figure, "data", None) is None:
        checks.fail("figure", figure, "a figure of sparselab.figures, which has its table as `data`", TypeError)
    return pandas.DataFrame(figure.data)


def png_bytes(figure, *, dpi=100):
    """The whole figure as PNG bytes, for image widgets."""
    buffer = io.BytesIO()
    options = {"compress_level": 3}  # a third of the time of the default, and such images are no larger
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches=figure.bbox_inches, facecolor="white", pil_kwargs=options)
    return buffer.getvalue()


def save_figure(figure, path):
    """Write `path`.pdf (fonts embedded as text), `path`.png (150 dpi) and `path`.csv, the table; returns the three paths.

    Folders are made where they are missing; files of these names are replaced.
    """
    frame, path = to_frame(figure), Path(path)
    stem = str(path.with_suffix("") if path.suffix in SUFFIXES else path)
    pdf, png, csv = paths = [Path(stem + suffix) for suffix in SUFFIXES]
    path.parent.mkdir(parents=True, exist_ok=True)
    with _embedded_fonts():
        figure.savefig(pdf, bbox_inches=figure.bbox_inches, facecolor="white", metadata={"CreationDate": None})
    png.write_bytes(png_bytes(figure, dpi=150))
    frame.to_csv(csv, index=False)
    return paths


@contextmanager
def _embedded_fonts():
    """TrueType fonts in a PDF are a global setting only: one key, one writer at a time, put back at the end."""
    with _FONTS:
        before = matplotlib.rcParams["pdf.fonttype"]
        matplotlib.rcParams["pdf.fonttype"] = 42
        try:
            yield
        finally:
            matplotlib.rcParams["pdf.fonttype"] = before
