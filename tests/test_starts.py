"""Named start topologies and densities by layer: counts, degrees and laws, each against a slow and obvious version."""

import dataclasses
import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import lawful, mask_of, places_of

import sparselab as sl
from sparselab.experiments.config import layer_densities
from sparselab.nn import footprint
from sparselab.topology import correlations, link_counts, ring_sampling, scale_free, starts
from sparselab.utils import resources

SIZES = (784, 300, 100, 10)
DATA = np.random.default_rng(5).random((30, 12)).round(2)
STARTS = [
    starts.Uniform(exact=True), starts.ErdosRenyi(exact=True), starts.FixedFanIn(), starts.SmallWorld(),
    starts.SmallWorld(beta=0), starts.SmallWorld(beta=1), starts.ScaleFree(), starts.Banded(), starts.LogNormal(),
    starts.LogNormal(10), starts.ReceptiveField(), starts.ReceptiveField(0), starts.ReceptiveField(1, "random"),
    starts.CSTI(DATA),
]  # fmt: skip


def drawn(start, n_in, n_out, density=None, seed=0):
    return start(n_in, n_out, density, np.random.default_rng(seed))


def chi_square(counts, probabilities):
    """Deviations of the χ² statistic from its mean."""
    counts, expected = np.array(counts, float), np.sum(counts) * np.array(probabilities)
    return ((counts - expected) ** 2 / expected).sum() / math.sqrt(2 * len(counts)) - math.sqrt(len(counts) / 2)


# laws of all


@pytest.mark.parametrize("start", STARTS, ids=repr)
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.floats(0.001, 1), st.integers(0, 2**32 - 1))
def test_counts_are_exact_and_the_seed_decides(start, n_in, n_out, density, seed):
    topology = drawn(start, n_in, n_out, density, seed)
    assert lawful(topology)
    assert topology.shape == (n_out, n_in)
    exact = n_out * max(1, round(density * n_in)) if isinstance(start, starts.FixedFanIn) else round(density * (n_in * n_out))
    assert topology.nnz == exact
    assert topology == drawn(start, n_in, n_out, density, seed)


@pytest.mark.parametrize("start", [start for start in STARTS if not isinstance(start, starts.Banded | starts.CSTI)], ids=repr)
def test_another_seed_gives_other_links(start):
    if start not in (starts.SmallWorld(beta=0), starts.ReceptiveField(0)):
        assert drawn(start, 40, 30, 0.1, 1) != drawn(start, 40, 30, 0.1, 2)


def test_every_name_makes_a_network():
    for name in starts.NAMES:
        model = sl.SparseMLP.create(
            (12, 20, 15, 3),
            density=0.2,
            topology=name,
            data=DATA if name == "csti" else None,
            dense_last=True,
            seed=0,
            exact=True,
        )
        wanted = (40, 60) if name == "fixed_fan_in" else (48, 60)
        assert model.nnz == ((*wanted, 45) if name not in ("er", "erk") else (52, 56, 45))


# densities by layer


def shared_by_bisection(sizes, density):
    """min(1, ε (a + b) / (a b)) of each layer, with the ε that gives the density of all, found by bisection."""
    shapes, low, high = list(itertools.pairwise(sizes)), 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        links = sum(min(a * b, middle * (a + b)) for a, b in shapes)
        low, high = (middle, high) if links < density * sum(a * b for a, b in shapes) else (low, middle)
    return [min(1, high * (a + b) / (a * b)) for a, b in shapes]


def test_er_densities_are_the_published_ones():
    assert [round(share, 5) for share in starts.er_densities(SIZES, 0.05)] == [0.03848, 0.11133, 0.91851]
    assert starts.er_densities(SIZES, 1) == [1, 1, 1]


@given(st.lists(st.integers(1, 500), min_size=2, max_size=6), st.floats(0.001, 1))
def test_er_densities_share_out_the_whole(sizes, density):
    assert starts.er_densities(sizes, density) == pytest.approx(shared_by_bisection(sizes, density), rel=1e-6)


