"""Statistical tests of samplers with fixed seeds and a tiny alpha: a failure is a bug, and two faulty samplers prove the power.

Drawing k of F places without replacement makes counts less spread than independent draws: T = Σ(O − E)²/E · (F − 1)/(F − k) is
chi-square with F − 1 degrees. Marginals alone miss "on collision take the next free place"; pairs of neighbours do not.
"""

from math import comb

import naive
import numpy as np
import pytest
from scipy import stats
from strategies import mask_of, topology_of

from sparselab.kernels import elementwise, rng
from sparselab.nn.initializers import HeUniform, Normal, XavierUniform
from sparselab.nn.mlp import SparseMLP
from sparselab.topology import erdos_renyi, rewire

ALPHA = 1e-6
REPEATS = 20_000  # a bias of 5 % needs more than 10,000


def p_of_marginals(chosen):
    """p-value for `chosen` (repeats, F) bool with k true in each row: every place equally likely."""
    (repeats, F), k = chosen.shape, chosen[0].sum()
    observed, expected = chosen.sum(axis=0), repeats * k / F
    return stats.chi2.sf(((observed - expected) ** 2).sum() / expected * (F - 1) / (F - k), F - 1)


def p_of_pairs(chosen):
    """p-value for the number of neighbouring places (in a ring) that are both chosen."""
    (repeats, F), k = chosen.shape, int(chosen[0].sum())
    together = [comb(F - m, k - m) / comb(F, k) for m in range(5)]  # P(m given places are all chosen)
    mean = F * together[2]
    square = F * together[2] + 2 * F * together[3] + 2 * (comb(F, 2) - F) * together[4]
    found = (chosen & np.roll(chosen, 1, axis=1)).sum()
    return 2 * stats.norm.sf(abs(found - repeats * mean) / np.sqrt(repeats * (square - mean**2)))


def by_keys(F, k, weights, seed=0):
    """k of F places, place i with weight weights[i], by exponential clocks."""
    clocks = np.random.default_rng(seed).exponential(size=(REPEATS, F)) / weights
    return np.argsort(np.argsort(clocks, axis=1), axis=1) < k


def next_free(F, k, seed=0):
    """The classic mistake: draw with replacement and move to the next free place on a collision."""
    random, chosen = np.random.default_rng(seed), np.zeros((REPEATS, F), bool)
    for row in chosen:
        for place in random.integers(0, F, k):
            while row[place]:
                place = (place + 1) % F
            row[place] = True
    return chosen


def grown_places(taken, k, seed=0):
    """(repeats, F) bool: which free places of `taken` (n_out, n_in) bool `rewire` chose."""
    topology, free = topology_of(taken), ~np.asarray(taken, bool)
    number = np.full(free.shape, -1)
    number[free] = np.arange(free.sum())
    random, chosen = np.random.default_rng(seed), np.zeros((REPEATS, free.sum()), bool)
    keep = np.ones(topology.nnz, bool)
    for row in chosen:
        change = rewire(topology, keep, k, rng=random)
        row[number[change.topology.rows[change.grown], change.topology.indices[change.grown]]] = True
    assert (chosen.sum(axis=1) == k).all()
    return chosen


def filled(shape, *fills):
    """A matrix whose rows are filled to these shares, at random."""
    random, mask = np.random.default_rng(5), np.zeros(shape, bool)
    for row, fill in zip(mask, np.resize(fills, shape[0]), strict=True):
        row[random.choice(shape[1], round(fill * shape[1]), replace=False)] = True
    return mask


FILLS = {
    "empty rows: rejection": (filled((4, 40), 0), 6),
    "sparse rows: rejection": (filled((5, 40), 0.2), 5),
    "crowded rows: algorithm S": (filled((8, 20), 0.75), 10),
    "many new links: algorithm S": (filled((2, 20), 0), 25),
    "one row": (filled((1, 40), 0.1), 9),
    "one column": (filled((40, 1), 0), 10),
    "long rows": (filled((2, 100), 0.2), 40),
    "all kinds of rows": (filled((8, 24), 1.0, 0.96, 0.8, 0.6, 0.5, 0.4, 0.1, 0.0), 12),
}


QUICK = ("sparse rows: rejection", "crowded rows: algorithm S", "many new links: algorithm S")  # the others are slow tests


@pytest.mark.parametrize(
    ("taken", "k"),
    [pytest.param(*fill, marks=() if name in QUICK else pytest.mark.slow, id=name) for name, fill in FILLS.items()],
)
def test_regrowth_is_uniform_without_replacement(taken, k):
    chosen = grown_places(taken, k)
    assert p_of_marginals(chosen) > ALPHA
    assert p_of_pairs(chosen) > ALPHA


def test_a_fair_sampler_passes():
    chosen = by_keys(40, 10, np.ones(40))
    assert p_of_marginals(chosen) > 1e-3
    assert p_of_pairs(chosen) > 1e-3


def test_a_bias_of_five_percent_is_rejected():
    weights = np.where(np.arange(40) < 20, 1.05, 1.0)
    assert p_of_marginals(by_keys(40, 10, weights)) < ALPHA


