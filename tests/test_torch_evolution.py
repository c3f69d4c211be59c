"""Topologies of torch models change beside torch's optimizers, as this package's own nets do."""

import copy
import io

import numpy as np
import pytest

import sparselab as sl
from sparselab.checkpoints.state import BATCHES
from sparselab.utils.seeds import child

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for
BATCH, N_BATCHES = 32, 10


def data(n=BATCH * N_BATCHES, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 20)).astype(np.float32), rng.integers(0, 4, n)


def net(seed=0, **options):
    return sl.SparseMLP.create((20, 60, 50, 4), density=0.3, activation="relu", seed=seed, **options)


def trained(model, optimizer, evolution, steps, first=0):
    """Train on batches in a fixed order."""
    X, y = map(torch.from_numpy, data())
    for step in range(first, first + steps):
        part = slice(BATCH * (step % N_BATCHES), BATCH * (step % N_BATCHES + 1))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[part]), y[part]).backward()
        optimizer.step()
        if evolution is not None:
            evolution.step()
    return model


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


PAIRS = {
    "adam": (lambda: sl.Adam(0.003), lambda parameters: torch.optim.Adam(parameters, 0.003)),
    "adamw": (lambda: sl.AdamW(0.003), lambda parameters: torch.optim.AdamW(parameters, 0.003)),
    "sgd": (
        lambda: sl.SGD(0.05, momentum=0.9, nesterov=True),
        lambda parameters: torch.optim.SGD(parameters, 0.05, momentum=0.9, nesterov=True),
    ),
}


@pytest.mark.parametrize("optimizer", PAIRS)
@pytest.mark.parametrize("rule", [sl.SET(0.3), sl.SET(0.2, new_values="initializer", layers="all")], ids=["SET", "all"])
def test_fifty_steps_are_those_of_our_own_training(optimizer, rule):
    ours, (own, theirs) = net(), PAIRS[optimizer]
    model = st.SparseMLP(ours)
    X, y = data()
    evolution = st.Evolution(model, parts := theirs(model.parameters()), rule, every=N_BATCHES, stop=50, seed=7)
    for order in epochs_of(ours, own(), rule, X, y):
        for first in range(0, len(y), BATCH):
            rows = order[first : first + BATCH]
            parts.zero_grad()
            nn.functional.cross_entropy(model(torch.from_numpy(X[rows])), torch.from_numpy(y[rows])).backward()
            parts.step()
            evolution.step()
    assert len(evolution.events) == 4
    for layer, (_, other) in zip(ours.layers, st.sparse_layers(model), strict=True):
        assert layer.topology == other.topology
        np.testing.assert_allclose(other.weight.detach().numpy(), layer.w, atol=1e-5)
        np.testing.assert_allclose(other.bias.detach().numpy(), layer.b, atol=1e-5)


def epochs_of(model, optimizer, rule, X, y):
    """Train our own net; the order of the samples in each epoch."""
    list(sl.train(model, (X, y), epochs=5, batch_size=BATCH, optimizer=optimizer, rules=[rule], seed=7, threads=1))
    seeds = np.random.SeedSequence(7)
    return [np.random.default_rng(child(seeds, BATCHES, epoch)).permutation(len(y)) for epoch in range(5)]


