"""Cannistraci-Hebb training against dense twins: where links grow, which go, percolation, whole events."""

import itertools

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import mask_of, masks, seeds, shares, topology_of, weighted_topologies

import sparselab as sl
from sparselab.evolution.regrowths import CannistraciHebb
from sparselab.topology import link_scores
from sparselab.utils import parallel_for

KINDS = ["CH2-L3n", "CH3-L3n", "CH2-L3p", "CH3-L3p"]


def generator(seed=0):
    return np.random.default_rng(seed)


def grown(regrowth, topology, n_new, seed=0):
    """[(row, column)] of the new links."""
    rows, columns = regrowth(None, topology, n_new, None, generator(seed))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


# where links grow


@pytest.mark.parametrize("kind", KINDS)
@given(mask=masks(), share=st.floats(0, 1))
def test_the_best_places_are_those_of_a_sort(kind, mask, share):
    scores = {place: np.float32(score) for place, score in naive.link_scores(mask, kind).items()}
    n_new = int(share * (mask.size - mask.sum()))
    found = grown(CannistraciHebb(kind), topology_of(mask), n_new)
    best = sorted(scores, key=lambda place: (-scores[place], place))[:n_new]
    assert set(best) <= set(found)
    assert len(set(found)) == len(found) == n_new
    assert not any(mask[place] for place in found)


@pytest.mark.parametrize("power", [True, 3.0])
def test_soft_places_are_drawn_by_their_scores(power):
    mask = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], bool)
    scores = naive.link_scores(mask, "CH2-L3n")
    pairs, times = list(map(frozenset, itertools.combinations(scores, 2))), 3000
    counts = dict.fromkeys(pairs, 0)
    for seed in range(times):
        counts[frozenset(grown(CannistraciHebb("CH2-L3n", power), topology_of(mask), 2, seed))] += 1
    places = list(scores)
    chances = naive.successive([scores[place] ** power for place in places], 2)
    wanted = {frozenset(places[n] for n in pair): times * chance for pair, chance in chances.items()}
    assert stats.chisquare([counts[pair] for pair in pairs], [wanted[pair] for pair in pairs]).pvalue > 0.01


@pytest.mark.parametrize("soft", [False, True])
def test_where_walks_are_too_few_all_they_reach_grow_and_others_uniformly(soft):
    mask = np.zeros((4, 5), bool)
    mask[[0, 0, 1], [0, 1, 1]] = True  # the only walk ends at (1, 0)
    counts = np.zeros(mask.shape)
    for seed in range(1600):
        found = grown(CannistraciHebb(soft=soft), topology_of(mask), 3, seed)
        assert (1, 0) in found
        assert len(set(found)) == 3
        for place in found:
            counts[place] += 1
    mask[1, 0] = True
    assert stats.chisquare(counts[~mask]).pvalue > 0.01
    assert counts[~mask].sum() == 2 * counts[1, 0]


@pytest.mark.parametrize("soft", [False, True, 2.5])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_blocks_do_not_matter(kind, soft, monkeypatch):
    topology, found = sl.erdos_renyi(60, 50, density=0.1, exact=True, seed=0), []
    original = link_scores.scored_rows
    for parts, block in ((1, 10**6), (1, 1), (3, 70), (60, 200)):
        monkeypatch.setattr(parallel_for, "cores", lambda parts=parts: parts)
        monkeypatch.setattr(parallel_for, "WORTH_SHARING", 1)
        monkeypatch.setattr(link_scores, "scored_rows", lambda *a, block=block: original(*a, block=block))
        found.append(grown(CannistraciHebb(kind, soft), topology, 90))
    assert found[0] == found[1] == found[2] == found[3]