def test_taking_the_next_free_place_is_rejected_by_pairs_only():
    chosen = next_free(40, 10)
    assert p_of_marginals(chosen) > ALPHA  # this is why pairs are counted
    assert p_of_pairs(chosen) < ALPHA


def test_the_statistics_are_calibrated():
    random = np.random.default_rng(0)
    p = [
        [f(random.permuted(np.tile(np.arange(40) < 10, (500, 1)), axis=1)) for f in (p_of_marginals, p_of_pairs)]
        for _ in range(200)
    ]
    for column in np.transpose(p):
        assert stats.kstest(column, "uniform").pvalue > 1e-3


# Erdős–Rényi


@pytest.mark.parametrize(
    ("shape", "density"), [((300, 400), 0.01), ((300, 400), 0.6), ((1, 5000), 0.2), ((5000, 1), 0.2), ((3000, 3000), 1e-3)]
)
def test_bernoulli_counts_are_binomial(shape, density):
    cells = shape[0] * shape[1]
    counts = np.array([erdos_renyi(*shape, density=density, seed=seed).nnz for seed in range(40)])
    deviation = np.sqrt(cells * density * (1 - density))
    assert (abs(counts - cells * density) < 6 * deviation).all()
    assert len(set(counts)) > 10
    spread = ((counts - cells * density) ** 2).sum() / deviation**2
    assert ALPHA < stats.chi2.cdf(spread, 40) < 1 - ALPHA


@pytest.mark.parametrize("seed", range(3))
def test_exact_mode_is_exact(seed):
    assert erdos_renyi(300, 400, density=0.0123, exact=True, seed=seed).nnz == 1476
    assert erdos_renyi(300, 400, epsilon=7, exact=True, seed=seed).nnz == 7 * 700
    assert erdos_renyi(1000, 784, epsilon=20, exact=True, seed=seed).nnz == 35_680


@pytest.mark.parametrize(("epsilon", "n_out", "n_in"), [(20, 10, 1000), (1e9, 3, 4), (12 / 7, 3, 4)])
def test_too_many_links_are_the_dense_layer(epsilon, n_out, n_in):
    assert mask_of(erdos_renyi(n_out, n_in, epsilon=epsilon, seed=0)).all()


def test_density_one_is_dense_and_just_below_is_not_an_endless_loop():
    assert mask_of(erdos_renyi(50, 60, density=1, seed=0)).all()
    assert erdos_renyi(50, 60, density=2999 / 3000, exact=True, seed=0).nnz == 2999
    assert mask_of(erdos_renyi(50, 60, density=1 - 1e-12, exact=True, seed=0)).all()


def test_positions_of_a_million_links_are_uniform():
    n, t = 3000, erdos_renyi(3000, 3000, density=0.12, seed=3)
    cells, k = n * n, t.nnz
    assert k > 1_000_000
    for rows, columns in ((10, 10), (3000, 1), (1, 3000), (60, 50)):
        bins = (t.rows * np.int64(rows) // n) * columns + t.indices * np.int64(columns) // n
        observed, expected = np.bincount(bins, minlength=rows * columns), k / (rows * columns)
        T = ((observed - expected) ** 2).sum() / expected * (cells - 1) / (cells - k)
        assert ALPHA < stats.chi2.cdf(T, rows * columns - 1) < 1 - ALPHA


def test_rejection_is_uniform_over_wide_rows():
    t = erdos_renyi(40, 2_000_000, density=1e-3, seed=1)
    for bits in range(8):  # low bits and high bits of the column
        ones = int(((t.indices >> bits) & 1).sum())
        assert abs(ones - t.nnz / 2) < 6 * np.sqrt(t.nnz) / 2
    assert stats.kstest(t.indices, stats.uniform(0, 2_000_000).cdf).pvalue > ALPHA


def test_seeds_differ_and_repeat():
    a, b, c = (erdos_renyi(30, 40, density=0.1, exact=True, seed=seed) for seed in (1, 1, 2))
    assert a == b != c
    assert a == erdos_renyi(30, 40, density=0.1, exact=True, seed=np.random.default_rng(1))
    shared = np.random.default_rng(1)
    assert erdos_renyi(30, 40, density=0.1, seed=shared) != erdos_renyi(30, 40, density=0.1, seed=shared)


# first values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("initializer", "law"),
    [
        (HeUniform(), stats.uniform(-np.sqrt(6 / 500), 2 * np.sqrt(6 / 500))),
        (XavierUniform(), stats.uniform(-np.sqrt(6 / 800), 2 * np.sqrt(6 / 800))),
        (Normal(), stats.norm(0, 0.1)),
        (Normal(0.02), stats.norm(0, 0.02)),
    ],
)
def test_first_values_have_their_law(initializer, law, dtype):
    t = erdos_renyi(300, 500, density=0.5, seed=0)
    w = initializer(t, np.random.default_rng(0), dtype)
    assert (w.dtype, w.shape) == (dtype, (t.nnz,))
    assert stats.kstest(w, law.cdf).pvalue > ALPHA
    low, high = law.support()
    assert low * (1 + 1e-6) <= w.min()
    assert w.max() <= high * (1 + 1e-6)
    assert abs(np.corrcoef(w[1:], w[:-1])[0, 1]) < 6 / np.sqrt(t.nnz)
    some = initializer(t, np.random.default_rng(0), dtype, slots=np.arange(0, t.nnz, 3))
    assert stats.kstest(some, law.cdf).pvalue > ALPHA
    assert len(some) == len(range(0, t.nnz, 3))


