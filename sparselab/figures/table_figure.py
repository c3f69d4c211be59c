"""A figure that carries its numbers: notebooks display it, and it is saved as a picture and a table."""

import io
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.figure

from ..utils import checks, files

if TYPE_CHECKING:
    import pandas

SUFFIXES = (".pdf", ".png", ".csv")
_FONTS = threading.Lock()


class TableFigure(matplotlib.figure.Figure):
    """
    A matplotlib figure that carries the numbers it shows, as `data`: {column: values}, all of one length.

    The functions of `sparselab.figures` return it.

    Examples
    --------
    >>> import sparselab as sl
    >>> figure = sl.figures.loss_by_step([0.5, 0.25])
    >>> figure.data["loss"]
    [np.float64(0.5), np.float64(0.25)]
    """

    data: dict[str, Any] | None = None

    def to_frame(self) -> "pandas.DataFrame":
        """
        Return the numbers of the figure as a table.

        Returns
        -------
        pandas.DataFrame
            The columns of `data`.
        """
        return to_frame(self)

    def _repr_png_(self):
        return png_bytes(self)


def attach(figure, rows):
    """Set the figure's table: a list of dicts with the same keys, or {column: values} of one length. Returns the figure."""
    columns = rows if isinstance(rows, dict) else {name: [row[name] for row in rows] for name in rows[0]}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        checks.fail("data", lengths, "columns of one length")
    figure.data = columns
    return figure


def to_frame(figure: TableFigure) -> "pandas.DataFrame":
    """Return the numbers of a figure as a table.

    Parameters
    ----------
    figure : TableFigure
        A figure of `sparselab.figures`.

    Returns
    -------
    pandas.DataFrame
        The columns of `figure.data`.

    Raises
    ------
    TypeError
        If `figure` carries no table.

    Examples
    --------
    >>> import sparselab as sl
    >>> list(sl.figures.to_frame(sl.figures.loss_by_step([0.5, 0.25])).columns)
    ['run', 'step', 'loss']
    """
    import pandas

    if getattr(figure, "data", None) is None:
        checks.fail("figure", figure, "a figure of sparselab.figures, which has its table as its attribute data", TypeError)
    return pandas.DataFrame(figure.data)


def png_bytes(figure: TableFigure, *, dpi: float = 100) -> bytes:
    """Return a figure as the bytes of a PNG file, for image widgets.

    Parameters
    ----------
    figure : TableFigure
        A figure of `sparselab.figures`.
    dpi : float, default 100
        Dots per inch.

    Returns
    -------
    bytes
        The whole figure, including what lies outside its axes.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.figures.png_bytes(sl.figures.loss_by_step([0.5, 0.25]))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    options = {"compress_level": 3}  # faster than the default, and such images are no larger
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches=figure.bbox_inches, facecolor="white", pil_kwargs=options)
    return buffer.getvalue()


def save_figure(figure: TableFigure, path: str | os.PathLike[str]) -> list[Path]:
    """Write a figure as PDF and PNG, and its numbers as CSV.

    Missing folders are created; existing files of these names are replaced.

    Parameters
    ----------
    figure : TableFigure
        A figure of `sparselab.figures`.
    path : str or path-like
        Name of the files; .pdf, .png and .csv are added, or take the place of one of these.

    Returns
    -------
    list of pathlib.Path
        The PDF with embedded fonts, the PNG with 150 dots per inch, and the CSV.

    Raises
    ------
    TypeError
        If `figure` carries no table.
    OSError
        Where a file cannot be written, naming it.

    Examples
    --------
    >>> import sparselab as sl
    >>> [path.name for path in sl.figures.save_figure(sl.figures.loss_by_step([0.5, 0.25]), "loss")]
    ['loss.pdf', 'loss.png', 'loss.csv']
    """
    frame, path = to_frame(figure), Path(checks.path("path", path))
    stem = str(path.with_suffix("") if path.suffix in SUFFIXES else path)
    pdf, png, csv = paths = [Path(stem + suffix) for suffix in SUFFIXES]
    path.parent.mkdir(parents=True, exist_ok=True)
    with _embedded_fonts():
        drawn, options = io.BytesIO(), {"facecolor": "white", "metadata": {"CreationDate": None}}
        figure.savefig(drawn, format="pdf", bbox_inches=figure.bbox_inches, **options)
    files.write_whole(pdf, drawn.getvalue())
    files.write_whole(png, png_bytes(figure, dpi=150))
    files.write_whole(csv, frame.to_csv(index=False, lineterminator=os.linesep).encode())
    return paths


@contextmanager
def _embedded_fonts():
    """TrueType fonts in PDF files are a global setting of matplotlib: it is changed under a lock and restored at the end."""
    with _FONTS:
        before = matplotlib.rcParams["pdf.fonttype"]
        matplotlib.rcParams["pdf.fonttype"] = 42
        try:
            yield
        finally:
            matplotlib.rcParams["pdf.fonttype"] = before
