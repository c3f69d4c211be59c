"""Rewirings that remove neurons, add given links or unite topologies, and the original ids of neurons.

The slow versions to compare with are sets and dicts of positions (row, column) without slots.
"""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import lawful, mask_of, masks, places_of, seeds, topologies, topology_of, values_for

from sparselab.topology.neuron_ids import Neurons
from sparselab.topology.rewiring import Rewiring, between, grow, keep_neurons, regrow_rows, rewire, union
from sparselab.topology.topology import MAX_WIDTH, Topology


def generator(seed=0):
    return np.random.default_rng(seed)


def slots_of(topology):
    """{(row, column): slot}."""
    return {place: slot for slot, place in enumerate(places_of(topology))}


def follows(change, before, place_before=lambda place: place):
    """Each link of the new topology comes from the slot of the same place, where there was one; nothing else."""
    old, new = slots_of(before), places_of(change.topology)
    assert lawful(change.topology)
    assert change.origin.tolist() == [old.get(place_before(place), -1) for place in new]
    assert change.n_before == before.nnz
    return new


@st.composite
def some_of(draw, n):
    """A mask of n neurons with at least one True, or None for all."""
    mask = draw(st.one_of(st.none(), hnp.arrays(bool, n)))
    if mask is not None and not mask.any():
        mask[draw(st.integers(0, n - 1))] = True
    return mask


@st.composite
def alike(draw, most=4):
    """Several topologies of one shape; often some of them are empty, full or the same."""
    shape = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    kinds = st.one_of(hnp.arrays(bool, shape), st.just(np.zeros(shape, bool)), st.just(np.ones(shape, bool)))
    found = [topology_of(mask) for mask in draw(st.lists(kinds, min_size=1, max_size=most))]
    return [*found, found[0]] if draw(st.booleans()) else found


# neurons go


def ids_of(mask, n):
    return [i for i in range(n) if mask is None or mask[i]]


@given(topologies, st.data())
def test_the_links_between_neurons_that_stay_stay(t, data):
    rows, cols = data.draw(some_of(t.n_out)), data.draw(some_of(t.n_in))
    change, values = keep_neurons(t, rows, cols), data.draw(values_for(t.nnz))
    row_ids, col_ids = ids_of(rows, t.n_out), ids_of(cols, t.n_in)
    follows(change, t, lambda place: (row_ids[place[0]], col_ids[place[1]]))
    np.testing.assert_array_equal(mask_of(change.topology), mask_of(t)[np.ix_(row_ids, col_ids)])
    assert [change.rows is None, change.cols is None] == [rows is None, cols is None]
    assert change.rows is None or (change.rows.dtype, change.rows.tolist()) == (np.int64, row_ids)
    assert change.cols is None or (change.cols.dtype, change.cols.tolist()) == (np.int64, col_ids)
    assert change.n_pruned == t.nnz - change.topology.nnz
    assert len(change.grown) == 0
    assert change.carry_rows(np.arange(t.n_out)).tolist() == row_ids
    W = np.zeros(t.shape, np.float32)
    W[mask_of(t)] = values
    np.testing.assert_array_equal(change.topology.to_scipy(change.carry(values)).toarray(), W[np.ix_(row_ids, col_ids)])


def test_the_masks_of_a_call_are_not_written_to():
    t, rows, cols = topology_of(np.ones((3, 2))), np.array([True, False, True]), np.array([False, True])
    keep_neurons(t, rows, cols)
    assert (rows.tolist(), cols.tolist()) == ([True, False, True], [False, True])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("full", [False, True])
def test_widths_of_one(shape, full):
    t = topology_of(np.full(shape, full))
    last = [np.arange(n) == n - 1 for n in shape]
    change = keep_neurons(t, *last)
    assert change.topology == topology_of([[full]])
    assert change.origin.tolist() == [t.nnz - 1] * full
    assert union([t, t])[0] == t
    assert between(t, t).origin.tolist() == list(range(t.nnz))


# links come, at places that are named


