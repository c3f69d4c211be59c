"""Every analysis against a slow reference: dense matrices, sets of places, sums written out; and on very wide nets."""

import itertools
import math
import time
import tracemalloc
from dataclasses import replace

import models
import naive
import numpy as np
import pandas
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from strategies import mask_of, seeds, topology_of

import sparselab as sl
from sparselab import analysis, figures
from sparselab.analysis import costs, degrees, dense_baseline, meter, paths, timing
from sparselab.figures import link_density
from sparselab.nn import footprint, summary


@pytest.fixture(scope="module")
def run():
    """(model, records, tracker, [original topologies after each epoch]) of a training in which links move and neurons go."""
    model, tracker, seen = models.net((20, 33, 18, 4), density=0.3), analysis.LinkTracker(), []
    rules = [sl.ImportancePruning(0.4, start=2, stop=4, every=1), sl.SET(0.3)]
    records = []
    for record in tracker.watch(sl.train(model, models.dataset(), rules=rules, epochs=6, seed=3, threads=1), model):
        records.append(record)
        seen.append(model.original_topologies)
    assert model.sizes != model.neurons.sizes
    return model, sl.History(records), tracker, seen


def refuses(name, call, error=(TypeError, ValueError)):
    with pytest.raises(error, match=name) as caught:
        call()
    assert caught.type in (TypeError, ValueError)


# degrees


def from_power_law(n, exponent, k_min, seed=0):
    k = np.arange(k_min, 200_000)
    weights = k ** -float(exponent)
    return np.random.default_rng(seed).choice(k, n, p=weights / weights.sum())


@pytest.mark.parametrize(("exponent", "k_min"), [(2.1, 6), (2.5, 6), (2.5, 15), (3.2, 10)])
def test_the_exponent_of_a_power_law_is_found(exponent, k_min):
    sample = from_power_law(20_000, exponent, k_min)
    for fit in (analysis.power_law(sample, 200_000), analysis.power_law(sample, 200_000, k_min=k_min)):
        assert fit["exponent"] == pytest.approx(exponent, abs=0.1)
        assert fit["ks_power_law"] < 0.02 < fit["ks_binomial"]
        assert fit["evidence"] > 20
    assert k_min <= analysis.power_law(sample)["k_min"] < 3 * k_min


@pytest.mark.parametrize(("n", "n_possible", "mean"), [(1000, 784, 20), (2000, 1000, 5), (3000, 64, 30)])
def test_random_degrees_are_told_from_a_power_law(n, n_possible, mean):
    random = np.random.default_rng(1)
    for possible in (n_possible, None):
        sample = random.binomial(n_possible, mean / n_possible, n) if possible else random.poisson(mean, n)
        fit = analysis.power_law(sample, possible)
        assert fit["ks_binomial"] < fit["ks_power_law"]
        assert fit["evidence"] < -2
        assert fit["covered"] >= 0.5


def random_chance(k, mean, n):
    """P(K = k) in a random layer, exact arithmetic where it is binomial."""
    if n is None:
        return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    return math.comb(n, k) * (mean / n) ** k * (1 - mean / n) ** (n - k)


def slow_fit(degrees, n, k_min):
    """(exponent, distance of the power law, of the random layer, evidence), every integer k examined."""
    tail = [k for k in degrees if k >= k_min]
    exponent = 1 + len(tail) / sum(math.log(k / (k_min - 0.5)) for k in tail)
    law = lambda k: ((k - 0.5) / (k_min - 0.5)) ** (1 - exponent)
    top = max(tail) + 1 if n is None else n
    mean = sum(degrees) / len(degrees)
    chance = {k: random_chance(k, mean, n) for k in range(k_min, (top if n else top + 200) + 1)}
    whole = sum(chance.values())
    share = lambda k: sum(d >= k for d in tail) / len(tail)
    span = range(k_min, max(tail) + 2)
    far = max(abs(law(k) - share(k)) for k in span)
    far_random = max(abs(sum(p for j, p in chance.items() if j >= k) / whole - share(k)) for k in span)
    ratios = [max(-3, min(3, math.log(law(k) - law(k + 1)) - math.log(chance[k] / whole))) for k in tail]
    spread = math.sqrt(sum((r - sum(ratios) / len(ratios)) ** 2 for r in ratios) / len(ratios))
    return exponent, far, far_random, sum(ratios) / math.sqrt(len(ratios)) / spread if len(set(ratios)) > 1 else math.nan


def degrees_up_to(most):
    return st.lists(st.integers(0, most), min_size=1, max_size=40).filter(lambda vector: max(vector) > 0)


