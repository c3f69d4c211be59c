"""A history in a file's header comes back unchanged or raises an error: every value read from a file is checked."""

import json

import models
import pytest

import sparselab as sl
from sparselab.checkpoints.records import COLUMNS, EpochRecord, History, StepRecord


@pytest.fixture(scope="module")
def history():
    """Three epochs, the second without test scores."""
    options = {"rules": [sl.SET(0.3)], "epochs": 3, "batch_size": 32, "seed": 5, "evaluate_every": 2}
    return History(sl.train(models.net(), models.dataset(), **options))


def test_a_table_comes_back(history):
    again = History.from_table(json.loads(json.dumps(history.to_table())))
    assert again == history
    assert again.to_table() == history.to_table()
    assert again["seconds"] == history["seconds"]
    assert again["test_loss"][0] is None
    assert isinstance(again, History)
    assert all(isinstance(record, EpochRecord) for record in again)


def test_an_empty_history_comes_back():
    assert History.from_table(History().to_table()) == []


def test_the_order_of_columns_does_not_matter(history):
    table = history.to_table()
    turned = {"columns": table["columns"][::-1], "rows": [row[::-1] for row in table["rows"]]}
    assert History.from_table(turned) == history


def test_without_degrees(history):
    assert history[0].fan_in
    bare = history[0].without_degrees()
    assert (bare.fan_in, bare.fan_out) == ((), ())
    assert bare == history[0]


BAD = [
    ("epoch", -1), ("epoch", 1.0), ("epoch", True), ("epoch", None), ("n_samples", "3"), ("phase", "<script>"), ("phase", ""),
    ("phase", 3), ("phase", None), ("train_loss", "0.5"), ("train_loss", None), ("train_loss", True), ("train_loss", [1]),
    ("test_loss", "x"), ("nnz", 3), ("nnz", None), ("nnz", "12"), ("nnz", [1.5]), ("nnz", [-1]), ("grown", [True]),
    ("seconds", None), ("seconds", {}), ("learning_rate", "fast"),
]  # fmt: skip


@pytest.mark.parametrize("name, value", BAD, ids=lambda value: repr(value))
def test_a_bad_value_is_named_with_its_place(history, name, value):
    table = history.to_table()
    table["rows"][1][COLUMNS.index(name)] = value
    with pytest.raises((TypeError, ValueError), match=f"{name} of record 1"):
        History.from_table(table)


def test_bad_tables(history):
    table = history.to_table()
    for change in (
        {"columns": table["columns"][:-1]},
        {"columns": [*table["columns"], "fan_in"]},
        {"rows": [row[:-1] for row in table["rows"]]},
        {"rows": [[*row, 1] for row in table["rows"]]},
        {"rows": 3},
    ):
        with pytest.raises((TypeError, ValueError)):
            History.from_table(table | change)


def test_step_records_are_not_part_of_it():
    assert "step" not in COLUMNS
    assert StepRecord(1, 0, 1, 32, 0.5, None, 0.1, 2.0) == StepRecord(1, 0, 1, 32, 0.5, None, 0.1, 3.0)
