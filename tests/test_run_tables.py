"""The folder of runs as a table, over seeds, as histories, and a run as one HTML file."""

import json
import shutil
import statistics
from types import SimpleNamespace

import pytest

import sparselab as sl
from sparselab.experiments import run_table
from sparselab.experiments.config import FIELDS
from sparselab.experiments.run_labels import labels
from sparselab.experiments.run_store import RunStore

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two settings with two seeds each, one of them twice; a steered, a stopped and a damaged run."""
    place = tmp_path_factory.mktemp("runs")
    store, runs = RunStore(place), [(4.0, 0), (4.0, 1), (8.0, 0), (8.0, 1), (8.0, 1)]
    for epsilon, seed in runs:
        save(store, epsilon, seed)
    save(store, 4.0, 2, changes=[(1, "zeta", 0.5)])
    save(store, 4.0, 3, state="stopped", label=EVIL, epochs=1)
    save(store, 4.0, 4)
    (place / "0008-digits/run.json").write_text("{")
    return place


def save(store, epsilon, seed, state="finished", changes=(), label="", epochs=2):
    config = sl.ExperimentConfig(dataset="digits", hidden=(10,), epsilon=epsilon, seed=seed, epochs=2, threads=1)
    history = sl.History(sl.build(config).train())[:epochs]
    logger = store.new(config, label)
    logger.note(SimpleNamespace(state=state, history=history, changes=list(changes), error=None))


def test_a_row_for_each_run_with_the_settings_that_differ(folder):
    table = sl.runs(folder)
    assert list(table["state"]) == ["finished"] * 6 + ["stopped", "damaged"]
    assert list(table["epochs_done"])[:7] == [2] * 6 + [1]
    assert list(table["epsilon"])[:5] == [4, 4, 8, 8, 8]
    assert "hidden" not in table
    assert "run.json" in table.loc["0008-digits", "error"]
    for name in table.index[:7]:
        last = RunStore(folder).open(name).history[-1]
        assert (table.loc[name, "accuracy"], table.loc[name, "links"]) == (last.test_accuracy, last.links)


def test_a_setting_with_the_name_of_a_score_does_not_take_its_column(tmp_path):
    store, wanted = RunStore(tmp_path), []
    for epochs, loss in ((1, "auto"), (2, "softmax_cross_entropy")):
        config = sl.ExperimentConfig(dataset="digits", hidden=(10,), loss=loss, epochs=epochs, threads=1)
        history = sl.History(sl.build(config).train())
        store.new(config).note(SimpleNamespace(state="finished", history=history, changes=[], error=None))
        wanted.append(history[-1].test_loss)
    table = sl.runs(tmp_path)
    assert table["loss"].tolist() == wanted
    assert table["loss_function"].tolist() == ["auto", "softmax_cross_entropy"]
    assert table["epochs_wanted"].tolist() == [1, 2]
    columns = {*run_table.FIRST, *run_table.LAST}
    assert not columns & {run_table.RENAMED.get(name, name) for name in FIELDS if name not in ("seed", "dataset")}


def test_means_and_bands_over_seeds_are_those_of_the_runs(folder):
    table, histories = sl.runs(folder, over_seeds=True), sl.run_histories(folder)
    assert list(table.index) == list(histories) == ["epsilon = 4", "epsilon = 8"]
    for label, seeds in histories.items():
        values = [history[-1].test_accuracy for history in seeds]
        row = table.loc[label]
        assert (row["score"], row["n"]) == ("accuracy", 2)
        assert row["mean"] == pytest.approx(statistics.mean(values))
        assert row["deviation"] == pytest.approx(statistics.stdev(values))
        assert (row["lowest"], row["highest"]) == (min(values), max(values))
    assert "epsilon = 4 (n = 2)" in [text.get_text() for text in sl.figures.learning_curves(histories).legends[0].texts]


@pytest.mark.parametrize("wrong", [{"config": {"epsilon": -1}}, {"changes": 5}, {"changes": [5]}, {"environment": [1]}])
def test_a_description_that_is_no_run_s_does_not_affect_the_others(folder, tmp_path, wrong):
    for name in ("0001-digits", "0002-digits"):
        shutil.copytree(folder / name, tmp_path / name)
    path = tmp_path / "0001-digits/run.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | wrong | {"config": about["config"] | wrong.get("config", {})}))
    assert len(sl.runs(tmp_path)) == 2
    assert sl.runs(tmp_path, over_seeds=True)["n"].tolist() == [1]
    assert [len(histories) for histories in sl.run_histories(tmp_path).values()] == [1]
    with pytest.raises(ValueError, match=r"run\.json"):
        sl.run_report(tmp_path / "0001-digits")


def test_an_empty_folder_is_an_empty_table_and_none_is_refused(tmp_path):
    assert len(sl.runs(tmp_path)) == len(sl.runs(tmp_path, over_seeds=True)) == 0
    assert sl.run_histories(tmp_path) == {}
    with pytest.raises(FileNotFoundError, match="folder = "):
        sl.runs(tmp_path / "none")


def test_a_report_is_one_file_that_is_whole_and_harmless(folder, tmp_path):
    path = sl.run_report(folder / "0007-digits", tmp_path / "new/report.html")
    text = path.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 3
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text
    assert "src='/" not in text
    config = RunStore(folder).open("0007-digits").config
    assert json.dumps(json.loads(config.to_json())["epsilon"]) in text
    steered = sl.run_report(folder / "0006-digits").read_text(encoding="utf-8")
    assert "Changed by hand" in steered
    assert "Changed by hand" not in text


@pytest.mark.parametrize("name", ["0008-digits", "0099-digits", "none"])
def test_what_is_no_run_has_no_report(folder, name):
    with pytest.raises(ValueError, match=r"run\.json|one of the runs"):
        sl.run_report(folder / name)


def test_labels_say_how_a_file_was_read_only_where_the_file_is_the_same():
    run = lambda **settings: SimpleNamespace(config=sl.ExperimentConfig(**settings), changes=())
    shop = {"dataset": "a/shop.csv", "target": "size"}
    assert labels([run(**shop, columns="a"), run(dataset="digits")]) == ["dataset = shop.csv", "dataset = digits"]
    assert labels([run(**shop, columns="a"), run(**shop, columns="b")]) == ["columns = a", "columns = b"]


def test_labels_name_data_given_by_hand():
    run = lambda own, **settings: SimpleNamespace(config=sl.ExperimentConfig(**settings), changes=(), own_data=own)
    assert labels([run("mine"), run("yours")]) == ["data = mine", "data = yours"]
    assert labels([run("mine"), run("", dataset="digits")]) == ["data = mine", "data = digits"]
    assert labels([run("mine", epsilon=3.0), run("mine", epsilon=4.0)]) == ["epsilon = 3", "epsilon = 4"]


def test_seeds_of_other_data_are_told_apart(tmp_path):
    for own in ("mine", "yours"):
        save(RunStore(tmp_path, own), 4.0, 0)
    assert list(sl.run_histories(tmp_path)) == list(sl.runs(tmp_path, over_seeds=True).index) == ["data = mine", "data = yours"]
