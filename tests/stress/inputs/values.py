"""Kits of arrays: layouts, dtypes, sparse formats, malformed sparse matrices, and numbers that are none."""

import tempfile
from pathlib import Path

import numpy as np
from scipy import sparse

from . import INF, NAN, Made

N, FEATURES, CLASSES = 24, 6, 3


def rows():
    """(X, y): zeros and ones, which every dtype can hold; a row and a column are all zero, every class occurs."""
    random = np.random.default_rng(4)
    X = (random.random((N, FEATURES)) < 0.5).astype(np.float32)
    X[3], X[:, 5] = 0, 0
    return X, np.arange(N) % CLASSES


def unaligned(values):
    packed = np.zeros(values.shape[0], dtype=[("pad", "u1"), ("x", values.dtype, values.shape[1:])])
    packed["x"] = values
    return packed["x"]


def strided(values):
    wide = np.zeros((2 * values.shape[0], 2 * values.shape[1]), values.dtype)
    wide[::2, ::2] = values
    return wide[::2, ::2]


def read_only(values):
    result = values.copy()
    result.flags.writeable = False
    return result


def mapped(values, mode):
    """The values in a file that is gone when the process ends."""
    path = Path(tempfile.mkdtemp(prefix="sparselab-stress-")) / "x"
    values.tofile(path)
    result = np.memmap(path, values.dtype, mode, shape=values.shape)
    path.unlink()
    path.parent.rmdir()
    return result


