"""Readers of a user's own files, chosen by their extension, as raw arrays; their values are validated afterwards.

No content is ever executed: pickles in .npz files are not loaded, and cells of tables are numbers or labels, never formulas.
"""

import io
import zipfile
from pathlib import PurePath

import numpy as np

from ..utils.checks import choice, fail
from .formats import content, refuse
from .tables import read_arff, read_table

COMPRESSED = (".gz", ".bz2", ".xz")
NAMES = {  # of arrays in .npz and .mat files; the first that is there counts
    "X_train": ("X_train", "x_train", "train_x", "train_X", "train_images", "train_data"),
    "y_train": ("y_train", "Y_train", "train_y", "train_labels", "train_targets"),
    "X_test": ("X_test", "x_test", "test_x", "test_X", "test_images", "test_data"),
    "y_test": ("y_test", "Y_test", "test_y", "test_labels", "test_targets"),
    "X": ("X", "x", "data", "features", "images", "fea"),
    "y": ("y", "Y", "labels", "label", "target", "targets", "gnd"),
}
PARTS = ("X_train", "y_train", "X_test", "y_test")


def read(path, kind=None, **options):
    """Return ([X, y, X_test, y_test], True) for a file with training and test part, else ([X, y], False).

    kind: an extension in READERS; None for that of the path. Options that are None are left out; others must be some that files
    of this kind have.
    """
    kind = choice("extension", kind_of(path), READERS) if kind is None else kind
    reader, known = READERS[kind]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in known:
            fail(name, given[name], f"left out: {kind} files have no such choice")
    arrays, has_test = reader(path, **given)
    return [flat(array) if place % 2 else array for place, array in enumerate(arrays)], has_test


def kind_of(path):
    """The extension in READERS that a path ends in, before one of compressed files; None for another one."""
    path = getattr(path, "name", "") if hasattr(path, "read") else path
    name = PurePath(path).name.lower()
    name = next((name.removesuffix(end) for end in COMPRESSED if name.endswith(end)), name)
    return next((kind for kind in READERS if name.endswith(kind)), None)


def stem(path):
    """Return the name of a dataset read from `path`: the file name without extensions."""
    name = PurePath(str(getattr(path, "name", "table")) if hasattr(path, "read") else path).name
    for end in (*COMPRESSED, *READERS):
        name = name[: -len(end)] if name.lower().endswith(end) and len(name) > len(end) else name
    return name


def flat(labels):
    """Labels in a column, or in MATLAB's row, as a vector; anything else as it is."""
    return labels.ravel() if isinstance(labels, np.ndarray) and labels.ndim == 2 and 1 in labels.shape else labels


def read_npz(path):
    """The arrays of an .npz file."""
    try:
        with np.load(io.BytesIO(content(path)), allow_pickle=False) as file:
            wanted = [name for names in NAMES.values() for name in names if name in file]
            arrays, found = {name: file[name] for name in wanted}, sorted(file.files)
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        refuse(path, f"an .npz of plain arrays ({str(error)[:120]})")
    return by_name(path, arrays, found, "an .npz")


def read_mat(path):
    """The arrays of a .mat file of MATLAB 5 to 7."""
    from scipy import io as scipy_io

    raw = content(path)
    try:
        arrays = scipy_io.loadmat(io.BytesIO(raw), variable_names=[name for names in NAMES.values() for name in names])
        found = [name for name, _, _ in scipy_io.whosmat(io.BytesIO(raw))]
    except NotImplementedError:
        refuse(path, "a .mat file of version 5 to 7: save('file.mat', 'X', 'y', '-v7') in MATLAB writes one")
    except Exception as error:  # the reader raises errors of any kind for damaged files
        refuse(path, f"a .mat file ({type(error).__name__}: {str(error)[:120]})")
    return by_name(path, arrays, found, "a .mat")


def by_name(path, arrays, found, kind):
    """What `read` returns, of arrays with the usual names."""
    named = {part: next((arrays[name] for name in names if name in arrays), None) for part, names in NAMES.items()}
    for group, has_test in ((PARTS, True), (("X", "y"), False)):
        if named[group[0]] is not None and named[group[1]] is not None:
            return [named[part] for part in group], has_test
    refuse(path, f"{kind} with X_train and y_train, or X and y, not {found}")


def read_svmlight(path):
    """X as CSR and y of a file in svmlight's format."""
    from sklearn.datasets import load_svmlight_file

    raw = content(path)
    try:
        X, y = load_svmlight_file(io.BytesIO(raw))
    except (ValueError, IndexError, OverflowError) as error:
        refuse(path, f"a file in svmlight's format, `label index:value …` ({str(error)[:120]})")
    if not X.nnz:
        refuse(path, "a file in svmlight's format with at least one value")
    return [X, y], False


def uncut(reader):
    """A reader of X and y as one of `read`."""
    return lambda path, **options: (list(reader(path, **options)), False)


_TABLE = uncut(read_table), ("target", "columns", "missing", "separator", "header", "decimal", "encoding")
READERS = {  # extension: (reader, its options)
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".data", ".dat"), _TABLE),
    ".arff": (uncut(read_arff), ("target", "columns", "missing")),
    **dict.fromkeys((".svmlight", ".libsvm", ".svm"), (read_svmlight, ())),
    ".mat": (read_mat, ()),
    ".npz": (read_npz, ()),
}