def test_seeds_repeat():
    topology = sl.erdos_renyi(60, 50, density=0.1, exact=True, seed=0)
    first, again, other = (grown(CannistraciHebb(soft=True), topology, 50, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_hub_is_refused_before_it_costs_hours():
    n = 60_000
    rows, columns = np.append(np.zeros(n, int), np.arange(1, n)), np.append(np.arange(n), np.zeros(n - 1, int))
    with pytest.raises(ValueError, match=r"most_operations = 1.*at least 1.08e\+10 for Topology\(60000"):
        grown(CannistraciHebb(), sl.Topology.from_links(n, n, rows, columns), 5)


def test_memory_is_that_of_the_links():
    """A hundred million places, of which a million have a score."""
    import tracemalloc

    topology = sl.erdos_renyi(10_000, 10_000, density=4e-4, exact=True, seed=0)
    _ = topology.transposed
    tracemalloc.start()
    found = grown(CannistraciHebb(soft=True), topology, 10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 10_000
    assert peak < 3e7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"score": "L3"}, "score"), ({"score": 3}, "score"), ({"soft": 0}, "soft"), ({"soft": -1.0}, "soft"),
        ({"soft": "yes"}, "soft"), ({"most_operations": 0}, "most_operations"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        CannistraciHebb(**options)


# which links go


def layer_of(drawn):
    topology, w, _ = drawn
    return sl.SparseLinear(topology, w.astype(float), np.zeros(topology.n_out))


def relative_importance(layer):
    """The scores on a dense matrix."""
    W = np.abs(naive.to_dense(layer.topology.indptr, layer.topology.indices, layer.w, layer.topology.n_in))
    n_out, n_in = W.shape
    scores = W / (W.sum(axis=1, keepdims=True) + 1e-5 * n_in) + W / (W.sum(axis=0) + 1e-5 * n_out)
    return scores[mask_of(layer.topology)]


@given(drawn=weighted_topologies())
def test_relative_importance_is_that_of_a_matrix(drawn):
    layer = layer_of(drawn)
    found = sl.criteria.relative_importance(layer, None, None, None, 0.3)
    np.testing.assert_allclose(found, relative_importance(layer), rtol=1e-12)


@given(drawn=weighted_topologies(), share=shares, delta=st.floats(0, 0.95), seed=seeds)
@pytest.mark.parametrize("score", ["magnitude", "relative_importance"])
def test_soft_removal_takes_as_many_and_links_at_nought_first(score, drawn, share, delta, seed):
    layer = layer_of(drawn)
    keep = sl.criteria.Soft(score, delta)(layer, None, None, generator(seed), share)
    n_gone, n_zero = int(share * len(keep)), np.count_nonzero(layer.w == 0)
    assert np.count_nonzero(~keep) == n_gone
    assert np.count_nonzero(~keep & (layer.w == 0)) == min(n_gone, n_zero)


@pytest.mark.parametrize(("score", "delta", "power"), [("magnitude", 0.5, 1), ("relative_importance", 0.75, 3)])
def test_the_kept_are_drawn_by_their_scores(score, delta, power):
    layer = sl.SparseLinear(sl.Topology.dense(1, 5), np.array([0.5, -1, 2, -3, 0.25]), np.zeros(1))
    scores = np.abs(layer.w) if score == "magnitude" else relative_importance(layer)
    criterion, rng, times = sl.criteria.Soft(score, delta), generator(), 5000
    counts = dict.fromkeys(map(frozenset, itertools.combinations(range(5), 2)), 0)
    for _ in range(times):
        counts[frozenset(np.flatnonzero(criterion(layer, None, None, rng, 0.6)).tolist())] += 1
    wanted = naive.successive(list(scores**power), 2)
    assert stats.chisquare(list(counts.values()), [times * wanted[pair] for pair in counts]).pvalue > 0.01


def test_delta_goes_with_the_epoch_or_the_events():
    soft = sl.criteria.Soft(delta=lambda epoch: 0.1 * epoch)
    assert soft.at(5, 0) == sl.criteria.Soft(delta=0.5) == sl.criteria.Soft(delta=0.5).at(7, 1)
    rising = sl.criteria.Soft(delta=[0.5, 0.75])
    assert [rising.at(9, progress).delta for progress in (0, 0.5, 1)] == [1 / 2, 2 / 3, 3 / 4]
    with pytest.raises(ValueError, match=r"delta = 1.0: must be a number in \[0, 1\)"):
        soft.at(10, 0)
    for one in (soft, rising):
        with pytest.raises(ValueError, match="delta.*`at`"):
            one(None, None, None, None, 0.3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [([1.0], "4 numbers"), ([1.0, 2, 3, -1], ">= 0"), ([1.0, 2, 3, np.nan], "finite"), ([True] * 4, "numbers")],
)
def test_scores_that_do_not_fit_are_named(answer, words):
    layer = sl.SparseLinear(sl.Topology.dense(1, 4), np.ones(4), np.zeros(1))
    with pytest.raises(ValueError, match=f"score's result.*{words}"):
        sl.criteria.Soft(lambda *arguments: np.array(answer))(layer, None, None, generator(), 0.5)


@pytest.mark.parametrize(
    "options",
    [{"delta": 1}, {"delta": (0.5, 1)}, {"delta": (0.5,)}, {"delta": -0.1}, {"delta": "0.5"}, {"score": "size"}, {"score": 3}],
)
def test_bad_settings_of_soft_removal_are_named(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        sl.criteria.Soft(**options)


# links that lead nowhere


@st.composite
def stacks(draw):
    """(topologies of layers that follow one another, what is kept of each, which ones are fixed)."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=6))
    rng, topologies, keeps = generator(draw(seeds)), [], []
    fixed = draw(st.lists(st.sampled_from([False, False, True]), min_size=len(widths) - 1, max_size=len(widths) - 1))
    for n_in, n_out in itertools.pairwise(widths):
        topologies.append(topology_of(rng.random((n_out, n_in)) < 0.6))
        keeps.append(None if fixed[len(keeps)] else rng.random(topologies[-1].nnz) < draw(st.floats(0.2, 1)))
    return topologies, keeps, fixed


def left_of(topologies, keeps):
    found = []
    for topology, keep in zip(topologies, keeps, strict=True):
        mask = mask_of(topology)
        mask[mask] = True if keep is None else keep
        found.append(mask)
    return found


@given(stacks())
def test_percolation_is_a_fixed_point_of_removing(stack):
    topologies, keeps, fixed = stack
    before = [None if keep is None else keep.copy() for keep in keeps]
    found = sl.evolution.percolate(topologies, keeps)
    wanted = naive.percolated(left_of(topologies, keeps), fixed)
    assert all((a == b).all() for a, b in zip(left_of(topologies, found), wanted, strict=True))
    again = sl.evolution.percolate(topologies, found)
    for kept, old, once, twice in zip(keeps, before, found, again, strict=True):
        assert (kept is None and once is None) or ((kept == old).all() and (once == twice).all())


def test_what_cannot_percolate_is_named():
    topology = sl.Topology.dense(2, 3)
    with pytest.raises(ValueError, match="keeps: got 0, must be one for each of the 1"):
        sl.evolution.percolate([topology], [])
    with pytest.raises(ValueError, match="topologies.*follow one another"):
        sl.evolution.percolate([topology, topology], [None, None])
    with pytest.raises(ValueError, match=r"keeps\[0\]"):
        sl.evolution.percolate([topology], [np.ones(5, bool)])


@given(seed=seeds)
def test_active_neurons_are_those_with_links(seed):
    rng = generator(seed)
    widths = (5, 4, 3, 2)
    patterns = [rng.random((n_out, n_in)) < 0.4 for n_in, n_out in itertools.pairwise(widths)]
    patterns[2][:] = True
    sparse = [pattern for pattern in patterns if not pattern.all()]
    linked = [pattern.any(axis=0) for pattern in sparse] + [pattern.any(axis=1) for pattern in sparse[-1:]]
    wanted = np.concatenate(linked).mean() if sparse else 1
    assert sl.analysis.active_neurons(models.from_masks(patterns)) == pytest.approx(wanted)
