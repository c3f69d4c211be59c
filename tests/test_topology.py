"""The invariants of a topology, and that every violation is rejected before a kernel reads the arrays."""

import naive
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from strategies import lawful, mask_of, masks, places_of, topologies, topology_of, weighted_topologies

from sparselab.kernels import csr_passes
from sparselab.topology import erdos_renyi
from sparselab.topology.topology import MAX_WIDTH, Topology


def csr(n_out=2, n_in=3, indptr=(0, 1, 3), indices=(2, 0, 1)):
    return Topology(n_out, n_in, np.array(indptr, np.int64), np.array(indices, np.int32))


# what it says of itself


@given(masks())
def test_counts_and_views_are_those_of_the_matrix(mask):
    t = topology_of(mask).validate()
    assert lawful(t)
    assert t.shape == mask.shape
    assert t.density == mask.sum() / mask.size
    assert t.sparsity == 1 - t.density
    np.testing.assert_array_equal(t.fan_in, mask.sum(axis=1))
    np.testing.assert_array_equal(t.fan_out, mask.sum(axis=0))
    np.testing.assert_array_equal(t.rows, np.nonzero(mask)[0])
    assert t.nbytes == 8 * (len(mask) + 1) + 4 * mask.sum()
    assert (t.fan_in.dtype, t.fan_out.dtype, t.rows.dtype) == (np.int64, np.int64, np.int32)


@given(topologies)
def test_transposed_is_scipys_csc_and_the_naive_one(t):
    back = t.transposed
    csc = scipy.sparse.csr_array((np.arange(t.nnz), t.indices, t.indptr), shape=t.shape).tocsc()
    csc.sort_indices()
    for ours, theirs in ((back.indptr, csc.indptr), (back.rows, csc.indices), (back.slots, csc.data)):
        np.testing.assert_array_equal(ours, theirs)
    for ours, slow in zip((back.indptr, back.rows, back.slots), naive.transpose(t.indptr, t.indices, t.n_in), strict=True):
        assert ours.tolist() == slow
    assert (back.indptr.dtype, back.rows.dtype, back.slots.dtype) == (np.int64, np.int32, np.int32)
    assert t.transposed is back


@given(topologies)
def test_transposing_twice_gives_the_links_back(t):
    back = t.transposed
    again = Topology(t.n_in, t.n_out, back.indptr, back.rows).validate().transposed
    np.testing.assert_array_equal(again.indptr, t.indptr)
    np.testing.assert_array_equal(again.rows, t.indices)
    np.testing.assert_array_equal(back.slots[again.slots], np.arange(t.nnz))


@given(topologies)
def test_arrays_are_read_only(t):
    for array in (t.indptr, t.indices):
        with pytest.raises(ValueError):
            array[:] = 0


def test_equality_is_that_of_the_links():
    assert csr() == csr()
    assert csr() != csr(indices=(1, 0, 1))
    assert csr() != csr(n_in=4)
    assert csr(indptr=(0, 1, 3)) != csr(indptr=(0, 2, 3), indices=(0, 2, 1))
    assert csr() != "a topology"
    with pytest.raises(TypeError):
        hash(csr())


# ways in


@given(weighted_topologies(), st.randoms(use_true_random=False))
def test_from_links_takes_any_order(drawn, random):
    t, _, _ = drawn
    places = places_of(t)
    random.shuffle(places)
    rows, columns = np.array(places, int).reshape(-1, 2).T
    assert Topology.from_links(*t.shape, rows, columns) == t


@given(weighted_topologies())
def test_scipy_and_back(drawn):
    t, w, _ = drawn
    matrix = t.to_scipy(w)
    np.testing.assert_array_equal(matrix.toarray(), naive.to_dense(t.indptr, t.indices, w, t.n_in))
    for form in ("csr", "csc", "coo", "lil"):
        if form == "lil" and (w == 0).any():
            continue  # lil drops explicit zeros
        again, values = Topology.from_scipy(matrix.asformat(form))
        assert again == t
        np.testing.assert_array_equal(values, w)
    matrix.data[:] = 99
    assert (w != 99).all()


def test_dense_is_every_link():
    t = Topology.dense(3, 4).validate()
    assert mask_of(t).all()
    assert t.density == 1


@pytest.mark.parametrize("give", [list, np.array, lambda x: np.array(x, np.uint8), lambda x: np.array(x, np.int16)])
def test_from_links_takes_every_integer_type(give):
    assert Topology.from_links(2, 3, give([1, 0, 1]), give([1, 2, 0])) == csr()


def test_from_links_takes_no_links():
    assert Topology.from_links(2, 3, [], []).nnz == 0


