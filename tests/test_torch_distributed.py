"""Evolution where a model is trained by several processes of torch.distributed."""

import subprocess
import sys

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch

PROGRAM = """
import sys, torch, sparselab as sl, sparselab.torch as st
from torch import nn
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
torch.manual_seed(rank)  # the layers differ until they are wrapped
model = nn.parallel.DistributedDataParallel(nn.Sequential(st.SparseLinear(20, 30, density=0.2), nn.ReLU(), nn.Linear(30, 4)))
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
evolution = st.Evolution(model, optimizer, sl.SET(0.3), every=2, seed=1)
torch.save(model.module.state_dict(), f"{folder}/start{rank}")
X = torch.randn(6, 2, 8, 20, generator=torch.Generator().manual_seed(0))
for step in range(6):
    optimizer.zero_grad()
    model(X[step, rank]).square().mean().backward()
    optimizer.step()
    evolution.step()
torch.save(model.module.state_dict(), f"{folder}/end{rank}")
"""


def test_two_processes_are_one_with_all_samples(tmp_path):
    ranks = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(rank), str(tmp_path)]) for rank in range(2)]
    try:
        assert [rank.wait(120) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()
    start, end, other = (torch.load(tmp_path / name) for name in ("start0", "end0", "end1"))
    assert all(map(torch.equal, end.values(), other.values()))
    model = nn.Sequential(st.SparseLinear(20, 30, density=0.2), nn.ReLU(), nn.Linear(30, 4))
    model.load_state_dict(start)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    evolution = st.Evolution(model, optimizer, sl.SET(0.3), every=2, seed=1)
    X = torch.randn(6, 2, 8, 20, generator=torch.Generator().manual_seed(0))
    for step in range(6):
        optimizer.zero_grad()
        model(X[step].reshape(16, 20)).square().mean().backward()
        optimizer.step()
        evolution.step()
    assert len(evolution.events) == 3
    for one, both in zip(model.state_dict().values(), end.values(), strict=True):
        assert torch.allclose(one.double(), both.double(), atol=1e-5)


def asking(epoch, model, state, evidence, rng):
    return [None for layer in model.layers if evidence.gradient(layer) is not None]


def test_what_would_make_the_processes_differ_is_refused(monkeypatch):
    layer = st.SparseLinear(12, 9, density=0.3)
    evolution = lambda rule, **options: st.Evolution(layer, torch.optim.SGD(layer.parameters(), 0.1), rule, every=1, **options)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="seed = None: must be the same number in all processes"):
        evolution(sl.SET(0.3))
    with pytest.raises(NotImplementedError, match="rule: asks for gradients"):
        evolution(sl.RigL(0.3), seed=0)
    own = evolution(asking, seed=0)
    layer(torch.ones(3, 12)).sum().backward()
    before = layer.weight.detach().numpy().copy()
    with pytest.raises(NotImplementedError, match="rule: asks for gradients"):
        own.step()
    assert np.array_equal(layer.weight.detach().numpy(), before)
    evolution(sl.SET(0.3), seed=0).step()
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    evolution(sl.RigL(0.3))
