"""Validation of data: what it rejects, with which words, and that what it accepts keeps its bits."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from stress.inputs.values import read_only, strided, unaligned

from sparselab.datasets import Dataset, check_csr, check_features, check_targets

X = np.arange(24, dtype=np.float64).reshape(6, 4) / 7 - 1
Y = np.array([0, 1, 0, 1, 0, 1])


def says(error, *words):
    """The message holds every word, says what must be, and is short enough to be read."""
    message = str(error.value)
    assert all(str(word) in message for word in words), message
    assert "must be" in message
    assert len(message) < 500


def with_value(value, row, dtype=np.float64):
    bad = X.astype(dtype)
    bad[row, 2] = value
    return bad


@pytest.mark.parametrize("row", [0, 3, 5])
@pytest.mark.parametrize(
    "value, why", [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"), (1e300, "too large for float32")]
)
def test_numbers_that_are_none(value, why, row):
    with pytest.raises(ValueError) as error:
        check_features(with_value(value, row))
    says(error, f"X[{row}, 2] = {value}", why)


def test_opposite_infinities_do_not_cancel():
    bad = with_value(np.inf, 0)
    bad[1, 1] = -np.inf
    with pytest.raises(ValueError, match=r"X\[0, 2\] = inf"):
        check_features(bad)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 4), (4, 0)])
def test_shapes(shape):
    with pytest.raises(ValueError) as error:
        check_features(np.ones(shape), "X_test")
    says(error, "X_test.shape", shape)


NOT_NUMBERS = {
    "complex": X.astype(complex),
    "text": X.astype(str),
    "bytes": X.astype("S8"),
    "date": np.full((6, 4), "2020-01-01", dtype="datetime64[D]"),
    "duration": np.ones((6, 4), dtype="timedelta64[s]"),
    "object": X.astype(object),
    "None": np.array([[None, 1.0]] * 6),
    "record": np.zeros((6, 4), dtype=[("a", "f4")]),
    "generator": (row for row in X),
    "dict": {"a": 1},
    "set": {1, 2},
    "str": "data.csv",
    "nothing": None,
    "number": 5,
}


@pytest.mark.parametrize("name", NOT_NUMBERS)
def test_what_is_not_made_of_numbers(name):
    with pytest.raises(TypeError) as error:
        check_features(NOT_NUMBERS[name])
    says(error, "X")


def test_ragged_list():
    with pytest.raises(ValueError) as error:
        check_features([[1, 2], [3]])
    says(error, "rows of equal length")


def test_masked_values_are_not_dropped_silently():
    with pytest.raises(ValueError, match="masked"):
        check_features(np.ma.array(X, mask=X > 1))
    np.testing.assert_array_equal(check_features(np.ma.array(X, mask=False)), X.astype(np.float32))


def test_dtype_of_the_result():
    assert check_features(X).dtype == np.float32
    assert check_features(X, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="float32 or float64"):
        check_features(X, dtype=np.float16)


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g"])
def test_every_real_dtype(dtype):
    values = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    np.testing.assert_array_equal(check_features(values), np.array([[0, 1], [1, 0], [1, 1]], dtype=np.float32))


LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": strided,
    "negative": lambda values: np.ascontiguousarray(values[::-1, ::-1])[::-1, ::-1],
    "big-endian": lambda values: values.astype(values.dtype.newbyteorder(">")),
    "read-only": read_only,
    "unaligned": unaligned,
    "lists": lambda values: values.tolist(),
    "matrix": lambda values: values.view(np.matrix),
}
ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.integers(0, 200),
)


@given(values=ARRAYS, layout=st.sampled_from(sorted(LAYOUTS)), copy=st.booleans())
def test_layouts_are_bit_equal_and_inputs_untouched(values, layout, copy):
    given_array = LAYOUTS[layout](values)
    before = np.array(given_array).tobytes()
    result = check_features(given_array, copy=copy)
    assert result.tobytes() == values.astype(np.float32).tobytes()
    assert type(result) is np.ndarray
    assert result.flags.c_contiguous
    assert result.flags.aligned
    assert result.dtype.isnative
    if copy:
        assert not np.shares_memory(result, np.asarray(given_array))
        result[:] = 77
    assert np.array(given_array).tobytes() == before


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8"])
def test_memory_maps(tmp_path, mode, dtype):
    X.astype(dtype).tofile(tmp_path / "x")
    before = (tmp_path / "x").read_bytes()
    mapped = np.memmap(tmp_path / "x", dtype=dtype, mode=mode, shape=X.shape)
    data = Dataset.from_arrays(mapped, Y, standardise=True)
    np.testing.assert_allclose(data.X_train, Dataset.from_arrays(X.astype("f4"), Y, standardise=True).X_train, atol=1e-6)
    assert check_features(mapped).tobytes() == X.astype(np.float32).tobytes()
    assert (tmp_path / "x").read_bytes() == before


def test_broadcast_rows():
    row = np.broadcast_to(np.arange(4, dtype=np.float32), (6, 4))
    assert check_features(row).tobytes() == row.copy().tobytes()


def test_memory_is_shared_only_where_nothing_was_converted():
    native = np.ones((3, 2), dtype=np.float32)
    assert np.shares_memory(check_features(native), native)
    assert not np.shares_memory(check_features(native, copy=True), native)
    matrix = sparse.csr_array(native)
    assert np.shares_memory(check_features(matrix).data, matrix.data)
    assert not np.shares_memory(check_features(matrix, copy=True).data, matrix.data)


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [True, False, True]})
    right = np.array([[1, 0.5, 1], [2, 1.5, 0], [3, 2.5, 1]], dtype=np.float32)
    np.testing.assert_array_equal(check_features(frame), right)
    np.testing.assert_array_equal(check_features(frame.astype({"a": "Int64", "b": "Float32"})), right)
    np.testing.assert_array_equal(check_features(frame.astype(np.float32)), right)
    only = frame.astype(np.float32)
    check_features(only, copy=True)[:] = 5
    assert only.to_numpy().tobytes() == right.tobytes()
    codes, classes = check_targets(pandas.Series(["x", "y", "x"], index=[7, 8, 9]), 3)
    assert codes.tolist() == [0, 1, 0]
    assert classes.tolist() == ["x", "y"]
    codes, _ = check_targets(pandas.Series(["x", "y", "x"], dtype="category"), 3)
    assert codes.tolist() == [0, 1, 0]


@pytest.mark.parametrize("column", [["x", "y", "z"], [None, 1, "a"], "category", "date"])
def test_pandas_names_the_column_that_is_not_numbers(column):
    pandas = pytest.importorskip("pandas")
    values = {"category": pandas.Categorical([1, 2, 1]), "date": pandas.date_range("2020-01-01", periods=3)}
    frame = pandas.DataFrame({"a": [1, 2, 3], "colour": values.get(column, column) if type(column) is str else column})
    with pytest.raises(TypeError) as error:
        check_features(frame)
    says(error, "colour")


def test_pandas_missing_value():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError) as error:
        check_features(frame)
    says(error, "X[1, 0] = nan", "NaN")


# --- sparse -----------------------------------------------------------------------------------------------------

SPARSE = sparse.random_array((9, 7), density=0.3, rng=np.random.default_rng(3), dtype=np.float64)
FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_formats(form, kind):
    matrix = kind(SPARSE).asformat(form)
    before = matrix.toarray()
    result = check_features(matrix, copy=True)
    assert isinstance(result, sparse.csr_array)
    assert result.dtype == np.float32
    assert result.has_canonical_format
    assert result.indices.dtype in (np.int32, np.int64)
    np.testing.assert_array_equal(result.toarray(), SPARSE.toarray().astype(np.float32))
    result.data[:] = 0
    np.testing.assert_array_equal(matrix.toarray(), before)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "f4", "f8"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_dtypes(dtype, index):
    matrix = sparse.csr_array(SPARSE.toarray() > 0).astype(dtype)
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    np.testing.assert_array_equal(check_features(matrix).toarray(), matrix.toarray().astype(np.float32))


def test_sparse_duplicates_order_zeros_and_empty_rows():
    data = np.array([100, 100, 3, 0, 5], dtype=np.int8)  # 100 + 100 would wrap round in int8
    indices, indptr = np.array([2, 2, 0, 1, 3]), np.array([0, 3, 3, 5])
    matrix = sparse.csr_array((data, indices, indptr), shape=(3, 4))
    before = [part.copy() for part in (matrix.data, matrix.indices, matrix.indptr)]
    result = check_features(matrix)
    np.testing.assert_array_equal(result.toarray(), [[3, 0, 200, 0], [0, 0, 0, 0], [0, 0, 0, 5]])
    assert result.has_sorted_indices
    for part, old in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)
    empty = check_features(sparse.csr_array((3, 4)))
    assert empty.nnz == 0


def test_a_lying_flag_does_not_keep_indices_unsorted():
    matrix = sparse.csr_array((np.ones(2), np.array([1, 0]), np.array([0, 2])), shape=(1, 3))
    matrix.has_sorted_indices = matrix.has_canonical_format = True
    assert check_features(matrix).indices.tolist() == [0, 1]


# Each case spoils one good CSR matrix of 3 x 8; run in a process of its own, where a crash is a failed test.
MALFORMED = """
import numpy as np
from scipy import sparse
from sparselab.datasets import check_csr, check_features

