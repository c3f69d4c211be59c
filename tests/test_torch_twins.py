"""A model and its sparse twin in training, and the examples that stand in examples/torch."""

import copy
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

import sparselab as sl

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402
from sparselab.torch import twin_training  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for
EXAMPLES = sorted((Path(__file__).parents[1] / "examples" / "torch").glob("*.py"))


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4))


def samples(n=200):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 20)).astype(np.float32)
    y = np.argmax(X[:, :4] + 0.5 * X[:, 4:8], axis=1)
    return X[:150], y[:150], X[150:], y[150:]


def test_both_learn_and_the_dense_one_is_the_loop_by_hand():
    model, data = model_of(), samples()
    make = lambda parameters: torch.optim.AdamW(parameters, 1e-2)
    both = st.twins(model, data, density=0.2, epochs=8, batch_size=20, optimizer=make)
    found = {name: list(training) for name, training in both.items()}
    for records in found.values():
        assert [record.epoch for record in records] == list(range(1, 9))
        assert records[-1].loss < 0.8 * records[0].loss
        assert records[-1].accuracy > 0.4
        assert all(record.seconds > 0 for record in records)
    sparse, dense = (found[name][-1] for name in ("sparse", "dense"))
    assert (sparse.links, dense.links) == (256 + 51, 20 * 64 + 64 * 4)
    assert sparse.bytes < dense.bytes

    torch.manual_seed(0)
    order, (X, y, _, _) = torch.Generator().manual_seed(0), map(torch.from_numpy, data)
    by_hand, losses = copy.deepcopy(model), []
    optimizer = make(by_hand.parameters())
    for _ in range(8):
        losses.append(0.0)
        for rows in torch.randperm(150, generator=order).split(20):
            loss = nn.functional.cross_entropy(by_hand(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1] += loss.item() * len(rows) / 150
    np.testing.assert_allclose([record.loss for record in found["dense"]], losses, rtol=1e-5)


def test_taking_turns_changes_nothing():
    data = samples()
    options = {"density": 0.2, "layers": ["0"], "rule": sl.RigL(0.3), "every": 3, "epochs": 2, "seed": 3}
    alone = {name: list(training) for name, training in st.twins(model_of(), data, **options).items()}
    state = torch.get_rng_state()
    both = st.twins(model_of(), data, pace=0.0, **options)
    turns = {name: [] for name in both}
    for pair in zip(*both.values(), strict=True):
        for name, record in zip(both, pair, strict=True):
            turns[name].append(record)
    assert torch.equal(torch.get_rng_state(), state)
    for name, records in turns.items():
        within = [record for record in records if math.isnan(record.accuracy)]
        assert len(within) == 4  # of three steps an epoch, all but the last
        ends = [record for record in records if record not in within]
        assert [record[:3] for record in ends] == [record[:3] for record in alone[name]]


def test_rates_follow_densities_and_the_last_quarter_has_no_events(monkeypatch):
    made = []

    def noted(*arguments, **options):
        made.append(st.Evolution(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(twin_training, "Evolution", noted)
    both = st.twins(model_of(), samples(), density=0.2, layers=["0"], every=3, epochs=4, batch_size=25, lr=1e-3)
    assert len(list(both["sparse"])) == 4
    assert [event.step for event in made[0].events] == [3, 6, 9, 12, 15]  # of 24 steps
    assert [group["lr"] for group in made[0].optimizer.param_groups] == pytest.approx([1e-3, 5e-3])


def test_bytes_are_those_of_all_that_is_kept():
    model, data = nn.Linear(20, 4, bias=False), samples()
    trainings = st.twins(model, data, density=0.5, epochs=1, optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1))
    sparse, dense = (list(training)[-1] for training in trainings.values())
    assert dense.bytes == 2 * 4 * 80  # values and gradients
    assert sparse.bytes == 40 * (2 * 4 + 4 + 8) + 8 * (5 + 21)  # the same, inputs; outputs and slots by input; row pointers


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"density": 2}, "density = 2"),
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"pace": -1}, "pace = -1"),
        ({"layers": ["7"]}, "layers = '7'"),
        ({"layers": 7}, "layers = 7"),
        ({"data": samples()[:2]}, "must be (X, y, X_test, y_test)"),
        ({"optimizer": 3}, "optimizer = 3"),
        ({"lr": 0}, "lr = 0"),
        ({"lr": 0.1, "optimizer": torch.optim.SGD}, "lr = 0.1: must not be given beside optimizer"),
        ({"data": (np.zeros((3, 20), np.float32), np.zeros(2), *samples()[2:])}, "data: 3 samples and 2 classes"),
    ],
)
def test_what_does_not_fit_is_named(wrong, said):
    with pytest.raises((ValueError, TypeError)) as found:
        st.twins(model_of(), **({"data": samples(), "density": 0.1} | wrong))
    assert said in str(found.value)


def test_there_are_six_examples():
    assert [path.stem for path in EXAMPLES] == ["autoencoder", "control", "generator", "gru", "mixer", "transformer"]
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 80 for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_beat_their_baselines(path, capsys):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found, baseline = example.main(["--small"])
    larger = example.main.__doc__.endswith("larger is better.")
    assert larger or example.main.__doc__.endswith("smaller is better.")
    assert (found > baseline) == larger
    assert capsys.readouterr().out
