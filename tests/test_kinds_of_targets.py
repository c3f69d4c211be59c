"""Configs, sweeps and the page for numbers to predict and for several labels: the loss, and what runs are compared by."""

import json

import matplotlib.text
import numpy as np
import pytest

import sparselab as sl
from sparselab import figures
from sparselab.datasets import Dataset, many_labels
from sparselab.experiments.config import FIELDS
from sparselab.widgets import TrainingPanel, Workbench
from sparselab.widgets.page.run_list import COLUMNS

SMALL = {"hidden": (20,), "epsilon": 8.0, "epochs": 3, "batch_size": 16, "threads": 1}
KINDS = {  # kind: losses that fit, losses that do not
    "numbers": (["mean_squared_error", "mean_absolute_error", "huber", "quantile"], ["softmax_cross_entropy", "squared_hinge"]),
    "labels": (["binary_cross_entropy", "squared_hinge"], ["softmax_cross_entropy", "mean_squared_error", "poisson"]),
    "classes": (["softmax_cross_entropy", "mean_squared_error"], ["huber", "poisson"]),
}


@pytest.fixture(scope="module")
def sets():
    """{kind: Dataset}."""
    X = np.random.default_rng(0).standard_normal((300, 6))
    y = np.column_stack([X[:, 0] + X[:, 1], X[:, 2] ** 2])
    numbers = Dataset.from_arrays(X[:240], y[:240], X[240:], y[240:], task="regression", name="two numbers")
    return {"numbers": numbers, "labels": many_labels(400, 40, 10, 2), "classes": sl.datasets.load("digits").head(200, 60)}


def words(figure):
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


@pytest.mark.parametrize("kind", KINDS)
def test_auto_is_the_usual_loss_and_others_train_with_theirs(sets, kind):
    first, *others = KINDS[kind][0]
    history = lambda loss: list(sl.build(sl.ExperimentConfig(**SMALL, loss=loss), data=sets[kind]).train())
    assert history("auto") == history(first)
    assert all(history(loss)[-1].test_loss != history("auto")[-1].test_loss for loss in others)
    record = history("auto")[-1]
    assert (record.test_r2 is None, record.test_accuracy is None) == ((False, True) if kind == "numbers" else (True, False))


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_that_does_not_fit_is_refused_before_anything_is_trained(sets, kind):
    for loss in KINDS[kind][1]:
        with pytest.raises(ValueError, match=f"^loss = '{loss}': must be auto or one of"):
            sl.build(sl.ExperimentConfig(**SMALL, loss=loss), data=sets[kind])
    with pytest.raises(ValueError, match="loss"):
        sl.ExperimentConfig(loss="absolute")


def test_configs_that_were_stored_without_a_loss_have_auto():
    assert sl.ExperimentConfig.stored({"epochs": 3}).loss == "auto"
    assert sl.ExperimentConfig.from_json(json.dumps({"hidden": [5]})).loss == "auto"
    assert list(FIELDS)[-1] == "loss"  # added at the end: positions of the others stay


def test_the_usual_loss_of_labels_is_the_same_everywhere(sets):
    data, named = sets["labels"], {"loss": "binary_cross_entropy"}
    net = lambda: sl.SparseMLP.create((40, 20, 10), density=0.3, seed=0)
    train = lambda model, **options: list(sl.train(model, data, epochs=2, seed=0, threads=1, **options))
    model = net()
    assert train(model) == train(net(), **named)
    assert sl.evaluate(model, data.X_test, data.y_test) == sl.evaluate(model, data.X_test, data.y_test, **named)
    norms = figures.gradient_norm_per_layer
    assert norms(model, data.X_train, data.y_train) == norms(model, data.X_train, data.y_train, **named)
    curve = sl.prune_curve(model, data, [0.0, 0.5], repeats=1, progress=False)
    assert curve["loss"][0] == pytest.approx(sl.evaluate(model, data.X_test, data.y_test).loss)
    parallel = lambda **options: list(sl.train_parallel(net(), data, n_jobs=1, epochs=2, seed=0, synchronous=True, **options))
    assert parallel()[-1].test_loss == parallel(**named)[-1].test_loss


def test_a_curve_is_pruned_with_the_loss_it_is_given(sets):
    data = sets["labels"]
    model = sl.SparseMLP.create((40, 20, 10), density=0.3, seed=0)
    table = sl.prune_curve(model, data, [0.0], repeats=1, progress=False, loss="squared_hinge")
    assert table["loss"][0] == pytest.approx(sl.evaluate(model, data.X_test, data.y_test, loss="squared_hinge").loss)