def test_a_list_of_densities_and_dense_ends():
    create = lambda **options: sl.SparseMLP.create(SIZES, exact=True, seed=0, **options).nnz
    assert create(density=[0.1, 0.01, 1]) == (23520, 300, 1000)
    assert create(density=np.array([0.1, 0.01, 1.0])) == (23520, 300, 1000)
    assert create(density=0.1, dense_first=True) == (235200, 3000, 100)
    assert create(density=0.1, dense_last=True, topology="fixed_fan_in") == (300 * 78, 3000, 1000)
    assert create(density=[0.1, 0.2, 0.3], dense_first=True, dense_last=True) == (235200, 6000, 1000)
    assert sl.SparseMLP.create((5, 4), density=0.1, dense_last=True, seed=0).nnz == (20,)
    er = starts.er_densities(SIZES[:-1], 0.05)
    assert create(density=0.05, topology="er", dense_last=True) == (round(er[0] * 235200), round(er[1] * 30000), 1000)
    assert create(density=starts.er_densities(SIZES, 0.05), topology="small_world") == (9051, 3340, 919)


def test_uniform_with_epsilon_has_the_links_that_epsilon_gives():
    by_epsilon = sl.SparseMLP.create(SIZES, epsilon=5, exact=True, seed=0)
    model = sl.SparseMLP.create(SIZES, epsilon=5, exact=True, topology="uniform", seed=0)
    assert abs(model.n_links - by_epsilon.n_links) <= 2
    assert np.ptp([layer.topology.density for layer in model.layers]) < 0.001


@pytest.mark.parametrize("exact", [True, False])
def test_the_default_is_er_with_epsilon_and_uniform_with_a_density(exact):
    for name, options in (("er", {"epsilon": 3}), ("erk", {}), ("uniform", {"density": 0.2})):
        named = sl.SparseMLP.create((60, 40, 5), topology=name, exact=exact, seed=3, **options)
        default = sl.SparseMLP.create((60, 40, 5), exact=exact, seed=3, **options)
        for a, b in zip(named.layers, default.layers, strict=True):
            assert a.topology == b.topology
            np.testing.assert_array_equal(a.w, b.w)


def test_layers_are_those_of_erdos_renyi():
    model = sl.SparseMLP.create((60, 40, 5), epsilon=2, min_fan_in=3, seed=4)
    seeds = np.random.SeedSequence(4, spawn_key=(0,)).spawn(2)
    for (n_in, n_out), seed, layer in zip(((60, 40), (40, 5)), seeds, model.layers, strict=True):
        rng = np.random.default_rng(seed)
        assert layer.topology == sl.erdos_renyi(n_out, n_in, epsilon=2, min_fan_in=3, seed=rng)


@pytest.mark.parametrize("name", ["scale_free", "csti", "log_normal"])
def test_min_fan_in_holds_for_all(name):
    data = np.random.default_rng(0).random((20, 50)) if name == "csti" else None
    model = sl.SparseMLP.create((50, 80, 10), density=0.03, topology=name, data=data, min_fan_in=2, seed=0)
    assert min(layer.topology.fan_in.min() for layer in model.layers) >= 2


# one after the other


def test_fixed_fan_in():
    for k, density in ((5, None), (None, 0.13)):
        topology = drawn(starts.FixedFanIn(k), 40, 30, density)
        assert (topology.fan_in == 5).all()
    counts = sum(mask_of(drawn(starts.FixedFanIn(2), 5, 400, seed=seed)).sum(axis=0) for seed in range(10))
    assert abs(chi_square(counts, [0.2] * 5)) < 4


@pytest.mark.parametrize(("n_in", "n_out", "k"), [(9, 6, 3), (6, 9, 3), (7, 7, 4), (20, 3, 2), (3, 20, 3)])
def test_small_world_before_links_are_moved(n_in, n_out, k):
    shorter, longer = sorted((n_in, n_out))
    wanted = set()
    for i in range(longer):
        begin = int(i * shorter / longer - k / 2)
        wanted |= {((begin + step) % shorter, i) if longer == n_in else (i, (begin + step) % shorter) for step in range(k)}
    assert set(places_of(drawn(starts.SmallWorld(beta=0, k=k), n_in, n_out))) == wanted


