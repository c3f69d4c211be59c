"""Both kernel modules agree with the naive twins, on every range of rows; nothing is written outside, and no NaN is hidden."""

import naive
import numpy as np
import pytest
from hypothesis import given
from strategies import topologies, topology_of

from sparselab import kernels
from sparselab.kernels import elementwise, plain, rng, vector
from sparselab.nn.linear import NO_BITS

KEY = 0x123456789ABCDEF0  # and one with the highest bit set
KEYS = [KEY, KEY | 1 << 63]
SLOPES = [(1.0, 1.0), (0.0, 1.0), (-0.6, 1.0), (0.6, 1.0), (0.25, -2.0)]
RANGES = [(0, 0), (0, 5), (5, 14), (3, 7), (13, 14), (0, 14)]
MODULES = [(vector, np.float32, width) for width in kernels.WIDTHS if kernels.JIT]
MODULES += [(plain, np.float64, width) for width in (1, 3, 7, 16, 65)] + [(plain, np.float32, width) for width in (7, 65)]
FAN_IN = [3, 0, 1, 2, 5, 4, 8, 7, 9, 13, 6, 0, 12, 11]  # every remainder of the unrolled loops; empty rows
N_OUT, N_IN, EMPTY = 14, 19, 3  # EMPTY: an input without links
PAD = 61  # odd on purpose: tiles need not start at round addresses


@pytest.fixture(params=MODULES, ids=lambda p: f"{p[0].__name__.split('.')[-1]}-{np.dtype(p[1])}-{p[2]}")
def case(request):
    return Case(*request.param)


def make_topology(fan_in=FAN_IN, seed=0):
    random, mask = np.random.default_rng(seed), np.zeros((len(fan_in), N_IN), bool)
    columns = np.delete(np.arange(N_IN), EMPTY)
    for row, n in zip(mask, fan_in, strict=True):
        row[random.choice(columns, n, replace=False)] = True
    return topology_of(mask)


def guarded(values):
    """A copy of an array with known values before and behind it, and a function that says whether they are still there."""
    raw = np.full(values.size + 2 * PAD, 77, values.dtype)
    middle = raw[PAD : PAD + values.size].reshape(values.shape)
    middle[...] = values
    return middle, lambda: (raw[:PAD] == 77).all() and (raw[PAD + values.size :] == 77).all()


