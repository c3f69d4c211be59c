"""benchmarks.importance and benchmarks.questions on tiny settings: what is run, what is kept, and that the tables are right."""

import json
from dataclasses import asdict

import numpy as np
import pytest

import sparselab as sl
from benchmarks import importance, kept, questions
from benchmarks.kept import Kept, spread

TINY = {"dataset": "digits", "hidden": (40, 30), "epsilon": 6.0, "batch_size": 64, "fan": "links", "dropout": 0.0}
PRUNING = {"mode": "shrink", "amount": 0.5, "start": 1, "stop": 3, "every": 1} | importance.DEFAULTS


@pytest.fixture(scope="module")
def digits():
    return sl.datasets.load("digits").head(200, 100)


@pytest.fixture
def tiny(monkeypatch, digits):
    """Both benchmarks with one small job each."""
    monkeypatch.setattr(importance, "JOBS", {"higgs": TINY | {"epochs": 5}})
    monkeypatch.setattr(questions, "FIELDS", {"digits": TINY})
    monkeypatch.setattr(sl.datasets, "load", lambda name: digits)


def never(*args, **options):
    raise AssertionError("this was to come from the file")


# rows that are kept


def test_what_is_in_the_file_is_not_run_again(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    assert Kept("mine", path).row({"a": 1, "b": (2,)}, lambda: {"score": 0.5})["score"] == 0.5
    assert Kept("mine", path).row({"b": [2], "a": 1}, never)["score"] == 0.5
    assert Kept("mine", path).row({"a": 2, "b": [2]}, lambda: {"score": 7})["score"] == 7
    assert Kept("other", path).rows == {}


def test_a_kept_config_is_found_after_a_field_was_added(tmp_path):
    """Rows of before lack the field; it has its default, and what it was not set to is another row."""
    config = asdict(sl.ExperimentConfig(dataset="digits"))
    older = {name: value for name, value in config.items() if name not in ("optimizer", "clip_norm")}
    for wrap in (lambda settings: settings, lambda settings: {"part": "test", "config": settings}):
        path = tmp_path / f"{len(wrap(config))}.jsonl"
        Kept("mine", path).row(wrap(older), lambda: {"score": 1})
        assert Kept("mine", path).row(wrap(config), never)["score"] == 1
        assert Kept("mine", path).row(wrap(config | {"optimizer": "adam"}), lambda: {"score": 2})["score"] == 2
    assert len(path.read_text().splitlines()) == 2


def test_a_line_that_was_cut_off_is_run_again(tmp_path):
    path = tmp_path / "rows.jsonl"
    Kept("mine", path).row({"a": 1}, lambda: {"score": 1})
    whole = path.read_text()
    path.write_text(whole + whole.replace('"a": 1', '"a": 2')[:30])
    assert [row["settings"] for row in kept.read(path)] == [{"a": 1}]
    assert Kept("mine", path).row({"a": 2}, lambda: {"score": 3})["score"] == 3
    assert Kept("mine", path).row({"a": 2}, never)["score"] == 3, "the new row must not be lost behind the one cut off"


def test_nothing_is_kept_of_a_run_that_failed(tmp_path):
    mine = Kept("mine", tmp_path / "rows.jsonl")
    with pytest.raises(ZeroDivisionError):
        mine.row({"a": 1}, lambda: 1 / 0)
    assert mine.rows == {}
    assert mine.row({"a": 1}, lambda: {"score": 1})["score"] == 1


def test_spread_is_mean_and_sample_deviation():
    assert spread([1, 2, 6]) == "3.00 ± 2.65"
    assert spread([0.25], 1) == "0.2"


# importance


def test_shrinking_ends_with_the_widths_of_the_plan(digits):
    config = sl.ExperimentConfig(**TINY, epochs=5)
    found = importance.measured(config, PRUNING, digits, threads=1)
    plan = importance.rules_of(config, PRUNING)[0].plan(sl.build(config, data=digits).model, 5)
    assert found["widths"] == [64, *plan[-1][1], 10] == [64, 20, 15, 10]
    assert found["neurons"] == 35 < found["neurons before"] == 70
    assert 0 < found["links"] < found["links before"]
    assert found["source"] == digits.source


def test_set_alone_and_links_keep_the_widths(digits):
    config = sl.ExperimentConfig(**TINY, epochs=5)
    alone, links = (
        importance.measured(config, p, digits, threads=1) for p in (None, importance.DEFAULTS | importance.PAPER | {"start": 1})
    )
    assert alone["widths"] == links["widths"] == [64, 40, 30, 10]
    assert alone["links"] == alone["links before"] == links["links before"] > links["links"]


def test_accuracy_is_the_mean_of_the_last_epochs(digits, monkeypatch):
    config = sl.ExperimentConfig(**TINY, epochs=5)
    monkeypatch.setattr(importance, "LAST", 2)
    found = importance.measured(config, PRUNING, digits, threads=1)
    experiment = sl.build(config, data=digits)
    records = list(experiment.train(rules=importance.rules_of(config, PRUNING)))
    assert found["accuracy %"] == pytest.approx(50 * (records[-1].test_accuracy + records[-2].test_accuracy), abs=1e-9)
    assert importance.measured(config, None, digits, threads=1, evaluate_every=0)["accuracy %"] is None


@pytest.mark.parametrize("job", importance.TRIED)
def test_what_is_tried_and_chosen_can_be_made(job):
    config = sl.ExperimentConfig(**importance.JOBS[job])
    for part in ("validation", "test"):
        first, *others = importance.variants(job, part)
        assert importance.rules_of(config, first) == [sl.SET(config.zeta)]
        names = set(map(importance.name_of, others))
        assert len(names) == len(others), "a variant is there twice"
        for pruning in others:
            rules = importance.rules_of(config, pruning)
            assert [isinstance(rule, sl.SET) for rule in rules] == [pruning["after_set"], not pruning["after_set"]]
    chosen = importance.variants(job, "test")[1]
    assert chosen in importance.variants(job, "validation"), "what is measured must have been tried on the validation part"


def test_choosing_never_sees_a_test_row(tmp_path, tiny, digits, monkeypatch):
    seen = []
    monkeypatch.setattr(importance, "measured", lambda config, pruning, data, threads: seen.append(data) or {})
    for part in ("validation", "test"):
        importance.row_of(Kept("mine", tmp_path / "rows.jsonl"), "higgs", None, 0, digits, part=part)
    validation, test = seen
    rows = {row.tobytes() for row in digits.X_test} - {row.tobytes() for row in digits.X_train}
    assert rows
    assert not rows & {row.tobytes() for X in (validation.X_train, validation.X_test) for row in X}
    assert test is digits


def test_the_table_pairs_the_seeds():
    base = [{"accuracy %": a, "links": 100, "links before": 100, "neurons": 10, "neurons before": 10} for a in (80.0, 90.0)]
    rows = [
        {"accuracy %": a, "links": n, "links before": 100, "neurons": 5, "neurons before": 10} for a, n in ((79, 20), (90, 40))
    ]
    found = importance.line("higgs", "shrink", rows, base)
    assert (found["links"], found["links gone %"], found["neurons gone %"]) == ("30 ± 14", "70.0 ± 14.1", "50.0 ± 0.0")
    assert (found["accuracy %"], found["points"], found["n"]) == ("84.50 ± 7.78", "-0.50 ± 0.71", 2)
    assert importance.line("higgs", "SET alone", base, base)["points"] == ""


def test_a_run_that_was_stopped_goes_on(tmp_path, tiny, digits, monkeypatch):
    monkeypatch.setattr(importance, "variants", lambda job, part: [None, PRUNING])
    path = tmp_path / "rows.jsonl"
    first = importance.compare(Kept("importance", path), "higgs", "test", 1, digits, threads=1)
    both = importance.compare(Kept("importance", path), "higgs", "test", 2, digits, threads=1)
    monkeypatch.setattr(importance, "measured", never)
    assert importance.compare(Kept("importance", path), "higgs", "test", 2, digits) == both
    assert importance.compare(Kept("importance", path), "higgs", "test", 1, digits) == first
    assert [row["n"] for row in (*first, *both)] == [1, 1, 2, 2]
    assert len(path.read_text().splitlines()) == 4


def test_speed_is_measured_each_time(tmp_path, monkeypatch, digits):
    monkeypatch.setattr(importance, "JOBS", {"fashion_mnist": TINY | {"epochs": 5}})
    monkeypatch.setattr(importance, "variants", lambda job, part: [None, PRUNING])
    rows = [importance.speed(tmp_path / "rows.jsonl", digits, 1) for _ in range(2)]
    assert [row["seconds"] for row in kept.read(tmp_path / "rows.jsonl")] == [rows[1]["seconds"]], "the last one is kept"
    assert Kept("importance", tmp_path / "rows.jsonl").rows == {}
    for row in rows:
        assert row["times faster"] == row["first epochs"] / row["last epochs"] > 0


# Higgs' true rows


@pytest.fixture
def sample(tmp_path):
    """A folder with a file like higgs_sample.npz: 75 rows, every one different."""
    random = np.random.default_rng(0)
    X, y = random.standard_normal((75, 28)).astype(np.float32), (np.arange(75) % 3 == 0).astype(np.int8)
    np.savez(tmp_path / "higgs_sample.npz", x_train=X[:60], y_train=y[:60], x_test=X[60:], y_test=y[60:])
    return tmp_path


def test_higgs_is_cut_anew(sample, monkeypatch):
    data = importance.higgs(sample)
    assert (data.n_train, data.n_test, data.n_features, data.source) == (50, 25, 28, "stand-in")
    assert len({row.tobytes() for X in (data.X_train, data.X_test) for row in X}) == 75
    assert np.bincount(data.y_train).tolist() == [33, 17]
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-5)
    monkeypatch.setenv("SPARSELAB_DATA", str(sample))
    np.testing.assert_array_equal(importance.higgs().X_test, data.X_test)


