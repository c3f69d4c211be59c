"""benchmarks.torch_layers and benchmarks.torch_training on small sizes: what they time computes the same, and what they keep."""

import json
import sys

import numpy as np
import pytest

from benchmarks import torch_layers, torch_training
from benchmarks.kept import Kept

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for


def run(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    module.main()


def row(density, ours, dense, shape="256x256", rows=128):
    return {
        "shape": shape,
        "rows": rows,
        "density": density,
        "ours ms": ours,
        "nn.Linear ms": dense,
        "times nn.Linear": dense / ours,
    }


def test_gradients_of_inputs_are_the_same_where_weights_are():
    torch.manual_seed(0)
    calls = torch_layers.calls_of(30, 20, 50, 0.2)
    found = {name: call()[0] for name, call in calls.items()}
    assert torch.allclose(found["ours"], found["torch CSR"].T, atol=1e-5)
    assert torch.allclose(found["ours"], found["torch CSR in rows"], atol=1e-5)
    assert found["nn.Linear"].shape == found["masked"].shape == (50, 30)


def test_rows_of_layers_are_kept_one_by_one_and_drawn(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SPARSELAB_RESULTS", str(tmp_path))
    sizes = "--shapes", "40x30", "30x40", "--rows", 8, "--rounds", 1
    run(torch_layers, monkeypatch, *sizes, "--densities", 0.1, 0.5)
    run(torch_layers, monkeypatch, *sizes, "--densities", 0.1, "--figure", tmp_path / "picture.png")
    kept = [json.loads(line) for line in (tmp_path / "torch_layers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted((one["shape"], one["density"]) for one in kept) == [
        ("30x40", 0.1),
        ("30x40", 0.5),
        ("40x30", 0.1),
        ("40x30", 0.5),
    ]
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "nn.Linear" in capsys.readouterr().out


def test_break_even_is_where_times_are_equal():
    found = torch_layers.break_even_rows([row(0.1, 1, 2), row(0.4, 4, 2), row(0.1, 3, 2, rows=8), row(0.4, 4, 2, rows=8)])
    assert found == [
        {"shape": "256x256", "rows": 128, "nn.Linear": "0.2"},
        {"shape": "256x256", "rows": 8, "nn.Linear": "< 0.1"},
    ]
    assert torch_layers.break_even_rows([row(0.1, 1, 2), row(0.5, 1, 2)])[0]["nn.Linear"] == "> 0.5"


def test_verdicts_name_the_goal():
    assert torch_layers.verdict(row(0.1, 1, 4)) is None
    assert torch_layers.verdict(row(0.1, 1, 4, "768x3072", 1024)).endswith("4.00 × (goal: ≥ 3 ×), met")
    assert torch_layers.verdict(row(0.01, 1, 4, "768x3072", 1024)).endswith("(goal: ≥ 12 ×), MISSED")


def test_trainings_are_kept_and_go_on(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SPARSELAB_RESULTS", str(tmp_path))
    made = []

    def training(name, data, test, density, epochs, seed):
        made.append((name, seed))
        return {"accuracy %": 80.0 + seed - (name == "sparse"), "links": 10, "bytes": 2**20}

    monkeypatch.setattr(torch_training, "accuracy_row", training)
    monkeypatch.setattr(torch_training, "step_row", lambda density, rounds: {"density": density, "times faster": 1.4})
    run(torch_training, monkeypatch, "--seeds", 1)
    run(torch_training, monkeypatch, "--seeds", 2, "--only", "accuracy")
    assert made == [(name, seed) for seed in (0, 1) for name in torch_training.TRAINED]
    rows = torch_training.accuracy_rows(Kept("torch_training: accuracy"))
    assert [one["model"] for one in rows] == list(torch_training.TRAINED)
    np.testing.assert_allclose([one["mean %"] for one in rows], [79.5, 80.5, 80.5])
    printed = capsys.readouterr().out
    assert "1.40 × (goal at 0.1: ≥ 1.5 ×), MISSED" in printed
    assert "lost: 1.00 points (goal: < 1), MISSED" in printed


def test_a_step_and_an_accuracy_are_measured(monkeypatch):
    import examples.torch.transformer as example

    small = lambda: whole(32, 64, 1)
    whole = example.transformer
    monkeypatch.setattr(example, "transformer", small)
    found = torch_training.step_row(0.1, 2)
    assert found["sparse parameters"] < found["dense parameters"]
    assert found["times faster"] == pytest.approx(found["dense ms"] / found["sparse ms"])
    data = example.sl.datasets.load("fashion_mnist_small")
    few = type(data).from_arrays(data.X_train[:200], data.y_train[:200], data.X_test[:100], data.y_test[:100])
    monkeypatch.setattr(example.sl.datasets, "load", lambda name, **options: few)
    for name in torch_training.TRAINED:
        assert 0 <= torch_training.accuracy_row(name, "fashion_mnist_small", "fashion_mnist", 0.1, 1, 0)["accuracy %"] <= 100