@given(degrees_up_to(30), st.sampled_from([30, 60, None]), st.data())
def test_a_fit_is_what_its_equations_say(vector, n, data):
    k_min = data.draw(st.integers(1, max(vector)))
    if n and sum(vector) / len(vector) == n:
        return  # a dense layer is in the next test
    fit = analysis.power_law(np.array(vector), n, k_min=k_min)
    exponent, far, far_random, evidence = slow_fit(vector, n, k_min)
    assert fit["exponent"] == pytest.approx(exponent)
    assert fit["covered"] == pytest.approx(sum(k >= k_min for k in vector) / sum(k > 0 for k in vector))
    assert (fit["ks_power_law"], fit["ks_binomial"]) == (pytest.approx(far), pytest.approx(far_random, abs=1e-6))
    assert fit["evidence"] == pytest.approx(evidence, rel=1e-4, abs=1e-6, nan_ok=True)


@given(degrees_up_to(12), st.sampled_from([0.2, 0.5, 1.0]))
def test_k_min_is_the_nearest_fit_that_covers_enough(vector, covers):
    linked = [k for k in vector if k > 0]
    enough = [k for k in sorted(set(linked)) if sum(d >= k for d in linked) >= covers * len(linked) - 1e-9]
    distances = [slow_fit(vector, None, k)[1] for k in enough]
    fit = analysis.power_law(np.array(vector), covers=covers)
    assert fit["k_min"] in enough
    assert fit["ks_power_law"] == pytest.approx(min(distances))


def test_degrees_at_the_ends_of_what_is_possible():
    dense = analysis.power_law(np.full(50, 784), 784)
    assert (dense["ks_binomial"], dense["k_min"]) == (0, 784)
    assert dense["exponent"] == pytest.approx(1 + 1 / math.log(784 / 783.5))
    assert math.isnan(dense["evidence"])
    hub = analysis.power_law(np.array([0] * 999 + [5000]), 10_000)
    assert (hub["ks_binomial"], hub["evidence"]) == (1.0, math.inf)
    for empty in (analysis.power_law(np.zeros(3, int)), analysis.power_law(np.array([1, 2]), k_min=3)):
        assert empty["covered"] == 0
        assert math.isnan(empty["exponent"] + empty["ks_power_law"] + empty["ks_binomial"] + empty["evidence"])
    assert degrees.CANDIDATES < 3000
    assert analysis.power_law(np.arange(1, 3001))["covered"] >= 0.5


@pytest.mark.parametrize(("layer", "side"), [(1, "in"), (1, "out"), (3, "in")])
def test_degree_evolution_is_the_records_in_numbers(run, layer, side):
    _, history, _, seen = run
    table = analysis.degree_evolution(history, layer, side)
    for row, record, topologies in zip(table.to_dict("records"), history, seen, strict=True):
        dense = mask_of(topologies[layer - 1])  # of the original net: rows and columns of neurons that are gone are left out
        own = (record.fan_in if side == "in" else record.fan_out)[layer - 1]
        other = (record.fan_out if side == "in" else record.fan_in)[layer - 1]
        counted = np.sort(dense.sum(axis=1 if side == "in" else 0))
        assert counted[counted > 0].tolist() == sorted(own[own > 0].tolist())
        assert (row["epoch"], row["neurons"], row["links"]) == (record.epoch, len(own), dense.sum())
        assert (row["mean"], row["deviation"]) == (pytest.approx(np.mean(own)), pytest.approx(np.std(own)))
        assert (row["largest"], row["without"]) == (counted[-1], pytest.approx(sum(own == 0) / len(own)))
        fit = analysis.power_law(own, len(other))
        assert {name: row[name] for name in fit} == pytest.approx(fit, nan_ok=True)
    given = analysis.degree_evolution(history, layer, side, k_min=2)
    assert set(given["k_min"]) == {2}


def test_degrees_refuse_what_they_cannot_read(run):
    _, history, _, _ = run
    refuses("layer = 4", lambda: analysis.degree_evolution(history, 4))
    refuses("layer", lambda: analysis.degree_evolution(history, 0))
    refuses("side", lambda: analysis.degree_evolution(history, side="both"))
    refuses("history", lambda: analysis.degree_evolution([]))
    refuses("history", lambda: analysis.degree_evolution("x"))
    refuses("history: epoch 1 has no fan_in", lambda: analysis.degree_evolution([history[0].without_degrees()]))
    refuses("degrees", lambda: analysis.power_law([0.5]))
    for bad in ([], [3, -1], [[1], [1, 2]], None, "x", [True], np.array([2**63 + 5], np.uint64)):
        refuses("degrees", lambda bad=bad: analysis.power_law(bad))
    for bad in (2, 3.5, 10**30):
        refuses("n_possible", lambda bad=bad: analysis.power_law([3], bad))
    for bad in (0, 10**30, "x"):
        refuses("k_min", lambda bad=bad: analysis.power_law([3], k_min=bad))
    for covers in (0, 1.1, "x"):
        refuses("covers", lambda covers=covers: analysis.power_law([3], covers=covers))


