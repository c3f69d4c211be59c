"""Reader of text tables (.csv, .tsv, .txt, .data, .arff): finds their layout; pandas and SciPy parse them.

Separator, decimal mark and header are found unless they are given. A cell that cannot be used is named with its line and with the
argument that helps.
"""

import csv
import io
import re
import sys
import warnings
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import numpy as np

from ..utils.checks import fail, few, shown
from .cells import MISSING, Cells, is_number, positions
from .formats import content, refuse, shown_path

SEPARATORS = ("\t", ";", "|", ",", r"\s+")  # in the order in which they are tried
NO_LABEL = ("", "?")  # in the target's column the other marks may be labels
COMMENT = ("#", "%")
LOOKED_AT = 200  # lines from which the layout is found
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
SEPARATOR_LINE = re.compile(r'[ \t]*"?sep=(.)"?[ \t]*(\r?\n|$)', re.IGNORECASE)  # for Excel
COMMENT_LINE = re.compile(r"^[ \t]*[#%]", re.MULTILINE)
QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")  # in an ARFF file
LEADING_ZERO = re.compile(r"(?<![\w.])0\d")
WORD = re.compile(r'"((?:[^"]|"")*)"|(\S+)')  # between white space


class Layout(NamedTuple):
    """How a table is written: its separator, decimal mark, the names of its columns (None without a header), its first cells.

    unnamed: whether the first line has one cell fewer than all others.
    """

    separator: str
    decimal: str
    names: list | None
    first: list
    unnamed: bool = False


def read_table(
    path, target=-1, *, columns=None, missing="refuse", separator=None, header=None, decimal=None, encoding="utf-8"
):  # fmt: skip
    """Read a text table as X (rows, features) float64 and y (rows,), or (rows, targets); for the arguments see Dataset.from_file.

    Raises ValueError naming line and column of the first cell that cannot be used.
    """
    table = TextTable(path, separator, header, decimal, encoding)
    names, layout = table.names, table.layout
    place, *others = positions("target", target, names)
    if columns is None and table.has_index and place != 0:
        say(path, "the first column has no name and is left out, because it looks like an index of the rows; columns=[…] with "
            "its position, 0, keeps it")  # fmt: skip
        columns = [i for i in range(1, len(names)) if i not in (place, *others)]
    X, y = Cells(table, place).split(columns, missing, others)
    if columns is None and counts_rows(X[:, 0]):
        first = names[1 if place == 0 else 0]
        say(path, f"column {first!r} counts the rows and is a feature all the same; columns=[…] leaves it out")
    if layout.names is None:
        warn_of_first_line(path, layout, y)
    return X, y


def read_arff(path, target=-1, *, columns=None, missing="refuse"):
    """The same for an ARFF file; nominal attributes can be the target only."""
    table = ArffTable(path)
    place, *others = positions("target", target, table.names)
    return Cells(table, place).split(columns, missing, others)


