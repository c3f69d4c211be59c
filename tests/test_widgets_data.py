"""The tab Data without a screen: from a file to a training, what is wrong beside its field, nothing that starts meanwhile."""

from datetime import UTC, datetime

import numpy as np
import pytest
from messy_tables import FEATURES, write_messy

from sparselab import ExperimentConfig, datasets
from sparselab.widgets import ConfigForm, Workbench, toolkit
from sparselab.widgets.page.data_tab import kept_file
from sparselab.widgets.pictures import picture

EVIL = "<img src=x onerror=alert(1)></script>"
SMALL = {"dataset": "digits", "hidden": (12,), "epsilon": 8.0, "epochs": 20, "threads": 1, "dropout": 0.0, "learning_rate": 0.05}


@pytest.fixture
def page(tmp_path):
    made = Workbench(ExperimentConfig(**SMALL), folder=tmp_path / "runs")
    yield made
    made.stop()


@pytest.fixture
def shop(tmp_path):
    return write_messy(tmp_path / "shop.csv")


def upload(page, name, content):
    """What the browser does when a file was chosen."""
    uploaded = {"name": name, "type": "text/csv", "size": len(content), "last_modified": datetime.now(UTC)}
    page.data.upload.value = ({**uploaded, "content": memoryview(content)},)


def faults(page):
    return {name: one.value for name, one in page.data.faults.items() if one.value}


def texts(widget):
    own = [widget.value] if type(widget).__name__ == "HTML" else []
    return own + [text for child in getattr(widget, "children", ()) for text in texts(child)]


def choose(page, target):
    page.data.target.value = page.data.table.names.index(target)


def test_from_a_messy_file_to_a_trained_net_in_two_actions(page, shop):
    upload(page, "shop.csv", shop.read_bytes())
    assert faults(page) == {}
    kept = page.store.folder / "uploads/shop.csv"
    assert kept.read_bytes() == shop.read_bytes()
    assert page.data.settings == {
        "dataset": str(kept), "target": "result", "columns": ", ".join(FEATURES), "missing": "drop", "task": "classification",
        "separator": "", "header": "auto", "decimal": "auto",
    }  # fmt: skip
    page.data.start_button.click()
    assert page.train.wait(60)
    assert page.train.state == "finished"
    assert page.train.history[-1].test_accuracy > 0.7
    assert page.tabs.titles[page.tabs.selected_index] == "Train"
    (row,) = page.store.rows()
    saved = page.store.open(row["name"]).config
    assert {name: getattr(saved, name) for name in page.data.settings} == page.data.settings
    assert page.train.current.experiment.data.n_features == len(FEATURES)


def test_what_is_in_a_file_is_shown(page, shop):
    page.data.own.value = str(shop)
    assert "120 rows, 8 columns; cells between semicolons, decimal comma" in page.data.about.value
    assert "58.8%" in page.data.classes.value  # 70 of the 119 rows without missing cells
    for word in ("identifier", "dates", "constant"):
        assert word in page.data.left_out.value
    assert "1 of 120 rows have missing cells" in page.data.warnings.value
    assert "01.01.2021" in page.data.rows.value


def test_another_target_brings_its_own_features_and_task(page, shop):
    page.data.own.value = str(shop)
    choose(page, "weight")
    assert page.data.controls["task"].input.value == "regression"
    assert page.data.settings["columns"] == "size, age"
    assert page.data.classes.value == ""
    page.data.controls["task"].input.value = "classification"
    assert "choose regression" in faults(page)["target"]
    assert page.data.start_button.disabled
    page.data.controls["task"].input.value = "regression"
    assert not page.data.start_button.disabled
    assert page.data.start()
    assert page.train.wait(60)
    assert page.train.history[-1].test_r2 is not None


def test_nothing_starts_while_a_fault_stands(page, shop, tmp_path):
    for path, said in ((tmp_path / "none.csv", "existing file"), (tmp_path / "t.xlsx", "must end with")):
        page.data.own.value = str(path)
        assert said in faults(page)["file"]
        assert page.data.start_button.disabled
        assert not page.data.start()
    page.data.own.value = str(shop)
    page.data.features.value = ()
    assert "at least one" in faults(page)["features"]
    choose(page, "unit")
    assert "in all rows" in faults(page)["target"]
    assert not page.data.start()
    assert "beside the fields" in page.data.message.value
    page.data.own.value = ""
    assert faults(page) == {}
    assert not page.data.start()
    assert page.store.names() == []
    assert page.train.form.config.dataset == "digits"


