"""benchmarks.both_ends on small data: its measures, what it holds out, and what it keeps."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score

from benchmarks import both_ends
from benchmarks.kept import Kept

JOBS = {job.name: job for job in both_ends.JOBS}


@pytest.fixture
def rng():
    return np.random.default_rng(3)


class Fixed:
    """A model with given scores or predictions."""

    def __init__(self, values):
        self.values = values

    def predict(self, X):
        return self.values

    predict_proba = predict


def test_precision_counts_the_best_labels(rng):
    scores, Y = rng.random((40, 9)), sparse.csr_array(rng.random((40, 9)) < 0.3)
    truth = Y.toarray()
    for k, found in zip((1, 3, 5), both_ends.precision(Fixed(scores), None, Y), strict=True):
        best = [sorted(range(9), key=lambda j, row=row: -row[j])[:k] for row in scores]
        assert found == pytest.approx(100 * np.mean([truth[i, j] for i, row in enumerate(best) for j in row]))


def test_measures_of_one_label_and_of_numbers(rng):
    y, predicted = rng.choice([-1, 1], 50, p=[0.9, 0.1]), rng.choice([-1, 1], 50)
    assert both_ends.balanced(Fixed(predicted), None, y) == [pytest.approx(100 * balanced_accuracy_score(y, predicted))]
    assert both_ends.accuracy(Fixed(predicted), None, y) == [pytest.approx(100 * np.mean(y == predicted))]
    assert both_ends.rmse(Fixed(np.array([1.0, 3.0])), None, np.array([1.0, 1.0])) == [pytest.approx(2**0.5)]


def test_ridge_is_that_of_scikit_learn(rng):
    X, Y = sparse.csr_array(rng.random((30, 5))), sparse.csr_array((rng.random((30, 3)) < 0.4).astype(np.uint8))
    with_ones = np.hstack([X.toarray(), np.ones((30, 1))])
    expected = Ridge(alpha=10.0, fit_intercept=False).fit(with_ones, Y.toarray()).predict(with_ones)
    np.testing.assert_allclose(both_ends.Ridge().fit(X, Y).predict_proba(X), expected)


def test_one_vs_rest_knows_labels_that_nobody_or_everybody_has(rng):
    X = sparse.csr_array(rng.random((20, 4)))
    Y = np.zeros((20, 3), np.uint8)
    Y[:, 1], Y[:, 2] = 1, X.toarray()[:, 0] > 0.5
    scores = both_ends.OneVsRest().fit(X, sparse.csr_array(Y)).predict_proba(X)
    assert (scores[:, :2] == [0, 1]).all()
    assert scores[Y[:, 2] == 1, 2].mean() > scores[Y[:, 2] == 0, 2].mean()


def written(path, arrays):
    flat = {}
    for name, value in arrays.items():
        if sparse.issparse(value):
            parts = {"data": value.data, "indices": value.indices, "indptr": value.indptr, "shape": value.shape}
            flat |= {f"{name}_{part}": one for part, one in parts.items()}
        else:
            flat[name] = value
    np.savez(path, **flat)


@pytest.fixture
def folder(tmp_path, rng):
    """Small files like those of newsgroups20, bibtex and california; every row is another one."""
    counts = sparse.csr_array((rng.poisson(0.4, (60, 30)) + np.eye(60, 30)).astype(np.uint16))
    order = rng.permutation(60)
    written(tmp_path / "newsgroups20.npz", {
        "x": counts, "y": np.arange(60) % 3, "train": np.sort(order[:40]), "test": np.sort(order[40:]),
    })  # fmt: skip
    labels = sparse.csr_array((rng.random((60, 8)) < 0.3).astype(np.uint8))
    parts = {"x_train": counts[:40], "y_train": labels[:40], "x_test": counts[40:], "y_test": labels[40:]}
    written(tmp_path / "bibtex.npz", parts)
    X = rng.standard_normal((60, 8)).astype(np.float32)
    cuts = {"train": slice(40), "val": slice(40, 50), "test": slice(50, 60)}
    values = {f"x_{name}": X[cut] for name, cut in cuts.items()} | {f"y_{name}": X[cut, 0] for name, cut in cuts.items()}
    written(tmp_path / "california.npz", values)
    return tmp_path


def rows(X):
    return {row.tobytes() for row in (X.toarray() if sparse.issparse(X) else X)}


@pytest.mark.parametrize("name, sizes", [("newsgroups20", [(32, 8)]), ("bibtex", [(32, 8)]), ("california", [(40, 10)])])
def test_held_out_rows_are_no_test_rows(folder, name, sizes):
    arrays = both_ends.read(name, folder)
    X, _, X_test, _ = both_ends.four(arrays)
    parts = JOBS[name].held_out(arrays)
    assert [(first.shape[0], second.shape[0]) for first, _, second, _ in parts] == sizes
    for first, y, second, y_second in parts:
        assert (first.shape[0], second.shape[0]) == (y.shape[0], y_second.shape[0])
        assert len(rows(first) | rows(second)) == sum(sizes[0])
        assert not (rows(first) | rows(second)) & rows(X_test)
        assert rows(first) <= rows(X)


def test_four_stratified_parts_cover_the_training_rows(folder):
    arrays = both_ends.read("newsgroups20", folder)
    parts = replace(JOBS["newsgroups20"], parts=4).held_out(arrays)
    assert len(parts) == 4
    assert set.union(*(rows(second) for _, _, second, _ in parts)) == rows(both_ends.four(arrays)[0])
    assert all(np.bincount(y).min() >= 2 for _, _, _, y in parts)


def test_main_keeps_every_model_and_goes_on(folder, tmp_path, monkeypatch, capsys):
    small = {"hidden_layer_sizes": [6], "epochs": 2, "density": [0.5, 0.5]}
    jobs = [replace(JOBS[name], ours=JOBS[name].ours | small, tried=({}, {"epochs": 1})) for name in ("bibtex", "newsgroups20")]
    numbers = replace(JOBS["california"], ours=JOBS["california"].ours | small, tried=({},), tried_peers=({"batch_size": 20},))
    monkeypatch.setattr(both_ends, "JOBS", [*jobs, numbers])
    monkeypatch.setattr(both_ends, "EPOCHS", 2)
    given = ["--folder", str(folder), "--out", str(tmp_path / "rows.jsonl"), "--seeds", "2"]
    both_ends.main(given)
    first = (tmp_path / "rows.jsonl").read_text()
    both_ends.main(given)
    assert (tmp_path / "rows.jsonl").read_text() == first
    table = both_ends.rows_of(Kept("both_ends", tmp_path / "rows.jsonl"))
    assert [(row["data"], row["model"], row["n"]) for row in table] == [
        ("bibtex", "ours", 2), ("bibtex", "ridge, λ = 10", 1), ("bibtex", "one-vs-rest logistic regression", 1),
        ("newsgroups20", "ours", 2), ("newsgroups20", "logistic regression, C = 10", 1),
        ("california", "ours", 2), ("california", "MLPRegressor", 2), ("california", "MLPRegressor, batch 64", 2),
    ]  # fmt: skip
    assert table[0]["score"].count(" / ") == 2
    assert table[0]["output density %"] == pytest.approx(50, abs=15)
    both_ends.main([*given, "--choose"])
    tried = both_ends.rows_of(Kept("both_ends", tmp_path / "rows.jsonl"), "held out")
    assert [(row["data"], row["model"], row["changed"]) for row in tried] == [
        ("bibtex", "ours", ""), ("bibtex", "ours", "epochs=1"),
        ("newsgroups20", "ours", ""), ("newsgroups20", "ours", "epochs=1"),
        ("california", "ours", ""), ("california", "MLPRegressor", "batch_size=20"),
    ]  # fmt: skip
    assert "epochs=1" in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"bibtex\.npz"):
        both_ends.main(["--folder", str(tmp_path), "--data", "bibtex", "--out", str(tmp_path / "rows.jsonl")])