def frame(values, **kind):
    import pandas

    return pandas.DataFrame(values, **kind)


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "strided view": strided,
    "negative strides": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "big-endian float32": lambda X: X.astype(">f4"),
    "big-endian float64": lambda X: X.astype(">f8"),
    "big-endian int32": lambda X: X.astype(">i4"),
    "read-only": read_only,
    "unaligned": unaligned,
    "memory map, r": lambda X: mapped(X, "r"),
    "memory map, r+": lambda X: mapped(X, "r+"),
    "list of lists": lambda X: X.tolist(),
    "matrix": lambda X: X.view(np.matrix),
    "masked array without a mask": lambda X: np.ma.array(X, mask=False),
    "data frame of float64": lambda X: frame(X.astype(float)),
    "data frame of float32": frame,
    "data frame of Int64": lambda X: frame(X.astype(int)).astype("Int64"),
}
DTYPES = {
    f"dtype {name}": lambda X, name=name: X.astype(name)
    for name in ("f2", "f8", "longdouble", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
}


def indices_as(matrix, kind):
    matrix.indices, matrix.indptr = matrix.indices.astype(kind), matrix.indptr.astype(kind)
    return matrix


def unsorted(X):
    """Every row's links from right to left."""
    matrix = sparse.csr_array(X[:, ::-1].copy())
    matrix.indices = FEATURES - 1 - matrix.indices
    matrix.has_sorted_indices = False
    return matrix


def duplicated(X):
    """Every entry as two halves, whose sum is meant."""
    matrix = sparse.csr_array(X)
    indptr, indices = 2 * matrix.indptr, np.repeat(matrix.indices, 2)
    return sparse.csr_array((np.repeat(matrix.data / 2, 2), indices, indptr), shape=X.shape)


def with_zeros(X):
    """A CSR that stores its zeros too."""
    indptr = np.arange(len(X) + 1) * X.shape[1]
    return sparse.csr_array((X.ravel().copy(), np.tile(np.arange(X.shape[1]), len(X)), indptr), shape=X.shape)


SPARSE = {f"{form} array": lambda X, form=form: sparse.csr_array(X).asformat(form) for form in ("csr", "csc", "coo", "lil")}
SPARSE |= {f"{form} array": lambda X, form=form: sparse.csr_array(X).asformat(form) for form in ("dok", "bsr", "dia")}
SPARSE |= {
    "csr matrix": sparse.csr_matrix,
    "csr with int64 indices": lambda X: indices_as(sparse.csr_array(X), np.int64),
    "csr, unsorted": unsorted,
    "csr, duplicates": duplicated,
    "csr, explicit zeros": with_zeros,
    "csr of int8": lambda X: sparse.csr_array(X.astype("i1")),
    "csr, read-only": lambda X: frozen(sparse.csr_array(X)),
}


def frozen(matrix):
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix


def made(kit):
    """A kit of layouts as values of the fixture's X."""
    return {name: Made(lambda fixture, change=change: change(fixture.X.copy())) for name, change in kit.items()}


# numbers that are none, and shapes


def spoilt(X, value, place=(2, 3), dtype=np.float64):
    bad = X.astype(dtype)
    bad[place] = value
    return bad


BAD_X = {
    "NaN": lambda X: spoilt(X, NAN),
    "NaN in the first row": lambda X: spoilt(X, NAN, (0, 0)),
    "NaN in the last row": lambda X: spoilt(X, NAN, (-1, -1)),
    "infinity": lambda X: spoilt(X, INF),
    "minus infinity": lambda X: spoilt(X, -INF),
    "opposite infinities": lambda X: spoilt(spoilt(X, INF), -INF, (2, 4)),
    "too large for float32": lambda X: spoilt(X, 1e300),
    "complex": lambda X: X.astype(complex),
    "text": lambda X: X.astype(str),
    "bytes": lambda X: X.astype("S3"),
    "dates": lambda X: np.full(X.shape, "2020-01-01", "datetime64[D]"),
    "durations": lambda X: np.ones(X.shape, "timedelta64[s]"),
    "objects with None": lambda X: np.where(X == 1, None, X.astype(object)),
    "records": lambda X: np.zeros(X.shape, [("a", "f4")]),
    "masked values": lambda X: np.ma.array(X, mask=X > 0),
    "number": lambda X: 5,
    "0-D": lambda X: np.array(1.0),
    "1-D": lambda X: X[0],
    "3-D": lambda X: X[None],
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "nothing": lambda X: None,
    "ragged list": lambda X: [[1, 2], [3]],
    "generator": lambda X: (row for row in X),
    "dict": lambda X: {"a": 1},
    "set": lambda X: {1, 2},
    "file name": lambda X: "data.csv",
    "data frame with text": lambda X: frame({"a": ["x"] * len(X), **{f"c{i}": X[:, i] for i in range(1, FEATURES)}}),
    "data frame with a category": lambda X: frame(X.astype(int)).astype({0: "category"}),
    "data frame with a missing value": lambda X: frame(spoilt(X, NAN)),
    "data frame with dates": lambda X: frame(X).assign(**{"when": np.datetime64("2020-01-01")}),
}
TOO_WIDE = {
    "too few features": lambda X: X[:, :4],
    "too many features": lambda X: np.hstack([X, X]),
    "sparse with too many features": lambda X: sparse.csr_array(np.hstack([X, X])),
}
BAD_Y = {
    "nothing": lambda y: None,
    "text": lambda y: "abc",
    "number": lambda y: 5,
    "generator": lambda y: (i for i in y),
    "0-D": lambda y: np.array(3),
    "NaN": lambda y: np.where(y == 1, NAN, y),
    "infinity": lambda y: np.where(y == 1, INF, y),
    "fractions": lambda y: y + 0.37,
    "too short": lambda y: y[:7],
    "too long": lambda y: np.tile(y, 2),
    "one-hot": lambda y: np.eye(CLASSES)[y],
    "one class": lambda y: y * 0,
    "None among labels": lambda y: [*y[:-1].tolist(), None],
    "numbers and text": lambda y: [*y[:-1].tolist(), "a"],
    "complex": lambda y: y.astype(complex),
    "dates": lambda y: np.full(len(y), "2020", "datetime64[Y]"),
    "masked": lambda y: np.ma.array(y, mask=y == 1),
    "ragged": lambda y: [[1], [2, 3], *y[2:].tolist()],
    "dict": lambda y: {"a": 1},
}

# sparse matrices whose parts do not fit together: 24 x 6 as X, every index within but for what is spoilt

GOOD = sparse.csr_array(rows()[0])
END, LAST = len(GOOD.indices), len(GOOD.indices) - 1


def broken(form="csr", **parts):
    """The good matrix with some of its raw arrays replaced by what a function makes of them."""
    matrix = GOOD.copy().asformat(form)
    for name, change in parts.items():
        setattr(matrix, name, np.asarray(change(getattr(matrix, name).copy())))
    return matrix


def put(place, value, kind=None):
    """A function: a copy of the array with one entry replaced."""

    def change(array):
        array = array.astype(kind or array.dtype)
        array[place] = value
        return array

    return change


def overlong_list():
    matrix = GOOD.copy().asformat("lil")
    matrix.rows[0].append(10**6)
    matrix.data[0].append(1.0)
    return matrix


MALFORMED = {
    f"index {name}": lambda i=i: broken(indices=put(LAST, i, np.int64 if i >= 2**31 else None))
    for name, i in {
        "one too large": FEATURES, "two too large": FEATURES + 1, "100 000": 100_000, "10^9": 10**9, "2^31 - 1": 2**31 - 1,
        "2^40": 2**40, "-1": -1, "below -columns": -FEATURES - 1,
    }.items()
}  # fmt: skip
MALFORMED |= {
    "indptr starts late": lambda: broken(indptr=put(0, 1)),
    "indptr starts below 0": lambda: broken(indptr=put(0, -1)),
    "indptr falls": lambda: broken(indptr=put(2, END)),
    "indptr ends early": lambda: broken(indptr=put(-1, END - 1)),
    "indptr ends late": lambda: broken(indptr=put(-1, END + 1)),
    "indptr ends at 10^9": lambda: broken(indptr=put(-1, 10**9)),
    "indptr too short": lambda: broken(indptr=lambda a: a[:-1]),
    "indptr too long": lambda: broken(indptr=lambda a: np.append(a, a[-1])),
    "indptr empty": lambda: broken(indptr=lambda a: a[:0]),
    "data too short": lambda: broken(data=lambda a: a[:2]),
    "data too long": lambda: broken(data=lambda a: np.append(a, a)),
    "indices too short": lambda: broken(indices=lambda a: a[:2]),
    "indices of float": lambda: broken(indices=lambda a: a.astype(float)),
    "indptr of float": lambda: broken(indptr=lambda a: a.astype(float)),
    "indices 2-D": lambda: broken(indices=lambda a: a[:, None]),
    "data with NaN": lambda: broken(data=put(2, NAN)),
    "data with infinity": lambda: broken(data=put(2, INF)),
    "complex data": lambda: broken(data=lambda a: a * 1j),
    "csc: index 10^6": lambda: broken("csc", indices=put(LAST, 10**6)),
    "csc: indptr ends at 10^8": lambda: broken("csc", indptr=put(-1, 10**8)),
    "coo: column -5": lambda: broken("coo", col=put(LAST, -5)),
    "coo: row 10^7": lambda: broken("coo", row=put(LAST, 10**7)),
    "coo: data too short": lambda: broken("coo", data=lambda a: a[:1]),
    "bsr: index 10^7": lambda: broken("bsr", indices=put(-1, 10**7)),
    "lil: column 10^6": overlong_list,
}
