"""Learning rates of sparse layers: a step of Adam moves their outputs as far as those of dense layers."""

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


def moved(layer, parameters):
    """How far the mean output goes in the first step of Adam, which moves each value by its rate."""
    X, optimizer = torch.ones(4, 60), torch.optim.Adam(parameters)
    before = layer(X)
    before.sum().backward()
    optimizer.step()
    return (layer(X) - before).mean().item()


@pytest.mark.parametrize("density", [0.5, 0.1, 0.02])
def test_outputs_move_as_far_as_those_of_a_dense_layer(density):
    torch.manual_seed(0)
    dense, sparse = nn.Linear(60, 40, bias=False), st.SparseLinear(60, 40, density=density, bias=False)
    wanted = moved(dense, [{"params": list(dense.parameters()), "lr": 1e-3}])
    assert moved(sparse, st.parameter_groups(sparse, 1e-3)) == pytest.approx(wanted, rel=1e-3)


def test_all_parameters_are_there_once():
    shared = st.SparseLinear(20, 20, density=0.2)
    model = nn.Sequential(nn.Linear(20, 20), shared, nn.ReLU(), shared, st.SparseLinear(20, 20, density=0.5))
    groups = st.parameter_groups(model, 0.01)
    assert [group["lr"] for group in groups] == pytest.approx([0.01, 0.05, 0.02])
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters())


def test_a_model_without_dense_parameters_and_a_layer_without_links():
    alone = st.SparseLinear(20, 30, density=0.25, bias=False)
    assert [(group["params"][0] is alone.weight, group["lr"]) for group in st.parameter_groups(alone, 1.0)] == [(True, 4.0)]
    empty = st.SparseLinear(3, 2, topology=sl.Topology.from_links(2, 3, rows=[], columns=[]))
    assert [group["lr"] for group in st.parameter_groups(empty, 1.0)] == [1.0, 1.0]
    assert [group["lr"] for group in st.parameter_groups(nn.Linear(3, 2), 1.0)] == [1.0]


def test_evolution_and_schedulers_keep_the_groups():
    torch.manual_seed(0)
    model = nn.Sequential(st.SparseLinear(20, 40, density=0.2), nn.ReLU(), st.SparseLinear(40, 4, density=0.5))
    optimizer = torch.optim.AdamW(st.parameter_groups(model, 1e-2))
    evolution = st.Evolution(model, optimizer, sl.SET(0.3), every=2, seed=0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    X, y = torch.randn(30, 20), torch.arange(30) % 4
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), y).backward()
        optimizer.step()
        evolution.step()
        scheduler.step()
    assert len(evolution.events) == 2
    np.testing.assert_allclose([group["lr"] for group in optimizer.param_groups], [0.0025, 0.0125, 0.005])
    for layer in (model[0], model[2]):
        assert all(len(kept) == len(layer.weight) for kept in optimizer.state[layer.weight].values() if kept.dim())


@pytest.mark.parametrize(
    "model, lr, said",
    [
        (nn.Linear(2, 2), 0, "lr = 0: must be a finite number > 0"),
        (nn.Linear(2, 2), "fast", "lr = 'fast'"),
        (7, 0.1, "module = 'int': must be a torch.nn.Module"),
    ],
)
def test_what_does_not_fit_is_named(model, lr, said):
    with pytest.raises((TypeError, ValueError)) as found:
        st.parameter_groups(model, lr)
    assert said in str(found.value)