def test_higgs_without_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"higgs_sample\.npz"):
        importance.higgs(tmp_path)


# questions


@pytest.mark.parametrize("question", questions.QUESTIONS)
@pytest.mark.parametrize("field", list(questions.FIELDS)[-2:])
def test_variants_differ_in_what_is_asked_for(question, field, digits):
    """A seed starts every variant with the same links and weights."""
    configs = [questions.config_of(field, changes, 3, 1) for changes in questions.QUESTIONS[question].values()]
    assert len(set(configs)) == len(configs)
    first, *others = (sl.build(config, data=digits).model for config in configs)
    for other in others:
        for a, b in zip(first.layers, other.layers, strict=True):
            np.testing.assert_array_equal(a.topology.indices, b.topology.indices)
            np.testing.assert_array_equal(a.w, b.w)


def test_differences_are_paired():
    found = {"SET": [80.0, 90.0], "static": [79.0, 87.0]}
    first, second = questions.rows_of("topology", "FashionMNIST, ε = 20", found, 15)
    assert (first["accuracy %"], first["to the first"], first["each"]) == ("85.00 ± 7.07", "", "80.00 90.00")
    assert (second["accuracy %"], second["to the first"], second["n"]) == ("83.00 ± 5.66", "-2.00 ± 1.41", 2)


def test_questions_from_the_command_line(tmp_path, tiny, monkeypatch, capsys):
    options = ["--seeds", "1", "--epochs", "1", "--threads", "1", "--out", str(tmp_path / "rows.jsonl")]
    questions.main(options)
    printed = capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 8, "All-ReLU with SET is one run for both questions"
    for row in rows:
        assert f"{row['accuracy %']:.2f}" in printed
    monkeypatch.setattr(questions, "measured", never)
    questions.main(options)
    assert capsys.readouterr().out == printed
