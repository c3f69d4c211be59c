"""What an earlier version computed, wrote and offered: kept/ holds it, and this version must still agree.

See hashes.py (trainings), kept_files.py (files) and public_api.py (names). Only where users are meant to see a change is kept/
written anew, by make_kept.py.
"""

import copy
import json
import math

import hashes
import kept_files
import public_api
import pytest


def kept(name):
    """What is in a JSON file of kept/."""
    return json.loads((kept_files.KEPT / name).read_text(encoding="utf-8"))


API, CONTENTS, RECORDS = kept("api.json"), kept("contents.json"), kept("records.json")
HASHES = kept("hashes.json")


def changes_of_machine():
    """In what this machine differs from the one on which kept/ was written."""
    now = kept_files.machine()
    return [f"{name} {was} -> {now[name]}" for name, was in HASHES["machine"].items() if now[name] != was]


def advice():
    """What to do where numbers differ: on another machine that proves nothing yet."""
    others = changes_of_machine()
    if not others:
        return "the machine is like that on which kept/ was written: this version computes something else"
    return f"this machine is another one ({', '.join(others)}): run the version that wrote kept/ beside, here, and compare"


def differences(kept, found, where=""):
    """A line for each value that is another one or gone; keys that were added are none."""
    if isinstance(kept, dict) and isinstance(found, dict):
        gone = [f"{where}.{key} is gone" for key in kept if key not in found]
        return gone + [line for key in kept if key in found for line in differences(kept[key], found[key], f"{where}.{key}")]
    if isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        return [line for i, pair in enumerate(zip(kept, found, strict=True)) for line in differences(*pair, f"{where}[{i}]")]
    if isinstance(kept, float) and isinstance(found, float) and changes_of_machine():  # numpy adds in the order of its vectors
        return [] if math.isclose(kept, found, rel_tol=1e-12) else [f"{where}: {found}, was {kept}"]
    return [] if kept == found else [f"{where}: {found}, was {kept}"]


def assert_same(kept, found):
    """With what differs, and what that may mean."""
    lines = differences(kept, found)
    assert not lines, "\n".join([*lines[:20], advice()])


# names


def test_names_and_parameters_are_those_that_were_kept():
    lines = public_api.changes(API, public_api.describe())
    assert not lines, "\n".join(lines)


def test_top_level_names_are_all_there():
    assert set(API["modules"]["sl"]) <= set(hashes.sl.__all__)


def class_in(api):
    return api["modules"]["sl"]["SparseMLP"]["members"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda api: api["modules"]["sl"].pop("train"), "sl.train is gone"),
        (lambda api: api["modules"].pop("sl.losses"), "sl.losses.MeanSquaredError is gone"),
        (lambda api: api["modules"]["sl"]["steps"]["parameters"].remove("pace (keyword-only) = 0.0"), "sl.steps lacks pace"),
        (lambda api: api["modules"]["sl"]["rewire"]["parameters"].__setitem__(2, "n_new = 1"), "sl.rewire takes"),
        (lambda api: api["modules"]["sl"]["rewire"]["parameters"].insert(0, "more"), "sl.rewire takes"),
        (lambda api: api["modules"]["sl"]["save"]["parameters"].append("more"), "sl.save wants more"),
        (lambda api: class_in(api).pop("copy"), "sl.SparseMLP (.copy) is gone"),
        (lambda api: class_in(api).__setitem__("nnz", {"kind": "method", "parameters": ["self"]}), "(.nnz) is a method"),
        (lambda api: api["modules"]["sl"]["CheckpointError"]["bases"].remove("ValueError"), "is no ValueError any more"),
        (lambda api: api["modules"]["sl.losses"]["NAMES"]["keys"].pop(), "sl.losses.NAMES has no"),
        (lambda api: api["lists"]["modules that can be imported"].remove("sparselab.figures"), "sparselab.figures is gone"),
        (lambda api: api["lists"]["options of python -m sparselab train"].remove("--save"), "--save is gone"),
    ],
)
def test_a_change_of_names_would_be_seen(change, line):
    changed = copy.deepcopy(API)
    change(changed)
    assert line in "\n".join(public_api.changes(API, changed))


@pytest.mark.parametrize(
    "change",
    [
        lambda api: api["modules"]["sl"].update(new={"kind": "module"}),
        lambda api: api["modules"]["sl"]["save"]["parameters"].append("more = None"),
        lambda api: api["modules"]["sl"]["steps"]["parameters"].append("more (keyword-only) = None"),
        lambda api: class_in(api).update(more={"kind": "attribute"}),
    ],
)
def test_what_is_added_is_no_change(change):
    changed = copy.deepcopy(API)
    change(changed)
    assert public_api.changes(API, changed) == []


# numbers


@pytest.mark.parametrize("name", hashes.HASHES)
def test_hash_is_that_which_was_kept(name):
    assert_same(HASHES["hashes"][name], hashes.HASHES[name]())


@pytest.mark.parametrize("name", hashes.TRAININGS)
def test_records_are_those_that_were_kept(name):
    assert_same(RECORDS[name], hashes.plain_records(hashes.outcome(name).records))


def test_every_kept_hash_is_looked_at():
    assert HASHES["hashes"].keys() == hashes.HASHES.keys()
    assert RECORDS.keys() == hashes.TRAININGS.keys()


def test_a_hash_sees_one_bit():
    model = hashes.net()
    before = hashes.fingerprint(model)
    model.layers[1].w.view("uint32")[3] ^= 1
    assert hashes.fingerprint(model) != before


# files


@pytest.mark.parametrize("name", kept_files.CONTENTS)
def test_kept_file_holds_what_it_held(name, tmp_path):
    assert_same(CONTENTS[name], kept_files.CONTENTS[name](kept_files.copied(name, tmp_path)))


@pytest.mark.parametrize("name", kept_files.WRITE)
def test_file_written_now_holds_the_same(name, tmp_path):
    kept_files.WRITE[name](tmp_path / name)
    assert_same(CONTENTS[name], kept_files.CONTENTS[name](tmp_path / name))


@pytest.mark.parametrize(("name", "way"), kept_files.GO_ON, ids=map("-".join, kept_files.GO_ON))
def test_kept_run_goes_on_to_the_same_end(name, way, tmp_path):
    found = kept_files.GO_ON[name, way](kept_files.copied(name, tmp_path))
    assert_same(HASHES["ends"][name][way], found)


def test_every_kept_file_is_looked_at():
    files = {path.name for path in kept_files.KEPT.iterdir()} - {"api.json", "contents.json", "records.json", "hashes.json"}
    assert files == kept_files.CONTENTS.keys() == kept_files.WRITE.keys()


def test_worker_files_of_the_local_phase_are_read(tmp_path):
    folder = kept_files.copied("parallel_run_in_local_phase", tmp_path)
    for path in folder.glob("local-*.npz"):
        path.unlink()
    assert kept_files.go_on_with_parallel_run(folder) != HASHES["ends"]["parallel_run_in_local_phase"]["train_parallel"]


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({"a": 1, "b": [1, 2], "c": 3}, []),
        ({"a": 2, "b": [1, 2]}, [".a: 2, was 1"]),
        ({"b": [1, 3]}, [".a is gone", ".b[1]: 3, was 2"]),
        ({"a": 1, "b": [1]}, [".b: [1], was [1, 2]"]),
    ],
)
def test_differences_are_seen(found, lines):
    assert differences({"a": 1, "b": [1, 2]}, found) == lines
