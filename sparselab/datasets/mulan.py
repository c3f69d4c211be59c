"""Reader of Mulan's multi-label data: sparse ARFF files and an XML file that says which of their columns are labels.

Format: http://mulan.sourceforge.net/format.html (Tsoumakas et al. 2011, "Mulan: a Java library for multi-label learning").
"""

import hashlib
import re
from xml.etree import ElementTree

import numpy as np
from scipy import sparse

from .formats import content, refuse

ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+\S""", re.IGNORECASE)
ESCAPED = re.compile(r"""\\(['"%\\])""")
PREFIX = "TAG_"  # of the names of labels


def read_mulan(train, test, labels):
    """Read two sparse ARFF files and the XML file of the labels: (X, Y, X_test, Y_test, names of the labels).

    X (rows, features) float32 and Y (rows, labels) uint8 are CSR with the columns in the order of the ARFF files, whatever the
    order in the XML file; so are the names, without a prefix "TAG_" that all have. Raises ValueError naming file, and line or
    label, of what is not in this format.
    """
    wanted = _label_names(labels)
    parts, headers = [], []
    for path in (train, test):
        names, Z = _read_sparse_arff(path)
        places = {name: i for i, name in enumerate(names)}
        if missing := [name for name in wanted if name not in places]:
            refuse(path, f"an ARFF file with a column for each of the labels in {labels.name}, also {missing[0]!r}")
        is_label = np.zeros(len(names), dtype=bool)
        is_label[[places[name] for name in wanted]] = True
        parts += _split(path, Z, is_label)
        headers.append(names)
    if headers[0] != headers[1]:
        refuse(test, f"an ARFF file with the columns of {train.name}")
    names = [name for name, label in zip(names, is_label, strict=True) if label]
    if all(name.startswith(PREFIX) for name in names):
        names = [name.removeprefix(PREFIX) for name in names]
    return *parts, np.array(names)


def entries_digest(*matrices):
    """The sha256 of shapes and entries of CSR matrices, as hexadecimal digits; equal for any types of numbers."""
    sha = hashlib.sha256()
    for A in matrices:
        for numbers in (A.shape, A.indptr, A.indices):
            sha.update(np.asarray(numbers, "<i8").tobytes())
        sha.update(np.asarray(A.data, "<f4").tobytes())
    return sha.hexdigest()


def plain(name):
    """A name without quotes and without the backslashes before quotes, which one of both files may have."""
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1]
    return ESCAPED.sub(r"\1", name)


def _label_names(path):
    """The names of the labels in the order of the XML file."""
    raw = content(path)
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        refuse(path, "an XML file without a document type: the names of labels need no entities")
    try:
        labels = (one for one in ElementTree.fromstring(raw).iter() if one.tag.rpartition("}")[2] == "label")
        found = [plain(one.get("name", "")) for one in labels]
    except ElementTree.ParseError as error:
        refuse(path, f'an XML file of labels, `<label name="…">` ({error})')
    if not found or not all(found) or len(set(found)) < len(found):
        refuse(path, 'an XML file with at least one `<label name="…">`, whose names differ')
    return found


def _read_sparse_arff(path):
    """(names of the columns, CSR float32 of all columns) of an ARFF file with rows `{index value, …}`."""
    lines = iter(content(path).decode("utf-8", errors="replace").splitlines())
    names = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.lower() == "@data":
            break
        if text.lower().startswith("@attribute"):
            found = ATTRIBUTE.match(text)
            if not found:
                refuse(path, f"an ARFF file; line {number} must be `@attribute name type`")
            names.append(plain(found[1]))
    else:
        refuse(path, "an ARFF file with its @data")
    if len(set(names)) < len(names):
        refuse(path, "an ARFF file whose attributes have different names")
    rows = [_row(path, at, text) for at, line in enumerate(lines, number + 1) if (text := line.strip()) and text[0] != "%"]
    if not rows:
        refuse(path, "an ARFF file with at least one row")
    starts = np.concatenate([[0], np.cumsum([row.shape[1] for row in rows])])
    columns, values = np.concatenate(rows, axis=1)
    first = np.zeros(len(columns), dtype=bool)
    first[starts[:-1][starts[:-1] < len(columns)]] = True  # of an empty row: of the next one
    allowed = (columns == np.floor(columns)) & (columns >= 0) & (columns < len(names)) & np.isfinite(values)
    if not (allowed & (first | (np.diff(columns, prepend=-1) > 0))).all():
        refuse(path, f"an ARFF file with finite values, and indices in [0, {len(names)}) that ascend in each row")
    columns, values = columns.astype(np.int32), values.astype(np.float32)
    return names, sparse.csr_array((values, columns, starts.astype(np.int32)), shape=(len(rows), len(names)))


def _row(path, number, text):
    """Indices and values (2, entries) of a row `{index value, …}`."""
    try:
        if text[0] + text[-1] == "{}":
            return np.array(text[1:-1].replace(",", " ").split(), dtype=np.float64).reshape(-1, 2).T
    except ValueError:
        pass
    refuse(path, f"an ARFF file of sparse rows; line {number} must be `{{index value, …}}`")


def _split(path, Z, is_label):
    """Features float32 and labels uint8 of a CSR matrix, in the order of its columns."""
    X, Y = Z[:, ~is_label], Z[:, is_label]
    if not ((Y.data == 0) | (Y.data == 1)).all():
        refuse(path, "an ARFF file in which every label is 0 or 1")
    for A in (X, Y):
        A.eliminate_zeros()
        A.sort_indices()
    return X, Y.astype(np.uint8)