@pytest.mark.parametrize(
    "kind, options, name, start",
    [
        ("Rprop", {"lr": 0.02}, "step_size", 0.02),
        ("Rprop", {}, "prev", 0),
        ("Adagrad", {"initial_accumulator_value": 0.5}, "sum", 0.5),
    ],
)
def test_new_links_begin_as_the_optimizer_begins(kind, options, name, start):
    layer = st.SparseLinear(20, 60, density=0.2)
    optimizer = getattr(torch.optim, kind)(layer.parameters(), **options)
    grow = lambda epoch, model, state, evidence, rng: [sl.rewire(model.layers[0].topology, np.arange(240) >= 0, 30, rng=rng)]
    evolution, old = st.Evolution(layer, optimizer, grow, every=2, seed=0), layer.topology
    for _ in range(2):
        layer(torch.randn(8, 20)).square().sum().backward()
        optimizer.step()
        evolution.step()
    new = ~np.isin(layer.topology.rows * 20 + layer.topology.indices, old.rows * 20 + old.indices)
    found = optimizer.state[layer.weight][name]
    assert found.shape == (270,)
    assert (found[torch.from_numpy(new)] == start).all()
    assert (found[torch.from_numpy(~new)] != start).any()


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "NAdam"])
@pytest.mark.parametrize("rule", [sl.SET(0.3), sl.RigL(0.3)], ids=["SET", "RigL"])
def test_the_optimizer_keeps_what_it_knows_of_links_that_stay(kind, rule):
    torch.manual_seed(0)
    model = nn.Sequential(st.SparseLinear(20, 60, density=0.2), nn.ReLU(), st.SparseLinear(60, 4, density=0.5))
    options = {"momentum": 0.9} if kind in ("SGD", "RMSprop") else {}
    optimizer = getattr(torch.optim, kind)(model.parameters(), 1e-3, **options)
    evolution = st.Evolution(model, optimizer, rule, every=5, seed=0)
    trained(model, optimizer, evolution, 4)
    reference, parameters = copy.deepcopy((model, optimizer)), list(model.parameters())
    trained(reference[0], reference[1], None, 1, first=4)
    trained(model, optimizer, evolution, 1, first=4)
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    for layer, before in ((model[0], reference[0][0]), (model[2], reference[0][2])):
        assert layer.weight.grad is None
        old, new = before.topology, layer.topology
        places = {place: slot for slot, place in enumerate(zip(old.rows.tolist(), old.indices.tolist(), strict=True))}
        origin = [places.get(place, -1) for place in zip(new.rows.tolist(), new.indices.tolist(), strict=True)]
        assert 0 < origin.count(-1) < len(origin)
        state, kept = optimizer.state[layer.weight], reference[1].state[before.weight]
        vectors = [name for name, value in kept.items() if isinstance(value, torch.Tensor) and value.shape == before.weight.shape]
        assert vectors
        for vector in vectors:
            for slot, source in enumerate(origin):  # a link that was removed and grown again at its place is new
                assert state[vector][slot] in (0, kept[vector][source] if source >= 0 else 0)
            assert torch.count_nonzero(state[vector]) >= 0.6 * torch.count_nonzero(kept[vector])
    trained(model, optimizer, evolution, 5, first=5)


def test_rigl_grows_where_the_gradient_of_the_last_batch_is_largest():
    torch.manual_seed(0)
    layer = st.SparseLinear(12, 9, density=0.3)
    optimizer = torch.optim.SGD([*layer.parameters()], 0.0)
    evolution = st.Evolution(layer, optimizer, sl.RigL(0.25), every=1, seed=0)
    before, X, target = layer.topology, torch.randn(16, 12), torch.randn(16, 9)
    Y = layer(X)
    (Y - target).square().sum().backward()
    weights, gradient = layer.weight.detach().numpy().copy(), (2 * (Y - target)).T.detach() @ X
    optimizer.step()
    evolution.step()
    keep = np.zeros(before.shape, bool)
    strong = np.argsort(-np.abs(weights))[: before.nnz - int(0.25 * before.nnz)]
    keep[before.rows[strong], before.indices[strong]] = True
    size = np.where(keep, -1, np.abs(gradient.numpy()))
    keep.reshape(-1)[np.argsort(-size, axis=None)[: int(0.25 * before.nnz)]] = True
    assert np.array_equal(layer.topology.to_scipy(np.ones(before.nnz)).toarray() > 0, keep)


def test_evidence_is_kept_only_for_an_event():
    layer = st.SparseLinear(12, 9, density=0.3)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    evolution = st.Evolution(layer, optimizer, sl.RigL(0.25), every=3)
    kept = []
    for _ in range(6):
        layer(torch.randn(4, 12)).sum().backward()
        kept.append(any(passes.rows for passes in layer.links.passes))
        optimizer.step()
        evolution.step()
    assert kept == [False, False, True, False, False, True]
    del evolution
    quiet = st.Evolution(layer, optimizer, sl.SET(0.25), every=1)
    layer(torch.randn(4, 12)).sum().backward()
    assert [passes.rows for passes in layer.links.passes] == [[]]
    quiet.step()


def test_evidence_is_kept_also_where_the_layer_is_loaded_or_cast_before_the_event():
    layer = st.SparseLinear(12, 9, density=0.3)
    evolution = st.Evolution(layer, torch.optim.SGD(layer.parameters(), 0.1), sl.RigL(0.25), every=1)
    layer.load_state_dict(copy.deepcopy(layer.state_dict()))
    layer.float()
    layer(torch.randn(4, 12)).sum().backward()
    evolution.step()
    assert len(evolution.events) == 1


