"""The examples of CONTRIBUTING.md, taken from its text and run: what a researcher types must work."""

import re
from pathlib import Path

import numpy as np
import pytest

import sparselab as sl
from sparselab.optimizers import LayerState

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^(\d)\. [^\n]*\n```python\n(.*?)```", TEXT, re.S | re.M)
INLINE = dict(re.findall(r"^(\d)\. [^`\n]*`([^`\n]+)`$", TEXT, re.M))


@pytest.fixture
def names():
    data = sl.datasets.load("digits").head(256, 100)
    model = sl.SparseMLP.create((64, 60, 10), seed=0)
    X, y, X_test, y_test = data.X_train, data.y_train, data.X_test, data.y_test
    return {"np": np, "sl": sl, "LayerState": LayerState, "data": data, "model": model} | {
        "X": X, "y": y, "X_test": X_test, "y_test": y_test,
    }  # fmt: skip


def typed(number, names):
    """Run example `number` as if it were typed in a cell."""
    exec(dict(BLOCKS)[number], names)
    return names


def learns(model, data, **options):
    records = list(sl.train(model, data, epochs=3, batch_size=32, seed=0, **options))
    assert np.isfinite(records[-1].train_loss)
    assert records[-1].train_loss < records[0].train_loss
    return records


def test_every_row_of_the_table_has_an_example():
    rows = re.findall(r"^\| .* \| (\d) \|$", TEXT, re.M)
    assert sorted(rows) == sorted([number for number, _ in BLOCKS] + list(INLINE)) == list("12345678")


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


def test_criterion(names):
    records = learns(names["model"], names["data"], rules=[eval(INLINE["6"], names)])
    assert records[-1].nnz == records[0].nnz
    assert records[-1].pruned[0] > 0


def test_rule(names):
    typed("7", names)
    model = sl.SparseMLP.create((64, 60, 60, 10), seed=0)
    records = learns(model, names["data"], rules=[names["shrink"]])
    for after, before in zip(records[-1].nnz[:2], records[0].nnz[:2], strict=True):
        assert after == before - int(0.05 * before) - int(0.05 * (before - int(0.05 * before)))
    assert records[-1].nnz[2] == records[0].nnz[2]


def test_dataset(names):
    eval(INLINE["8"], names)
    try:
        learns(names["model"], sl.datasets.load("mine"))
    finally:
        sl.datasets._registered.pop("mine")
