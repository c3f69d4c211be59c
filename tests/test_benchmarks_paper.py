"""benchmarks.paper on tiny settings: configs, splits, rows and tables, and its own computations against slow ones."""

import json
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
import scipy.sparse
from browsing import until
from stress import parallel
from stress.processes import ROOT

import sparselab as sl
from benchmarks import kept, markers, tables, views
from benchmarks.paper import __main__ as command
from benchmarks.paper import anchors, challenge, claims, data, extreme, features, figures, methods, plan, runs
from benchmarks.paper.runs import Run
from sparselab.training.loop import predict


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty folder of results."""
    monkeypatch.setenv("SPARSELAB_RESULTS", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def digits():
    return data.load("digits").head(300, 100)


def row(run, **changes):
    """A kept row of a run that never was."""
    made = {
        "table": run.table, "dataset": run.dataset, "method": run.method, "seed": run.seed, "epochs": run.epochs,
        "accuracy_last": 70.0 + run.seed, "accuracy_validation": 71.0 + run.seed if run.held_out else None,
        "accuracy_best": 72.0 + run.seed, "links": 1000, "seconds": 60.0, "cpu_seconds": 120.0, "seconds_training": 60.0,
        "seconds_epoch": 0.1, "peak_bytes": 2**20, "threads": 1, "gradient_flow": {str(n): 1.0 / n for n in range(1, 11)},
        "pruned_after": {str(p): (60.0, 900) for p in anchors.PERCENTILES},
    }  # fmt: skip
    return made | changes


def keep(*some, **changes):
    for run in some:
        command.book(run.table).row(run.settings, lambda run=run: row(run, **changes))


# settings


def test_the_settings_are_the_papers():
    madelon = Run("table2", "madelon", "All-ReLU, links", 3, 500).config
    assert (madelon.hidden, madelon.epsilon, madelon.alpha, madelon.batch_size) == ((400, 100, 400), 10, 0.5, 32)
    assert (madelon.dropout, madelon.zeta, madelon.momentum, madelon.learning_rate) == (0.3, 0.3, 0.9, 0.01)
    assert (madelon.pruning, madelon.pruning_start, madelon.pruning_every, madelon.seed) == ("links", 200, 10, 3)
    assert Run("table2", "tumor11", "ReLU", 0, 500).config.hidden == (27500, 27500)


def test_a_name_says_what_a_method_changes():
    config = lambda name: methods.config_of("digits", name, 0, 10)
    assert config("SReLU, shrink").pruning == "shrink"
    assert config("SReLU, shrink").activation == "srelu"
    assert (config("WASSP, links").workers, config("WASSP, links").synchronous) == (2, True)
    assert (config("WASAP, 1 worker, links").workers, config("WASAP, 1 worker, links").pruning) == (1, "links")
    assert config("sequential, 2 threads") == config("All-ReLU")
    assert (config("α, 0").activation, config("α, 0.75").alpha) == ("relu", 0.75)
    assert (config("dense, ReLU").density, config("dense, ReLU").rule) == (1, "static")
    with pytest.raises(KeyError):
        config("tanh")


def test_every_planned_run_has_settings_of_its_own():
    planned = plan.planned()
    assert len({kept.key_of(run.settings) for run in planned}) == len(planned) == len(set(planned))
    assert {run.table for run in planned} == {"table2", "table3", "table4", "table6"}


def test_what_costs_the_same_is_timed_once():
    key = lambda *run: plan.key_of_time(Run("table2", "madelon", *run))
    assert key("leaky ReLU, links", 0, 5) == key("α, 0.5", 3, 9) == key("sequential", 0, 1, 0.0, 1) == ("madelon", "All-ReLU", 1)
    assert key("sequential, 2 threads, links", 0, 5, 0.0, 2) == ("madelon", "All-ReLU", 2)
    assert key("dense, All-ReLU", 0, 5)[1] == "dense, ReLU"
    assert key("WASAP, 1 worker, links", 0, 5)[1] == "WASAP, 1 worker"


def test_a_part_of_a_plan_can_be_chosen():
    chosen = plan.planned("table2", ["madelon"], seeds=1, epochs=3)
    assert {(run.dataset, run.seed, run.epochs) for run in chosen} == {("madelon", 0, 3)}
    assert all(run in plan.planned("table2") for run in plan.planned("table7"))


# data


def test_the_rows_held_out_are_of_the_training_rows(digits):
    part, X, y = data.held_out(digits, 0.1, seed=1)
    rows = lambda X: set(map(bytes, np.ascontiguousarray(X)))
    assert (part.n_train, len(X), len(y)) == (270, 30, 30)
    assert not rows(part.X_train) & rows(X)
    assert rows(part.X_train) | rows(X) == rows(digits.X_train)
    assert np.array_equal(part.X_test, digits.X_test)
    assert data.held_out(digits, 0.0, seed=1) == (digits, None, None)
    assert data.digest(part) != data.digest(digits) == data.digest(data.load("digits").head(300, 100))


def test_the_three_forms_of_a_file(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x, y, train, test = rng.integers(0, 9, (20, 4)), np.arange(20) % 2, np.arange(0, 20, 2), np.arange(1, 20, 2)
    y[[0, 1]] = y[[1, 0]]
    csr = scipy.sparse.csr_array(x)
    sparse = {"x_data": csr.data, "x_indices": csr.indices, "x_indptr": csr.indptr, "x_shape": csr.shape}
    split = {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}
    rows = {"y": y, "train": train, "test": test}
    for name, arrays in (("usps", split), ("isolet", rows | {"x": x}), ("pcmac", rows | sparse)):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    for name in ("usps", "isolet", "pcmac"):
        found = data.load(name, standardise=False)
        X = found.X_test.toarray() if found.is_sparse else found.X_test
        assert np.array_equal(X, x[test]), name
        assert np.array_equal(found.decode(found.y_train), y[train])
    monkeypatch.setenv(data.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="--npz"):
        data.load("usps")


# runs


def test_a_run_measures_three_accuracies(digits):
    digits = digits.with_class_names(list("jihgfedcba"))
    found = Run("table2", "digits", "All-ReLU", 0, 3, 0.1).measured(1, digits)
    again = Run("table2", "digits", "All-ReLU", 0, 3, 0.1).measured(2, digits)
    assert {
        "accuracy_last",
        "accuracy_validation",
        "accuracy_best",
        "links",
        "seconds",
        "cpu_seconds",
        "peak_bytes",
    } <= found.keys()
    assert found["accuracy_best"] == max(found["test_accuracies"]) >= found["accuracy_validation"]
    assert found["accuracy_last"] == found["test_accuracies"][-1]
    for name in ("test_accuracies", "accuracy_validation", "gradient_flow", "pruned_after", "data_sha256", "links"):
        assert found[name] == again[name], name
    assert list(found["gradient_flow"]) == ["1", "2", "3"]
    links = [n for _, n in found["pruned_after"].values()]
    assert found["links"] >= links[0] >= links[-1] > 0
    assert sorted(links, reverse=True) == links
    json.dumps(found)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_that_is_interrupted_goes_on_where_it_was(digits, tmp_path, monkeypatch, lost):
    """Interrupted after the fourth epoch, whose net is saved, before it is measured. lost: epochs before it that are missing."""
    run, evaluate, epochs = Run("table2", "digits", "All-ReLU, links", 0, 6, 0.1), sl.evaluate, []

    def interrupted(*arguments, **options):
        epochs.append(1)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        return evaluate(*arguments, **options)

    whole, folder = run.measured(1, digits), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(sl, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.measured(1, digits, folder)
    path = folder / runs.EPOCHS
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    path.write_text("".join(lines[: 3 - lost]))
    found = run.measured(1, digits, folder)
    assert found.get("resumed_after") == (None if lost else 3)
    for name in ("test_accuracies", "accuracy_validation", "accuracy_best", "gradient_flow", "links"):
        assert found[name] == whole[name], name
    assert all(found[name] > 0 for name in ("seconds", "cpu_seconds", "seconds_training", "cpu_seconds_epoch"))


def test_all_rows_have_no_accuracy_by_validation(digits):
    found = Run("table6", "digits", "α, 0.5", 0, 2).measured(1, digits)
    assert (found["accuracy_validation"], found["train_rows"]) == (None, 300)
    assert "gradient_flow" not in found


def test_a_run_that_diverges_says_so(digits, monkeypatch):
    config = methods.config_of("digits", "ReLU", 0, 3).replace(activation="identity", learning_rate=10.0)
    monkeypatch.setattr(Run, "config", config)
    found = Run("table6", "digits", "α, 0", 0, 3).measured(1, digits)
    assert found["note"].startswith("diverged")
    assert found["accuracy_last"] is None


def test_pruning_after_training_cuts_the_least_important_neurons(digits):
    model = sl.build(methods.config_of("digits", "ReLU", 0, 1), data=digits).model
    _, links = runs.pruned(model, digits, 20)
    expected = model.layers[-1].topology.nnz
    for layer in model.layers[:-1]:
        strength = np.array(abs(layer.to_scipy()).sum(axis=1)).ravel()
        expected += int(layer.topology.fan_in[strength > np.percentile(strength, 20)].sum())
    assert links == expected


@pytest.mark.slow
def test_a_cell_of_table_2_comes_out_again_to_the_last_digit():
    """One epoch of All-ReLU on FashionMNIST: with any number of threads, and as in the kept rows of a machine like this one."""
    try:
        loaded = data.load("fashion_mnist")
    except sl.datasets.DownloadError:
        pytest.skip("FashionMNIST is not here")
    one, two = (Run("table2", "fashion_mnist", "All-ReLU", 0, 1).measured(threads, loaded) for threads in (1, 2))
    assert one["accuracy_last"] == two["accuracy_last"] > 60
    cpu = kept.stamped("", [{}])[0]["machine"]["cpu"]
    for row in command.book("table2").rows.values():
        wanted = (row["dataset"], row["method"], row["seed"], row["settings"]["held_out"], row["machine"]["cpu"])
        if wanted == ("fashion_mnist", "All-ReLU", 0, 0.0, cpu) and row["data_sha256"] == one["data_sha256"]:
            assert row["test_accuracies"][0] == one["test_accuracies"][0]


# tables


def test_tables_stand_beside_the_paper(results):
    keep(*(Run("table2", "madelon", name, seed, 500, share)
           for name in ("All-ReLU", "All-ReLU, links") for seed in (0, 1) for share in (0.0, 0.1)))  # fmt: skip
    keep(Run("table2", "madelon", "All-ReLU", 2, 3), accuracy_best=99.0)  # a trial of three epochs is not shown
    found = {(line["data"], line["method"]): line for line in views.rows("paper: table2")}
    line = found["Madelon", "All-ReLU"]
    assert (line["n"], line["last"], line["bias"]) == ("2, 2", "70.50 ± 0.71", "1.00 ± 0.00")
    assert (line["best, all rows"], line["paper"], line["difference"]) == ("72.50 ± 0.71", 71.33, "1.17 ± 0.71")
    assert (line["minutes"], line["ratio"]) == (2.0, 1.8)
    assert found["Madelon", "SReLU"]["last"] == "not run"
    answers = [line["answer"] for line in views.rows("paper: claims")]
    assert len(answers) == len(claims.CLAIMS) == 9
    assert answers[0] == "All-ReLU, links on Madelon: 72.50 ± 0.71 (2 seeds), the paper 77.00"
    assert "benchmarks.paper table3" in answers[5]
    pruned = next(line for line in views.rows("paper: table7") if line["data"] == "Madelon")
    assert (pruned["points"], pruned["gone"], pruned["paper"]) == ("-10.50 ± 0.71", pytest.approx(10), 0.0)
    assert "Madelon" in markers.call('table("paper: table2")', tables.FUNCTIONS)


def test_ways_are_compared_with_one_thread(results):
    keep(Run("table3", "fashion_mnist", "sequential", 0, 500, 0.0, 1), seconds_training=600.0)
    keep(Run("table3", "fashion_mnist", "WASAP", 0, 500), seconds_training=400.0)
    line = next(line for line in views.rows("paper: table3") if line["way"] == "WASAP" and line["minutes"])
    assert (line["speed-up"], line["paper's speed-up"]) == (pytest.approx(1.5), pytest.approx(137.5 / 87.3))
    assert "FashionMNIST: 1.50" not in claims.speeds(), "two threads are missing"
    keep(Run("table3", "fashion_mnist", "sequential, 2 threads", 0, 500, 0.0, 2), seconds_training=500.0)
    assert claims.speeds() == "FashionMNIST: 1.50 against one thread, 1.25 against two"


def test_the_figure_of_gradient_flow_has_its_numbers(results):
    assert figures.gradient_flow() is None
    keep(*(Run("table2", "madelon", name, seed, 500) for name in ("ReLU", "All-ReLU") for seed in (0, 1)))
    assert len(sl.figures.to_frame(figures.gradient_flow())) == 20
    assert views.rows("paper: figure5")[0]["ReLU, first"] > views.rows("paper: figure5")[0]["ReLU, last"]


def test_the_plan_knows_what_is_left_and_how_long_it_takes(results, capsys):
    arguments = ["table2", "--dataset", "madelon", "--seeds", "1", "--method", "ReLU", "--plan", "--jobs", "1"]
    command.main(arguments)
    assert "2 of them were not timed" in capsys.readouterr().out
    seconds = {"seconds_epoch": 9.0, "cpu_seconds_epoch": 7.2}
    kept.append(
        results / "paper_times.jsonl", "paper_times", [{"dataset": "madelon", "method": "All-ReLU", "threads": 1, **seconds}]
    )
    keep(Run("table2", "madelon", "ReLU", 0, 500, 0.1))
    command.main(arguments)
    assert "1 runs left: about 1.0 hours" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="tanh"):
        command.main(["table2", "--method", "tanh"])


@pytest.mark.slow
def test_runs_go_on_where_they_were_stopped(results, capsys):
    arguments = ["table6", "--dataset", "digits", "--seeds", "1", "--epochs", "1", "--method", "α, 0.5", "--jobs", "1"]
    assert command.main(arguments) == 0
    before = (results / "paper.jsonl").read_text()
    assert len(before.splitlines()) == 1
    assert command.main(arguments) == 0
    assert (results / "paper.jsonl").read_text() == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_no_run_goes_on_without_the_command(results, number):
    arguments = ["table6", "--dataset", "digits", "--seeds", "1", "--epochs", "100000", "--method", "α, 0.5", "α, 0.6"]
    command = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.paper", *arguments, "--jobs", "2"], cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        until(lambda: len(list(results.glob("unfinished/*/epochs.jsonl"))) == 2, "the first epochs of two runs", 60)
        runs = parallel.workers(parallel.family(command.pid))
        command.send_signal(number)
        assert command.wait(20) != 0
        assert psutil.wait_procs(runs, timeout=20)[1] == []
        assert not (results / "paper.jsonl").exists()
    finally:
        command.kill()
        command.communicate()


@pytest.mark.slow
def test_a_run_that_fails_does_not_end_the_others(results, capsys, monkeypatch):
    monkeypatch.setenv(data.VARIABLE, str(results / "none"))
    assert command.main(["table2", "--dataset", "mll", "--seeds", "1", "--method", "ReLU", "--jobs", "1"]) == 1
    assert capsys.readouterr().out.count("FileNotFoundError") == 2


# tables of others


def test_categories_are_those_of_a_loop_in_float64():
    rng = np.random.default_rng(0)
    n, k, weight, bias = 64, 8, np.float32(1 / 4), np.float32(-0.3)
    outputs = [np.stack([rng.permutation(n)[:k] for _ in range(n)]) for _ in range(20)]
    layers = [sl.Topology.from_links(n, n, some.ravel(), np.repeat(np.arange(n), k)) for some in outputs]
    X = (rng.random((200, n)) < rng.uniform(0.05, 0.3, (200, 1))).astype(np.float32)
    Y = X.astype(np.float64)
    for some in outputs:
        Z = np.full((200, n), float(bias))
        for i in range(n):
            Z[:, some[i]] += float(weight) * Y[:, [i]]
        Y = np.minimum(np.maximum(Z, 0), 32)
    wanted = Y.any(axis=1)
    assert 20 < wanted.sum() < 180
    for found in (
        challenge.alive(X, layers, weight, bias), challenge.alive(X, layers, weight, bias, threads=2, drop=False),
        challenge.reference(X, layers, weight, bias),
    ):  # fmt: skip
        assert np.array_equal(found, wanted)


def test_attributions_are_finite_differences():
    rng = np.random.default_rng(0)
    X, h = rng.standard_normal((5, 6)), 1e-6
    model = sl.SparseMLP.create((6, 12, 8, 3), density=0.5, activation="relu", seed=0, dtype=np.float64)
    wanted = np.zeros(6)
    for i in range(6):
        step = h * np.eye(6)[i]
        slope = (predict(model, X + step) - predict(model, X - step)) / (2 * h)
        wanted[i] = np.abs(slope).sum(axis=1).mean()
    assert features.attributions(model, X, np.zeros(5, np.int64)) == pytest.approx(wanted, rel=1e-6)


def test_sets_that_the_papers_mixed_are_split_anew(monkeypatch):
    X = np.arange(40.0, dtype=np.float32).reshape(20, 2)
    official = sl.datasets.Dataset.from_arrays(X[:10], 1 + X[:10, 0] % 4, X[10:], 1 + X[10:, 0] % 4, standardise=False)
    monkeypatch.setattr(features.data, "load", lambda name, standardise: official)
    assert features.load("madelon") is official
    mixed = features.load("usps")
    assert (mixed.n_train, mixed.n_test) == (16, 4)
    rows, labels = (np.concatenate(parts) for parts in ((mixed.X_train, mixed.X_test), (mixed.y_train, mixed.y_test)))
    np.testing.assert_array_equal(np.sort(rows[:, 0]), X[:, 0])
    np.testing.assert_array_equal(mixed.decode(labels), 1 + rows[:, 0] % 4)


def test_the_features_of_the_signal_are_selected():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 10)), np.arange(300) % 2
    X[:, [2, 7]] += 3 * y[:, None]
    for score in features.METHODS.values():
        assert set(np.argsort(-score(X, y, 0, 1))[:2]) == {2, 7}
    found = sl.datasets.Dataset.from_arrays(X[:200], y[:200], X[200:], y[200:])
    assert features.svm(found, np.array([2, 7])) > 90 > features.svm(found, np.array([0, 1]))


def test_a_very_large_net_is_measured_by_phases(tmp_path):
    path = tmp_path / "made.npy"
    extreme.make_data(path, 300, 100, 128)
    loaded = extreme.load(path, 300)
    assert np.allclose(loaded.X_train.mean(axis=0), 0, atol=0.2)
    whole = extreme.trained(loaded, 2, 500, 5, 10, 1)
    assert (whole["steps"], whole["steps of an epoch"], whole["neurons"]) == (3, 3, 1000)
    part = extreme.trained(loaded, 2, 500, 5, 0, 1, extreme.WAYS[1])
    assert (part["steps"], part["steps of an epoch"], part["learning rate"]) == (1, 3, 0.005)
    assert abs(part["first losses"] - np.log(2)) < 1e-6  # the outputs begin at 0
    assert all(part[name] > 0 for name in ("init s", "epoch s", "test s", "evolve s"))


def test_core_minutes_of_very_large_nets(results):
    spent = {"epoch s": 60.0, "test s": 30.0, "evolve s": 30.0, "threads": 2, "peak_bytes": 2**30, "steps": 5, "accuracy %": 60.0}
    settings = extreme.DATA | {"net": "1 M", "method": "All-ReLU"}
    kept.Kept("paper: table5").row(settings, lambda: spent)
    kept.Kept("paper: table5").row(settings | {"net": "5 M", "features": 256}, lambda: spent)
    first, *others = views.rows("paper: table5")
    assert (first["core-minutes"], first["paper's core-minutes"], first["ratio"]) == (4.0, 152.0, 38.0)
    assert len(others) == 9
    assert claims.largest() == "1 M, All-ReLU: 60.0 after 5 steps"


def test_the_nearer_of_two_means_names_rows_of_two_clouds():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=900)
    X = rng.normal(size=(900, 20)).astype(np.float32) + np.outer(2.0 * y - 1, np.ones(20)).astype(np.float32)
    of = lambda X: extreme.nearest_mean(sl.datasets.Dataset.from_arrays(X[:600], y[:600], X[600:], y[600:]))
    assert of(X) == 1.0
    assert 0.4 < of(rng.normal(size=X.shape).astype(np.float32)) < 0.6