@pytest.mark.parametrize("n_batches", [1, 3])
def test_a_run_that_is_resumed_goes_on_with_the_same_bits(n_batches):
    def start():
        torch.manual_seed(0)
        model = nn.Sequential(st.SparseLinear(20, 60, density=0.2), nn.ReLU(), st.SparseLinear(60, 4, density=0.5))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        return model, optimizer, st.Evolution(model, optimizer, sl.RigL(0.3, n_batches=n_batches), every=4, seed=1)

    whole = start()
    trained(*whole, 14)
    first = start()
    trained(*first, 7)  # the next step is followed by an event
    file = io.BytesIO()
    torch.save([part.state_dict() for part in first], file)
    file.seek(0)
    torch.manual_seed(5)
    second = start()
    for part, state in zip(second, torch.load(file), strict=True):
        part.load_state_dict(state)
    trained(*second, 7, first=7)
    assert same(whole[0], second[0])
    assert whole[2].events == second[2].events
    for event, other in zip(whole[2].events, second[2].events, strict=True):
        assert all(map(np.array_equal, event.fan_in + event.fan_out, other.fan_in + other.fan_out))


def test_events_say_what_changed():
    torch.manual_seed(0)
    model = st.sparsify(nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 4)), density=0.2)
    optimizer = torch.optim.Adam(model.parameters())
    evolution = st.Evolution(model, optimizer, every=2, start=4, stop=9, layers=["0", "0"], seed=0)
    last = model[2].topology
    trained(model, optimizer, evolution, 12)
    assert [event.step for event in evolution.events] == [4, 6, 8]
    assert evolution.names == ["0"]
    assert model[2].topology is last
    event = evolution.events[0]
    assert (event.links, event.pruned, event.grown) == ((240,), event.grown, event.pruned)
    assert 240 < event.tried[0] <= 240 + event.grown[0]
    assert event.fan_in[0].sum() == event.fan_out[0].sum() == 240
    now = evolution.events[-1]
    assert np.array_equal(now.fan_in[0], model[0].topology.fan_in)
    assert np.array_equal(now.fan_out[0], model[0].topology.fan_out)
    assert evolution.events[2].tried[0] > event.tried[0]


def test_accumulated_gradients_clipping_and_schedulers():
    torch.manual_seed(0)
    model = nn.Sequential(st.SparseLinear(20, 60, density=0.2), nn.ReLU(), st.SparseLinear(60, 4, density=0.5))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    evolution = st.Evolution(model, optimizer, sl.RigL(0.3), every=3)
    X, y = map(torch.from_numpy, data())
    losses = []
    for _ in range(20):
        for part in (slice(0, 100), slice(100, 200)):
            loss = nn.functional.cross_entropy(model(X[part]), y[part])
            loss.backward()
        losses.append(loss.item())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        evolution.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]


def two():
    model = nn.Sequential(st.SparseLinear(20, 60, density=0.2), st.SparseLinear(60, 4, density=0.5))
    return model, torch.optim.Adam(model.parameters())


def evolution_of(rule=None, model=None, **options):
    pair = two()
    return st.Evolution(model or pair[0], pair[1], rule, **({"every": 1} | options))


def sharing(**options):
    model = nn.Sequential(st.SparseLinear(20, 20, density=0.2), st.SparseLinear(20, 20, density=0.2))
    model[1].weight = model[0].weight
    return st.Evolution(model, torch.optim.Adam(model.parameters()), every=1, **options)


def returning(change):
    return lambda epoch, model, state, evidence, rng: [change(model.layers[0]), None]


@pytest.mark.parametrize(
    "wrong, error, said",
    [
        (lambda: evolution_of(model=two()[0]), ValueError, "does not have the weight of '0'"),
        (lambda: evolution_of(model=nn.Linear(3, 3)), ValueError, "has no SparseLinear"),
        (lambda: evolution_of(layers=["2"]), ValueError, "layers = '2'"),
        (lambda: evolution_of(layers=3), TypeError, "layers = 3"),
        (lambda: evolution_of(copies=3), TypeError, "copies = 3"),
        (lambda: evolution_of(every=0), ValueError, "every = 0"),
        (lambda: evolution_of(rule=3), TypeError, "rule = 3"),
        (lambda: evolution_of(sl.DeepR(0.1)), TypeError, "no optimizer itself"),
        (lambda: evolution_of(copies=nn.Linear(3, 3)), ValueError, "copies = 'Linear': must be models with a sparse layer '0'"),
        (lambda: st.Evolution(two()[0], 3, every=1), TypeError, "a torch.optim.Optimizer"),
        (lambda: st.Evolution(m := two()[0], torch.optim.LBFGS(m.parameters()), every=1), TypeError, "optimizer = 'LBFGS'"),
        (lambda: sharing(), ValueError, "model: '0' and '1' have the same weight"),
        (lambda: sharing(layers=["1"]), ValueError, "model: '1' and '0' have the same weight"),
        (lambda: evolution_of(sl.RigL(0.3)).step(), ValueError, "asks for gradients of '0', and none were kept"),
        (lambda: evolution_of(lambda *_: [None]).step(), ValueError, "returned 1 changes"),
        (lambda: evolution_of(returning(lambda layer: 3)).step(), ValueError, "must be a Rewiring from its 240 links"),
        (
            lambda: evolution_of(returning(lambda layer: sl.evolution.keep_neurons(layer.topology, np.arange(60) > 1))).step(),
            ValueError,
            "changes the widths of '0'",
        ),
    ],
)
def test_what_does_not_fit_is_named(wrong, error, said):
    with pytest.raises(error) as found:
        wrong()
    assert said in str(found.value)