@pytest.mark.parametrize(
    ("kind", "label", "status"),
    [("numbers", "R² (of test samples)", "test R² "), ("classes", "accuracy (share correct)", "test accuracy "),
     ("labels", "accuracy (share with all labels right)", "all labels right in ")],
)  # fmt: skip
def test_curves_and_status_say_what_is_measured(sets, kind, label, status):
    panel = TrainingPanel(sl.ExperimentConfig(**SMALL), data=sets[kind])
    panel.run()
    assert status in panel.screen.status.value
    figure = panel.views["curves"].draw(panel.view_model)
    assert {label, "loss (mean over samples)"} <= words(figure)
    name = "test_r2" if kind == "numbers" else "test_accuracy"
    assert figures.to_frame(figure)[name].tolist() == pytest.approx(panel.current.history[name])
    for name, view in panel.views.items():
        figure = view.draw(panel.view_model)
        assert figure is None or figures.png_bytes(figure), name


@pytest.mark.parametrize(("kind", "score"), [("numbers", "r2"), ("labels", "accuracy"), ("classes", "accuracy")])
def test_sweeps_are_compared_by_the_score_of_their_data(sets, kind, score):
    found = sl.sweep({"SET": {}, "static": {"rule": "static"}}, data=sets[kind], progress=False, **SMALL)
    assert found.score == score
    assert found.table["score"].tolist() == [score] * 2
    assert found.table["mean"].tolist() == found.frame[score].tolist()


def test_a_sweep_that_failed_says_so_and_has_a_score(sets):
    found = sl.sweep({"a": {}}, data=sets["numbers"], progress=False, **SMALL | {"loss": "softmax_cross_entropy"})
    assert found.runs[0].error.startswith("ValueError: loss = 'softmax_cross_entropy'")
    assert found.score == "accuracy"


def test_a_table_with_a_number_to_predict_is_trained_on_the_page(tmp_path):
    random = np.random.default_rng(0)
    X = random.standard_normal((120, 3)).round(3)
    rows = "\n".join(",".join(map(str, [*x, round(float(x[0] - x[1]), 3)])) for x in X)
    (tmp_path / "prices.csv").write_text("a,b,c,price\n" + rows)
    page = Workbench(sl.ExperimentConfig(**SMALL, task="regression", learning_rate=0.005), folder=tmp_path / "runs")
    page.train.form.own.value = str(tmp_path / "prices.csv")
    page.train.form.controls["loss"].input.value = "softmax_cross_entropy"
    page.train.start()
    assert page.train.wait(60)
    assert "loss = " in page.train.screen.message.value
    assert "numbers to predict" in page.train.screen.message.value
    page.train.form.controls["loss"].input.value = "huber"
    page.train.run()
    assert "test R²" in page.train.screen.status.value
    page.stop()
    r2, names = page.train.current.history[-1].test_r2, {row.get("r2") for row in page.store.rows()}
    assert r2 in names
    assert COLUMNS["r2"][1](r2) == f"{r2:.3f}"


def test_several_columns_of_a_table_are_targets(tmp_path):
    table = np.random.default_rng(0).standard_normal((40, 5)).round(3)
    path = tmp_path / "two.csv"
    path.write_text("a,b,c,d,e\n" + "\n".join(",".join(map(str, row)) for row in table))
    read = lambda target, **options: Dataset.from_file(
        path, target=target, task="regression", test_fraction=0, standardise=False, **options
    )
    for target in (["d", "b"], [3, 1], ("d", -4)):
        data = read(target)
        np.testing.assert_allclose(data.X_train, table[:, [0, 2, 4]], rtol=1e-6)
        np.testing.assert_allclose(data.y_train, table[:, [3, 1]], rtol=1e-6)
    np.testing.assert_allclose(read(["a", "e"], columns=["c"]).X_train, table[:, [2]], rtol=1e-6)
    assert read(["d"]).y_train.shape == (40, 1)
    experiment = sl.build(sl.ExperimentConfig(dataset=str(path), target="d, b", task="regression", **SMALL))
    assert experiment.model.sizes == (3, 20, 2)
    assert list(experiment.train())[-1].test_r2 is not None
    for bad in (["d", "d"], [], ["d", "f"], list("abcde")):
        with pytest.raises(ValueError, match="target"):
            read(bad)
    with pytest.raises(ValueError, match="columns"):
        read(["a", "b"], columns=["b", "c"])
    with pytest.raises(ValueError, match="target"):
        sl.build(sl.ExperimentConfig(dataset=str(path), target="d, b", **SMALL))


def test_cells_of_all_targets_are_checked(tmp_path):
    path = tmp_path / "gap.csv"
    path.write_text("a,b,c\n1,2.5,3.5\n2,,4.5\n3,1.5,5.5\n4,2.5,1.5\n")
    with pytest.raises(ValueError, match="'b', line 3"):
        Dataset.from_file(path, target=["b", "c"], task="regression")
    found = Dataset.from_file(path, target=["c", "b"], task="regression", missing="drop", test_fraction=0)
    assert found.y_train.tolist() == [[3.5, 2.5], [5.5, 1.5], [1.5, 2.5]]
    path.write_text("a,b,c\n1,yes,3.5\n2,no,4.5\n3,no,5.5\n")
    for target in (["b", "c"], ["c", "b"]):
        with pytest.raises(ValueError, match="b"):
            Dataset.from_file(path, target=target, task="regression")
