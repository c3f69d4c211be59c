"""Neurons between two sparse layers of a torch model are removed."""

import copy

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


def pair(seed=0, **options):
    torch.manual_seed(seed)
    return nn.Sequential(st.SparseLinear(20, 40, density=0.3, **options), nn.ReLU(), st.SparseLinear(40, 5, density=0.4))


@pytest.mark.parametrize("importance", [sl.importances.outgoing, sl.importances.incoming, sl.importances.product])
def test_it_is_what_importance_pruning_does_to_our_own_net(importance):
    net = sl.SparseMLP.create((20, 40, 5), density=0.4, activation="relu", seed=0)
    for layer in net.layers:
        layer.b[:] = np.random.default_rng(0).standard_normal(len(layer.b))
    model, X = st.SparseMLP(net), torch.randn(30, 20)
    gone = sl.evolution.least_important(net, importance, [25])
    sl.evolution.apply(sl.evolution.shrink(net, gone), net, None, np.random.default_rng(0))
    kept = st.prune_neurons(model.layers[0], model.layers[3], 0.375, importance=importance, activation=torch.relu)
    assert np.array_equal(kept.numpy(), net.neurons.ids(1))
    assert torch.allclose(model(X), st.SparseMLP(net)(X), atol=1e-6)
    assert model.to_sparselab().sizes == (20, 25, 5)


def test_the_smaller_model_is_the_function_without_these_neurons():
    model, X = pair(), torch.randn(30, 20)
    dense = st.densify(copy.deepcopy(model))
    kept = st.prune_neurons(model[0], model[2], 0.5)
    gone = torch.ones(40, dtype=bool)
    gone[kept] = False
    with torch.no_grad():
        dense[2].weight[:, gone] = 0
    assert torch.allclose(model(X), dense(X), atol=1e-6)
    assert (model[0].out_features, model[2].in_features) == (20, 20)
    assert len(model[0].weight) < 240
    assert len(model.state_dict()["0.bias"]) == 20


def test_the_optimizer_goes_on():
    model, X = pair(), torch.randn(30, 20)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    evolution = st.Evolution(model, optimizer, sl.SET(0.2), every=3, seed=0)

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad()
            model(X).square().mean().backward()
            optimizer.step()
            evolution.step()

    steps(4)
    before = optimizer.state[model[0].bias]["exp_avg"].clone()
    slots = optimizer.state[model[0].weight]["exp_avg"].clone()
    topology = model[0].topology
    kept = st.prune_neurons(model[0], model[2], 0.5, optimizer=optimizer)
    assert torch.equal(optimizer.state[model[0].bias]["exp_avg"], before[kept])
    assert torch.equal(optimizer.state[model[0].weight]["exp_avg"], slots[np.isin(topology.rows, kept.numpy())])
    steps(5)
    assert len(evolution.events) == 3


def test_an_optimizer_that_has_some_of_the_parameters():
    model, X = pair(), torch.randn(30, 20)
    optimizer = torch.optim.Adam(model[0].parameters(), 1e-2)
    for _ in range(2):
        model(X).square().mean().backward()
        optimizer.step()
    st.prune_neurons(model[0], model[2], 0.5, optimizer=optimizer)
    assert [state["exp_avg"].shape for state in optimizer.state_dict()["state"].values()] == [model[0].weight.shape, (20,)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_activation_may_be_a_module_with_parameters(dtype):
    model, X = pair().to(dtype), torch.zeros(1, 20, dtype=dtype)
    activation = nn.PReLU(dtype=dtype)
    with torch.no_grad():
        model[0].weight.zero_()  # so that every neuron gives f(b)
    wanted = model[2](activation(model[0](X)))
    st.prune_neurons(model[0], model[2], 0.5, activation=activation)
    assert torch.allclose(model[2](activation(model[0](X))), wanted, atol=0.05 if dtype == torch.bfloat16 else 1e-6)


def test_nothing_goes_where_nothing_is_to_go():
    model, X = pair(), torch.randn(30, 20)
    wanted = model(X)
    assert len(st.prune_neurons(model[0], model[2], 0)) == 40
    assert torch.equal(model(X), wanted)
    assert len(st.prune_neurons(model[0], model[2], 1)) == 1


def sharing():
    layers = [st.SparseLinear(40, 40, density=0.3) for _ in range(2)]
    layers[1].weight = layers[0].weight
    return layers


@pytest.mark.parametrize(
    "wrong, error, said",
    [
        (lambda m: st.prune_neurons(m[0], m[1], 0.5), TypeError, "second = 'ReLU'"),
        (lambda m: st.prune_neurons(m[2], m[0], 0.5), ValueError, "second.in_features = 20"),
        (lambda m: st.prune_neurons(m[0], m[2], 1.5), ValueError, "share = 1.5"),
        (lambda m: st.prune_neurons(m[0], m[2], 0.5, importance=3), TypeError, "importance = 3"),
        (lambda m: st.prune_neurons(m[0], m[2], 0.5, importance=lambda *_: np.ones(3)), ValueError, "of shape (40,)"),
        (lambda m: st.prune_neurons(m[0], m[2], 0.5, optimizer="adam"), TypeError, "must be a torch.optim.Optimizer"),
        (
            lambda m: st.prune_neurons(m[0], m[2], 0.5, optimizer=torch.optim.SGD(nn.Linear(3, 3).parameters())),
            ValueError,
            "optimizer: has no Parameter of first or second",
        ),
        (lambda m: st.prune_neurons(*sharing(), 0.5), ValueError, "first, second: have the same weight"),
        (lambda m: st.prune_neurons(m[0], m[2], 0.5, activation=3), TypeError, "activation = 3"),
        (lambda m: st.prune_neurons(m[0], m[2], 0.5, activation=lambda b: torch.ones(3)), ValueError, "not the shape (3,)"),
        (
            lambda m: st.prune_neurons(m[0], st.SparseLinear(40, 5, density=0.4, bias=False), 0.5, activation=torch.relu),
            ValueError,
            "activation: second has no biases",
        ),
    ],
)
def test_what_does_not_fit_is_named(wrong, error, said):
    model = pair()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error) as found:
        wrong(model)
    assert said in str(found.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