@pytest.mark.parametrize(
    "wrong, error",
    [
        (lambda state: 3, ValueError), (lambda state: {}, ValueError), (lambda state: {"names": state["names"]}, ValueError),
        (lambda state: state | {"names": ["2"]}, ValueError), (lambda state: state | {"steps": "many"}, TypeError),
        (lambda state: state | {"seed": -1}, ValueError), (lambda state: state | {"tried": []}, ValueError),
        (lambda state: state | {"events": [(1,)]}, ValueError),
    ],
)  # fmt: skip
def test_a_state_that_is_none_is_refused_and_nothing_is_changed(wrong, error):
    evolution = evolution_of()
    evolution.step()
    before = evolution.state_dict()
    with pytest.raises(error, match="^state"):
        evolution.load_state_dict(wrong(before | {"steps": 7}))
    assert (evolution.steps, evolution.seed, len(evolution.events)) == (1, before["seed"], 1)


def test_a_weight_that_the_optimizer_no_longer_has_is_named():
    model, optimizer = two()
    evolution = st.Evolution(model, optimizer, every=1)
    model.load_state_dict(two()[0].state_dict(), assign=True)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="does not have the weight of '0'"):
        evolution.step()
    assert all(map(torch.equal, before.values(), model.state_dict().values()))


def test_a_failed_event_changes_nothing():
    model, optimizer = two()
    wrong = lambda epoch, model, state, evidence, rng: [sl.rewire(model.layers[0].topology, np.arange(240) > 3), 5]
    evolution = st.Evolution(model, optimizer, wrong, every=1)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError):
        evolution.step()
    assert same(model, before)
    assert (evolution.steps, evolution.events) == (0, [])


@pytest.mark.parametrize("new_values", ["zero", "initializer", lambda topology, rng, dtype, slots: np.full(len(slots), 2, dtype)])
def test_values_that_the_rule_leaves_to_the_layer(new_values):
    torch.manual_seed(0)
    layer = st.SparseLinear(20, 60, density=0.2, new_values=new_values)
    grow = lambda epoch, model, state, evidence, rng: [sl.rewire(model.layers[0].topology, np.arange(240) >= 0, 30, rng=rng)]
    old = layer.topology
    st.Evolution(layer, torch.optim.SGD(layer.parameters(), 0.1), grow, every=1, seed=0).step()
    new = ~np.isin(layer.topology.rows * 20 + layer.topology.indices, old.rows * 20 + old.indices)
    values = layer.weight.detach().numpy()[new]
    assert len(values) == 30
    assert (values == 0).all() if new_values == "zero" else values.all()
    assert not callable(new_values) or (values == 2).all()


def test_compiled_models_evolve():
    torch.manual_seed(0)
    model = nn.Sequential(st.SparseLinear(20, 60, density=0.2), nn.ReLU(), st.SparseLinear(60, 4, density=0.5))
    other = copy.deepcopy(model)
    for one, call in ((model, model), (other, torch.compile(other))):
        optimizer = torch.optim.Adam(one.parameters(), 1e-2)
        trained(call, optimizer, st.Evolution(one, optimizer, sl.RigL(0.3), every=4, seed=1), 10)
    for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rule", [sl.SET(0.3), sl.PruneRegrow(0.3, density=0.05)])
def test_a_backward_pass_through_links_that_are_gone_is_an_error(rule, dtype):
    model = nn.Sequential(st.SparseLinear(20, 4, density=0.3, dtype=dtype))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    evolution = st.Evolution(model, optimizer, rule, every=1, seed=0)
    loss = model(torch.ones(3, 20, dtype=dtype, requires_grad=True)).sum()
    evolution.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
