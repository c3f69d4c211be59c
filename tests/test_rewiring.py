"""Changes of topology: links are conserved, values move with their links, and nothing else changes."""

import tracemalloc

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import lawful, places_of, rewirings, topologies, topology_of, values_for

from sparselab.topology import Rewiring, erdos_renyi, rewire
from sparselab.topology.topology import Topology


def generator(seed=0):
    return np.random.default_rng(seed)


def bits(values):
    """Bit patterns: tells -0.0 from 0.0."""
    return np.asarray(values).tobytes()


@given(rewirings())
def test_links_are_conserved_and_survivors_keep_their_place(drawn):
    t, keep, n_new, seed = drawn
    change = rewire(t, keep, n_new, rng=generator(seed))
    assert lawful(change.topology)
    assert change.topology.validate().nnz == keep.sum() + n_new
    old, new = places_of(t), places_of(change.topology)
    survivors = {place: int(k) for place, k in zip(new, change.origin, strict=True) if k >= 0}
    assert survivors == {place: k for k, place in enumerate(old) if keep[k]}
    assert change.origin.dtype == np.int64
    assert [place for place, k in zip(new, change.origin, strict=True) if k < 0] == [new[slot] for slot in change.grown]
    assert len(change.grown) == n_new
    assert set(change.origin[change.grown]) <= {-1}
    assert change.n_pruned == (~keep).sum()


@given(rewirings())
def test_growing_as_many_as_were_cut_conserves_their_number(drawn):
    t, keep, _, seed = drawn
    assert rewire(t, keep, int((~keep).sum()), rng=generator(seed)).topology.nnz == t.nnz


@given(rewirings(), st.data())
def test_values_follow_their_link_bit_for_bit(drawn, data):
    t, keep, n_new, seed = drawn
    values = data.draw(values_for(t.nnz))
    change = rewire(t, keep, n_new, rng=generator(seed))
    carried = change.carry(values)
    assert carried.dtype == values.dtype
    at = dict(zip(places_of(t), values, strict=True))
    for place, value, origin in zip(places_of(change.topology), carried, change.origin, strict=True):
        assert bits(value) == bits(at[place] if origin >= 0 else np.float32(0))
    assert (change.carry(values, fill=7)[change.grown] == 7).all()
    assert change.carry(values).tolist() == naive.carry(values.tolist(), change.origin, 0)


@given(rewirings())
def test_without_growth_it_is_the_naive_compaction(drawn):
    t, keep, _, _ = drawn
    change = rewire(t, keep)
    parts = change.topology.indptr, change.topology.indices, change.origin
    assert [part.tolist() for part in parts] == list(naive.compact(t.indptr, t.indices, keep))
    assert len(change.grown) == 0


@given(rewirings())
def test_the_same_generator_gives_the_same_links_and_the_old_topology_stays(drawn):
    t, keep, n_new, seed = drawn
    before = bits(t.indptr), bits(t.indices)
    first, second = (rewire(t, keep, n_new, rng=generator(seed)) for _ in range(2))
    assert first.topology == second.topology
    assert bits(first.origin) == bits(second.origin)
    assert before == (bits(t.indptr), bits(t.indices))


@given(topologies, st.data())
def test_then_is_one_after_the_other(t, data):
    changes, values = [], np.arange(1.0, t.nnz + 1)
    for _ in range(3):
        keep = np.array(data.draw(st.lists(st.booleans(), min_size=t.nnz, max_size=t.nnz)), bool)
        free = t.n_out * t.n_in - int(keep.sum())
        change = rewire(t, keep, data.draw(st.integers(0, free)), rng=generator(1))
        changes.append(change)
        t = change.topology
    first, second, third = changes
    for whole in (first.then(second).then(third), first.then(second.then(third))):
        assert whole.topology == t
        assert whole.n_before == first.n_before
        np.testing.assert_array_equal(whole.carry(values), third.carry(second.carry(first.carry(values))))
    survived = np.isin(np.arange(first.n_before), first.then(second).origin)
    assert first.then(second).n_pruned == (~survived).sum()


def by_hand(n_rows, rows, n_cols=5, cols=None):
    """A rewiring without links that keeps some neurons."""
    topology = topology_of(np.zeros((len(rows) if rows is not None else n_rows, len(cols) if cols is not None else n_cols)))
    return Rewiring(topology, np.empty(0, np.int64), 0, *(None if a is None else np.array(a) for a in (rows, cols)))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [(None, None, None), ([0, 2, 3], None, [0, 2, 3]), (None, [1, 2], [1, 2]), ([0, 2, 3], [1, 2], [2, 3]), ([3, 1], [1], [1])],
)
def test_then_composes_the_kept_neurons(first, second, wanted):
    biases, n = np.arange(4.0) * 10, 4 if first is None else len(first)
    whole = by_hand(4, first).then(by_hand(n, second))
    assert (whole.rows if wanted is None else whole.rows.tolist()) == wanted
    np.testing.assert_array_equal(whole.carry_rows(biases), by_hand(n, second).carry_rows(by_hand(4, first).carry_rows(biases)))
    whole = by_hand(1, None, 4, first).then(by_hand(1, None, n, second))
    assert (whole.cols if wanted is None else whole.cols.tolist()) == wanted