# links over time


def places(topologies):
    """{(layer, row, column)} of all links, by plain Python."""
    return {(l, *map(int, place)) for l, t in enumerate(topologies) for place in np.argwhere(mask_of(t))}


class SlowTracker:
    """The same with a dict of births and a set of everything ever tried."""

    def __init__(self):
        self.births, self.tried, self.first, self.epochs = {}, set(), None, []

    def observe(self, topologies, epoch):
        now = places(topologies)
        self.new = {place for place in now if place not in self.births} if self.epochs else None
        self.births = {place: self.births.get(place, epoch) for place in now}
        self.first = now if self.first is None else self.first
        self.unbroken = now if not self.epochs else self.unbroken & now
        self.tried |= now
        self.epochs.append(epoch)

    def row(self, layers, possible):
        mine = lambda found: sum(place[0] in layers for place in found)
        links = mine(self.births)
        ages = [self.epochs[-1] - born for place, born in self.births.items() if place[0] in layers]
        new = math.nan if self.new is None else mine(self.new)
        share = lambda a, b: a / b if b else math.nan
        return {
            "links": links, "new": new, "churn": share(new, links), "survival": share(mine(self.unbroken), mine(self.first)),
            "mean_age": share(sum(ages), links), "tried": mine(self.tried), "possible": possible,
            "itop_rate": mine(self.tried) / possible,
        }  # fmt: skip

    def ages(self, layer, topology):
        return [self.epochs[-1] - self.births[layer, j, i] for j, i in zip(topology.rows.tolist(), topology.indices.tolist())]


def compare(tracker, slow, topologies):
    table = tracker.to_frame()
    here = table[table.epoch == tracker.epoch].to_dict("records")
    sizes = [t.n_out * t.n_in for t in topologies]
    for l, row in enumerate(here):
        layers, name = (range(len(sizes)), "all") if l == len(sizes) else ([l], str(l + 1))
        assert (row.pop("epoch"), row.pop("layer")) == (tracker.epoch, name)
        assert row == pytest.approx(slow.row(layers, sum(sizes[k] for k in layers)), nan_ok=True)
    for l, (ages, topology) in enumerate(zip(tracker.ages, topologies, strict=True)):
        assert ages.tolist() == slow.ages(l, topology)
        assert places([tracker.tried[l]]) == {(0, j, i) for layer, j, i in slow.tried if layer == l}


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.tuples(seeds, st.integers(1, 3)), min_size=1, max_size=6))
def test_ages_and_churn_are_those_of_a_list_of_places(n_in, n_out, looks):
    tracker, slow, epoch = analysis.LinkTracker(), SlowTracker(), -1
    for seed, step in looks:
        random = np.random.default_rng(seed)
        model = models.from_masks([random.random((n_out, n_in)) < 0.5, random.random((2, n_out)) < random.random()])
        epoch += step
        tracker.observe(model, epoch)
        slow.observe([layer.topology for layer in model.layers], epoch)
        compare(tracker, slow, [layer.topology for layer in model.layers])


def test_ages_stay_right_when_neurons_go(run):
    model, history, tracker, seen = run
    slow = SlowTracker()
    for record, topologies in zip(history, seen, strict=True):
        slow.observe(topologies, record.epoch)
    compare(tracker, slow, seen[-1])
    assert [len(ages) for ages in tracker.ages] == list(model.nnz)
    assert tracker.to_frame()["epoch"].unique().tolist() == history["epoch"]
    churn = tracker.to_frame().query("layer == '1' and epoch > 1")["churn"]
    assert churn.between(0.05, 0.6).all()


def test_epochs_are_counted_where_none_is_named_and_may_be_left_out():
    model, tracker = models.net(), analysis.LinkTracker()
    tracker.observe(model)
    assert tracker.epoch == 1
    tracker.observe(model, 5)
    assert {int(age) for ages in tracker.ages for age in ages} == {4}
    tracker.observe(model)
    assert tracker.epoch == 6
    assert tracker.to_frame()["survival"].unique().tolist() == [1.0]
    assert list(analysis.LinkTracker().to_frame().columns) == list(tracker.to_frame().columns)