@pytest.mark.parametrize(("initializer", "n_out"), [(HeUniform("links"), 0), (XavierUniform("links"), 300)])
def test_fan_of_links_scales_each_neuron_by_its_own(initializer, n_out):
    mask = np.random.default_rng(0).random((300, 500)) < np.linspace(0, 0.9, 300)[:, None]
    t = topology_of(mask)
    fan_in = mask.sum(axis=1)[np.nonzero(mask)[0]]
    limit = np.sqrt(6 / (fan_in + n_out))
    slots = np.arange(0, t.nnz, 2)
    for chosen in (None, slots):
        w = initializer(t, np.random.default_rng(0), np.float64, slots=chosen)
        share = w / (limit if chosen is None else limit[slots])
        assert abs(share).max() <= 1 + 1e-12
        assert stats.kstest(share, stats.uniform(-1, 2).cdf).pvalue > ALPHA
        few = share[fan_in[slots if chosen is not None else slice(None)] < 20]
        assert stats.kstest(few, stats.uniform(-1, 2).cdf).pvalue > ALPHA


def test_layers_of_a_net_are_drawn_independently():
    model = SparseMLP.create((200, 200, 200, 200), density=0.5, exact=True, seed=0, initializer="normal")
    first, second, third = (naive.to_dense(a.topology.indptr, a.topology.indices, a.w, 200) for a in model.layers)
    for a, b in ((first, second), (second, third), (first, third)):
        for values in ((a, b), (a != 0, b != 0)):
            assert abs(np.corrcoef(values[0].ravel(), values[1].ravel())[0, 1]) < 6 / 200
    assert all((layer.b == 0).all() for layer in model.layers)


# dropout


def dropout_bits(key, rows=512, columns=128, threshold=77, step=0, layer=0):
    """(rows, columns) bool, by the kernel, with the keys of a training step."""
    tile, kept = np.ones((rows, columns), np.float32), np.zeros((rows, columns // 8), np.uint8)
    layer_key = np.uint64(rng.key64(np.uint64(rng.key64(np.uint64(key), step)), layer))
    elementwise.drop(tile, kept, layer_key, 0, threshold, 1.0)
    mask = np.unpackbits(kept, axis=1, bitorder="little").astype(bool)
    np.testing.assert_array_equal(tile, mask)
    return mask


@pytest.mark.parametrize("threshold", [1, 77, 128, 200, 255])
def test_dropout_keeps_its_share(threshold):
    bits = np.stack([dropout_bits(key, threshold=threshold) for key in (0, 1, 2**63, 2**64 - 1)])
    share = 1 - threshold / 256
    deviation = np.sqrt(share * (1 - share))
    assert abs(bits.mean() - share) < 6 * deviation / np.sqrt(bits.size)
    for axis in (1, 2):  # every column and every neuron
        means = bits.mean(axis=axis)
        assert (abs(means - share) < 6.5 * deviation / np.sqrt(bits.shape[axis])).all()


def uncorrelated(a, b):
    return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 6 / np.sqrt(a.size)


@pytest.mark.parametrize("threshold", [77, 128])
def test_dropout_bits_are_independent(threshold):
    bits = dropout_bits(9, rows=2048, threshold=threshold)
    for shift in (1, 2, 3, 4, 5, 8, 16, 32, 64):
        assert uncorrelated(bits[:, shift:], bits[:, :-shift])
        assert uncorrelated(bits[shift:], bits[:-shift])
    for other in ({"step": 1}, {"layer": 1}, {"step": 1, "layer": 1}, {"step": 2**20}):
        assert uncorrelated(bits, dropout_bits(9, rows=2048, threshold=threshold, **other))
    assert uncorrelated(bits, dropout_bits(10, rows=2048, threshold=threshold))
    assert uncorrelated(bits[1:], dropout_bits(9, rows=2048, threshold=threshold, layer=1)[:-1])


def test_dropped_bytes_take_every_value():
    counts = np.bincount([naive.dropout_byte(5, row, c) for row in range(200) for c in range(128)], minlength=256)
    assert ALPHA < stats.chisquare(counts).pvalue < 1 - ALPHA


# whole numbers


@pytest.mark.parametrize(("n", "parts"), [(10, 10), (3 * 2**30, 3), (2**32, 16), (7 * 2**29, 7)])
def test_below_has_no_favourites(n, parts):
    state = np.array([77], np.uint64)
    numbers = np.array([rng.below(state, n) for _ in range(60_000)])
    counts = np.bincount(numbers // (n // parts), minlength=parts)
    assert len(counts) == parts
    assert stats.chisquare(counts).pvalue > ALPHA
