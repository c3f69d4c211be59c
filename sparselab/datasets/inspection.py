"""What a table in a file holds, before it is trained on: columns that can be features, the likely target, what may be wrong.

Columns are parsed by `tables`, as for training. A leak is a column that tells the target alone.
"""

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ..utils.checks import fail, few
from . import readers
from .cells import Cells
from .tables import LOOKED_AT, ArffTable, TextTable, counts_rows

TARGETS = ("target", "label", "labels", "class", "y", "outcome", "diagnosis", "species", "category", "response")
IDENTIFIER = re.compile(r"(.*[_ .-])?(id|uuid|guid|index|idx|key|nr|no|number)|.*[a-z]I[dD]", re.IGNORECASE)
DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\.?([T ]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2}.*)?")
MISSING_SHARE = 0.2  # columns with a larger share of missing cells are left out, so that their rows can be used
OFFSET = 1e4  # deviations that lie between the values of a column and 0
LABELS_SHARE, MANY_LABELS = 0.05, 20  # more different whole numbers than that in a target are numbers to predict
RARE, MOSTLY = 5, 0.9  # rows of a rare class; share of one that hides the others
LARGE = 30.0  # deviation of numbers to predict
SAMPLE, FEWEST, CORRELATED = 2000, 30, 0.9999  # rows in which leaks are looked for, at least; correlation of one


@dataclass(frozen=True)
class Column:
    """A column of a table: position, name, kind of its cells, number of different ones and share of missing ones.

    left_out: why it is no feature unless it is chosen as one, "" for a feature. usable: whether it can be chosen. warning: what
    is strange about it, or "".
    """

    place: int
    name: str
    kind: str
    n_values: int
    missing: float = 0.0
    left_out: str = ""
    usable: bool = True
    warning: str = ""


@dataclass(frozen=True)
class Findings:
    """What a choice of target and features means: rows that are used, rows left out, classes with their rows, warnings.

    classes: (label, rows), the most frequent first; () for numbers to predict. faults: why nothing can be trained, by what is to
    be chosen differently, "target" or "features"; {} for nothing.
    """

    rows: int = 0
    dropped: int = 0
    classes: tuple = ()
    warnings: tuple = ()
    faults: dict = field(default_factory=dict)


def is_table(path):
    """Whether a path ends like a table with columns to choose from."""
    kind = readers.kind_of(path)
    return kind is not None and "columns" in readers.READERS[kind][1]


class Inspection:
    """The table in a file. options: separator, header and decimal, as for Dataset.from_file.

    names and columns: of all columns; said: warnings of the reader; first: some rows as they are written; guess: the position of
    the column that is most likely the target. Raises what reading it would raise.
    """

    def __init__(self, path, **options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.table = ArffTable(path) if readers.kind_of(path) == ".arff" else TextTable(path, **options)
            self.frame = self.table.frame()
        self.said = tuple(str(one.message) for one in caught)
        self.names, self.n_rows, self.first = self.table.names, len(self.frame), self.table.first(5)
        self.labels = {}  # by target
        self.columns = [column_of(i, name, self.frame[i]) for i, name in enumerate(self.names)]
        if self.table.has_index:
            self.columns[0] = Column(0, "", self.columns[0].kind, self.n_rows, left_out="no name: an index of the rows")
        self.guess = target_of(self.columns, self.n_rows)

    def task_of(self, target):
        """What this target is most likely for: "classification" or "regression"."""
        try:
            y, unlabelled = self._labels(target)
        except ValueError:
            return "classification"
        y = y[~unlabelled]
        if y.dtype.kind == "f" and np.any(y != np.floor(y)):
            return "regression"
        many = max(MANY_LABELS, LABELS_SHARE * len(y))
        return "regression" if y.dtype.kind in "iuf" and len(np.unique(y)) > many else "classification"

    def features_of(self, target):
        """Positions of the columns that are features, if nobody chooses others."""
        return [one.place for one in self.columns if one.place != target and not one.left_out]

    def check(self, target, features, task="classification"):
        """The Findings for a target and features, which are positions."""
        try:
            y, unlabelled = self._labels(target)
        except ValueError as error:
            return Findings(faults={"target": str(error)})
        kept = ~(unlabelled | self.frame[list(features)].isna().any(axis=1).to_numpy())
        y, dropped = y[kept], int(len(kept) - kept.sum())
        if task == "regression":
            with suppress(ValueError):  # numbers that were kept as text, because they could be labels
                y = y.astype(np.float64)
        if faults := faults_of(y, features, task):
            return Findings(len(y), dropped, faults=faults)
        if task == "classification":
            labels, rows = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_counts=True)
            classes = tuple((str(labels[i]), int(rows[i])) for i in np.argsort(-rows, kind="stable"))
            said = warnings_of_classes(classes)
        else:
            classes, said = (), warnings_of_numbers(y)
        if dropped:
            said.insert(0, f"{dropped:,} of {self.n_rows:,} rows have missing cells and are left out")
        said += [f"column {self.names[i]!r}: {self.columns[i].warning}" for i in features if self.columns[i].warning]
        if leaks := self._leaks(features, y, kept, task):
            said.append(f"columns {few([self.names[i] for i in leaks])}, each alone, tell the target: are they known before it?")
        return Findings(len(y), dropped, classes, tuple(said))

    def _labels(self, target):
        """(y, whether each row has no label), as they are read for training."""
        if target not in self.labels:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.labels[target] = Cells(self.table, target, usecols=[target]).labels()
        return self.labels[target]

    def _leaks(self, features, y, kept, task):
        """Positions of the features each of which tells y, the targets of the rows that are kept."""
        if len(y) < FEWEST:
            return []
        rows = np.unique(np.linspace(0, len(y) - 1, SAMPLE).astype(np.int64))
        codes = np.unique(y[rows].astype(str), return_inverse=True)[1] if task == "classification" else y[rows]
        tells = are_separate if task == "classification" else is_correlated
        sample = self.frame[list(features)].iloc[np.flatnonzero(kept)[rows]].to_numpy(np.float64)
        return [i for i, values in zip(features, sample.T, strict=True) if tells(values, codes)]