def test_a_tracker_takes_no_note_of_what_it_refuses():
    model, tracker = models.net(), analysis.LinkTracker()
    tracker.observe(model, 3)
    before = tracker.to_frame()
    refuses("epoch = 3", lambda: tracker.observe(model, 3))
    for bad in (4.5, 10**30):
        refuses("epoch", lambda bad=bad: tracker.observe(model, bad))
    refuses("model", lambda: tracker.observe(models.net((20, 32, 18, 4))))
    refuses("model", lambda: tracker.observe(model.layers[0]))
    refuses("model", lambda: next(tracker.watch([], None)))
    for bad in (5, [5]):
        refuses("records", lambda bad=bad: next(tracker.watch(bad, model)))
    pandas.testing.assert_frame_equal(before, tracker.to_frame())
    assert (tracker.epoch, [ages.max() for ages in tracker.ages]) == (3, [0, 0, 0])


def test_records_of_epochs_long_over_are_passed_on_unobserved(run):
    model, history, _, _ = run
    tracker = analysis.LinkTracker()
    resumed = [history[0].without_degrees(), history[1].without_degrees(), history[-1]]
    assert list(tracker.watch(resumed, model)) == resumed
    assert tracker.to_frame()["epoch"].unique().tolist() == [history[-1].epoch]


# distance


@st.composite
def pairs(draw):
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    patterns = [np.random.default_rng(draw(seeds)).random(shape) < draw(st.sampled_from([0, 0.2, 0.7, 1])) for _ in range(3)]
    return patterns


@given(pairs())
def test_distance_is_jaccards(patterns):
    a, b, c = map(topology_of, patterns)
    together, apart = (patterns[0] | patterns[1]).sum(), (patterns[0] != patterns[1]).sum()
    d = analysis.topology_distance
    assert d(a, b) == pytest.approx(apart / together if together else 0)
    assert d(a, b) == d(b, a)
    assert d(a, a) == 0
    assert d(a, c) <= d(a, b) + d(b, c) + 1e-12


def test_distance_of_nets_counts_places_of_the_original_net(run):
    model, _, _, seen = run
    start = models.net((20, 33, 18, 4), density=0.3)
    found = analysis.topology_distance(start, model)
    pairs = zip(start.original_topologies, seen[-1], strict=True)
    expected = [1 - len(places([a]) & places([b])) / len(places([a]) | places([b])) for a, b in pairs]
    assert found.tolist() == pytest.approx(expected)
    assert analysis.topology_distance(model, start).tolist() == found.tolist()
    layer = start.layers[0]
    assert analysis.topology_distance(layer, layer.topology) == 0


def test_distance_refuses_what_cannot_be_compared(run):
    model = run[0]
    refuses("b = ", lambda: analysis.topology_distance(sl.Topology.dense(2, 3), sl.Topology.dense(3, 2)))
    refuses("b = ", lambda: analysis.topology_distance(model, models.net((20, 30, 18, 4))))
    refuses("a = ", lambda: analysis.topology_distance("x", sl.Topology.dense(3, 2)))
    refuses("a = ", lambda: analysis.topology_distance(model, model.layers[0]))


# gradients


def test_effective_gradients_are_those_of_a_masked_dense_net():
    model, (X, y) = models.net(density=0.3), models.rows()
    _, dW, _ = models.twin(model).gradient(X, y)
    table = analysis.effective_gradient_norm(model, X, y)
    assert table["norm"].tolist() == pytest.approx([np.sqrt((g**2).sum()) for g in dW], rel=1e-4)
    rms = [np.sqrt((g[m > 0] ** 2).mean()) for g, m in zip(dW, models.masks(model), strict=True)]
    assert table["rms"].tolist() == pytest.approx(rms, rel=1e-4)
    assert table["links"].tolist() == list(model.nnz)
    assert table["layer"].tolist() == [1, 2, 3]
    assert table["norm"].tolist() == pytest.approx(analysis.gradient_norm_per_layer(model, X, y)["dw"])
    few = analysis.effective_gradient_norm(model, X, y, n_samples=10)
    assert few["norm"].tolist() == pytest.approx(analysis.effective_gradient_norm(model, X[:10], y[:10])["norm"].tolist())


@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia", "lil"])
def test_gradients_of_a_sparse_matrix_are_those_of_the_array(kind):
    model, (X, y) = models.net(density=0.3), models.rows()
    table = analysis.effective_gradient_norm(model, scipy.sparse.csr_array(X).asformat(kind), y, n_samples=10)
    assert table["norm"].tolist() == pytest.approx(analysis.effective_gradient_norm(model, X[:10], y[:10])["norm"].tolist())


