"""Readers of a user's own files, CSV tables and .npz, as raw arrays; their values are validated afterwards.

No content is ever executed: pickles in .npz files are not loaded, and CSV cells are numbers or labels, never formulas.
"""

import csv
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np

from ..utils.checks import choice, fail, integer
from .formats import refuse

PARTS = ("X_train", "y_train", "X_test", "y_test")


def stem(path):
    """Return the name of a dataset read from `path`: the file name without extension."""
    return Path(path).stem


def read_npz(path):
    """Return ([X, y, X_test, y_test], True) for a file with training and test part, else ([X, y], False)."""
    path = existing(path)
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*PARTS, "X", "y") if key in file}
            found = sorted(file.files)
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        refuse(path, f"an .npz of plain arrays ({str(error)[:120]})")
    if {"X_train", "y_train"} <= arrays.keys():
        return [arrays.get(key) for key in PARTS], True
    if {"X", "y"} <= arrays.keys():
        return [arrays["X"], arrays["y"]], False
    refuse(path, f"an .npz with X_train and y_train, or X and y, not {found}")


def read_csv(path, target=-1, separator=","):
    """Read a UTF-8 table as X (rows, features) float64 and y (rows,); `target` is the name or position of the column of y.

    Raises ValueError naming line and column of the first cell that is not a number.
    """
    path = existing(path)
    frame = _table(path, separator)
    if frame.empty:
        refuse(path, "a table with at least one line below its header")
    column = _target_column(frame, target)
    features = frame.drop(columns=column)
    first_line = 1 + isinstance(frame.columns[0], str)
    for name in features.columns:
        _check_column(features[name], name, first_line)
    return features.to_numpy(dtype=np.float64), _labels(frame[column], column, first_line)


def existing(path):
    """Return `path` as a Path; FileNotFoundError if there is no such file."""
    path = Path(path)
    if not path.is_file():
        refuse(path, "an existing file", FileNotFoundError)
    return path


def _table(path, separator):
    """Read the file as a data frame; the columns are numbered if it has no header."""
    import pandas

    text = _text(path)
    header = _header(text, separator)
    cells = {"sep": separator, "index_col": False, "keep_default_na": False, "na_values": [""]}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # a line with too many cells
            return pandas.read_csv(io.StringIO(text), header=None, names=header, skiprows=int(header is not None), **cells)
    except pandas.errors.ParserWarning as error:
        refuse(path, f"a table with equally many cells in each line ({error})")
    except ValueError as error:
        refuse(path, f"a table with equally many cells in each line ({str(error)[:160]})")


def _text(path):
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, f"UTF-8 text ({str(error)[:120]})")
    if not text.strip():
        refuse(path, "a table with at least one line")
    return text


def _header(text, separator):
    """Return the cells of the first line if none of them is a number, else None."""
    cells = next(csv.reader(io.StringIO(text), delimiter=separator))
    return None if any(map(_is_number, cells)) else [cell.strip() for cell in cells]


def _is_number(cell):
    try:
        return np.isfinite(float(cell))
    except ValueError:
        return False


def _target_column(frame, target):
    names = list(frame.columns)
    if len(names) < 2:
        fail("columns", names, "at least one feature and the target; is `separator` right?")
    if isinstance(target, str):
        return choice("target", target, [name for name in names if isinstance(name, str)])
    return names[integer("target", target, low=-len(names), high=len(names) - 1)]


def _check_column(cells, name, first_line):
    """Check that every cell of a feature column is a number; the error names the first other one and its line."""
    import pandas

    bad = pandas.to_numeric(cells, errors="coerce").isna().to_numpy()
    if bad.any() or cells.dtype.kind not in "biuf":
        row = int(np.argmax(bad))
        cell = cells.iloc[row] if isinstance(cells.iloc[row], str) else ""
        fail(f"column {name!r}, line {row + first_line}", cell, "a finite number")


def _labels(cells, name, first_line):
    missing = cells.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        fail(f"column {name!r}, line {row + first_line}", "", "a label, not an empty cell")
    return cells.to_numpy()