@pytest.mark.parametrize(
    ("rows", "columns", "error", "fragments"),
    [
        ([0, 2], [0, 0], ValueError, ["rows[1] = 2", "[0, 2)"]),
        ([0, 1], [0, 3], ValueError, ["columns[1] = 3", "[0, 3)"]),
        ([0, -1], [0, 0], ValueError, ["rows[1] = -1", "[0, 2)"]),
        ([0, 1], [0, -3], ValueError, ["columns[1] = -3", "[0, 3)"]),
        ([0, 0], [1, 1], ValueError, ["indices[1] = 1", "row 0", "duplicates"]),
        ([0, 1], [1], TypeError, ["columns", "2 whole numbers"]),
        ([0.0, 1.0], [1, 1], TypeError, ["rows", "whole numbers"]),
        ([[0, 1]], [[1, 1]], TypeError, ["rows", "1-D"]),
    ],
)
def test_from_links_refuses(rows, columns, error, fragments):
    with pytest.raises(error) as caught:
        Topology.from_links(2, 3, rows, columns)
    assert [f for f in fragments if f not in str(caught.value)] == []


@pytest.mark.parametrize("n_out", [0, -1, 2.5, "2", None, True, 2**40])
def test_from_links_refuses_a_width(n_out):
    with pytest.raises((ValueError, TypeError), match="n_out"):
        Topology.from_links(n_out, 3, [0], [0])


# validate: one law broken at a time

MALFORMED = [
    ({"indices": (2, 0, -1)}, ["indices[2] = -1", "[0, 3)"]),
    ({"indices": (-3, 0, 1)}, ["indices[0] = -3", "[0, 3)"]),
    ({"indices": (3, 0, 1)}, ["indices[0] = 3", "[0, 3)"]),
    ({"indices": (2, 0, 2**31 - 1)}, ["indices[2] = 2147483647", "[0, 3)"]),
    ({"indices": (2, 1, 0)}, ["indices[2] = 0", "row 1", "sorted"]),
    ({"indices": (2, 1, 1)}, ["indices[2] = 1", "row 1", "duplicates"]),
    ({"indptr": (1, 1, 3)}, ["indptr[0] = 1", "must be 0"]),
    ({"indptr": (-1, 1, 3)}, ["indptr[0] = -1", "must be 0"]),
    ({"indptr": (0, 2, 1), "indices": (0, 2, 1)}, ["indptr[2] = 1", "[indptr[1], 3]"]),
    ({"indptr": (0, -1, 3)}, ["indptr[1] = -1", "[indptr[0], 3]"]),
    ({"indptr": (0, 1, 4)}, ["indptr[2] = 4", "[indptr[1], 3]"]),
    ({"indptr": (0, 2**62, 3)}, [f"indptr[1] = {2**62}", "3]"]),
    ({"indptr": (0, 1, 2)}, ["indptr[-1] = 2", "len(indices) = 3"]),
    ({"indptr": (0, 0, 0)}, ["indptr[-1] = 0", "len(indices) = 3"]),
    ({"indptr": (0, 3)}, ["len(indptr) = 2", "n_out + 1 = 3"]),
    ({"indptr": (0, 1, 3, 3)}, ["len(indptr) = 4", "n_out + 1 = 3"]),
    ({"indptr": (), "indices": ()}, ["len(indptr) = 0", "n_out + 1 = 3"]),
    ({"n_out": 3}, ["len(indptr) = 3", "n_out + 1 = 4"]),
    ({"n_in": 2}, ["indices[0] = 2", "[0, 2)"]),
    ({"n_in": 0}, ["n_in = 0", ">= 1"]),
    ({"n_in": -3}, ["n_in = -3", ">= 1"]),
    ({"n_in": 2**31}, ["n_in = 2147483648", f"[1, {MAX_WIDTH}]"]),
    ({"n_out": 0, "indptr": (0,), "indices": ()}, ["n_out = 0", ">= 1"]),
]