def test_gradients_know_the_names_of_classes():
    model, (X, y) = models.net(density=0.3), models.rows()
    by_number = analysis.effective_gradient_norm(model, X, y)
    model.classes = np.array(["bag", "coat", "dress", "shirt"])
    names = model.classes[y]
    assert analysis.effective_gradient_norm(model, X, names).equals(by_number)
    refuses("y", lambda: analysis.effective_gradient_norm(model, X, ["hat", *names[1:]]))


def test_gradients_of_a_layer_without_links_and_of_bad_input():
    model = models.from_masks([np.zeros((5, 20), bool), np.ones((4, 5), bool)])
    X, y = models.rows()
    table = analysis.effective_gradient_norm(model, X, y)
    assert table["norm"][0] == 0
    assert math.isnan(table["rms"][0])
    assert figures.gradient_norm_per_layer is analysis.gradient_norm_per_layer
    for f in (analysis.effective_gradient_norm, analysis.gradient_norm_per_layer):
        refuses("y has 5 entries", lambda f=f: f(model, X, y[:5]))
        refuses("y has 20 entries", lambda f=f: f(model, X, y[:20], n_samples=10))
        refuses("n_samples", lambda f=f: f(model, X, y, n_samples=0))
        for bad in ([[1], [1, 2]], None):
            refuses("y = ", lambda f=f, bad=bad: f(model, X, bad))
        refuses("X", lambda f=f: f(model, X[:, :3], y))
        refuses("model", lambda f=f: f("net", X, y))
        refuses("loss", lambda f=f: f(model, X, y, loss="none"))
    model.layers[1].w[0] = np.nan
    refuses("model", lambda: analysis.effective_gradient_norm(model, X, y))


# neurons


class Bump:
    """A plug-in: 0 beyond 1, flat on its top."""

    def forward(self, Z):
        return np.where(abs(Z) < 1, (1 - Z**2) ** 2, 0)

    def gradient(self, Z):
        return np.where(abs(Z) < 1, -4 * Z * (1 - Z**2), 0)


def slow_health(model, X, threshold):
    """Counts from all Z at once, in float64 matrices."""
    Y, rows = np.asarray(X, float).T, []
    weights, patterns = models.dense(model), models.masks(model)
    for l, f in enumerate(model.hidden):
        Z = weights[l] @ Y + model.layers[l].b.astype(float)[:, None]
        slope, Y = f.gradient(Z), f.forward(Z)
        without = (patterns[l].sum(axis=1) == 0).sum(), (patterns[l + 1].sum(axis=0) == 0).sum()
        flat = [(slope == 0).all(axis=1).sum(), (abs(slope) < threshold).all(axis=1).sum()]
        rows.append([len(Z), *without, *flat, ((Z > 0).all(axis=1) | (Z <= 0).all(axis=1)).sum()])
    return rows


@pytest.mark.parametrize("activation", ["all_relu", "relu", "tanh", Bump(), sl.LeakyReLU(0.005)], ids=range(5))
@pytest.mark.parametrize("n", [1, 20, 64, 101])
def test_health_is_that_of_whole_matrices(activation, n):
    model = models.net((20, 40, 30, 20, 4), density=0.08, activation=activation, dtype=np.float64)
    for layer, scale in zip(model.layers, (8, 0.5, 3, 1), strict=True):
        layer.w *= scale
        layer.b[:] = np.random.default_rng(4).standard_normal(len(layer.b)) * 2
    X = models.rows(n, dtype=np.float64)[0]
    expected = slow_health(model, X, 0.01)
    for data in (X, scipy.sparse.csr_array(X)):
        table = analysis.neuron_health(model, data)
        assert table["layer"].tolist() == [1, 2, 3]
        assert table.drop(columns="layer").to_numpy().tolist() == expected
    assert np.sum(expected, axis=0)[1:3].min() > 0  # there is something to find


def test_health_of_neurons_made_for_it():
    layer = lambda w, b: sl.SparseLinear(sl.Topology.dense(*np.shape(w)), np.float32(w).ravel(), np.float32(b))
    X = np.float32([[1], [2], [3]])
    net = lambda f: sl.SparseMLP([layer([[1], [-1], [0.5], [1]], [0, 0, -1, -2.5]), layer([[1, 1, 1, 1]], [0])], f)
    one = lambda f, **options: analysis.neuron_health(net(f), X, **options).iloc[0].to_dict()
    assert one("relu") == {
        "layer": 1, "neurons": 4, "without_incoming": 0, "without_outgoing": 0, "dead": 1, "saturated": 1, "one_sided": 2,
    }  # fmt: skip
    assert (one("all_relu")["dead"], one("all_relu")["saturated"], one("all_relu")["one_sided"]) == (0, 0, 2)
    assert one("identity")["dead"] == 0
    at_zero = analysis.neuron_health(net("relu"), np.float32([[0], [1], [2], [3]]))  # 0 is on the left, as in training
    assert at_zero[["dead", "one_sided"]].iloc[0].tolist() == [1, 1]
    far = sl.SparseMLP([layer([[4], [1]], [0, 0]), layer([[1, 1]], [0])], "tanh")
    assert analysis.neuron_health(far, X)[["dead", "saturated"]].iloc[0].tolist() == [0, 1]
    assert analysis.neuron_health(far, X, threshold=0.5)["saturated"][0] == 2