def test_a_file_that_went_is_said_at_start(page, shop):
    page.data.own.value = str(shop)
    shop.unlink()
    assert not page.data.start()
    assert "existing file" in page.data.message.value
    assert page.store.names() == []


def test_settings_of_train_that_are_wrong_are_said(page, shop):
    page.data.own.value = str(shop)
    page.train.form.controls["hidden"].input.value = "10, -3"
    assert not page.data.start()
    assert "hidden[1] = -3" in page.data.message.value
    assert page.store.names() == []


def test_a_running_training_is_not_disturbed(page, shop):
    page.train.form.controls["epochs"].input.value = 500
    page.data.own.value = str(shop)
    assert page.train.start()
    assert not page.data.start()
    assert "already running" in page.data.message.value
    assert page.train.form.config.dataset == "digits"
    page.train.stop()


def test_how_a_table_is_written_can_be_said(page, tmp_path):
    path = tmp_path / "odd.txt"
    path.write_text("1;5:2;0\n2;5:3;1\n" * 6)  # a decimal mark that nobody finds
    page.data.own.value = str(path)
    page.data.controls["separator"].input.value = ":"
    assert page.data.settings["separator"] == ":"
    assert page.data.table.table.layout.separator == ":"
    page.data.controls["separator"].input.value = "many"
    assert "separator" in faults(page)["file"]


def test_files_of_arrays_have_classes_but_no_columns(page, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    np.savez(tmp_path / "mine.npz", X=rng.normal(size=(90, 4)) + y[:, None], y=y)
    page.data.own.value = str(tmp_path / "mine.npz")
    assert faults(page) == {}
    assert "72 + 18 rows" in page.data.about.value
    assert "33.3%" in page.data.classes.value
    assert page.data.columns.layout.display == "none"
    assert page.data.start()
    assert page.train.wait(60)
    assert page.train.current.experiment.data.n_features == 4


def test_a_file_of_the_same_name_is_kept_beside_the_first(tmp_path):
    first, second = (kept_file(tmp_path / "up", "../t.csv", content) for content in (b"1", b"2"))
    assert (first.name, second.name) == ("t.csv", "2-t.csv")
    assert kept_file(tmp_path / "up", "t.csv", b"2") == second
    assert [path.read_bytes() for path in (first, second)] == [b"1", b"2"]
    assert kept_file(tmp_path / "up", "..", b"3").parent == tmp_path / "up"


def test_text_from_a_file_is_harmless(page, tmp_path):
    path = tmp_path / "evil.csv"
    path.write_text(f"{EVIL},size,{EVIL}2\n" + "".join(f"{i}.5,{i % 4},{EVIL}{i % 2}\n" for i in range(40)))
    page.data.own.value = str(path)
    assert page.data.table is not None
    page.data.own.value = str(tmp_path / f"{EVIL.replace('/', '')}.csv")
    assert "&lt;img" in page.data.faults["file"].value
    assert "<img" not in " ".join(texts(page.widget))


def test_a_page_with_data_of_its_own_has_no_tab_for_files(tmp_path):
    data = datasets.Dataset.from_arrays(np.eye(8), np.arange(8) % 2)
    page = Workbench(ExperimentConfig(hidden=(4,)), data=data, folder=tmp_path)
    assert page.data is None
    assert list(page.tabs.titles) == ["Train", "Sweep", "Compare", "Runs"]


def test_who_observes_a_form_sees_no_mixture_of_two_configs():
    form, seen = ConfigForm(), []
    form.observe(lambda name: seen.append((name, form.config)))
    wanted = form.config.replace(dataset="digits", hidden=(3,), seed=5)
    form.load(wanted)
    assert [name for name, _ in seen] == ["dataset", "hidden", "seed"]
    assert all(config == wanted for _, config in seen)


def test_without_a_screen_a_file_is_trained_on_and_a_run_gets_its_notes(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(toolkit, "ipywidgets", None)
    monkeypatch.setattr(picture, "KINDS", {})
    page = Workbench(ExperimentConfig(**SMALL), folder=tmp_path / "runs")
    page.data.own.value = str(shop)
    page.data.start_button.click()
    assert page.train.wait(60)
    assert page.train.state == "finished"
    (name,) = page.store.names()
    page.runs.list.refresh()
    page.runs.list.list.value = (name,)
    page.runs.notes["tags"].value = "b, a"
    page.runs.press("Delete")
    page.runs.press("Undo")
    assert page.store.rows()[0]["tags"] == "b, a"
