"""The cells of a table as numbers and labels, and its columns by name or position.

A cell that cannot be used is named with its place and with the argument that helps.
"""

from collections.abc import Iterable

import numpy as np

from ..utils.checks import choice, fail, few, integer
from .formats import shown_path

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none", "#N/A")
EXACT = 2**53  # from here on a float64 does not hold every whole number
ON_MISSING = ("refuse", "drop")  # what happens to rows with missing cells


class Cells:
    """The cells of a TextTable, which become numbers and labels; target: position of the labels. options: of its `frame`."""

    def __init__(self, table, target, **options):
        self.path, self.names, self.locate = table.path, table.names, table.locate
        self.target, self.frame = target, table.frame(target, **options)
        self.decimal = "." if table.layout is None else table.layout.decimal

    def split(self, columns, missing, others=()):
        """X (rows, features) float64 and y (rows,), or with positions of other targets, numbers, (rows, targets).

        For the arguments see Dataset.from_file.
        """
        target = self.target
        choice("missing", missing, ON_MISSING)
        if columns is None:
            features = [i for i in range(len(self.names)) if i not in (target, *others)]
        else:
            columns = [columns] if isinstance(columns, str | int) else columns
            if not isinstance(columns, Iterable):
                fail("columns", columns, "names or positions of columns", TypeError)
            columns = list(columns)
            features = [position(f"columns[{i}]", one, self.names) for i, one in enumerate(columns)]
            for one in (target, *others):
                if one in features or not features:
                    fail("columns", columns, f"at least one feature, without the target {self.names[one]!r}")
        if not features:
            fail("target", [self.names[i] for i in (target, *others)], "not all columns: at least one is a feature")
        n, features = len(features), [*features, *others]
        X, y, unlabelled = self._numbers(features), *self.labels()
        if missing == "refuse":
            self._refuse_missing(X, features, unlabelled)
        else:
            kept = ~(np.isnan(X).any(axis=1) | unlabelled)
            if not kept.any():
                fail("missing", missing, '"refuse": every row has a missing cell; columns=[…] chooses the columns that are used')
            X, y = X[kept], y[kept]
        if not others:
            return X, y
        if y.dtype.kind not in "biuf":
            fail("target", [self.names[i] for i in (target, *others)], f"numbers: {self.names[target]!r} has labels")
        return np.ascontiguousarray(X[:, :n]), np.column_stack([y, X[:, n:]])

    def _numbers(self, features):
        """The features, NaN where a cell is missing; ValueError where a column has cells that are no numbers."""
        import pandas

        X, wrong = np.empty((len(self.frame), len(features))), {}
        for at, column in enumerate(features):
            cells = self.frame[column]
            if cells.dtype.kind not in "biuf":
                given = cells.notna()
                cells = pandas.to_numeric(self._texts(cells).where(given), errors="coerce")
                broken = (cells.isna() & given).to_numpy()
                if broken.any():
                    wrong[column] = int(np.argmax(broken))
            X[:, at] = cells
        if wrong:
            column = next(iter(wrong))
            more = f" (nor are columns {few([self.names[i] for i in wrong][1:])})" if len(wrong) > 1 else ""
            self._fail(column, wrong[column], f"a finite number{more}; columns=[…] chooses the columns that are used")
        return X

    def _texts(self, cells):
        """Cells that pandas did not read as numbers as texts, with a decimal point; "" in place of those with another mark."""
        texts = cells.astype(str)
        if self.decimal == ".":
            return texts
        return texts.mask(texts.str.contains(".", regex=False), "").str.replace(",", ".")  # 1.234 may be a thousand

    def labels(self):
        """(y, whether each row has no label); ValueError where a few labels are no numbers and all others are."""
        column, cells = self.target, self.frame[self.target]
        unlabelled = cells.isna().to_numpy(copy=True)
        given = cells[~unlabelled]
        if not len(given):
            self._fail(column, 0, "a label: this column is empty; target=… chooses another one")
        if given.dtype.kind in "biuf":
            whole = given.dtype.kind == "f" and unlabelled.any() and bool((given == np.floor(given)).all())
            if whole and np.abs(given).max() >= EXACT:  # empty cells made them floats
                self._refuse_long_labels(given)
                whole = False
            values = np.zeros(len(cells), np.int64 if whole else given.dtype)
            values[~unlabelled] = given
            return values, unlabelled
        texts = self._texts(given)
        numeric = np.array([is_number(text) for text in texts], dtype=bool)
        if self.decimal == "," and any(ambiguous := [is_number(str(cell)) and "." in str(cell) for cell in given]):
            row = int(np.flatnonzero(~unlabelled)[np.argmax(ambiguous)])
            self._fail(column, row, "a label without a point, where the decimal mark is ','")
        marked = given.isin(MISSING).to_numpy()
        if numeric.any() and (~numeric).any() and (numeric | marked).all():  # among numbers these marks are no labels
            unlabelled[~unlabelled] = marked
            values = np.zeros(len(cells), np.float64)
            values[~unlabelled] = texts[numeric & ~marked].astype(float)
            whole = bool((values == np.floor(values)).all() and np.abs(values).max() < EXACT)
            return (values.astype(np.int64) if whole else values), unlabelled
        if numeric.any() and 0 < 100 * (~numeric).sum() < len(numeric):
            row = int(np.flatnonzero(~unlabelled)[np.argmin(numeric)])
            self._fail(column, row, "a number like the other labels: mend or remove this line")
        values = np.full(len(cells), "", dtype=object)
        values[~unlabelled] = given.astype(str).str.strip()
        return values, unlabelled

    def _refuse_long_labels(self, given):
        """ValueError naming the first number that a float may not have kept, if it is written as a whole one."""
        row = given.index[np.abs(given) >= EXACT][0]
        if self.locate(row, self.target)[1].strip().lstrip("+-").isdigit():
            self._fail(self.target, row, "a label below 2**53, where the column has empty cells")

    def _refuse_missing(self, X, features, unlabelled):
        """ValueError naming the first missing cell, if there is one."""
        missing = np.isnan(X)
        if missing.any():
            rows = missing.any(axis=1)
            row, some = int(np.argmax(rows)), few([self.names[features[i]] for i in np.flatnonzero(missing.any(axis=0))])
            way_out = f'missing="drop" leaves out the {rows.sum()} rows with missing cells, columns=[…] can leave out {some}'
            self._fail(features[int(np.argmax(missing[row]))], row, f"a finite number; {way_out}")
        if unlabelled.any():
            self._fail(self.target, int(np.argmax(unlabelled)), 'a label, not an empty cell; missing="drop" leaves such rows out')

    def _fail(self, column, row, allowed):
        place, cell = self.locate(row, column)
        fail(f"{shown_path(self.path)}: column {self.names[column]!r}, {place}", cell, allowed)


def is_number(cell, decimal="."):
    """Whether a cell is a finite number."""
    try:
        return np.isfinite(float(cell.replace(",", ".") if decimal == "," else cell))
    except ValueError:
        return False


def position(argument, column, names):
    """The position of a column that is given by name or position, which may count from the end."""
    if isinstance(column, str):
        if names.count(column) > 1:
            fail(argument, column, f"a position: several columns have this name, {names}")
        return names.index(choice(argument, column, [name for name in names if isinstance(name, str)]))
    return integer(argument, column, low=-len(names), high=len(names) - 1) % len(names)


def positions(argument, target, names):
    """The positions of one column, or of several that differ."""
    if isinstance(target, str) or not isinstance(target, Iterable):
        return [position(argument, target, names)]
    found = [position(f"{argument}[{i}]", one, names) for i, one in enumerate(target)]
    if not found or len(set(found)) < len(found):
        fail(argument, target, "names or positions of columns that differ, at least one")
    return found