def test_small_world_moves_a_share():
    band = mask_of(drawn(starts.SmallWorld(beta=0, k=10), 200, 200))
    for beta in (0.25, 1):
        there = mask_of(drawn(starts.SmallWorld(beta, k=10), 200, 200, seed=1))
        density = beta * 2000 / (40_000 - (1 - beta) * 2000)  # of links that come, on free places
        stays = (1 - beta) + beta * density
        assert there.sum() == 2000
        assert abs((there & band).sum() - 2000 * stays) < 5 * math.sqrt(2000 * stays * (1 - stays))


def test_small_world_degrees_without_k():
    topology = drawn(starts.SmallWorld(beta=0), 50, 20, 0.13)
    assert Counter(topology.fan_out.tolist()) == {2: 20, 3: 30}


@pytest.mark.parametrize(("n_in", "n_out", "density"), [(9, 6, 0.3), (6, 9, 0.4), (7, 7, 0.2), (20, 3, 0.5)])
def test_banded(n_in, n_out, density):
    links, wanted = round(density * n_in * n_out), set()
    for u in range(n_out):
        k = (u + 1) * links // n_out - u * links // n_out
        begin = math.floor((u + 0.5) * n_in / n_out - k / 2)
        wanted |= {(u, (begin + step) % n_in) for step in range(k)}
    assert set(places_of(drawn(starts.Banded(), n_in, n_out, density))) == wanted
    assert (drawn(starts.Banded(4), 7, 5).fan_in == 4).all()


def pair_law(length, decay):
    """{pair of places: probability} of two draws without replacement around 0."""
    weight = [(1 + min(x, length - x)) ** -decay for x in range(length)]
    p = [w / sum(weight) for w in weight]
    return {(a, b): p[a] * p[b] / (1 - p[a]) + p[b] * p[a] / (1 - p[b]) for a, b in itertools.combinations(range(length), 2)}


@pytest.mark.slow
@pytest.mark.parametrize("early", [0, 1.5])
@pytest.mark.parametrize(("length", "decay"), [(5, 3), (6, 1), (23, 0.5), (23, 0), (24, 2)])
def test_near_centres_draws_one_after_the_other(monkeypatch, length, decay, early):
    time_of = ring_sampling._time_of
    monkeypatch.setattr(ring_sampling, "_time_of", lambda *a: time_of(*a) - early)
    n = 40_000
    centres = np.arange(n) % length
    found = ring_sampling.near_centres(np.full(n, 2), centres, length, decay, np.random.default_rng(0)).reshape(n, 2)
    found = Counter(map(tuple, np.sort((found - centres[:, None]) % length).tolist()))
    law = pair_law(length, decay)
    assert abs(chi_square([found[pair] for pair in law], list(law.values()))) < 4


def test_near_centres_takes_counts_of_any_kind():
    rng = np.random.default_rng(0)
    for length, decay in itertools.product((1, 2, 3, 50), (0, 0.3, 3, 1e9, np.inf)):
        counts = rng.integers(0, length + 1, 30)
        places = ring_sampling.near_centres(counts, rng.integers(length, size=30), length, decay, rng)
        parts = np.split(places, np.cumsum(counts)[:-1])
        assert [len(set(part.tolist())) for part in parts] == counts.tolist()
        assert (places >= 0).all()
        assert (places < length).all()