class TextTable:
    """The text of a table whose Layout is known: `names` of its columns, which are numbers without a header."""

    def __init__(self, path, separator=None, header=None, decimal=None, encoding="utf-8"):
        text, skipped = without_preamble(text_of(path, encoding))
        if for_excel := SEPARATOR_LINE.match(text):
            text, more = without_preamble(text[for_excel.end() :])
            skipped, separator = skipped + 1 + more, for_excel[1] if separator is None else separator
        if not text.strip():
            refuse(path, "a table with at least one line")
        self.path, self.skipped, self.layout = path, skipped, find_layout(path, text, separator, header, decimal)
        self.names = self.layout.names or list(range(len(self.layout.first)))
        if len(self.names) < 2:
            fail("columns", self.names, f"at least one feature and the target; is separator={self.layout.separator!r} right?")
        self.text = without_comments(path, text, self.layout, skipped, len(self.names))

    @property
    def has_index(self):
        """Whether the first column has no name, as an index of the rows."""
        return bool(self.layout.names) and self.names[0] in ("", "Unnamed: 0")

    def frame(self, target=None, **options):
        """The data frame, whose columns are numbered; in the target's column, marks of missing cells may be labels."""
        frame = parsed(self.path, self.text, self.layout, target, self.names, **options)
        if frame.empty:
            refuse(self.path, "a table with at least one line below its header")
        if target is not None and frame[target].dtype.kind in "if" and LEADING_ZERO.search(self.text):
            texts = parsed(self.path, self.text, self.layout, target, self.names, usecols=[target], dtype=str)[target]
            keep_spelling(self.path, frame, target, self.names, texts)
        return frame

    def first(self, n):
        """The cells of the first n rows as they are written."""
        begin = int(self.layout.names is not None)
        return list(islice((cells for _, cells in records(self.text, self.layout.separator) if cells), begin, begin + n))

    def locate(self, row, column):
        """("line n", the cell as text) of a row of the table, counted from 0 below the header."""
        filled = ((line, cells) for line, cells in records(self.text, self.layout.separator) if cells)
        for i, (line, cells) in enumerate(filled):
            if i == row + (self.layout.names is not None):
                return f"line {line + self.skipped}", cells[column] if column < len(cells) else ""
        return f"row {row}", ""


class ArffTable:
    """An ARFF file as a TextTable."""

    layout, has_index = None, False

    def __init__(self, path):
        import pandas
        from scipy.io import arff

        text = text_of(path, "utf-8")
        try:
            table, attributes = arff.loadarff(io.StringIO(text))
        except (arff.ArffError, NotImplementedError, ValueError, IndexError, StopIteration) as error:
            refuse(path, f"an ARFF file of numeric and nominal attributes ({str(error)[:160]})")
        self.path, self.names = path, attributes.names()
        if len(self.names) < 2 or not len(table):
            refuse(path, "an ARFF file with at least two attributes and one row")
        check_widths(path, text, len(self.names))
        decode = lambda values: [v.decode("utf-8", "replace") for v in values]
        nominal = [kind == "nominal" for kind in attributes.types()]
        columns = {i: decode(table[name]) if nominal[i] else table[name] for i, name in enumerate(self.names)}
        frame = pandas.DataFrame(columns)
        self.cells = frame.mask(frame == "?")

    def frame(self, target=None, usecols=None):
        """The data frame, whose columns are numbered."""
        return self.cells if usecols is None else self.cells[usecols]

    def first(self, n):
        """The cells of the first n rows as text."""
        return self.cells[:n].astype(str).to_numpy().tolist()

    def locate(self, row, column):
        """("row n", the cell as text), counted from 0."""
        cell = self.cells[column][row]
        return f"row {row}", "?" if cell != cell else str(cell)


def check_widths(path, text, n):
    """Refuse an ARFF file with a row of more than n cells: SciPy leaves the last ones out."""
    begun = False
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        found = QUOTED.sub("", line).count(",") + 1
        if begun and found > n and not line.startswith("%"):
            refuse(path, f"rows of {n} cells, one for each attribute: line {number} has {found}")
        begun = begun or line.lower().startswith("@data")