@given(masks(), st.data(), st.randoms(use_true_random=False))
def test_grown_links_are_where_they_were_asked_for(mask, data, random):
    t = topology_of(mask)
    free = [tuple(map(int, place)) for place in np.argwhere(~mask)]
    random.shuffle(free)
    wanted = free[: data.draw(st.integers(0, len(free)))]
    change = grow(t, [row for row, _ in wanted], [column for _, column in wanted])
    new = follows(change, t)
    assert set(new) == set(places_of(t)) | set(wanted)
    assert {new[slot] for slot in change.grown} == set(wanted)
    assert change.n_pruned == 0


@given(masks(), st.data(), seeds)
def test_rows_get_back_as_many_links_as_they_are_given(mask, data, seed):
    t = topology_of(mask)
    counts = np.array([data.draw(st.integers(0, int((~row).sum()))) for row in mask])
    change, again = (regrow_rows(t, counts, generator(seed)) for _ in range(2))
    new = follows(change, t)
    assert change.topology == again.topology
    assert (change.topology.fan_in == t.fan_in + counts).all()
    assert set(new) >= set(places_of(t))
    assert change.n_pruned == 0
    assert len(change.grown) == counts.sum()


def test_rows_grow_at_every_free_position_alike():
    t, n = topology_of([[0, 1, 0, 0, 1, 0]]), 4000
    found = np.zeros(6)
    for seed in range(n):
        change = regrow_rows(t, [2], generator(seed))
        found[change.topology.indices[change.grown]] += 1
    assert found[[1, 4]].tolist() == [0, 0]
    assert abs(found[[0, 2, 3, 5]] - n / 2).max() < 5 * np.sqrt(n / 4)


# topologies over each other


@given(alike(2).filter(lambda found: len(found) > 1))
def test_between_is_by_place(found):
    before, after = found[:2]
    change = between(before, after)
    new = follows(change, before)
    assert change.topology is after
    assert [new[slot] for slot in change.grown] == [place for place in new if place not in slots_of(before)]
    assert change.n_pruned == len(slots_of(before).keys() - set(new))
    back = between(after, before)
    assert len(back.grown) == change.n_pruned


@given(alike(), st.data())
def test_the_union_has_the_links_of_all_and_every_value_finds_its_place(found, data):
    whole, changes = union(found)
    assert len(changes) == len(found)
    assert set(places_of(whole)) == set().union(*(places_of(t) for t in found))
    total = np.zeros(whole.shape)
    carried = np.zeros(whole.nnz)
    for t, change in zip(found, changes, strict=True):
        follows(change, t)
        assert change.topology is whole
        assert change.n_pruned == 0
        values = data.draw(values_for(t.nnz))
        total[mask_of(t)] += values
        carried += change.carry(values)
    np.testing.assert_array_equal(whole.to_scipy(carried).toarray(), total)


@given(alike())
def test_the_order_of_a_union_does_not_matter(found):
    whole, changes = union(found)
    turned, back = union(found[::-1])
    assert whole == turned
    for one, other in zip(changes, back[::-1], strict=True):
        np.testing.assert_array_equal(one.origin, other.origin)


@given(topologies)
def test_a_union_of_one_is_itself(t):
    whole, (change,) = union([t])
    assert whole is t
    assert change.origin.tolist() == list(range(t.nnz))


def test_a_link_that_was_dropped_and_grown_again_stays_between_and_is_new_in_the_rewiring():
    t = topology_of(np.ones((4, 5)))
    change = rewire(t, np.arange(20) % 2 == 0, 10, rng=generator())
    assert len(change.grown) == 10
    assert between(t, change.topology).origin.tolist() == list(range(20))


# one after the other


@st.composite
def chains(draw):
    """(topology, three rewirings, one after the other): neurons go with a shift of whole numbers, links go and come."""
    t = first = draw(topologies)
    changes = []
    for _ in range(3):
        if draw(st.booleans()):
            rows, cols = draw(some_of(t.n_out)), draw(some_of(t.n_in))
            n = t.n_out if rows is None else int(rows.sum())
            shift = draw(st.one_of(st.none(), hnp.arrays(np.float64, n, elements=st.integers(-9, 9).map(float))))
            change = keep_neurons(t, rows, cols, shift)
        else:
            keep = draw(hnp.arrays(bool, t.nnz))
            free = t.n_out * t.n_in - int(keep.sum())
            change = rewire(t, keep, draw(st.integers(0, free)), rng=generator(draw(seeds)))
        changes.append(change)
        t = change.topology
    return first, changes