def test_carry_rows_copies():
    biases = np.arange(3.0)
    for rows in (None, [0, 1, 2]):
        moved = by_hand(3, rows).carry_rows(biases)
        moved[:] = 9
        assert biases.tolist() == [0, 1, 2]


# full and nearly full layers


@pytest.mark.timeout(60)
@pytest.mark.parametrize("free", [0, 1, 2, 50])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (60, 70)])
def test_nearly_full_layers_fill_up(shape, free):
    free = min(free, shape[0] * shape[1])
    keep = np.ones(shape[0] * shape[1], bool)
    keep[generator().choice(len(keep), free, replace=False)] = False
    full = Topology.dense(*shape)
    change = rewire(full, keep, free, rng=generator(1))
    assert change.topology == full
    np.testing.assert_array_equal(change.origin, np.where(keep, np.arange(len(keep)), -1))


def test_what_was_cut_and_drawn_again_counts_as_new():
    full = Topology.dense(7, 5)
    change = rewire(full, np.zeros(35, bool), 35, rng=generator())
    assert change.topology == full
    assert (change.origin == -1).all()
    assert (change.n_pruned, len(change.grown)) == (35, 35)


@pytest.mark.parametrize("n", [1, 23, 24, 25, 26, 300])
def test_long_rows_are_sorted_however_they_were_drawn(n):
    empty = topology_of(np.zeros((2, 1000), bool))
    for seed in range(5):
        assert lawful(rewire(empty, np.empty(0, bool), n, rng=generator(seed)).topology)


# size: places may be counted in int64 only, and memory goes with links and neurons


def test_more_places_than_int32_can_count():
    n = 3_000_000  # 9e12 places; above 2^53 places the row pointers alone would be 700 MB
    tracemalloc.start()
    t = erdos_renyi(n, n, density=3e-9, exact=True, seed=0)
    change = rewire(t, generator().random(t.nnz) < 0.5, 1000, rng=generator(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert t.nnz == 27_000
    for topology in (t.validate(), change.topology.validate()):
        key = topology.rows.astype(np.int64) * n + topology.indices
        assert (np.diff(key) > 0).all()
        assert abs(topology.rows.mean() / n - 0.5) < 0.02
        assert abs(topology.indices.mean() / n - 0.5) < 0.02
    assert len(change.grown) == 1000
    assert peak < 10 * 8 * n


def test_an_extreme_shape_wide_and_flat():
    n = 40_000_000
    t = topology_of(np.zeros((3, 1), bool))
    flat = Topology(3, n, t.indptr.copy(), t.indices.copy())
    grown = rewire(flat, np.empty(0, bool), 5000, rng=generator()).topology.validate()
    assert grown.nnz == 5000
    assert grown.indices.max() > 0.99 * n
    again = rewire(grown, np.zeros(5000, bool), 5, rng=generator(1))
    assert again.topology.validate().nnz == 5


# refusals


@pytest.mark.parametrize(
    ("keep", "n_new", "rng", "error", "fragments"),
    [
        (np.ones(2, bool), 0, None, ValueError, ["keep", "(3,)"]),
        (np.ones((3, 1), bool), 0, None, ValueError, ["keep", "(3,)"]),
        (np.ones(3), 0, None, ValueError, ["keep", "bool"]),
        ([0, 1, 2], 0, None, ValueError, ["keep", "bool"]),
        (np.ones(3, bool), 4, generator(), ValueError, ["n_new = 4", "3 free positions"]),
        (np.ones(3, bool), -1, generator(), ValueError, ["n_new = -1", ">= 0"]),
        (np.ones(3, bool), 1.5, generator(), TypeError, ["n_new = 1.5", "whole number"]),
        (np.ones(3, bool), True, generator(), TypeError, ["n_new = True", "whole number"]),
        (np.ones(3, bool), 1, None, TypeError, ["rng = None", "Generator"]),
        (np.ones(3, bool), 1, 7, TypeError, ["rng = 7", "Generator"]),
    ],
)
def test_rewire_refuses(keep, n_new, rng, error, fragments):
    t = topology_of([[0, 1, 0], [1, 0, 1]])
    with pytest.raises(error) as caught:
        rewire(t, keep, n_new, rng=rng)
    assert [f for f in fragments if f not in str(caught.value)] == []


def test_maps_that_do_not_fit_are_refused():
    t = topology_of([[0, 1, 0], [1, 0, 1]])
    change = rewire(t, np.array([True, False, True]))
    with pytest.raises(ValueError, match=r"len\(values\) = 2: must be .* 3"):
        change.carry(np.zeros(2))
    with pytest.raises(ValueError, match="n_before = 3: must be 2"):
        change.then(rewire(t, np.ones(3, bool)))