def text_of(path, encoding):
    """The text of a file that may be compressed, without a byte order mark."""
    raw = content(path)
    try:
        return raw.decode("utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding)
    except UnicodeDecodeError as error:
        kind = "UTF-8" if encoding == "utf-8" else encoding
        refuse(path, f"{kind} text ({str(error)[:120]}); encoding='latin-1' or 'utf-16' reads other files")
    except (LookupError, AttributeError, TypeError, ValueError):
        fail("encoding", encoding, "the name of an encoding, such as 'utf-8' or 'latin-1'")


def without_preamble(text):
    """The text without blank lines and comments before the first row, and the number of these lines."""
    start = skipped = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if line and not line.startswith(COMMENT):
            break
        start, skipped = end, skipped + 1
    return text[start:], skipped


def say(path, text):
    """Warn about a file, at the line outside of this package that reads it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{shown_path(path)}: {text}", stacklevel=level)


def find_layout(path, text, separator, header, decimal):
    """The Layout of a table; what is None is found from the first lines."""
    lines = text[: 2**20].splitlines(keepends=True)[:LOOKED_AT]
    uncommented = [line for line in lines if not COMMENT_LINE.match(line)]
    lines = uncommented if 2 * len(uncommented) > len(lines) else lines  # else "#" may begin each row's name
    if separator is None:
        counts = {one: [len(row) for row in rows_of(path, lines, one)] for one in SEPARATORS}
        separator = max(SEPARATORS, key=lambda one: uniformity(counts[one]))  # the first of equally good ones
        separator = separator if max(counts[separator]) > 1 else ","
    elif not isinstance(separator, str) or (len(separator) != 1 and separator != r"\s+"):
        fail("separator", separator, r"one character, r'\s+' for any white space, or None to find it")
    rows = rows_of(path, lines, separator)
    if decimal is None:
        cells = [cell for row in rows[1:] or rows for cell in row]
        commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell.strip())] if separator != "," else []
        decimal = "," if commas and not any(DECIMAL_POINT.fullmatch(cell.strip()) for cell in cells) else "."
        if decimal == "," and all(THOUSANDS.fullmatch(cell.strip()) for cell in commas):
            cell = commas[0].strip()
            say(path, f"{cell!r} is read with a decimal comma, as {cell.replace(',', '.')}, but it and the others like it may be "
                "thousands; decimal=',' says that they are not, decimal='.' refuses them")  # fmt: skip
    elif decimal not in (".", ",") or decimal == separator:
        fail("decimal", decimal, "'.' or ',', and not the separator")
    if header is not None and not isinstance(header, bool):
        fail("header", header, "True, False, or None to find out", TypeError)
    found = is_header(path, rows, decimal) if header is None else header
    unnamed = len(rows) > 1 and all(len(row) == len(rows[0]) + 1 for row in rows[1:])  # R gives the rows' names no head
    if found and unnamed and (header or len({row[0] for row in rows[1:]}) == len(rows) - 1):
        rows[0].insert(0, "")
    names = [cell.strip() for cell in rows[0]] if found else None
    if names and len(set(names)) < len(names):
        fail("header", names, "names that differ: rename columns, or remove this line and give positions")
    return Layout(separator, decimal, names, rows[0], unnamed)


def rows_of(path, lines, separator):
    """The cells of the lines that are not blank; at least one row."""
    if separator == r"\s+":
        return [words(line) for line in lines if line.strip()]
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row and any(cell.strip() for cell in row)] or [[""]]
    except csv.Error as error:
        refuse(path, f"a table of short cells ({error}); is a quotation mark missing?")


def words(line):
    """The cells of a line between white space, some of which may be in quotation marks."""
    return [quoted.replace('""', '"') or plain for quoted, plain in WORD.findall(line)]


def uniformity(counts):
    """The share of rows with the most frequent number of cells, where that is more than one; 0 else."""
    values, times = np.unique(counts, return_counts=True)
    times = np.where(values > 1, times, 0)
    return times.max() / len(counts)


def is_header(path, rows, decimal):
    """Whether the first line names the columns: no cell is a number, or one that is no number stands above numbers only.

    Numbers 0, 1, 2, … in all columns are the header that pandas writes for columns without names. The last two warn.
    """
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    numeric = [is_number(cell, decimal) for cell in first]
    if not any(numeric):
        return True
    if not others:
        return False
    counted = [cell.strip() for cell in first[first[0].strip() == "" :]]
    if len(counted) > 1 + (len(counted) == len(first)) and counted == [str(i) for i in range(len(counted))]:
        say(path, "the first line, 0, 1, 2, …, is taken as a header; header=False makes it a sample")
        return True
    above = [all(is_number(row[i], decimal) for row in others) for i, good in enumerate(numeric) if not good and first[i].strip()]
    if any(above) and len(others) > 1:
        say(path, f"the first line, {shown(first)}, is taken as a header, because it has text above numbers; header=False makes "
            "it a sample")  # fmt: skip
        return True
    return False


def counts_rows(values):
    """Whether a column is 0, 1, 2, … or 1, 2, 3, …, for at least ten rows."""
    return len(values) >= 10 and values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def warn_of_first_line(path, layout, y):
    """Warn where the label of the first line, which was taken as a sample, occurs nowhere else, and others more than once."""
    others = y[1:]
    times = np.unique(others.astype(str), return_counts=True)[1]
    repeated = len(times) and (times.min() > 1 if y.dtype.kind in "iu" else times.max() > 1)  # numbers may be a regression's
    if y.dtype.kind in "OUSTiu" and repeated and not np.any(others == y[0]):
        say(path, f"the first line, {shown(layout.first)}, is taken as a sample, but its label {y[0]!r} occurs nowhere else; "
            "header=True makes it a header")  # fmt: skip


def without_comments(path, text, layout, skipped, n_columns):
    """The text with an empty line for each comment between the rows.

    A comment begins with a mark, and has a blank after it, or more or fewer cells than a row: "#1" may be the name of a row.
    """
    if not COMMENT_LINE.search(text):
        return text
    lines, before, comments, rows, marked = list(io.StringIO(text)), 0, [], 0, []
    for number, cells in records(text, layout.separator):
        is_marked = number == before + 1 and cells and cells[0].lstrip().startswith(COMMENT)
        if is_marked and (len(cells) != n_columns or not cells[0].lstrip()[1:2].strip()):
            comments.append(number)
            lines[number - 1] = "\n"
        elif cells:
            rows += 1
            marked += [number] if is_marked else []
        before = number
    if comments:
        say(path, f"{len(comments)} comments, the first in line {comments[0] + skipped}, are left out")
    if 0 < 2 * len(marked) < rows:
        say(path, f"line {marked[0] + skipped} begins like a comment and is a row all the same, because it has {n_columns} "
            "cells; remove it if it is none")  # fmt: skip
    return "".join(lines)


def records(text, separator):
    """Yield (number of its last line, its cells) for each row of a text, also for empty lines."""
    lines = io.StringIO(text)
    if separator == r"\s+":
        yield from ((i, words(line)) for i, line in enumerate(lines, 1))
    else:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        with suppress(csv.Error):  # a cell that is too long: what comes after it is not located
            yield from ((reader.line_num, cells) for cells in reader)


def keep_spelling(path, frame, place, names, texts):
    """Make the labels of a column text where whole numbers are spelled in two ways, as 01 and 1: these are two labels."""
    given = texts.dropna().str.strip()
    numbers = given.str.replace(r"^([+-]?)0+(?=\d)", r"\1", regex=True)
    spellings = given.groupby(numbers).unique()
    several = spellings[spellings.str.len() > 1]
    if len(several) and given.str.fullmatch(r"[+-]?\d+").all():
        say(path, f"column {names[place]!r}: {few(several.iloc[0].tolist())} are different labels, so that all labels of this "
            "column are text; for a regression they are equal numbers")  # fmt: skip
        frame[place] = texts


def parsed(path, text, layout, place, names, **options):
    """The table as a data frame whose columns are numbered; options: of pandas' reader."""
    import pandas

    numbers = list(range(len(names)))
    marks = {i: list(NO_LABEL if i == place else MISSING) for i in numbers}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # a line with too many cells
            return pandas.read_csv(
                io.StringIO(text), sep=layout.separator, decimal=layout.decimal, header=None, names=numbers, index_col=False,
                skiprows=int(layout.names is not None), skipinitialspace=True, keep_default_na=False, na_values=marks,
                low_memory=False, **options,
            )  # fmt: skip
    except (pandas.errors.ParserWarning, ValueError) as error:
        reason = str(error).strip().replace("Error tokenizing data. C error: ", "")[:160]
        hint = " header=True: the first line names all columns but the first" if layout.unnamed else ""
        refuse(path, f"a table with equally many cells in each line ({reason}); is separator={layout.separator!r} right?{hint}")