@given(chains())
def test_then_is_one_after_the_other_with_neurons_and_shifts(drawn):
    t, (first, second, third) = drawn
    values, biases, inputs = np.arange(1.0, t.nnz + 1), np.arange(10.0, 10 + t.n_out), np.arange(t.n_in)
    rows, columns = np.arange(t.n_out), inputs
    for change in (first, second, third):
        values, biases = change.carry(values), change.carry_biases(biases)
        rows = rows if change.rows is None else rows[change.rows]
        columns = columns if change.cols is None else columns[change.cols]
    for whole in (first.then(second).then(third), first.then(second.then(third))):
        assert whole.topology is third.topology
        assert whole.n_before == t.nnz
        np.testing.assert_array_equal(whole.carry(np.arange(1.0, t.nnz + 1)), values)
        np.testing.assert_array_equal(whole.carry_biases(np.arange(10.0, 10 + t.n_out)), biases)
        np.testing.assert_array_equal(whole.carry_rows(np.arange(t.n_out)), rows)
        assert (inputs if whole.cols is None else whole.cols).tolist() == columns.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shift", [None, np.array([0.5, -1.0]), np.array([0.5, -1.0], np.float32)], ids=["none", "f8", "f4"])
def test_biases_get_the_shift_in_their_own_dtype_as_a_copy(dtype, shift):
    change = keep_neurons(topology_of(np.ones((3, 2))), np.array([True, False, True]), shift=shift)
    b = np.array([1, 2, 3], dtype)
    moved = change.carry_biases(b)
    assert moved.dtype == dtype
    assert moved.tolist() == ([1, 3] if shift is None else [1.5, 2])
    moved[:] = 9
    assert b.tolist() == [1, 2, 3]


# ids that last


@st.composite
def shrinkings(draw):
    """(masks (n_out, n_in) of the layers of a net, kept neurons of each hidden level, several times)."""
    widths = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    layers = [draw(hnp.arrays(bool, (n_out, n_in))) for n_in, n_out in zip(widths, widths[1:], strict=False)]
    rounds, left = [], list(widths)
    for _ in range(draw(st.integers(0, 3))):
        kept = [None, *(draw(some_of(n)) for n in left[1:-1]), None]
        left = [n if mask is None else int(mask.sum()) for n, mask in zip(left, kept, strict=True)]
        rounds.append(kept)
    return layers, rounds


@given(shrinkings())
def test_original_ids_and_topologies_last(drawn):
    layers, rounds = drawn
    widths = (layers[0].shape[1], *(mask.shape[0] for mask in layers))
    neurons, ids = Neurons.of(widths), [list(range(n)) for n in widths]
    small = [topology_of(mask) for mask in layers]
    for kept in rounds:
        changes = [
            None if rows is None and cols is None else keep_neurons(t, rows, cols)
            for t, cols, rows in zip(small, kept, kept[1:], strict=False)
        ]
        neurons = neurons.after(changes)
        small = [t if change is None else change.topology for t, change in zip(small, changes, strict=True)]
        ids = [
            level if mask is None else [one for one, stays in zip(level, mask, strict=True) if stays]
            for level, mask in zip(ids, kept, strict=True)
        ]
    assert neurons.sizes == widths
    for level, wanted in enumerate(ids):
        assert (neurons.ids(level).dtype, neurons.ids(level).tolist()) == (np.int64, wanted)
    for l, (t, mask) in enumerate(zip(small, layers, strict=True)):
        whole = neurons.original(t, l)
        assert lawful(whole)
        assert whole.shape == mask.shape
        gone = np.ones(mask.shape, bool)
        gone[np.ix_(ids[l + 1], ids[l])] = False
        np.testing.assert_array_equal(mask_of(whole), mask & ~gone)
        assert places_of(whole) == [(ids[l + 1][row], ids[l][column]) for row, column in places_of(t)]  # slot by slot


def test_a_level_that_lost_no_neuron_keeps_no_list():
    t = topology_of(np.ones((3, 2)))
    every = keep_neurons(t, np.ones(3, bool))
    neurons = Neurons.of((2, 3, 1)).after([every, None])
    assert neurons.kept == (None, None, None)
    assert neurons.original(t, 0) is t


# more places than 2^31; those above 2^53 would need row pointers of more than 100 MB