def spoilt(form="csr", **parts):
    matrix = sparse.csr_array((np.arange(1.0, 7), [0, 3, 7, 1, 2, 5], [0, 3, 3, 6]), shape=(3, 8)).asformat(form)
    for name, value in parts.items():
        setattr(matrix, name, np.array(value))
    return matrix

good = dict(data=[1.0, 2, 3, 4, 5, 6], indices=[0, 3, 7, 1, 2, 5], indptr=[0, 3, 3, 6])
cases = {f"index {i}": (dict(indices=[0, 3, 7, 1, 2, i]), f"X.indices[5] = {i}: must be a column in [0, 7]")
         for i in (8, 9, 100_000, 10**9, 2**31 - 1, 2**40, -1, -9)}
cases |= {
    "starts late": (dict(indptr=[1, 3, 3, 6]), "X.indptr[0] = 1: must be 0"),
    "negative start": (dict(indptr=[-1, 3, 3, 6]), "X.indptr[0] = -1: must be 0"),
    "falls": (dict(indptr=[0, 5, 3, 6]), "X.indptr[2] = 3: must be at least X.indptr[1] = 5"),
    "end short": (dict(indptr=[0, 3, 3, 5]), "X.indptr[-1] = 5: must be 6"),
    "end long": (dict(indptr=[0, 3, 3, 7]), "X.indptr[-1] = 7: must be 6"),
    "end wild": (dict(indptr=[0, 3, 3, 10**9]), "X.indptr[-1] = 1000000000: must be 6"),
    "indptr short": (dict(indptr=[0, 3, 6]), "len(X.indptr) = 3: must be 4"),
    "indptr long": (dict(indptr=[0, 3, 3, 6, 6]), "len(X.indptr) = 5: must be 4"),
    "indptr empty": (dict(indptr=np.array([], dtype=int)), "len(X.indptr) = 0: must be 4"),
    "data short": (dict(data=[1.0, 2]), "len(X.indices) = 6: must be 2"),
    "data long": (dict(data=[1.0] * 9), "len(X.indices) = 6: must be 9"),
    "indices short": (dict(indices=[0, 3]), "len(X.indices) = 2: must be 6"),
    "float indices": (dict(indices=[0.0, 3, 7, 1, 2, 5]), "X.indices.dtype"),
    "float indptr": (dict(indptr=[0.0, 3, 3, 6]), "X.indptr.dtype"),
    "2-D indices": (dict(indices=[[0, 3, 7], [1, 2, 5]]), "X.indices.dtype"),
    "nan": (dict(data=[1.0, 2, np.nan, 4, 5, 6]), "X.data[2] = nan"),
    "inf": (dict(data=[1.0, 2, 3, 4, 5, np.inf]), "X.data[5] = inf"),
    "complex": (dict(data=[1j] * 6), "X.data.dtype"),
    "csc index": (dict(form="csc", indices=[0, 2, 2, 0, 2, 10**6]), "X.indices[5] = 1000000: must be a row in [0, 2]"),
    "csc indptr": (dict(form="csc", indptr=[0, 1, 2, 3, 4, 4, 5, 5, 10**8]), "X.indptr[-1]"),
    "coo col": (dict(form="coo", col=[0, 3, 7, 1, 2, -5]), "X.col[5] = -5"),
    "coo row": (dict(form="coo", row=[0, 0, 0, 2, 2, 10**7]), "X.row[5] = 10000000"),
    "coo short": (dict(form="coo", data=[1.0]), "X.row) = 6"),
    "bsr index": (dict(form="bsr", indices=[0, 3, 7, 1, 2, 10**7]), "X.indices[5] = 10000000"),
}

