"""Group, tags and notes of saved runs, and runs that are deleted and come back."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import sparselab as sl
from sparselab.checkpoints.run_dir import RunDirBusyError
from sparselab.experiments.deleted_runs import PREFIX, remove_left
from sparselab.experiments.run_notes import LONGEST, NOTES, read_notes
from sparselab.experiments.run_store import RunStore

CONFIG = sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=2, threads=1)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def save(store, state="finished", config=CONFIG, changes=(), **more):
    """A run without records."""
    logger = store.new(config, **more)
    logger.note(SimpleNamespace(state=state, history=sl.History(), changes=list(changes), error=None))
    return logger


def aside(store):
    return sorted(store.folder.glob(f"{PREFIX}*"))


def test_notes_are_columns_of_the_table_and_rows_of_the_report(store):
    save(store)
    save(store, group="sweep 1")
    store.annotate("0001-digits", tags=" best,  paper ,best,, ", notes=" why <b>this</b>?\n")
    table = sl.runs(store.folder)
    assert list(table.columns[:4]) == ["state", "label", "group", "tags"]
    assert table[["group", "tags", "notes"]].to_dict("index") == {
        "0001-digits": {"group": "", "tags": "best, paper", "notes": "why <b>this</b>?"},
        "0002-digits": {"group": "sweep 1", "tags": "", "notes": ""},
    }
    text = sl.run_report(store.path("0001-digits")).read_text(encoding="utf-8")
    assert "best, paper" in text
    assert "why &lt;b&gt;this" in text


def test_notes_and_the_state_of_a_run_do_not_overwrite_each_other(store):
    logger = save(store, "running")
    store.annotate("0001-digits", notes="while it ran")
    logger.note(SimpleNamespace(state="finished", history=sl.History(), changes=[], error=None))
    store.annotate("0001-digits", group="a")
    run = store.open("0001-digits")
    assert (run.state, run.group, run.notes) == ("finished", "a", "while it ran")
    assert read_notes(store.resume(save(store, "stopped").folder.name).folder) == dict.fromkeys(LONGEST, "")


def test_runs_stay_in_their_order_beyond_four_digits(store):
    (store.folder / "9999-digits").mkdir(parents=True)
    names = [save(store).folder.name for _ in "12"]
    assert store.names() == ["9999-digits", *names] == ["9999-digits", "10000-digits", "10001-digits"]


@pytest.mark.parametrize(("changes", "said"), [({"group": "g" * 101}, "group"), ({"tags": 3}, "tags"), ({"tag": "a"}, "tags")])
def test_other_notes_are_refused_and_change_nothing(store, changes, said):
    save(store)
    store.annotate("0001-digits", group="before")
    with pytest.raises((TypeError, ValueError), match=said):
        store.annotate("0001-digits", notes="new", **changes)
    assert read_notes(store.path("0001-digits")) == {"group": "before", "tags": "", "notes": ""}
    with pytest.raises(ValueError, match="one of the runs"):
        store.annotate("../0001-digits", group="a")


@pytest.mark.parametrize("text", ["{", "[1]", "3", '{"group": ["a"], "tags": null}', "\x00"])
def test_damaged_notes_are_no_damaged_run(store, text):
    save(store)
    (store.path("0001-digits") / NOTES).write_text(text)
    (row,) = store.rows()
    assert row["state"] == "finished"
    store.annotate("0001-digits", notes="new")
    assert json.loads((store.path("0001-digits") / NOTES).read_text())["notes"] == "new"


def test_deleted_runs_come_back_whole(store):
    logger = save(store)
    store.annotate("0001-digits", notes="kept")
    before = {path.name: path.read_bytes() for path in logger.folder.iterdir() if not path.name.startswith(".")}
    save(store)
    store.delete("0001-digits", "0002-digits")
    assert store.names() == []
    assert len(sl.runs(store.folder)) == 0
    assert store.deleted.bring_back() == ["0001-digits", "0002-digits"]
    assert {path.name: path.read_bytes() for path in logger.folder.iterdir() if not path.name.startswith(".")} == before
    assert aside(store) == []
    assert store.deleted.bring_back() == []


def test_another_deletion_removes_what_was_deleted_before(store):
    for _ in range(3):
        save(store)
    store.delete("0001-digits")
    store.delete("0003-digits")
    (place,) = aside(store)
    assert [path.name for path in place.iterdir() if path.is_dir()] == ["0003-digits"]
    assert save(store).folder.name == "0004-digits"  # the number of a run that may come back is not given again
    assert store.deleted.bring_back() == ["0003-digits"]
    assert store.names() == ["0002-digits", "0003-digits", "0004-digits"]


def test_a_name_that_was_given_again_is_not_overwritten(store):
    save(store)
    store.delete("0001-digits")
    assert save(RunStore(store.folder)).folder.name == "0001-digits"  # another page
    store.annotate("0001-digits", notes="the new one")
    with pytest.raises(FileExistsError, match="another run has this name"):
        store.deleted.bring_back()
    assert store.open("0001-digits").notes == "the new one"


def test_runs_that_could_not_be_brought_back_can_be_tried_again(store, monkeypatch):
    for _ in range(3):
        save(store)
    store.delete("0001-digits", "0002-digits", "0003-digits")
    rename = Path.rename

    def fails_at_the_second(path, target):
        if path.name == "0002-digits":
            raise OSError(28, "no space")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails_at_the_second)
        with pytest.raises(OSError, match="no space"):
            store.deleted.bring_back()
    assert store.names() == ["0001-digits"]
    assert store.deleted.bring_back() == ["0002-digits", "0003-digits"]
    assert store.names() == ["0001-digits", "0002-digits", "0003-digits"]
    assert aside(store) == []


def full_disk(path, content):
    raise OSError(28, "no space", str(path))


@pytest.mark.parametrize("group", ["", "g" * 101])
def test_a_run_that_cannot_be_described_leaves_no_folder(store, monkeypatch, group):
    save(store)
    if not group:
        monkeypatch.setattr("sparselab.utils.files.write_whole", full_disk)
    with pytest.raises((OSError, ValueError)):
        store.new(CONFIG, group=group)
    assert [row["state"] for row in store.rows()] == ["finished"]
    monkeypatch.undo()
    assert save(store).folder.name == "0002-digits"


def test_a_new_run_is_described_before_it_has_a_folder(store, monkeypatch):
    save(store)
    seen = []
    monkeypatch.setattr("sparselab.experiments.environment.describe", lambda: seen.append(store.names()) or {})
    store.new(CONFIG)
    assert seen == [["0001-digits"]]


@pytest.mark.parametrize("name", ["append_whole", "write_whole"])
@pytest.mark.parametrize("n_before", [0, 1])
def test_a_run_whose_end_cannot_be_written_is_not_in_use(store, monkeypatch, name, n_before):
    history = sl.History(sl.build(CONFIG).train())
    logger = store.new(CONFIG)
    logger.note(SimpleNamespace(state="running", history=history[:n_before], changes=[], error=None))
    with monkeypatch.context() as patch:
        patch.setattr(f"sparselab.utils.files.{name}", full_disk)
        ended = SimpleNamespace(state="finished", history=history, changes=[], error=None)
        with contextlib.nullcontext() if (name, n_before) == ("append_whole", 0) else pytest.raises(OSError, match="no space"):
            logger.note(ended)
    assert store.open("0001-digits").state == ("finished" if (name, n_before) == ("append_whole", 0) else "interrupted")
    store.delete("0001-digits")
    assert store.names() == []


def test_nothing_is_deleted_where_one_run_is_in_use(store):
    save(store)
    save(store, "running")
    with pytest.raises(RunDirBusyError):
        store.delete("0001-digits", "0002-digits")
    assert store.names() == ["0001-digits", "0002-digits"]
    with pytest.raises(ValueError, match="one of the runs"):
        store.delete("0001-digits", "0009-none")
    assert store.names() == ["0001-digits", "0002-digits"]


DELETES = """
import os, sys
from sparselab.experiments.run_store import RunStore
store = RunStore(sys.argv[1])
store.delete("0001-digits")
print("deleted", flush=True)
sys.stdin.readline()
if sys.argv[2] == "killed":
    os._exit(1)
"""


@pytest.mark.parametrize("end", ["ended", "killed"])
def test_deleted_runs_go_with_the_process_that_deleted_them(store, end):
    """Or, where it was killed, when the next page opens; not before."""
    save(store)
    command = [sys.executable, "-c", DELETES, str(store.folder), end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "deleted\n"
        remove_left(store.folder)
        assert len(aside(store)) == 1
        process.communicate("\n", timeout=60)
    assert len(aside(store)) == (1 if end == "killed" else 0)
    remove_left(store.folder)
    assert aside(store) == []


def test_runs_that_differ_in_the_seed_only(store):
    for seed in (0, 1, 2):
        save(store, config=CONFIG.replace(seed=seed))
    save(store, config=CONFIG.replace(epsilon=7.0))
    save(store, "stopped", config=CONFIG.replace(seed=3))
    save(store, config=CONFIG.replace(seed=4), changes=[(1, "zeta", 0.5)])
    save(RunStore(store.folder, "digits"), config=CONFIG.replace(seed=5))  # data of its own
    assert store.same_but_seed("0002-digits") == ["0001-digits", "0002-digits", "0003-digits"]
    assert store.same_but_seed("0004-digits") == ["0004-digits"]