def wide(n_out, links):
    """A topology of MAX_WIDTH inputs with links at (row, column)."""
    return Topology.from_links(n_out, MAX_WIDTH, *np.array(links, np.int64).T.reshape(2, -1))


def sparse_places(topology):
    return list(zip(topology.rows.tolist(), topology.indices.tolist(), strict=True))


@pytest.mark.parametrize("n_out", [1, 3, 2**20])  # up to 2^51 places
def test_memory_and_numbers_at_the_largest_width(n_out):
    last = MAX_WIDTH - 1
    a = wide(n_out, [(0, 0), (0, last), (n_out // 2, 7), (n_out - 1, last - 1)])
    b = wide(n_out, [(0, last), (n_out - 1, 5), (n_out - 1, last - 1)])
    tracemalloc.start()
    whole, (of_a, of_b) = union([a, b])
    change, grown = between(a, b), grow(a, [n_out - 1, 0], [3, last - 2])
    again = regrow_rows(a, np.bincount([0, n_out - 1], minlength=n_out), generator())
    upper = keep_neurons(a, np.arange(n_out) >= n_out // 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20
    assert sparse_places(whole) == sorted({*sparse_places(a), *sparse_places(b)})
    for part, t in ((of_a, a), (of_b, b)):
        assert [sparse_places(whole)[slot] for slot in np.flatnonzero(part.origin >= 0)] == sparse_places(t)
    assert [sparse_places(a)[slot] if slot >= 0 else None for slot in change.origin] == [
        place if place in sparse_places(a) else None for place in sparse_places(b)
    ]
    assert [sparse_places(grown.topology)[slot] for slot in grown.grown] == sorted([(0, last - 2), (n_out - 1, 3)])
    assert sorted(set(sparse_places(again.topology)) - set(sparse_places(a)))[-1][1] > 2**24  # not squeezed into a float
    assert len(again.grown) == 2
    first = n_out // 2
    assert sparse_places(upper.topology) == [(row - first, column) for row, column in sparse_places(a) if row >= first]
    with pytest.raises(ValueError, match="must be a free position"):
        grow(a, [0], [last])


# bad input


SMALL = topology_of([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
OTHER = topology_of([[1, 0], [0, 1]])
HALVES = [[True, False, True], np.array([1, 0, 1]), np.ones(2, bool), np.ones((3, 1), bool), np.array([0, 2]), "all"]


@pytest.mark.parametrize("mask", [*HALVES, np.zeros(3, bool)], ids=range(7))
def test_masks_that_do_not_fit_are_named(mask):
    with pytest.raises(ValueError, match="(?s)^rows = .*: must be "):
        keep_neurons(SMALL, rows=mask)
    square = topology_of(mask_of(SMALL)[:, 1:])
    with pytest.raises(ValueError, match="(?s)^cols = .*: must be "):
        keep_neurons(square, cols=mask)


@pytest.mark.parametrize("shift", [np.zeros(3), np.zeros((2, 1)), [0.0, 0.0], np.zeros(2, int), "much"], ids=range(5))
def test_shifts_that_do_not_fit_are_named(shift):
    with pytest.raises(TypeError, match="(?s)^shift = .*: must be "):
        keep_neurons(SMALL, np.array([True, False, True]), shift=shift)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_shift_that_is_not_finite_is_named(bad):
    with pytest.raises(ValueError, match="^shift: must be finite"):
        keep_neurons(SMALL, shift=np.array([0, bad, 0]))


@pytest.mark.parametrize(
    ("rows", "columns", "error", "message"),
    [
        ([0], [1], ValueError, r"^link \(row, column\) = \(0, 1\): must be a free position"),
        ([2, 1, 0], [0, 2, 1], ValueError, r"^link \(row, column\) = \(0, 1\)"),
        ([0, 0], [0, 0], ValueError, "no duplicates"),
        ([3], [0], ValueError, r"^rows\[0\] = 3: must be in \[0, 3\)"),
        ([0, -1], [0, 0], ValueError, r"^rows\[1\] = -1"),
        ([0], [4], ValueError, r"^columns\[0\] = 4: must be in \[0, 4\)"),
        ([0], [-1], ValueError, r"^columns\[0\] = -1"),
        ([0.0], [0], TypeError, "^rows = "),
        ([0], [0.5], TypeError, "^columns = "),
        ([True], [0], TypeError, "^rows = "),
        (None, None, TypeError, "^rows = None"),
        ([0], None, TypeError, "^columns = None"),
        ([0], [0, 1], TypeError, "^columns = .*1 whole numbers"),
        ([[0]], [[0]], TypeError, "^rows = "),
        ([0, 1], [[0], [1, 2]], TypeError, "^columns = "),
        ("ab", "cd", TypeError, "^rows = "),
    ],
)
def test_places_that_do_not_fit_are_named(rows, columns, error, message):
    with pytest.raises(error, match=message):
        grow(SMALL, rows, columns)


@pytest.mark.parametrize(
    "counts",
    [
        None, "many", [1, 0], [0.5, 0, 0], [np.nan] * 3, [True, False, False], [[1], [2, 3]], [10**30, 0, 0], [4, 0, 0],
        [-1, 0, 0], np.zeros((3, 1), int),
    ],
    ids=range(11),
)  # fmt: skip
def test_counts_that_do_not_fit_are_named(counts):
    with pytest.raises((TypeError, ValueError), match="(?s)^counts = .*: must be .*3 whole numbers"):
        regrow_rows(SMALL, counts, generator())


@pytest.mark.parametrize("rng", [None, 3, np.random])
def test_rows_grow_with_a_generator_only(rng):
    with pytest.raises(TypeError, match="^rng = "):
        regrow_rows(SMALL, [1, 0, 0], rng)


@pytest.mark.parametrize("topologies", [None, 3, [], [None], SMALL, [SMALL, "t"], iter([SMALL])], ids=range(7))
def test_a_union_is_of_a_list_of_topologies(topologies):
    with pytest.raises(TypeError, match="^topologies = .*: must be a list of at least one Topology"):
        union(topologies)


def test_shapes_must_be_equal():
    with pytest.raises(ValueError, match=r"^topologies = .*3, 4.*2, 2.*: must be of the same shape"):
        union([SMALL, SMALL, OTHER])
    with pytest.raises(ValueError, match="must be of the same shape"):
        between(SMALL, OTHER)
    with pytest.raises(TypeError, match="^before = None"):
        between(None, SMALL)
    with pytest.raises(TypeError, match="^after = 'x'"):
        between(SMALL, "x")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"origin": np.zeros(2, np.int64)}, TypeError, "^origin = "),
        ({"origin": [0, 1, 2]}, TypeError, "^origin = "),
        ({"origin": np.array([0, 1, 3])}, ValueError, r"^origin\[2\] = 3"),
        ({"origin": np.array([-2, 1, 2])}, ValueError, r"^origin\[0\] = -2"),
        ({"rows": np.arange(2)}, ValueError, r"^len\(rows\) = 2"),
        ({"cols": np.arange(5)}, ValueError, r"^len\(cols\) = 5"),
        ({"shift": np.zeros(4)}, TypeError, "^shift = "),
    ],
)
def test_a_rewiring_that_does_not_fit_is_named(change, error, message):
    with pytest.raises(error, match=message):
        Rewiring(**{"topology": SMALL, "origin": np.arange(3), "n_before": 3} | change)


@pytest.mark.parametrize(
    ("kept", "error", "message"),
    [
        ((None,), TypeError, r"^kept = "),
        ([None, None], TypeError, r"^kept = "),
        ((None, [1, 2]), TypeError, r"^kept\[1\] = "),
        ((np.array([0.0]), None), TypeError, r"^kept\[0\] = "),
        ((None, np.array([1, 5])), ValueError, r"^kept\[1\] = .*ascending ids in \[0, 4\)"),
        ((None, np.array([-1, 2])), ValueError, r"^kept\[1\] = "),
        ((None, np.array([2, 1])), ValueError, r"^kept\[1\] = "),
        ((None, np.array([1, 1])), ValueError, r"^kept\[1\] = "),
    ],
)
def test_ids_that_do_not_fit_are_named(kept, error, message):
    with pytest.raises(error, match=message):
        Neurons((3, 4), kept)


def test_neurons_want_a_rewiring_a_layer():
    with pytest.raises(ValueError, match="^rewirings = .*2 layers"):
        Neurons.of((3, 4, 2)).after([None])