@pytest.mark.parametrize(("n_in", "n_out"), [(60, 20), (20, 60), (30, 20)])
def test_receptive_field_without_randomness_is_the_nearest(n_in, n_out):
    topology, (shorter, longer) = drawn(starts.ReceptiveField(0), n_in, n_out, 0.1), sorted((n_in, n_out))
    for i in range(shorter):
        found = [place[n_out < n_in] for place in places_of(topology) if place[n_out > n_in] == i]
        centre = i * (longer // shorter)
        distances = sorted(min((x - centre) % longer, (centre - x) % longer) for x in range(longer))
        assert sorted(min((x - centre) % longer, (centre - x) % longer) for x in found) == distances[: len(found)]


def test_receptive_field_degrees():
    assert Counter(drawn(starts.ReceptiveField(), 40, 30, 0.12).fan_in.tolist()) == {4: 6, 5: 24}
    assert Counter(drawn(starts.ReceptiveField(), 30, 40, 0.12).fan_out.tolist()) == {4: 6, 5: 24}
    fan_in = drawn(starts.ReceptiveField(degrees="random"), 400, 300, 0.025).fan_in
    assert fan_in.min() >= 1
    assert fan_in.sum() == 3000
    assert 7 < fan_in.var() < 11  # Poisson with mean 9


@given(st.integers(0, 60), st.integers(1, 12), st.integers(5, 9), st.integers(0, 2**32 - 1))
def test_thrown_links(total, n, most, seed):
    total = min(total, n * most)
    counts = link_counts.thrown(total, n, most, np.random.default_rng(seed))
    assert counts.sum() == total
    assert counts.max() <= most
    assert counts.min() >= min(1, total // n)


WEIGHTS = st.one_of(st.just(0), st.integers(-8, 8).map(lambda log: Fraction(2) ** log))


@given(st.lists(st.tuples(WEIGHTS, st.integers(0, 12)), min_size=1, max_size=9), st.floats(0, 1), st.booleans())
def test_in_proportion_rounds_the_shares(parts, part, alike):
    weights, most = map(list, zip(*parts, strict=True))
    most = [most[0]] * len(most) if alike else most
    total, capped = int(part * sum(most)), set()
    counts = link_counts.in_proportion([float(weight) for weight in weights], total, most[0] if alike else most)
    while free := [i for i in range(len(weights)) if i not in capped]:
        whole = sum(weights[i] for i in free)
        left = total - sum(most[i] for i in capped)
        shares = {i: left * Fraction(weights[i], whole) if whole else Fraction(left, len(free)) for i in free}
        over = {i for i in free if shares[i] > most[i]}
        if not over:
            break
        capped |= over
    assert counts.sum() == total
    for i, count in enumerate(counts):
        assert 0 <= count <= most[i]
        assert abs(count - (most[i] if i in capped else shares[i])) < 1 + 1e-9


def test_log_normal_has_the_coefficient_of_variation():
    for variation in (0.3, 1.0):
        fan_in = drawn(starts.LogNormal(variation), 20_000, 5000, 0.005).fan_in
        assert fan_in.std() / fan_in.mean() == pytest.approx(variation, rel=0.1)
        assert np.log(fan_in[fan_in > 0]).std() == pytest.approx(math.sqrt(math.log(1 + variation**2)), rel=0.1)


# scale-free


def trees(n):
    """{partners of nodes 1 … n − 1: probability} of preferential attachment with one link a node, by enumeration."""
    law = {(0,): 1.0}
    for v in range(2, n):
        law = {
            (*before, u): p * ((u > 0) + before.count(u)) / (2 * (v - 1)) for before, p in law.items() for u in range(v)
        }  # fmt: skip
    return law


def test_preferential_attachment_with_one_link():
    found, rng = Counter(), np.random.default_rng(0)
    for _ in range(4000):
        found[tuple(scale_free.preferential(5, 4, rng)[1::2].tolist())] += 1
    law = {tree: p for tree, p in trees(5).items() if p}
    assert found.keys() <= law.keys()
    assert abs(chi_square([found[tree] for tree in law], list(law.values()))) < 4


@given(st.integers(2, 15), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_preferential_attachment_has_distinct_earlier_partners(n, part, seed):
    n_links = int(part * n * (n - 1) / 2)
    new, old = scale_free.preferential(n, n_links, np.random.default_rng(seed)).reshape(-1, 2).T
    assert (old < new).all()
    assert len(set(zip(new.tolist(), old.tolist(), strict=True))) == n_links
    fewest = [count for v, count in Counter(new.tolist()).items() if count < v]
    assert not fewest or max(fewest) - min(fewest) <= 1


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_double_links_are_exchanged_at_equal_degree(n_in, n_out, count, seed):
    rng = np.random.default_rng(seed)
    before = rng.integers(n_out, size=count), rng.integers(n_in, size=count)
    rows, columns = scale_free._without_doubles(before[0].copy(), before[1].copy(), n_in, rng)
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == len(rows)
    for old, new in zip(before, (rows, columns), strict=True):
        assert Counter(new.tolist()) <= Counter(old.tolist())
    if 4 * count <= min(n_in, n_out):
        assert len(rows) == count


def test_scale_free_keeps_the_degrees_of_the_graph():
    n_in, n_out, links = 150, 140, 1200
    topology = scale_free.scale_free(n_in, n_out, links, np.random.default_rng(7))
    rng = np.random.default_rng(7)
    place = rng.permutation(n_in + n_out)
    ends = place[scale_free.preferential(n_in + n_out, links, rng)]
    inside, outside = ((side.reshape(-1, 2).all(axis=1)).sum() for side in (ends < n_in, ends >= n_in))
    before = np.bincount(ends, minlength=n_in + n_out)
    after = np.append(topology.fan_out, topology.fan_in)
    assert np.abs(after - before).sum() <= 2 * abs(inside - outside) + 4
    assert before.max() > 6 * before.mean()
    assert after.max() > 5 * after.mean()


def test_scale_free_has_hubs_on_both_sides_of_unequal_layers():
    for n_in, n_out in ((800, 100), (100, 800)):
        topology = drawn(starts.ScaleFree(), n_in, n_out, 0.03)
        assert topology.nnz == 2400
        longer, shorter = (topology.fan_out, topology.fan_in) if n_in > n_out else (topology.fan_in, topology.fan_out)
        assert longer.max() > 5 * longer.mean()
        assert shorter.max() > 3 * shorter.mean()


# CSTI


def csti_links(X, n_in, n_out, n):
    """The n largest |corr| of the tiled and cropped matrix, the first among equals."""
    X = np.asarray(X, float)
    f = X.shape[1]
    matrix = np.zeros((f, f))
    for a, b in itertools.combinations(range(f), 2):
        x, y = X[:, a] - X[:, a].mean(), X[:, b] - X[:, b].mean()
        if X[:, a].std() > 0 and X[:, b].std() > 0:
            matrix[a, b] = matrix[b, a] = abs((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum()))
    tiled = np.tile(matrix, (-(-n_out // f), -(-n_in // f)))[:n_out, :n_in].round(6)
    order = sorted((-tiled[u, v], u, v) for u in range(n_out) for v in range(n_in) if tiled[u, v] > 0)
    return {(u, v) for _, u, v in order[:n]}


@pytest.mark.parametrize("form", [np.array, scipy.sparse.csr_matrix, lambda X: X.astype(np.float32), lambda X: X.tolist()])
@pytest.mark.parametrize(("n_in", "n_out"), [(12, 20), (12, 5), (20, 30), (7, 12), (12, 12)])
@pytest.mark.parametrize("pieces", [(4096, 2**22), (7, 30)])
def test_csti_takes_the_largest_correlations(monkeypatch, form, n_in, n_out, pieces):
    monkeypatch.setattr(correlations, "SAMPLES", pieces[0])
    monkeypatch.setattr(correlations, "BLOCK", pieces[1])
    X = DATA.copy()
    X[:, 3] = 0.5
    X[:, 4] = 1 - X[:, 6]
    X[:, 8] += 100
    topology = drawn(starts.CSTI(form(X)), n_in, n_out, 0.1)
    assert set(places_of(topology)) == csti_links(X, n_in, n_out, topology.nnz)


def test_csti_fills_up_with_uniform_links():
    X = np.zeros((10, 6))
    X[:5, :2] = 1
    topology = drawn(starts.CSTI(X), 6, 6, 0.5)
    assert topology.nnz == 18
    assert {(0, 1), (1, 0)} <= set(places_of(topology))


@pytest.mark.parametrize("form", [np.array, scipy.sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize(("offset", "factor"), [(1e6, 1), (5e6, 1), (0, 1e-170), (0, 1e160)])
def test_csti_is_the_same_for_far_small_and_large_features(form, offset, factor):
    X = np.random.default_rng(0).standard_normal((500, 30))
    links = lambda X: set(places_of(drawn(starts.CSTI(X), 30, 30, 60 / 900)))
    wanted = links(X)
    assert len(wanted & links(form((X + offset) * factor))) >= len(wanted) - 2  # rounding of the offset moves a tie
    assert len(wanted) == 60


def test_csti_is_the_same_for_raw_and_scaled_features():
    X = np.random.default_rng(0).random((40, 15))
    model = sl.SparseMLP.create((15, 15, 20, 3), density=0.1, topology="csti", data=X, seed=0)
    scaled = sl.SparseMLP.create((15, 15, 20, 3), density=0.1, topology=starts.CSTI((X - 3) * np.arange(1, 16)), seed=1)
    assert [a.topology == b.topology for a, b in zip(model.layers, scaled.layers, strict=True)] == [True] * 3
    assert model.layers[0].topology == drawn(starts.CSTI(X), 15, 15, 0.1)


# what is refused

REFUSED = [
    ({"density": [0.1, 0.2]}, "density = .*3 numbers"),
    ({"density": [0.1, 1.5, 0.2]}, r"density\[1\] = 1.5.*\(0, 1\]"),
    ({"density": [0.1, 0, 0.2]}, r"density\[1\] = 0.*\(0, 1\]"),
    ({"density": 1.5}, r"density = 1.5.*\(0, 1\]"),
    ({"density": -0.1, "topology": "small_world"}, "density = -0.1"),
    ({"topology": "smal_world"}, "topology = 'smal_world'.*did you mean 'small_world'"),
    ({"topology": 7}, "topology = 7.*function"),
    ({"topology": "csti"}, "data = None.*csti"),
    ({"topology": starts.CSTI}, "data = None.*csti"),
    ({"topology": "csti", "data": DATA}, r"data = .*12.*must be of 9 features"),
    ({"topology": "csti", "data": [[1.0, np.nan] * 9]}, "data: must be finite"),
    ({"topology": "csti", "data": [1, 2]}, "data = .*n_samples, n_features"),
    ({"topology": "csti", "data": [["a"] * 9]}, "data = .*n_samples, n_features"),
    ({"data": DATA}, "data = .*None.*only \"csti\""),
    ({"topology": "banded", "data": DATA}, "data = .*None.*only \"csti\""),
    ({"topology": "er", "density": [0.1, 0.2, 0.3]}, 'density = .*one number with the topology "er"'),
    ({"topology": starts.FixedFanIn(10)}, "k = 10: must be at most 9, the inputs"),
    ({"topology": starts.Banded(2), "density": 0.1}, "density = 0.1: must be None"),
    ({"topology": starts.Banded(5)}, "width = 5: must be at most 4, the inputs.*dense_last"),
    ({"topology": starts.SmallWorld(k=7), "dense_last": True}, "k = 7: must be at most 6, the neurons of the shorter side"),
    ({"topology": lambda *a: "links"}, "topology's result = 'links'.*Topology of shape"),
    ({"topology": lambda n_in, n_out, density, rng: sl.Topology.dense(n_in, n_out)}, "topology's result = .*shape"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_create_refuses(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        sl.SparseMLP.create((9, 6, 4, 2), epsilon=0.5, seed=0, **options)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: starts.SmallWorld(beta=1.5), "beta = 1.5"),
        (lambda: starts.SmallWorld(k=0), "k = 0"),
        (lambda: starts.FixedFanIn(2.5), "k = 2.5"),
        (lambda: starts.Banded(0), "width = 0"),
        (lambda: starts.LogNormal(0), "variation = 0"),
        (lambda: starts.LogNormal(1e200), "variation = 1e"),
        (lambda: starts.ReceptiveField(-0.1), "r = -0.1"),
        (lambda: starts.ReceptiveField(degrees="some"), "degrees = 'some'"),
        (lambda: starts.Uniform("yes"), "exact = 'yes'"),
        (lambda: starts.er_densities((5,), 0.1), "sizes = .*two widths"),
        (lambda: starts.er_densities((5, 4), 0), "density = 0"),
        (lambda: drawn(starts.ScaleFree(), 5, 4, None), "density = None"),
        (lambda: drawn(starts.ScaleFree(), 5, 4, 1.5), "density = 1.5"),
    ],
)
def test_options_are_checked(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_starts_are_frozen_values():
    assert starts.SmallWorld() == starts.get("small_world") == starts.get(starts.SmallWorld)
    with pytest.raises(dataclasses.FrozenInstanceError):
        starts.SmallWorld().beta = 1


def test_a_function_is_a_start():
    seen = []

    def own(n_in, n_out, density, rng):
        seen.append((n_in, n_out, density))
        return sl.Topology.from_links(n_out, n_in, [0], [rng.integers(n_in)])

    model = sl.SparseMLP.create((9, 6, 4, 2), density=[0.25, 0.5, 1], topology=own, seed=0)
    assert seen == [(9, 6, 0.25), (6, 4, 0.5)]
    assert model.nnz == (1, 1, 8)


@pytest.mark.parametrize(("topology", "density"), [("small_world", 0.5), ("er", 0.5), ("uniform", [0.5, 0.5])])
def test_what_does_not_fit_is_refused_before_it_is_drawn(monkeypatch, topology, density):
    monkeypatch.setattr(resources, "available", lambda: 2**26)
    with pytest.raises(sl.InsufficientMemoryError, match="density up to 0.0|of these densities"):
        sl.SparseMLP.create((30_000, 30_000, 10), density=density, topology=topology, seed=0)


@pytest.mark.parametrize("start", STARTS[:-1], ids=repr)
def test_drawing_takes_the_memory_that_is_counted(start):
    import tracemalloc

    n_in, n_out, density = 1500, 1000, 0.05
    drawn(start, 50, 40, 0.1)
    tracemalloc.start()
    topology = drawn(start, n_in, n_out, density)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    per_link = footprint.DRAWING if isinstance(start, footprint.BY_ROWS) else footprint.DRAWING_PLACES
    assert peak < (per_link + 12) * topology.nnz + 100 * (n_in + n_out)


# values of links


def test_values_are_normal_with_the_variance_of_their_link():
    topology = drawn(starts.ScaleFree(), 30, 20, 0.1)
    fan_in, fan_out = Counter(topology.rows.tolist()), Counter(topology.indices.tolist())
    of_link = {
        sl.SWI(): lambda u, v: 2 / (topology.density * 20),
        sl.HeNormal(): lambda u, v: 2 / 30,
        sl.HeNormal("links"): lambda u, v: 2 / fan_in[u],
        sl.GradientFlow(): lambda u, v: 1 / fan_in[u],
        sl.GradientFlow("out"): lambda u, v: 1 / fan_out[v],
        sl.GradientFlow("mean"): lambda u, v: 2 / (fan_in[u] + fan_out[v]),
        sl.DensityScaled(): lambda u, v: 2 / 30 / topology.density,
        sl.DensityScaled("normal"): lambda u, v: 0.01 / topology.density,
    }
    slots = np.array([0, 7, 30])
    for initializer, variance in of_link.items():
        deviations = np.array([math.sqrt(variance(u, v)) for u, v in places_of(topology)])
        normal = np.random.default_rng(3).standard_normal(topology.nnz)
        values = initializer(topology, np.random.default_rng(3), np.float64)
        np.testing.assert_allclose(values, normal * deviations, rtol=1e-12)
        later = initializer(topology, np.random.default_rng(3), np.float64, slots)
        np.testing.assert_allclose(later, normal[:3] * deviations[slots], rtol=1e-12)
        assert initializer(topology, np.random.default_rng(3)).dtype == np.float32
        assert (
            sl.initializers.get(**{"initializer": (found := sl.initializers.describe(initializer)).pop("name"), **found})
            == initializer
        )


def test_values_of_a_layer_without_links():
    topology = sl.Topology.from_links(3, 4, [], [])
    for initializer in (sl.SWI(), sl.HeNormal("links"), sl.GradientFlow("mean"), sl.DensityScaled()):
        assert len(initializer(topology, np.random.default_rng(0))) == 0


@pytest.mark.parametrize("dense", ["he_normal", "he_uniform", "xavier_uniform"])
def test_outputs_of_a_sparse_layer_vary_as_those_of_a_dense_one(dense):
    topology, rng, draws = drawn(starts.Uniform(), 60, 40, 0.1), np.random.default_rng(0), 400
    signs = rng.choice([-1.0, 1.0], 60)

    def variance(topology, initializer):
        """Mean square of all outputs for an input of ±1, over many draws of the values."""
        W, total, places = np.zeros(topology.shape), 0.0, tuple(zip(*places_of(topology), strict=True))
        for _ in range(draws):
            W[places] = initializer(topology, rng, np.float64)
            total += np.mean((W @ signs) ** 2)
        return total / draws

    whole = sl.Topology.dense(40, 60)
    assert variance(topology, sl.DensityScaled(dense)) == pytest.approx(variance(whole, sl.initializers.get(dense)), rel=0.06)


def test_values_scaled_by_density_by_name():
    make = lambda initializer: sl.SparseMLP.create((20, 30, 4), density=0.25, initializer=initializer, seed=0).layers[0].w
    np.testing.assert_array_equal(make("density_scaled"), 2 * make("he_normal"))
    config = sl.ExperimentConfig(dataset="digits", hidden=(30,), initializer="density_scaled", fan="links")
    assert sl.build(config).model.initializer == sl.DensityScaled()
    with pytest.raises(ValueError, match="dense = 'swi'"):
        sl.DensityScaled("swi")


@pytest.mark.parametrize("kind", [sl.HeNormal, sl.GradientFlow])
def test_fan_is_one_of_the_names(kind):
    with pytest.raises(ValueError, match="fan = 'all'"):
        kind("all")


# configs and estimators


@pytest.mark.parametrize("name", starts.NAMES)
def test_a_config_names_the_start(name):
    config = sl.ExperimentConfig(
        dataset="digits", hidden=(30,), epsilon=3, topology=name, density=0.1, dense_last=True, epochs=1, dropout=0
    )
    experiment = sl.build(config)
    data = experiment.data.X_train if name == "csti" else None
    sizes = (64, 30, 10)
    model = sl.SparseMLP.create(sizes, density=0.1, topology=name, dense_last=True, seed=0, data=data, activation="all_relu")
    for a, b in zip(model.layers, experiment.model.layers, strict=True):
        assert a.topology == b.topology
    assert model.nnz[1] == 300
    expected = np.array(layer_densities(config, sizes)) * [1920, 300]
    assert model.nnz == pytest.approx(expected, abs=50)
    assert [record.epoch for record in experiment.train()] == [1]


def test_a_config_without_density_starts_by_epsilon():
    config = sl.ExperimentConfig(dataset="digits", hidden=(30,), epsilon=3)
    assert sl.build(config).model.layers[0].topology == sl.SparseMLP.create((64, 30, 10), epsilon=3, seed=0).layers[0].topology
    assert layer_densities(config, (64, 30, 10)) == [3 * 94 / 1920, 0.4]
    uniform = layer_densities(config.replace(topology="uniform"), (64, 30, 10))
    assert uniform == pytest.approx([402 / 2220] * 2)
    assert "topology" not in (stored := config.to_json().replace('"topology": "er", ', ""))
    assert sl.ExperimentConfig.from_json(stored) == config
    with pytest.raises(ValueError, match="topology = 'ring'"):
        config.replace(topology="ring")


@pytest.mark.parametrize("form", [np.array, scipy.sparse.csr_matrix])
def test_an_estimator_starts_with_a_topology(form):
    X, y = np.random.default_rng(0).random((40, 12)), np.arange(40) % 3
    options = {"epochs": 1, "random_state": 0, "zeta": 0}
    for topology in (
        "csti",
        "fixed_fan_in",
        starts.SmallWorld(beta=0),
        lambda a, b, density, rng: sl.erdos_renyi(b, a, density=density, seed=rng),
    ):
        fitted = sl.SparseMLPClassifier((20,), density=[0.2, 1], topology=topology, **options).fit(form(X), y)
        data = X if topology == "csti" else None
        model = sl.SparseMLP.create((12, 20, 3), density=[0.2, 1], topology=topology, data=data, seed=0)
        assert [layer.topology for layer in fitted.model_.layers] == [layer.topology for layer in model.layers]


def test_an_estimator_refuses_a_start():
    X, y = np.random.default_rng(0).random((40, 12)), np.arange(40) % 3
    for options, words in (({"topology": "ring"}, "topology = 'ring'"), ({"density": [0.1]}, "density = .*2 numbers")):
        with pytest.raises(ValueError, match=words):
            sl.SparseMLPClassifier((20,), **options).fit(X, y)
    fitted = sl.SparseMLPClassifier((20,), density=np.array([0.2, 1]), topology="banded", epochs=1, warm_start=True).fit(X, y)
    fitted.fit(X, y)
    with pytest.raises(ValueError, match="topology = 'small_world'.*'banded'"):
        fitted.set_params(topology="small_world").fit(X, y)


def test_a_density_of_all_makes_every_layer_dense():
    assert sl.starts.er_densities((6, 5, 4), 1) == [1.0, 1.0]