def test_health_without_hidden_layers_and_of_bad_input():
    model, X = models.net(), models.rows()[0]
    assert len(analysis.neuron_health(models.net((20, 4)), X)) == 0
    for threshold in (0, -1, "x", math.nan):
        refuses("threshold", lambda threshold=threshold: analysis.neuron_health(model, X, threshold=threshold))
    refuses("X", lambda: analysis.neuron_health(model, X[:, :4]))
    refuses("X", lambda: analysis.neuron_health(model, X[:0]))
    refuses("model", lambda: analysis.neuron_health(None, X))

    class Wrong(Bump):
        def gradient(self, Z):
            return np.zeros(3)

    refuses("gradient", lambda: analysis.neuron_health(models.net(activation=Wrong()), X))


# paths


@given(st.integers(1, 4), seeds)
def test_paths_are_those_of_products_of_matrices(n_layers, seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 7, n_layers + 1)
    patterns = [random.random((b, a)) < random.choice([0.1, 0.3, 0.6]) for a, b in itertools.pairwise(sizes)]
    model = models.from_masks(patterns)
    table = analysis.reachable(model)
    for level in range(n_layers + 1):
        before, after = np.eye(sizes[0], dtype=int), np.eye(sizes[level], dtype=int)
        for pattern in patterns[:level]:
            before = pattern @ before  # number of paths from each input
        for pattern in patterns[level:]:
            after = pattern @ after
        forth, back = before.any(axis=1), after.any(axis=0)
        row = table.iloc[level].to_dict()
        expected = {"level": level, "neurons": sizes[level], "from_input": forth.mean(), "to_output": back.mean()}
        assert row == pytest.approx(expected | {"both": (forth & back).mean()})


def test_paths_refuse_what_is_no_net():
    refuses("model", lambda: analysis.reachable(sl.Topology.dense(2, 2)))
    assert [mask.all() for mask in paths.path_masks(models.net(density=1.0))[0]] == [True] * 4


# costs


def counted_flops(model, n):
    """Multiplications and additions of a step of n samples, link by link and sample by sample."""
    count = 0
    for l, layer in enumerate(model.layers):
        for _ in naive.links_of(layer.topology.indptr.tolist(), layer.topology.indices.tolist()):
            count += n * (2 + 2 + (2 if l else 0))  # z += w·x; dw += dz·x; dx += w·dz
    return count


def test_costs_without_a_rule_are_counted_link_by_link():
    model = models.net((20, 33, 18, 4))
    history = list(sl.train(model, models.dataset(), epochs=3, seed=0, threads=1))
    table = analysis.run_costs(history, model)
    assert table["flops"].tolist() == [counted_flops(model, 101)] * 3
    dense = models.net((20, 33, 18, 4), density=1.0)
    assert table["dense_flops"].tolist() == [counted_flops(dense, 101)] * 3
    assert table["total_flops"].tolist() == [counted_flops(model, 101) * epochs for epochs in (1, 2, 3)]
    assert table["total_dense_flops"].iloc[-1] == 3 * counted_flops(dense, 101)
    assert table["inference_flops"].unique().tolist() == [2 * model.n_links]
    assert table["dense_inference_flops"].unique().tolist() == [2 * model.n_dense]
    assert table["seconds"].tolist() == [record.seconds for record in history]
    whole = summary.rows(model)[-1]
    for name in ("bytes", "dense_bytes", "training_bytes", "dense_training_bytes"):
        assert table[name].unique().tolist() == [whole[name]]


def test_costs_of_a_net_that_shrank_stand_beside_the_original_dense_one(run):
    model, history, _, seen = run
    table = analysis.run_costs(history, model)
    assert table["links"].tolist() == [sum(t.nnz for t in topologies) for topologies in seen]
    assert table["bytes"].iloc[-1] == model.nbytes
    assert table["bytes"].is_monotonic_decreasing
    assert table["dense_flops"].nunique() == table["dense_bytes"].nunique() == 1
    assert table["dense_inference_flops"][0] == 2 * (20 * 33 + 33 * 18 + 18 * 4)
    widths = costs.widths_of(history, model)
    for epoch, row in enumerate(widths.astype(int)):
        ends = zip(row, row[1:], history[epoch].nnz)
        assert table["bytes"][epoch] == sum(sum(footprint.layer_stored_items(a, b, nnz, 4).values()) for a, b, nnz in ends)
    bare = analysis.run_costs([record.without_degrees() for record in history], model)
    assert bare["bytes"].isna().tolist() == [True] * 5 + [False]  # the widths of that time are not known
    assert bare["flops"].tolist() == table["flops"].tolist()