def column_of(place, name, cells):
    """The Column of these cells, a pandas Series."""
    import pandas

    given, name = cells.dropna(), str(name)
    missing = 1 - len(given) / len(cells)
    made = lambda kind, n, **more: Column(place, name, kind, n, missing, **more)
    if not len(given):
        return made("empty", 0, left_out="empty", usable=False)
    numbers = given if given.dtype.kind in "biuf" else pandas.to_numeric(given.astype(str), errors="coerce")
    broken = numbers.isna()
    if broken.any():
        texts = given.astype(str).str.strip()
        dates = texts[:LOOKED_AT].str.fullmatch(DATE).all()
        kind, n = "dates" if dates else "text", texts.nunique()
        some = 0 < 2 * broken.sum() < len(texts)
        found = f"text in {broken.sum():,} cells, such as {texts[broken].iloc[0]!r:.40}" if some else f"{kind}, {n:,} different"
        return made(kind, n, left_out=f"{found}: features are numbers", usable=False)
    values = numbers.to_numpy(np.float64)
    if not np.isfinite(values).all():
        return made("numbers", len(values), left_out="numbers that are not finite", usable=False)
    n, whole = len(np.unique(values)), bool(np.all(values == np.floor(values)))
    kind = "whole numbers" if whole else "numbers"
    if n == 1:
        return made(kind, n, left_out=f"constant: {values[0]:g} in all rows")
    if whole and n == len(values) >= 10 and (IDENTIFIER.fullmatch(name) or counts_rows(values)):
        return made(kind, n, left_out="an identifier: another whole number in each row")
    if missing > MISSING_SHARE:
        return made(kind, n, left_out=f"{missing:.0%} of its cells are missing")
    mean, deviation = values.mean(), values.std()
    if abs(mean) > OFFSET * deviation:
        return made(kind, n, warning=f"values vary by {deviation:.3g} around {mean:.6g}: is it a time or a number of a row?")
    return made(kind, n)


def target_of(columns, n_rows):
    """The position of the most likely target.

    That is a column with a usual name, else the last column if it may hold labels, else the last text that may, else the last
    numbers, else the last column.
    """
    may_be = lambda one: 1 < one.n_values <= max(MANY_LABELS, LABELS_SHARE * n_rows) and one.kind in ("text", "whole numbers")
    named = [one for one in columns if one.name.lower() in TARGETS and one.kind != "empty"]
    last = [one for one in columns[-1:] if may_be(one)]
    texts = [one for one in columns if may_be(one) and one.kind == "text"]
    numbers = [one for one in columns if not one.left_out]
    return next((found[-1].place for found in (named, last, texts, numbers) if found), len(columns) - 1)


def faults_of(y, features, task):
    """Why targets and features cannot be trained on, as in Findings."""
    if not len(features):
        return {"features": "no column is a feature: choose at least one with numbers"}
    if len(y) < 2:
        return {"features": f"{len(y)} rows have no missing cell: leave out the columns with many"}
    some, text = f"{str(y[0])!r:.40}", ""
    if task == "regression":
        text = "" if y.dtype.kind in "biuf" else f"has labels, such as {some}: choose classification"
    elif y.dtype.kind == "f" and np.any(y != np.floor(y)):
        text = "has numbers with decimals, which are no classes: choose regression"
    elif len(np.unique(y.astype(str))) < 2:
        text = f"is {some} in all rows: choose another column"
    return {"target": text} if text else {}


def warnings_of_classes(classes):
    """What is strange about [(label, rows)], the most frequent first."""
    n, said = sum(rows for _, rows in classes), []
    if rare := [label for label, rows in classes if rows < RARE]:
        said.append(f"fewer than {RARE} rows have the {'class' if len(rare) == 1 else 'classes'} {few(rare)}")
    if classes[0][1] > MOSTLY * n:
        said.append(f"{classes[0][1] / n:.0%} of the rows are {classes[0][0]!r}: so much accuracy comes without learning")
    return said


def warnings_of_numbers(y):
    """What is strange about the numbers of a regression."""
    deviation = y.std()
    if deviation == 0:
        return ["the target is the same number in all rows"]
    if deviation > LARGE or abs(y.mean()) > LARGE * max(1.0, deviation):
        return [f"the target varies by {deviation:.3g} around {y.mean():.3g}: with such numbers training may diverge"]
    return []


def are_separate(values, codes):
    """Whether the values of each class lie in an interval of their own."""
    order = np.lexsort((codes, values))
    values, codes = values[order], codes[order]
    changes = codes[1:] != codes[:-1]
    return bool(changes.sum() <= codes.max() and not np.any(changes & (values[1:] == values[:-1])))


def is_correlated(values, y):
    """Whether values and targets lie on a line."""
    deviations = values.std() * y.std()
    covariance = ((values - values.mean()) * (y - y.mean())).mean()
    return bool(deviations > 0 and abs(covariance) > CORRELATED * deviations)


def inspect(path, **options):
    """The Inspection of a file with a table; ValueError for other files."""
    if not is_table(path):
        fail("path", str(path), f"a table: {[kind for kind in readers.READERS if is_table('x' + kind)]}")
    return Inspection(path, **{name: value for name, value in options.items() if value is not None})
