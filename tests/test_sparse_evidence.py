"""What rules see of CSR samples that go by their entries: the gradients of any link, without the dense features of a batch."""

import tracemalloc

import models
import numpy as np
import pytest
import scipy.sparse
import strategies
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab import kernels
from sparselab.evolution import Evidence, Flow
from sparselab.nn import entry_costs, footprint
from sparselab.utils import resources

needs_jit = pytest.mark.skipif(not kernels.JIT, reason="plain Python is too slow")
FEATURES, N = 2000, 60


def data(features=FEATURES, n=N, per_row=8, seed=0, dtype=np.float32):
    """(X, y): CSR samples, whose classes show in the first features."""
    random, y = np.random.default_rng(seed), np.arange(n) % 4
    columns = np.stack([np.append(k, 4 + random.choice(features - 4, per_row - 1, replace=False)) for k in y])
    values = 1 + random.random(columns.size)
    X = scipy.sparse.csr_array((values.astype(dtype), columns.ravel(), np.arange(n + 1) * per_row), shape=(n, features))
    X.sort_indices()
    return X, y


def net(features=FEATURES, density=0.05, **options):
    return models.net((features, 17, 9, 4), density=density, **options)


def evidence(model, X, y, **options):
    return Evidence(model, sl.SoftmaxCrossEntropy(), X, y, np.arange(X.shape[0] // 2), **options)


RULES = {
    "rigl": lambda: sl.SET(0.3, regrowth=sl.regrowths.ExactGradient(block=5000)),
    "sampled": lambda: sl.SET(0.3, regrowth=sl.regrowths.gradient),
    "guided": lambda: sl.SET(0.3, regrowth=sl.regrowths.GuidedSample()),
    "estimated": lambda: sl.SET(0.3, regrowth=sl.regrowths.GuidedSample(guide="estimate")),
    "uniform guide": lambda: sl.SET(0.3, regrowth=sl.regrowths.GuidedSample(guide="uniform")),
    "several batches": lambda: sl.PruneRegrow(0.3, sl.criteria.magnitude, sl.regrowths.gradient, n_batches=3),
}


@given(strategies.topologies, st.integers(1, 6), st.data())
def test_gradients_of_links_are_sums_over_samples(topology, n, draw):
    random = np.random.default_rng(draw.draw(st.integers(0, 99)))
    X = random.integers(-4, 5, (topology.n_in, n)) * (random.random((topology.n_in, n)) < 0.4) / 2
    dZ = random.integers(-8, 9, (topology.n_out, n)) / 4
    k = draw.draw(st.integers(0, 7))
    rows, columns = random.integers(topology.n_out, size=k), random.integers(topology.n_in, size=k)
    flow = Flow(scipy.sparse.csr_array(X), dZ)
    wanted = [sum(dZ[row, s] * X[column, s] for s in range(n)) for row, column in zip(rows, columns, strict=True)]
    assert flow.gradient_at(rows, columns).tolist() == wanted
    with pytest.raises(ValueError, match="columns = "):
        flow.gradient_at([0], [topology.n_in])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_evidence_is_that_of_dense_features(dtype):
    model, (X, y) = net(dtype=dtype), data(dtype=dtype)
    found, wanted = evidence(model, X, y), evidence(model, X.toarray(), y)
    near = {"rtol": 0, "atol": 1e-6 if dtype == np.float32 else 1e-13}
    assert scipy.sparse.issparse(found.flows[0].X)
    np.testing.assert_array_equal(found.flows[0].X.toarray(), wanted.flows[0].X)
    for layer, flow, other in zip(model.layers, found.flows, wanted.flows, strict=True):
        np.testing.assert_allclose(flow.dZ, other.dZ, **near)
        np.testing.assert_allclose(found.gradient(layer), wanted.gradient(layer), **near)
        assert found.gradient(layer).dtype == dtype
    np.testing.assert_allclose(found.input_gradient(), wanted.input_gradient(), **near)
    averages = [one.average(3, 0.5).gradient(model.layers[0]) for one in (found, wanted)]
    np.testing.assert_allclose(*averages, **near)


@pytest.mark.parametrize("rule", RULES)
def test_rules_change_the_same_links_as_with_dense_features(rule, monkeypatch):
    changed = []
    for link in (entry_costs.LINK, 10**9):
        monkeypatch.setattr(entry_costs, "LINK", link)
        model = net(dtype=np.float64)
        records = list(sl.train(model, data(dtype=np.float64), epochs=3, batch_size=20, rules=[RULES[rule]()], seed=1))
        assert records[-1].grown[0] > 0
        changed.append([(layer.topology.indptr.tolist(), layer.topology.indices.tolist()) for layer in model.layers])
    assert changed[0] == changed[1]


def test_constant_fan_in_takes_it():
    model = sl.SparseMLP.create((FEATURES, 17, 9, 4), density=0.05, topology="fixed_fan_in", seed=0)
    records = list(sl.train(model, data(), epochs=2, batch_size=20, rules=[sl.evolution.SRigL(0.3)], seed=1))
    assert records[-1].grown[0] > 0


def test_a_rule_that_asks_for_too_much_is_refused_by_name(monkeypatch):
    model, (X, y) = net(), data()
    seen = evidence(model, X, y)
    monkeypatch.setattr(footprint, "WORTH_CHECKING", 0)
    monkeypatch.setattr(resources, "available", lambda: 20_000)
    assert seen.gradient(model.layers[0]).any()
    with pytest.raises(sl.InsufficientMemoryError, match=f"gradients of 30 samples with respect to their {FEATURES} features"):
        seen.input_gradient()
    with pytest.raises(sl.InsufficientMemoryError, match="the gradients of 30 samples that a rule asks for"):
        len(evidence(model, X.toarray(), y).flows)


@needs_jit
@pytest.mark.parametrize("rule", [pytest.param("rigl", marks=pytest.mark.slow), "sampled", "guided"])
def test_links_grow_among_a_million_features_without_a_dense_batch(rule):
    features = 2**20
    model, samples = net(features, density=0.02), data(features, n=128)
    rules = {"rigl": lambda: sl.SET(0.3, regrowth=sl.regrowths.ExactGradient(block=2**20))}.get(rule, RULES[rule])
    options = {"batch_size": 64, "threads": 1, "seed": 1, "rules": [rules()]}
    tracemalloc.start()
    try:
        records = list(sl.train(model, samples, epochs=2, **options))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert records[-1].grown[0] == records[-1].pruned[0] > 10**5
    assert peak < 64 * 4 * features  # bytes of the features of one batch, as a dense array
