"""Runs the examples of CONTRIBUTING.md, taken from its text."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import sparselab as sl

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^(\d+)\. [^\n]*\n```python\n(.*?)```", TEXT, re.S | re.M)
INLINE = dict(re.findall(r"^(\d+)\. [^`\n]*`([^`\n]+)`$", TEXT, re.M))


@pytest.fixture
def names():
    data = sl.datasets.load("digits").head(256, 100)
    model = sl.SparseMLP.create((64, 60, 10), seed=0)
    X, y, X_test, y_test = data.X_train, data.y_train, data.X_test, data.y_test
    return {"np": np, "sl": sl, "data": data, "model": model} | {
        "X": X, "y": y, "X_test": X_test, "y_test": y_test,
    }  # fmt: skip


def typed(number, names):
    """Run example `number` as a notebook cell."""
    exec(dict(BLOCKS)[number], names)
    return names


def learns(model, data, **options):
    records = list(sl.train(model, data, epochs=3, batch_size=32, seed=0, **options))
    assert np.isfinite(records[-1].train_loss)
    assert records[-1].train_loss < records[0].train_loss
    return records


def test_every_row_of_the_table_has_an_example():
    rows = re.findall(r"^\| .* \| (\d+) \|$", TEXT, re.M)
    examples = [number for number, _ in BLOCKS] + list(INLINE)
    assert rows == sorted(examples, key=int) == [str(n + 1) for n in range(len(rows))]
    assert rows == sorted(RUN, key=int)


def test_what_the_text_names_is_there():
    for name in re.findall(r"`(sl\.[\w.]+|sparselab\.[\w.]+)", TEXT):
        found = sl
        for part in name.split(".")[1:]:
            found = getattr(found, part)


def test_activation(names):
    typed("1", names)
    learns(names["model"], names["data"])


def test_loss(names):
    typed("2", names)
    assert np.isfinite(names["records"][-1].train_loss)
    learns(names["model"], names["data"], loss=names["Smoothed"]())


def test_optimizer(names):
    typed("3", names)
    learns(names["model"], names["data"], optimizer=names["Sign"](), rules=[sl.SET(0.3)])


def test_schedule(names):
    records = learns(names["model"], names["data"], optimizer=eval(INLINE["4"], names))
    assert records[0].learning_rate > records[-1].learning_rate


def test_initializer(names):
    typed("5", names)
    model = sl.SparseMLP.create((64, 60, 10), initializer=names["signs"], seed=0)
    assert np.all(np.abs(model.layers[0].w) == np.float32(0.1))
    learns(model, names["data"], rules=[sl.SET(0.3)])


def test_criteria(names):
    typed("6", names)
    scores, keep = (learns(sl.SparseMLP.create((64, 60, 10), seed=0), names["data"], rules=[rule]) for rule in names["rules"])
    assert scores[-1].pruned[0] == int(0.3 * scores[0].nnz[0])
    for records in (scores, keep):
        assert records[-1].nnz == records[0].nnz
        assert records[-1].pruned[0] > 0


def test_regrowth(names):
    typed("7", names)
    model = sl.SparseMLP.create((64, 100, 60, 10), density=0.1, seed=0)
    records = learns(model, names["data"], rules=[names["rule"]])
    assert records[-1].nnz == records[0].nnz
    assert records[-1].grown[0] == records[-1].pruned[0] > 0
    start = sl.Topology.from_links(50, 50, np.arange(50), np.r_[np.zeros(25, int), np.arange(25)])
    rows, columns = names["preferential"](None, start, 40, None, np.random.default_rng(0))
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 40
    assert (columns == 0).sum() >= 5  # input 0 has 26 of the 50 links there are; of free places it has 1 in 100


def test_set_with_one_function_replaced(names):
    typed("8", names)
    rule = names["rule"]
    assert rule.criterion is sl.SET(0.3).criterion
    grown = []

    def watched(layer, topology, n_new, evidence, rng):
        rows, columns = rule.regrowth(layer, topology, n_new, evidence, rng)
        free = np.ones(topology.shape, bool)
        free[topology.rows, topology.indices] = False
        size = np.abs(evidence.of(layer).gradient_at(*np.nonzero(free)))
        grown.append((np.abs(evidence.of(layer).gradient_at(rows, columns)).min(), np.quantile(size, 0.5)))
        return rows, columns

    records = learns(names["model"], names["data"], rules=[sl.SET(0.3, regrowth=watched)])
    assert records[-1].nnz == records[0].nnz
    assert grown
    assert all(least > median for least, median in grown)


def test_rule(names):
    typed("9", names)
    model = sl.SparseMLP.create((64, 60, 60, 10), seed=0)
    records = learns(model, names["data"], rules=[names["halve"]])
    for after, before in zip(records[-1].nnz, records[0].nnz, strict=True):
        assert before / 2 <= after <= before / 2 + 2


def test_rule_that_takes_neurons_away(names):
    typed("10", names)
    model = sl.SparseMLP.create((64, 60, 40, 10), seed=0)
    records = learns(model, names["data"], rules=[names["lesion"], sl.SET(0.3)])
    assert model.sizes == (64, 60 - 3 - 2, 40 - 2 - 1, 10)
    assert [len(model.neurons.ids(level)) for level in range(4)] == list(model.sizes)
    assert [r.neurons_pruned for r in records] == [(0, 0), (3, 2), (2, 1)]


def test_importance(names):
    typed("11", names)
    model = names["model"]
    first, second = model.layers
    strength = np.sqrt(np.abs(first.to_scipy()).sum(axis=1) * np.abs(second.to_scipy()).sum(axis=0))
    sl.evolution.apply(names["rule"](1, model, None, None, None), model, None, np.random.default_rng(0))
    assert model.neurons.ids(1).tolist() == sorted(np.argsort(strength, kind="stable")[30:].tolist())
    learns(sl.SparseMLP.create((64, 60, 10), seed=0), names["data"], rules=[names["rule"]])


def count_signs(epoch, model, state, evidence, rng, found):
    found.append([int((sign * model.layers[0].w > 0).sum()) for sign in (1, -1)])
    return [None] * len(model.layers)


def test_zeta_schedules(names):
    typed("12", names)
    wanted = {
        "along": [1e-6 + (0.3 - 1e-6) * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in (1, 2)],
        "until": [0.3, 0.0],
        "own": [0.3, 0.15],
    }
    for name, shares in wanted.items():
        model = sl.SparseMLP.create((64, 60, 10), seed=0)
        positive = []
        records = learns(model, names["data"], rules=[partial(count_signs, found=positive), names[name]])
        links = records[0].nnz[0]
        cut = []
        for share, signs in zip(shares, positive, strict=True):
            zeros = links - sum(signs)  # links of pixels that are always black: they go first
            rest = max(0, share * links - zeros) / (links - zeros)
            cut.append(min(zeros, int(share * links)) + sum(int(rest * n) for n in signs))
        assert [record.grown[0] for record in records] == [0, *cut]


def test_initial_topology(names):
    typed("13", names)
    model = names["model"]
    for layer in model.layers[:2]:
        rows, columns = layer.topology.rows, layer.topology.indices
        away = (columns - rows * layer.topology.n_in // layer.topology.n_out) % layer.topology.n_in
        assert (layer.topology.fan_in == 9).all()
        assert away.max() == 8
    learns(model, names["data"], rules=[sl.SET(0.3)])


def test_figure(names, tmp_path):
    typed("14", names)
    figure = names["figure"]
    frame = sl.figures.to_frame(figure)
    assert frame.epoch.tolist() == [1, 2, 3]
    assert (frame.time > 0).all()
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), frame.time)
    assert all(path.stat().st_size > 500 or path.suffix == ".csv" for path in sl.figures.save_figure(figure, tmp_path / "cost"))


def test_dataset(names):
    eval(INLINE["15"], names)
    try:
        learns(names["model"], sl.datasets.load("mine"))
    finally:
        sl.datasets._registered.pop("mine")


def test_timing_and_memory(names):
    typed("16", names)
    state = sl.TrainingState.start(names["model"], sl.MomentumSGD(), 0)
    records = list(sl.train(names["model"], names["data"], rules=[names["MoreAndMore"]()], epochs=8, batch_size=32, state=state))
    assert state.memory == [{"events": 1}]  # 8 batches an epoch, events before epoch 3
    assert [sum(r.pruned) > 0 for r in records] == [False, False, True] + [False] * 5
    assert [r.n_samples for r in records] == [256, 256, 224] + [256] * 5


def test_numbers_of_links(names):
    typed("17", names)
    before = names["model"].density
    records = learns(names["model"], names["data"], rules=[names["rule"]])
    density = names["model"].density
    assert before > density
    np.testing.assert_allclose(density, 0.2 / (1 + 2 / 4), rtol=0.01)
    assert sum(records[-1].grown) > 0


def test_decision_over_all_layers(names):
    typed("18", names)
    model = sl.SparseMLP.create((64, 60, 60, 10), epsilon=3, seed=0)
    model.layers[1].w[:] *= 100
    links = model.n_links
    records = list(sl.train(model, names["data"], rules=[names["SharedOut"](0.3)], epochs=2, seed=0))
    assert model.n_links == links
    assert records[1].grown[0] < records[1].pruned[0] and records[1].grown[1] > records[1].pruned[1]  # noqa: PT018


def test_activation_with_trained_values(names):
    typed("19", names)
    model = names["model"]
    start = model.layers[0].values.copy()
    assert start.shape == (2, 100)
    learns(model, names["data"], rules=[sl.SET(0.3), sl.ImportancePruning(0.1, start=1)])
    kept = model.neurons.ids(1)
    assert len(kept) < 100
    assert model.layers[0].values.shape == (2, len(kept))
    assert (np.abs(model.layers[0].values - start[:, kept]).max(axis=1) > 1e-4).all()


RUN = set(re.findall(r"(?:typed\(|INLINE\[)\"(\d+)\"", Path(__file__).read_text()))