def test_costs_refuse_another_run(run):
    model, history, _, _ = run
    refuses("history", lambda: analysis.run_costs(history, models.net()))
    refuses("history", lambda: analysis.run_costs([], model))
    refuses("history", lambda: analysis.run_costs([replace(history[0], nnz=(1,)), history[-1]], model))
    refuses("model", lambda: analysis.run_costs(history, history))


# the dense baseline


def test_the_dense_baseline_trains_like_the_naive_net():
    sizes, rng = (6, 9, 7, 4), np.random.default_rng(0)
    net = dense_baseline.DenseMLP(sizes, rng)
    twin = naive.DenseMLP([a.W for a in net.layers], [a.b for a in net.layers], [(0.0, 1.0)] * 2)
    for _ in range(4):
        X, labels = rng.standard_normal((6, 30), dtype=np.float32), rng.integers(0, 4, 30)
        np.testing.assert_allclose(net.outputs(X), twin.forward(X.T)[2].T, rtol=1e-4, atol=1e-5)
        net.step(X, labels)
        twin.step(X.T, labels, float(dense_baseline.RATE), float(dense_baseline.MOMENTUM))
    for layer, W, b in zip(net.layers, twin.W, twin.b, strict=True):
        np.testing.assert_allclose(layer.W, W, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.b, b, rtol=1e-4, atol=1e-5)


def test_least_seconds_are_those_of_the_fastest_run():
    naps = {name: iter(seconds) for name, seconds in {"a": (0.05, 0.02, 0.04), "b": (0.001, 0.03, 0.03)}.items()}
    calls, order = [lambda name=name: (order.append(name), time.sleep(next(naps[name]))) for name in naps], []
    a, b = timing.least_seconds(calls, 3)
    assert a >= 0.02 > b >= 0.001
    assert order == ["a", "b"] * 3


# the meter


@pytest.fixture
def counts_peaks():
    """Skip where the system does not let a process reset its peak."""
    try:
        (meter.PROC / "clear_refs").write_text("5")
    except OSError:
        pytest.skip("no writeable /proc/self/clear_refs here")


def taken(n_bytes):
    """Allocate and touch so much, give it back."""
    return int(np.ones(n_bytes, np.uint8).sum())


MB = 2**20


def test_the_peak_is_that_of_the_block(counts_peaks):
    taken(100 * MB)  # before the block: not counted
    with analysis.Meter() as small:
        taken(8 * MB)
    with analysis.Meter() as large:
        taken(64 * MB)
    assert 60 * MB < large.peak_bytes - large.start_bytes < 90 * MB
    assert small.peak_bytes - small.start_bytes < 40 * MB
    assert large.seconds > 0
    assert large.cpu_seconds > 0
    assert set(large.as_dict()) == {"seconds", "cpu_seconds", "start_bytes", "peak_bytes", "energy_joules", "energy_source"}
    assert f"peak_bytes={large.peak_bytes}" in repr(large)


def test_a_block_within_a_block_does_not_hide_the_peak_before_it(counts_peaks):
    with analysis.Meter() as outer:
        taken(64 * MB)
        with analysis.Meter() as inner:
            taken(8 * MB)
    assert outer.peak_bytes - outer.start_bytes > 60 * MB
    assert inner.peak_bytes - inner.start_bytes < 40 * MB
    assert meter._ACTIVE == []


def test_a_meter_waits_for_its_end_and_can_be_used_again():
    one = analysis.Meter()
    assert one.seconds is one.peak_bytes is one.read() is None
    with one:
        assert one.seconds is None
        with pytest.raises(RuntimeError, match="running"):
            one.__enter__()
        np.ones(10**6).sum()
    first = one.cpu_seconds
    with pytest.raises(ZeroDivisionError), one:
        1 / 0  # noqa: B018
    assert first > 0
    assert one.seconds is not None
    assert meter._ACTIVE == []


def test_without_linux_there_is_no_peak(tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "PROC", tmp_path / "nothing")
    with analysis.Meter(tmp_path) as one:
        taken(MB)
    assert (one.peak_bytes, one.start_bytes, one.energy_joules) == (None, None, None)
    assert one.energy_source == "not readable here"
    assert one.seconds > 0


