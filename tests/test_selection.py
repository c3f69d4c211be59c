"""The k best of a stream against a sort, and weighted draws without replacement against drawing one after the other."""

import itertools

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from sparselab.evolution.drawing import drawn, perturbed
from sparselab.utils import largest
from sparselab.utils.largest import Largest, counts_of_smallest

NUMBERS = st.one_of(st.integers(-1, 6), st.sampled_from([-np.inf, np.nan, 0.5]))
CUTS = st.lists(st.integers(0, 60), max_size=6)


def pieces(values, cuts):
    cuts = sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    return [slice(begin, end) for begin, end in itertools.pairwise(cuts)]


@example(numbers=[np.nan, 5, 3, 1, 0], k=2, cuts=[], seed=0)
@given(numbers=st.lists(NUMBERS, max_size=60), k=st.integers(0, 12), cuts=CUTS, seed=st.integers(0, 100))
def test_largest_of_a_stream_is_a_sort(numbers, k, cuts, seed):
    order = [place for place, number in enumerate(numbers) if number > -np.inf]
    wanted = sorted(order, key=lambda place: (-numbers[place], place))[:k]
    numbers, best, mixed, other = np.array(numbers, float), Largest(k), Largest(k), Largest(k)
    shuffled = np.random.default_rng(seed).permutation(len(numbers))
    for part in pieces(numbers, cuts):
        best.offer(numbers[part], part.start)
        (mixed if part.start % 2 else other).offer(numbers[shuffled[part]], shuffled[part])
    mixed.merge(other)
    assert best.places().tolist() == mixed.places().tolist() == wanted


SIZES = st.one_of(st.integers(-3, 3), st.sampled_from([-0.0, np.inf, np.nan, 1e-40, -2.5, 3e38]))


@given(lists=st.lists(st.lists(SIZES, max_size=20), min_size=1, max_size=5), share=st.floats(0, 1), wide=st.booleans())
def test_the_smallest_of_several_arrays_are_counted_as_in_a_sort(lists, share, wide):
    arrays = [np.array(one, np.float64 if wide else np.float32) for one in lists]
    order = [(np.isnan(value), abs(value), number) for number, array in enumerate(arrays) for value in array.tolist()]
    n = int(share * len(order))
    lowest = sorted(order, key=lambda one: (one[0], 0 if one[0] else one[1], one[2]))[:n]
    assert counts_of_smallest(arrays, n).tolist() == [sum(one[2] == number for one in lowest) for number in range(len(arrays))]


def test_the_smallest_of_several_arrays_are_found_in_pieces(monkeypatch):
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(n).astype(np.float32) for n in (1000, 0, 3, 5000)]
    limit = np.sort(np.abs(np.concatenate(arrays)))[2345]
    monkeypatch.setattr(largest, "PIECE", 7)
    assert counts_of_smallest(arrays, 2345).tolist() == [np.count_nonzero(np.abs(array) < limit) for array in arrays]


@pytest.mark.parametrize("kind", ["random", "ties", "low sample", "high sample", "sorted", "nan", "all equal", "mostly −inf"])
@pytest.mark.parametrize("k", [1, 5, 300, 5000, 19_000])
def test_largest_of_long_pieces_is_a_sort(kind, k):
    random, n = np.random.default_rng(k), 20_000
    numbers = random.standard_normal(n)
    sampled = np.arange(n) % 32 == 0
    numbers = {
        "random": numbers, "ties": np.round(numbers), "low sample": numbers - 10 * sampled, "sorted": np.sort(numbers),
        "high sample": numbers + 10 * sampled, "nan": np.where(random.random(n) < 0.1, np.nan, numbers),
        "all equal": np.ones(n), "mostly −inf": np.where(random.random(n) < 0.9, -np.inf, numbers),
    }[kind]  # fmt: skip
    best = Largest(k)
    for start in (0, 9_000):
        best.offer(numbers[start : start + 9_000 + start], start)
    order = sorted((i for i in range(n) if numbers[i] > -np.inf), key=lambda i: (-numbers[i], i))
    assert best.places().tolist() == order[:k]


def test_a_stream_leaves_nothing_behind():
    best = Largest(100)
    for start in range(0, 100_000, 500):
        best.offer(np.arange(start, start + 500, dtype=float), start)
        assert sum(len(places) for _, places in best._pieces) <= 200 + 500
    assert best.places().tolist() == list(range(99_999, 99_899, -1))


@pytest.mark.parametrize("power", [1, 2.5])
def test_the_law_is_that_of_successive_draws(power):
    scores, times = np.array([0.5, 1.0, 2.0, 3.0, 0.25]), 10_000
    rng, counts = np.random.default_rng(0), dict.fromkeys(map(frozenset, itertools.combinations(range(5), 2)), 0)
    for _ in range(times):
        counts[frozenset(np.flatnonzero(drawn(scores, 2, power, rng)).tolist())] += 1
    wanted = naive.successive(list(scores**power), 2)
    assert stats.chisquare([counts[pair] for pair in counts], [times * wanted[pair] for pair in counts]).pvalue > 0.01


def test_scores_of_nought_come_last_and_alike():
    scores, rng, counts = np.array([0.0, 1e-300, 0.0, 5.0, 0.0]), np.random.default_rng(1), np.zeros(5)
    for _ in range(3000):
        counts += drawn(scores, 3, 9, rng)
    assert counts[[1, 3]].tolist() == [3000, 3000]
    assert stats.chisquare(counts[[0, 2, 4]]).pvalue > 0.01


@given(n=st.integers(0, 20), k=st.integers(0, 20), zeros=st.floats(0, 1), seed=st.integers(0, 1000))
def test_as_many_are_drawn_as_asked_for(n, k, zeros, seed):
    rng = np.random.default_rng(seed)
    scores = rng.random(n) * (rng.random(n) > zeros)
    assert drawn(scores, min(k, n), 2, rng).sum() == min(k, n)


def test_a_number_depends_on_seed_and_place_alone():
    places, seed = np.array([5, 0, 2**40]), 12345
    uniform = [((naive.key64(seed, int(place)) >> 12) + 0.5) / 2**52 for place in places]
    found = perturbed(np.array([2.0, 3.0, 0.5]), places, 3, np.uint64(seed))
    np.testing.assert_allclose(found, 3 * np.log([2.0, 3.0, 0.5]) - np.log(-np.log(uniform)), rtol=1e-12)