@pytest.mark.parametrize(("changes", "fragments"), MALFORMED)
def test_validate_names_the_array_the_place_and_the_bound(changes, fragments):
    with pytest.raises(ValueError) as caught:
        csr(**changes)
    assert [f for f in fragments if f not in str(caught.value)] == []
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("indptr", np.array([0, 1, 3], np.int32)),
        ("indptr", np.array([0, 1, 3], float)),
        ("indptr", np.array([0, 1, 3], ">i8")),
        ("indptr", np.array([[0, 1, 3]])),
        ("indptr", np.array([0, 9, 1, 9, 3, 9])[::2]),
        ("indptr", [0, 1, 3]),
        ("indptr", None),
        ("indices", np.array([2, 0, 1], np.int64)),
        ("indices", np.array([2, 0, 1], np.uint32)),
        ("indices", np.array([2, 0, 1], np.float32)),
        ("indices", np.array([[2, 0, 1]], np.int32)),
        ("indices", np.array([2, 9, 0, 9, 1, 9], np.int32)[::2]),
        ("indices", np.array([2, 0, 1], object)),
        ("indices", [2, 0, 1]),
        ("n_out", 2.0),
        ("n_out", True),
        ("n_in", "3"),
        ("n_in", None),
    ],
)
def test_validate_names_what_is_of_the_wrong_kind(name, value):
    parts = {"n_out": 2, "n_in": 3, "indptr": np.array([0, 1, 3]), "indices": np.array([2, 0, 1], np.int32)} | {name: value}
    with pytest.raises(TypeError, match=f"^{name} = ") as caught:
        Topology(**parts)
    assert len(str(caught.value)) < 500


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.lists(st.integers(-1, 5), min_size=2, max_size=5),
    st.lists(st.integers(-1, 4), max_size=5),
)
def test_a_topology_that_exists_is_lawful(n_out, n_in, indptr, indices):
    arrays = np.array(indptr, np.int64), np.array(indices, np.int32)
    if naive.faults(n_out, n_in, indptr, indices):
        with pytest.raises(ValueError):
            Topology(n_out, n_in, *arrays)
    else:
        assert lawful(Topology(n_out, n_in, *arrays))


def test_the_arrays_handed_in_stay_the_callers():
    indptr, indices = np.array([0, 1, 3]), np.array([2, 0, 1], np.int32)
    t = Topology(2, 3, indptr, indices)
    assert indptr.flags.writeable
    assert indices.flags.writeable
    assert np.shares_memory(t.indices, indices)  # not copied


def test_validate_sees_what_was_changed_behind_its_back():
    indices = np.array([2, 0, 1], np.int32)
    t = Topology(2, 3, np.array([0, 1, 3]), indices)
    assert t.validate() is t
    indices[1] = 3
    with pytest.raises(ValueError, match=r"indices\[1\] = 3"):
        t.validate()


# sweeps


@given(weighted_topologies(), st.randoms(use_true_random=False))
def test_compact_is_the_naive_one(drawn, random):
    t, _, _ = drawn
    keep = np.array([random.random() < 0.5 for _ in range(t.nnz)], bool)
    n = int(keep.sum())
    out = np.empty(t.n_out + 1, np.int64), np.empty(n, np.int32), np.empty(n, np.int64)
    csr_passes.compact(t.indptr, t.indices, keep, *out)
    assert [part.tolist() for part in out] == list(naive.compact(t.indptr, t.indices, keep))


@given(weighted_topologies())
def test_strength_is_the_sum_of_sizes(drawn):
    t, w, _ = drawn
    out = np.full(t.n_out, 55.0)
    csr_passes.strength(t.indptr, w, out)
    assert out.tolist() == naive.strength(t.indptr, w)


@given(st.lists(st.integers(-1, 4), max_size=9), st.sampled_from([np.float32, np.float64, np.int64]))
def test_carry_is_the_naive_one(origin, dtype):
    values, out = np.arange(5).astype(dtype) * 10, np.empty(len(origin), dtype)
    csr_passes.carry(values, np.array(origin, np.int64), dtype(-7), out)
    assert out.tolist() == naive.carry(values.tolist(), origin, -7)


# size


def test_nothing_of_the_size_of_the_matrix_exists():
    n = 2_000_000_000  # 4e18 places: an array of them, or an int32 product, would not survive
    indices = np.array([0, 7, n - 1, n - 2], np.int32)
    t = Topology(3, n, np.array([0, 3, 3, 4]), indices).validate()
    assert t.nnz == 4
    assert t.density == 4 / (3 * n)
    assert t.rows.tolist() == [0, 0, 0, 2]
    assert lawful(t)


def test_the_widest_layer():
    t = Topology(1, MAX_WIDTH, np.array([0, 1]), np.array([MAX_WIDTH - 1], np.int32)).validate()
    assert t.shape == (1, MAX_WIDTH)
    with pytest.raises(ValueError):
        Topology(1, MAX_WIDTH - 1, t.indptr, t.indices)


def test_a_layer_with_more_places_than_int32_transposes():
    t = erdos_renyi(300_000, 400_000, density=1e-8, seed=0).validate()
    back = t.transposed
    assert t.n_out * t.n_in > 2**31
    assert 800 < t.nnz < 1600
    assert sorted(zip(t.rows.tolist(), t.indices.tolist(), strict=True)) == sorted(
        zip(back.rows.tolist(), np.repeat(np.arange(t.n_in), np.diff(back.indptr)).tolist(), strict=True)
    )