def message(call, matrix):
    try:
        call(matrix)
    except (ValueError, TypeError) as error:
        return str(error)
    return "accepted"

for name, (parts, words) in cases.items():
    found = message(check_features, spoilt(**parts))
    assert words in found and len(found) < 500, f"{name}: {found}"
    if parts.get("form", "csr") == "csr":
        assert message(check_csr, spoilt(**parts)) == found, name
assert message(check_features, spoilt(data=[1e300] * 6)).count("too large for float32") == 1
lil = spoilt("lil"); lil.rows[0].append(10**6); lil.data[0].append(1.0)
assert "must be" in message(check_features, lil)
lil = spoilt("lil"); lil.rows[0].extend([1, 2, 4])
assert "X.rows[0]" in message(check_features, lil)
for form in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia"):
    assert message(check_features, spoilt(form)) == "accepted", form
print("all", len(cases), "refused")
"""


def test_malformed_sparse_arrays_never_crash():
    environment = dict(os.environ, PYTHONFAULTHANDLER="1")
    run = subprocess.run(
        [sys.executable, "-c", MALFORMED], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "refused" in run.stdout


def test_check_csr_takes_good_ones():
    check_csr(sparse.csr_array(SPARSE), "weights")
    check_csr(sparse.csr_matrix((2, 3)))


# --- targets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y, classes",
    [
        (["b", "a", "b"], ["a", "b"]),
        ([True, False, True], [False, True]),
        ([900, 5, 900], [5, 900]),
        ([2**62 + 1, 2**62, 2**62 + 1], [2**62, 2**62 + 1]),
        ([1.0, -1.0, 1.0], [-1.0, 1.0]),
        (np.array([3, 1, 3], dtype=np.uint8), [1, 3]),
        (np.array([2, 1, 2], dtype=">i4"), [1, 2]),
        (np.array(["z", "a", "z"], dtype=object), ["a", "z"]),
        (np.array([7, 3, 7], dtype=object), [3, 7]),
        ((b"b", b"a", b"b"), [b"a", b"b"]),
        (range(5, 2, -1), [3, 4, 5]),
    ],
)
def test_labels_of_any_type(y, classes):
    codes, found = check_targets(y, 3)
    assert codes.dtype == np.int64
    assert found.tolist() == classes
    assert found[codes].tolist() == list(y)


@pytest.mark.parametrize(
    "y, words",
    [
        (None, "y = None"),
        ("abc", "'abc'"),
        (5, "y = 5"),
        ((i for i in range(6)), "generator"),
        (np.array(3), "y.shape = ()"),
        ([0, 1, 0, 1, 0, np.nan], "y[5] = nan"),
        ([0, 1, 0, np.inf, 0, 1], "y[3] = inf"),
        ([0, 1, 0, 1, 0.37, 1], "y[4] = 0.37"),
        ([0, 1, 0, 1], "len(y) = 4: must be 6"),
        (np.zeros((6, 3)), "y.shape = (6, 3)"),
        ([1] * 6, "y = 1: must be at least two classes"),
        (["a", "b", "a", "b", None, "a"], "y[4] = None"),
        (["a", "b", "a", 3, "b", "a"], "y[3] = 3"),
        ([1, 2, 1, 2, None, 1], "y[4] = None"),
        ([1j] * 6, "y.dtype"),
        (np.full(6, "2020", dtype="datetime64[Y]"), "y.dtype"),
        ([[1], [2, 3], 1, 1, 1, 1], "y = "),
        (np.ma.array([0, 1, 0, 1, 0, 1], mask=[1, 0, 0, 0, 0, 0]), "masked"),
    ],
)
def test_labels_that_are_none(y, words):
    with pytest.raises((ValueError, TypeError)) as error:
        check_targets(y, 6)
    says(error, words)


def test_continuous_target_says_how_to_do_a_regression():
    with pytest.raises(ValueError, match='task="regression"'):
        Dataset.from_arrays(X, X[:, 0])


def test_column_of_labels_warns():
    with pytest.warns(UserWarning, match=r"y is a column of shape \(6, 1\)"):
        codes, _ = check_targets(Y.reshape(-1, 1), 6)
    assert codes.tolist() == Y.tolist()


@pytest.mark.parametrize(
    "train, test, words",
    [
        (["a", "b", "a", "b"], ["a", "zebra"], "y_test[1] = 'zebra'"),
        ([5, 900, 5, 900], [900, 901], "y_test[1] = 901"),
        ([5, 900, 5, 900], [-7, 5], "y_test[0] = -7"),
        ([5, 900, 5, 900], ["5", "900"], "y_test.dtype"),
        ([5, 900, 5, 900], [5, 5, 5], "len(y_test) = 3: must be 2"),
    ],
)
def test_unseen_labels_are_named(train, test, words):
    with pytest.raises(ValueError) as error:
        Dataset.from_arrays(X[:4], train, X[4:], test)
    says(error, words)


def test_one_class_is_enough_to_test_on():
    assert Dataset.from_arrays(X[:4], ["b", "a", "b", "a"], X[4:], ["b", "b"]).y_test.tolist() == [1, 1]


@pytest.mark.parametrize("y, shape", [(X[:, 0], (6, 1)), (X[:, :2], (6, 2)), (Y, (6, 1)), (X[:, 0].tolist(), (6, 1))])
def test_regression_targets(y, shape):
    values, classes = check_targets(y, 6, task="regression")
    assert classes is None
    assert values.shape == shape
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.asarray(y, dtype=np.float32).reshape(shape))


@pytest.mark.parametrize("y", [["a"] * 6, [1.0, 2, 3, 4, 5, np.nan], [1e300] * 6, np.zeros((6, 2, 2)), np.zeros((6, 0))])
def test_regression_targets_refused(y):
    with pytest.raises((ValueError, TypeError)) as error:
        check_targets(y, 6, task="regression")
    says(error, "y")


def test_unknown_task():
    with pytest.raises(ValueError, match="did you mean 'regression'"):
        check_targets(Y, 6, task="regresion")