def zone(folder, name, counter, most=1000_000_000):
    folder.mkdir()
    (folder / "name").write_text(name + "\n")
    (folder / "energy_uj").write_text(f"{counter}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / "energy_uj"


def test_energy_is_that_of_the_packages_and_counters_may_wrap_around(tmp_path):
    a = zone(tmp_path / "intel-rapl:0", "package-0", 5_000_000)
    b = zone(tmp_path / "intel-rapl:1", "package-1", 999_000_000)
    zone(tmp_path / "intel-rapl:0:0", "core", 1)
    psys = zone(tmp_path / "intel-rapl:2", "psys", 0)
    with analysis.Meter(tmp_path) as one:
        a.write_text("6500000")
        psys.write_text("70000000")
        assert one.read() == pytest.approx(1.5)
        b.write_text("2000000")  # wraps around at 1e9
    assert one.energy_joules == pytest.approx(1.5 + 3)
    assert one.energy_source == "RAPL: package-0, package-1"
    a.write_text("9000000")
    assert one.read() == one.energy_joules


@pytest.mark.parametrize("fault", ["gone at the end", "never there", "no number", "no range"])
def test_energy_that_cannot_be_read_is_said_to_be(tmp_path, fault):
    counter = zone(tmp_path / "intel-rapl:0", "package-0", "?" if fault == "no number" else 7)
    if fault == "never there":
        counter.unlink()
    if fault == "no range":
        (tmp_path / "intel-rapl:0" / "max_energy_range_uj").unlink()
    with analysis.Meter(tmp_path) as one:
        if fault == "gone at the end":
            counter.unlink()
    assert (one.energy_joules, one.energy_source) == (None, "not readable here")
    refuses("powercap", lambda: analysis.Meter(5))


# nothing of size n_in × n_out

WIDE = 2_000_000


def wide_topology(seed):
    random = np.random.default_rng(seed)
    rows, columns = (random.choice(WIDE, 300, replace=False) for _ in range(2))
    return sl.Topology.from_links(WIDE, WIDE, rows, columns)


def test_two_million_neurons_a_layer_are_no_more_than_that():
    layers = [sl.SparseLinear(t, np.ones(t.nnz, np.float32), np.zeros(WIDE, np.float32)) for t in map(wide_topology, (1, 2))]
    model = sl.SparseMLP(layers, "relu")
    history = list(sl.train(models.net(), models.dataset(), epochs=1, seed=0, threads=1))
    fans = {side: tuple(getattr(layer.topology, side) for layer in layers) for side in ("fan_in", "fan_out")}
    record = replace(history[0], nnz=model.nnz, **fans)
    tracker = analysis.LinkTracker()
    tracemalloc.start()
    try:
        assert analysis.degree_evolution([record], 2, "out")["without"][0] == 1 - 300 / WIDE
        for _ in tracker.watch([record, replace(record, epoch=2)], model):
            model.layers[0].replace(layers[1].topology, layers[1].w, layers[1].b)
        assert tracker.to_frame()["tried"].iloc[-1] == len(places_of_links(1) | places_of_links(2)) + 300
        assert analysis.topology_distance(wide_topology(1), wide_topology(2)) == 1
        assert analysis.topology_distance(model, model).tolist() == [0, 0]
        assert analysis.reachable(model)["to_output"][1] == 300 / WIDE
        assert analysis.run_costs([record], model)["dense_inference_flops"][0] == 4.0 * WIDE**2
        assert link_density.density(model.layers[0].topology)["links"].sum() == 300
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * 8 * WIDE  # forty numbers a neuron; the dense mask would be 4e12 bytes


def places_of_links(seed):
    topology = wide_topology(seed)
    return set(zip(topology.rows.tolist(), topology.indices.tolist(), strict=True))


def test_data_goes_through_wide_nets_in_tiles():
    wide, X = 20_000, models.rows(300)[0]
    model = sl.SparseMLP.create((20, wide, wide, 4), epsilon=1, activation="tanh", seed=0)
    analysis.neuron_health(model, X[:2])
    tracemalloc.start()
    try:
        table = analysis.neuron_health(model, X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert table["without_incoming"].tolist() == [np.sum(layer.topology.fan_in == 0) for layer in model.layers[:2]]
    assert peak < 12 * 64 * 4 * wide  # a few tiles of 64 columns; all samples at once would be 300 wide


def test_names_and_homes():
    assert set(analysis.__all__) <= set(dir(analysis))
    for name in analysis.__all__:
        assert getattr(analysis, name).__doc__