class Case:
    """One layer with values, in one kernel module, dtype and width."""

    def __init__(self, module, dtype, width, topology=None, seed=1):
        random = np.random.default_rng(seed)
        self.module, self.dtype, self.width = module, dtype, width
        self.t = t = make_topology() if topology is None else topology
        draw = lambda *shape: guarded(random.standard_normal(shape).astype(dtype))[0]
        self.w, self.b, self.X, self.dZ = draw(t.nnz), draw(t.n_out), draw(t.n_in, width), draw(t.n_out, width)
        self.b[t.fan_in == 0] = 0  # then z is exactly 0
        self.sign_bits = random.random((t.n_in, width)) < 0.5
        self.dropout_bits = random.random((t.n_in, width)) < 0.5
        self.links = t.indptr, t.indices
        self.tolerance = {"rtol": 0, "atol": 30 * np.finfo(dtype).eps * 10}

    def spmm(self, slopes=(1.0, 1.0), threshold=0, key=KEY, lane=0, begin=0, end=None, bits=True):
        """(Y, sign bits, dropout bits); asserts that nothing was written beside them."""
        rows, n_bytes = self.t.n_out, -(-self.width // 8)
        Y, fine = guarded(np.full((rows, self.width), 55, self.dtype))
        sign_bits, sign_fine = guarded(np.full((rows, n_bytes), 55, np.uint8)) if bits else (NO_BITS, lambda: True)
        dropout_bits, dropout_fine = guarded(np.full((rows, n_bytes), 55, np.uint8)) if threshold else (NO_BITS, lambda: True)
        self.module.spmm(
            *self.links, self.w, self.b, self.X, Y, *slopes, sign_bits, dropout_bits, np.uint64(key), lane, threshold,
            256 / (256 - threshold), begin, rows if end is None else end,
        )  # fmt: skip
        assert fine()
        assert sign_fine()
        assert dropout_fine()
        return Y, sign_bits, dropout_bits

    def dx(self, slopes=(1.0, 1.0), sign_bits=False, dropout_bits=False, scale=2.0, begin=0, end=None, by_output=False):
        back = self.t.transposed
        out, fine = guarded(np.full((self.t.n_in, self.width), 55, self.dtype))
        kernel, links = (self.module.scatter, self.links) if by_output else (self.module.dx, (back.indptr, back.rows, back.slots))
        kernel(
            *links, self.w, self.dZ, out, *slopes,
            naive.pack(self.sign_bits) if sign_bits else NO_BITS, naive.pack(self.dropout_bits) if dropout_bits else NO_BITS,
            scale, begin, self.t.n_in if end is None else end,
        )  # fmt: skip
        assert fine()
        return out

    def sddmm(self, add=False, dw=None, db=None, begin=0, end=None):
        """(dw, db, 0 or NaN)."""
        dw, fine = guarded(np.full(self.t.nnz, 55, self.dtype) if dw is None else dw)
        db, db_fine = guarded(np.full(self.t.n_out, 55, self.dtype) if db is None else db)
        nonfinite = np.zeros(1, self.dtype)
        self.module.sddmm(*self.links, self.X, self.dZ, dw, db, add, nonfinite, begin, self.t.n_out if end is None else end)
        assert fine()
        assert db_fine()
        return dw, db, nonfinite[0]


# SpMM with its epilogue


@pytest.mark.parametrize(("slopes", "threshold"), list(zip(SLOPES, [0, 255, 77, 0, 128])))
def test_spmm_is_the_naive_product_with_its_epilogue(case, slopes, threshold):
    lane = 2 * case.width  # a tile in the middle of the batch
    mask = naive.kept(KEY, case.t.n_out, case.width, lane, threshold) if threshold else None
    wanted, Z = naive.spmm(*case.links, case.w, case.b, case.X, slopes, mask, 256 / (256 - threshold))
    Y, sign_bits, dropout_bits = case.spmm(slopes, threshold, lane=lane)
    np.testing.assert_allclose(Y, wanted, **case.tolerance | {"rtol": 1e-5 if case.dtype == np.float32 else 1e-13})
    sure = (abs(Z) > 1e-4) | (Z == 0)
    np.testing.assert_array_equal(np.unpackbits(sign_bits, axis=1, bitorder="little")[:, : case.width][sure], (Z > 0)[sure])
    if threshold:
        np.testing.assert_array_equal(dropout_bits, naive.pack(mask))


@pytest.mark.parametrize("key", KEYS)
def test_dropout_bits_do_not_depend_on_the_tile(case, key):
    whole = naive.kept(key, N_OUT, 128, 0, 100)
    for first in range(0, 128 - case.width + 1, 4 * max(1, case.width // 4)):
        _, _, dropout_bits = case.spmm(threshold=100, key=key, lane=first // 4)
        np.testing.assert_array_equal(dropout_bits, naive.pack(whole[:, first : first + case.width]))


def test_spmm_writes_its_rows_only_and_the_same_bits(case):
    whole = case.spmm((-0.6, 1.0), 77)
    for begin, end in RANGES:
        for a, b in zip(whole, case.spmm((-0.6, 1.0), 77, begin=begin, end=end), strict=True):
            np.testing.assert_array_equal(b[begin:end], a[begin:end])
            assert (np.delete(b, np.s_[begin:end], axis=0) == 55).all()


def test_bits_are_optional(case):
    np.testing.assert_array_equal(case.spmm((0.0, 1.0), bits=False)[0], case.spmm((0.0, 1.0))[0])


@pytest.mark.parametrize("where", ["w", "X", "b"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_hides_a_value_that_is_not_finite(case, where, bad):
    row = int(np.argmax(case.t.fan_in))
    getattr(case, where)[{"w": case.t.indptr[row], "X": case.t.indices[case.t.indptr[row]], "b": row}[where]] = bad
    for slopes, threshold in ((0.0, 1.0), 0), ((0.0, 1.0), 255), ((-0.6, 1.0), 77), ((1.0, 1.0), 0):
        mask = naive.kept(KEY, N_OUT, case.width, 0, threshold) if threshold else None
        with np.errstate(invalid="ignore"):
            wanted = naive.spmm(*case.links, case.w, case.b, case.X, slopes, mask, 256 / (256 - threshold))[0]
            Y = case.spmm(slopes, threshold)[0]
        assert not np.isfinite(Y[row]).any()
        np.testing.assert_array_equal(np.isnan(Y), np.isnan(wanted))


# dX


@pytest.mark.parametrize(("sign_bits", "dropout_bits"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("slopes", "by_output"), [((-0.6, 1.0), False), ((0.0, 3.0), True)])
def test_dx_is_the_naive_transposed_product(case, slopes, by_output, sign_bits, dropout_bits):
    slope = np.where(case.sign_bits, slopes[1], slopes[0]) if sign_bits else 1.0
    factor = np.where(case.dropout_bits, 2.0, 0.0) if dropout_bits else 1.0
    wanted = naive.dx(*case.links, case.w, case.dZ, N_IN, slope, factor)
    out = case.dx(slopes, sign_bits, dropout_bits, by_output=by_output)
    np.testing.assert_allclose(out, wanted, **case.tolerance)
    assert (out[EMPTY] == 0).all()


@pytest.mark.parametrize("by_output", [False, True])
def test_dx_writes_its_rows_only_and_the_same_bits(case, by_output):
    whole = case.dx((0.5, 1.0), True, True, by_output=by_output)
    for begin, end in RANGES:
        part = case.dx((0.5, 1.0), True, True, begin=begin, end=end, by_output=by_output)
        np.testing.assert_array_equal(part[begin:end], whole[begin:end])
        assert (np.delete(part, np.s_[begin:end], axis=0) == 55).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_dx_hides_no_gradient_behind_a_zero_slope_or_dropout(case, bad):
    case.sign_bits[:], case.dropout_bits[:] = False, False
    row = int(np.argmax(case.t.fan_in))
    case.dZ[row] = bad
    with np.errstate(invalid="ignore"):
        out = case.dx((0.0, 1.0), True, True)
    reached = case.t.indices[case.t.indptr[row] : case.t.indptr[row + 1]]
    assert np.isnan(out[reached]).all()
    assert (np.delete(out, reached, axis=0) == 0).all()


# SDDMM


@pytest.mark.parametrize("add", [False, True])
def test_sddmm_is_the_naive_product_on_the_links(case, add):
    dw, db = naive.sddmm(*case.links, case.X, case.dZ)
    before = np.arange(case.t.nnz).astype(case.dtype), np.arange(N_OUT).astype(case.dtype)
    got_w, got_b, nonfinite = case.sddmm(add, *before) if add else case.sddmm()
    np.testing.assert_allclose(got_w, dw + add * before[0], rtol=1e-6, atol=100 * np.finfo(case.dtype).eps)
    np.testing.assert_allclose(got_b, db + add * before[1], rtol=1e-6, atol=100 * np.finfo(case.dtype).eps)
    assert nonfinite == 0


def test_sddmm_writes_its_rows_only_and_the_same_bits(case):
    whole = case.sddmm()
    for begin, end in RANGES:
        links = np.s_[case.t.indptr[begin] : case.t.indptr[end]]
        for a, b, rows in zip(whole, case.sddmm(begin=begin, end=end), (links, np.s_[begin:end]), strict=False):
            np.testing.assert_array_equal(b[rows], a[rows])
            assert (np.delete(b, rows) == 55).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_rows_are_reported(case, bad):
    for row in range(N_OUT):
        old, case.dZ[row, case.width // 2] = case.dZ[row, case.width // 2], bad
        assert np.isnan(case.sddmm()[2])
        assert case.sddmm(begin=0, end=row)[2] == 0
        assert case.sddmm(begin=row + 1)[2] == 0
        case.dZ[row, case.width // 2] = old


def test_nonfinite_links_are_reported(case):
    for slot in range(case.t.nnz):
        before = np.zeros(case.t.nnz, case.dtype)
        before[slot] = np.nan
        assert np.isnan(case.sddmm(True, before, np.zeros(N_OUT, case.dtype))[2])


def test_nonfinite_inputs_with_links_are_reported(case):
    for i in range(N_IN):
        old, case.X[i, 0] = case.X[i, 0], np.nan
        assert np.isnan(case.sddmm()[2]) == (case.t.fan_out[i] > 0)
        case.X[i, 0] = old


def test_overflow_is_reported_as_nonfinite(case):
    big = np.finfo(case.dtype).max
    case.X[:], case.dZ[:] = big, 2
    assert np.isnan(case.sddmm()[2])


def test_inputs_without_links_are_never_read(case):
    case.X[EMPTY] = np.nan
    assert np.isfinite(case.spmm()[0]).all()
    assert case.sddmm()[2] == 0


# odd shapes


@pytest.mark.parametrize("fan_in", [[0], [1], [0, 0, 0], [18], [0, 2, 0], [4, 4], [8, 0]])
def test_thin_full_and_empty_layers(case, fan_in):
    odd = Case(case.module, case.dtype, case.width, make_topology(fan_in))
    odd.b[:] = 1.5
    np.testing.assert_allclose(odd.spmm()[0], naive.spmm(*odd.links, odd.w, odd.b, odd.X)[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(odd.dx(), naive.dx(*odd.links, odd.w, odd.dZ, N_IN), rtol=1e-5, atol=1e-5)
    for got, wanted in zip(odd.sddmm(), naive.sddmm(*odd.links, odd.X, odd.dZ), strict=False):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
    if not any(fan_in):
        assert (odd.spmm()[0] == 1.5).all()
        assert (odd.dx() == 0).all()


@given(topologies)
def test_the_three_products_are_one_bilinear_form(topology):
    for module, dtype, width in MODULES[-1:] + MODULES[:1]:
        layer = Case(module, dtype, width, topology)
        layer.b[:] = 0
        Y, _, _ = layer.spmm()
        dw, _, _ = layer.sddmm()
        form = float((layer.dZ.astype(float) * Y).sum())
        assert form == pytest.approx(float((layer.dx().astype(float) * layer.X).sum()), rel=1e-3, abs=1e-3)
        assert form == pytest.approx(float((dw.astype(float) * layer.w).sum()), rel=1e-3, abs=1e-3)


# the modules against each other


@pytest.mark.skipif(not kernels.JIT, reason="vector kernels are compiled code")
@pytest.mark.parametrize("width", kernels.WIDTHS)
def test_vector_and_plain_agree(width):
    fast, slow = Case(vector, np.float32, width), Case(plain, np.float32, width)
    for method, arguments in (("spmm", ((-0.6, 1.0), 77)), ("dx", ((0.3, 1.0), True, True)), ("sddmm", ())):
        ours, theirs = getattr(fast, method)(*arguments), getattr(slow, method)(*arguments)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(fast.spmm(threshold=77)[2], slow.spmm(threshold=77)[2])


def test_modules_have_the_same_functions_and_arguments():
    assert vector.__all__ == plain.__all__
    for name in plain.__all__:
        ours, theirs = (getattr(getattr(m, name), "py_func", getattr(m, name)) for m in (vector, plain))
        assert (
            ours.__code__.co_varnames[: ours.__code__.co_argcount] == theirs.__code__.co_varnames[: theirs.__code__.co_argcount]
        )


def test_select_gives_a_module_that_can():
    for dtype in (np.float32, np.float64):
        for width in range(1, 70):
            module = kernels.select(dtype, width)
            assert module.supports(dtype, width)
            assert (module is vector) == (kernels.JIT and dtype == np.float32 and width in kernels.WIDTHS)


# passes over plain arrays

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("features", [1, 15, 16, 17, 31, 32, 50])
def test_gather_is_a_transposed_look_up(case, features):
    random = np.random.default_rng(0)
    X, fine = guarded(random.standard_normal((9, features)).astype(case.dtype))
    for count in {0, 1, 3, 15, 16, 17, 31, 32, 33, 63, case.width - 1, case.width}:
        if count <= case.width:
            samples = random.integers(0, 9, count + 5)
            out, untouched = guarded(np.full((features, case.width), 55, case.dtype))
            case.module.gather(X, samples, 3, count, out)
            np.testing.assert_array_equal(out, naive.gather(X, samples, 3, count, case.width))
            assert untouched()
    assert fine()


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gather_csr_is_gather_of_the_dense_rows(dtype, kind):
    random = np.random.default_rng(0)
    X = (random.standard_normal((9, 21)) * (random.random((9, 21)) < 0.3)).astype(dtype)
    X[4] = 0
    t = topology_of(X != 0)
    samples = np.array([4, 8, 0, 4, 3])
    out, fine = guarded(np.full((21, 8), 55, dtype))
    elementwise.gather_csr(X[X != 0], t.indices.astype(kind), t.indptr.astype(kind), samples, 1, 4, out)
    np.testing.assert_array_equal(out, naive.gather(X, samples, 1, 4, 8))
    assert fine()


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_update_is_the_papers_equation_on_its_range(dtype, nesterov):
    random = np.random.default_rng(0)
    w, v, g = (random.standard_normal(40).astype(dtype) for _ in range(3))
    rate, momentum, decay = map(dtype, (0.01, 0.9, 0.001))
    new_w, new_v = naive.update(w, v, g, rate, momentum, decay, nesterov)
    ours_w, ours_v = w.copy(), v.copy()
    elementwise.update(ours_w, ours_v, g, 7, 33, rate, momentum, decay, nesterov)
    for ours, new, old in ((ours_w, new_w, w), (ours_v, new_v, v)):
        np.testing.assert_allclose(ours[7:33], new[7:33], rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(np.delete(ours, np.s_[7:33]), np.delete(old, np.s_[7:33]))


def test_update_can_be_cut_anywhere():
    random = np.random.default_rng(0)
    start = [random.standard_normal(100).astype(np.float32) for _ in range(3)]
    results = []
    for cuts in ([0, 100], [0, 1, 2, 50, 99, 100]):
        w, v, g = (array.copy() for array in start)
        for begin, end in zip(cuts, cuts[1:], strict=False):
            elementwise.update(w, v, g, begin, end, np.float32(0.1), np.float32(0.9), np.float32(0.01), True)
        results.append((w, v))
    np.testing.assert_array_equal(*map(np.array, results))


def test_add_gradients_adds_on_its_range():
    total, part = np.arange(10.0), np.arange(10.0) * 100
    elementwise.add_gradients(total, part, 2, 5)
    assert total.tolist() == [0, 1, 202, 303, 404, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "count", "width"), [(2, 8, 8), (7, 5, 8), (3, 1, 1), (10, 64, 64), (1, 3, 4)])
def test_softmax_loss_is_the_naive_one(dtype, n, count, width, in_place):
    random = np.random.default_rng(0)
    Z = (3 * random.standard_normal((n, width))).astype(dtype)
    labels, samples = random.integers(0, n, 99), random.integers(0, 99, count + 2)
    loss, hits, gradient = naive.softmax_loss(Z[:, :count], labels[samples[2:]])
    place = Z.copy()
    dZ = place if in_place else np.full_like(Z, 55)
    ours = elementwise.softmax_loss(place, labels, samples, 2, count, dtype(0.25), dZ)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert ours[0] == pytest.approx(loss, rel=tolerance)
    assert ours[1] == hits
    np.testing.assert_allclose(dZ[:, :count], gradient / 4, rtol=0, atol=tolerance)
    assert (dZ[:, count:] == 0).all()


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "count", "width"), [(2, 8, 8), (7, 5, 8), (3, 1, 1), (1, 3, 4)])
def test_squared_loss_is_the_naive_one(dtype, n, count, width, in_place):
    random = np.random.default_rng(0)
    Z, targets = random.standard_normal((n, width)).astype(dtype), random.standard_normal((99, n)).astype(dtype)
    samples = random.integers(0, 99, count + 2)
    loss, hits, gradient = naive.squared_loss(Z[:, :count], targets[samples[2:]])
    place = Z.copy()
    dZ = place if in_place else np.full_like(Z, 55)
    ours = elementwise.squared_loss(place, targets, samples, 2, count, dtype(0.25), dZ)
    assert ours[0] == pytest.approx(loss, rel=1e-5 if dtype == np.float32 else 1e-13)
    assert ours[1] == hits
    np.testing.assert_allclose(dZ[:, :count], gradient / 4, rtol=0, atol=4 * np.finfo(dtype).eps)
    assert (dZ[:, count:] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_softmax_loss_of_huge_logits_is_exact(dtype, scale):
    Z = np.array([[-scale, scale], [scale, -scale]], dtype)
    dZ = np.empty_like(Z)
    loss, hits = elementwise.softmax_loss(Z, np.array([0, 0]), np.array([0, 1]), 0, 2, dtype(1), dZ)
    assert loss == pytest.approx(2 * scale)
    assert hits == 1
    assert dZ.tolist() == [[-1, 0], [1, 0]]


def test_of_equal_logits_the_first_counts():
    Z = np.array([[1.0, 0.0, 2.0], [1.0, 3.0, 2.0], [0.0, 3.0, 2.0]])
    for label, hits in enumerate(([1, 0, 1], [0, 1, 0], [0, 0, 0])):
        assert elementwise.softmax_loss(Z, np.full(3, label), np.arange(3), 0, 3, 1.0, np.empty_like(Z))[1] == sum(hits)
        onehot = np.eye(3)[np.full(3, label)]
        assert elementwise.squared_loss(Z, onehot, np.arange(3), 0, 3, 1.0, np.empty_like(Z))[1] == sum(hits)
    tied = np.array([[0.0, 5.0, 5.0]] * 3)  # the wanted class is the first of the largest targets, 1
    assert elementwise.squared_loss(Z, tied, np.arange(3), 0, 3, 1.0, np.empty_like(Z))[1] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_losses_do_not_hide_a_bad_logit(bad, row):
    Z = np.zeros((3, 4))
    Z[row, 1] = bad
    for target in range(3):
        loss, _ = elementwise.softmax_loss(Z, np.full(4, target), np.arange(4), 0, 4, 1.0, np.empty_like(Z))
        assert not np.isfinite(loss)
        loss, _ = elementwise.squared_loss(Z, np.zeros((4, 3)), np.arange(4), 0, 4, 1.0, np.empty_like(Z))
        assert not np.isfinite(loss)


@pytest.mark.parametrize("dtype", DTYPES)
def test_drop_is_the_dropout_of_spmm(dtype):
    layer = Case(plain, dtype, 12)
    Y, fine = guarded(layer.spmm()[0])
    dropout_bits, dropout_fine = guarded(np.full((N_OUT, 2), 55, np.uint8))
    elementwise.drop(Y, dropout_bits, np.uint64(KEY), 3, 77, 256 / 179)
    wanted = layer.spmm(threshold=77, lane=3)
    np.testing.assert_array_equal(Y, wanted[0])
    np.testing.assert_array_equal(dropout_bits, wanted[2])
    assert fine()
    assert dropout_fine()


# random bits


@pytest.mark.parametrize("key", [0, 1, KEY, 2**63, 2**64 - 1])
def test_keys_and_words_are_the_naive_ones(key):
    for counter in (0, 1, 5, 2**31, 2**40):
        assert int(rng.key64(np.uint64(key), counter)) == naive.key64(key, counter)
    for lane in (0, 1, 15, 16, 2**20, 2**32 - 1):
        assert int(rng.dropout_word(np.uint64(key), lane)) == naive.dropout_word(key, lane)


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 2**31 - 1, 2**31 + 1, 2**32 - 1, 2**32])
def test_below_is_lemires_method(n):
    state, slow = np.array([12345], np.uint64), 12345
    for _ in range(200):
        number = rng.below(state, n)
        wanted, slow = naive.below(slow, n)
        assert number == wanted
        assert 0 <= number < n
    assert int(state[0]) == slow
