"""What is found in a table before it is trained on: features, target, classes, and what may be wrong with them."""

import gzip
import itertools
from collections import Counter

import numpy as np
import pytest
from messy_tables import FEATURES, HEAD, messy_rows, write_messy

import sparselab as sl
from sparselab.datasets import inspection
from sparselab.experiments.config import columns_in, columns_text, data_options


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def write(folder, names, columns, name="t.csv"):
    path = folder / name
    path.write_text("\n".join(",".join(map(str, row)) for row in [names, *zip(*columns, strict=True)]))
    return path


def reasons(table):
    return {one.name: one.left_out for one in table.columns if one.left_out}


def test_a_messy_table_is_understood(tmp_path):
    table = inspection.inspect(write_messy(tmp_path / "shop.csv"))
    assert table.names == HEAD
    assert table.names[table.guess] == "result"
    assert [table.names[i] for i in table.features_of(table.guess)] == FEATURES
    found = reasons(table)
    assert list(found) == ["patient_id", "admitted", "remark", "unit", "result"]
    for name, word in zip(found, ("identifier", "dates", "text", "constant", "text")):
        assert word in found[name], name
    assert table.first == messy_rows()[:5]
    findings = table.check(table.guess, table.features_of(table.guess))
    assert findings.faults == {}
    labels = Counter(row[-1] for i, row in enumerate(messy_rows()) if i != 2)  # the third row has a missing cell
    assert dict(findings.classes) == labels
    assert (findings.rows, findings.dropped) == (119, 1)
    assert "1 of 120 rows have missing cells" in findings.warnings[0]


FILES = {
    "spelling.csv": "a,b,y\n1,2,01\n2,1,1\n3,5,01\n4,4,1\n5,3,01\n6,1,1\n",
    "marks.csv": "a,b,y\n1,2,NA\n2,1,ok\n3,5,NA\n4,4,ok\n5,3,\n6,1,ok\n7,1,NA\n",
    "missing.csv": "y,a,b\n1,2,3\n2,?,1\n1,3,5\n2,4,4\n1,5,NA\n2,6,1\n1,7,1\n2,7,3\n",
    "none.csv": "".join(f"{i % 5}.5,{i * i % 7},{'uv'[i % 2]}\n" for i in range(12)),
    "t.arff": "@relation r\n@attribute a numeric\n@attribute b numeric\n@attribute y {u,v}\n@data\n"
    + "".join(f"{i % 5},{i * i % 7},{'uv'[i % 2]}\n" for i in range(12)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_classes_are_those_that_reading_finds(tmp_path, name, packed):
    """Every row and label that is counted is read for training, and no other."""
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(FILES[name].encode()) if packed else FILES[name].encode())
    table = inspection.inspect(path)
    features = table.features_of(table.guess)
    found = table.check(table.guess, features)
    assert found.faults == {}
    data = sl.datasets.Dataset.from_file(path, target=table.guess, columns=features, missing="drop", test_fraction=0)
    counts = np.bincount(data.y_train)
    assert dict(found.classes) == {str(label): n for label, n in zip(data.classes, counts)}
    assert (found.rows, data.n_features) == (data.n_train, len(features))


TARGETS = [
    ({"y": "ab", "size": (1.5, 2.5, 3.5)}, "y"),  # a usual name
    ({"kind": "ab", "size": (1.5, 2.5, 3.5)}, "kind"),  # the only text
    ({"kind": "ab", "size": (1.5, 2.5, 3.5), "grade": (1, 2, 3)}, "grade"),  # the last one
    ({"a": (1.5, 2.5), "b": (0.1, 0.2, 0.7)}, "b"),  # numbers only
    ({"a": (1.5, 2.5), "b": (0.1, 0.2, 0.7), "same": (3,)}, "b"),
]


@pytest.mark.parametrize(("columns", "target"), TARGETS)
def test_the_target_is_guessed(tmp_path, columns, target):
    values = [[one[i % len(one)] for i in range(24)] for one in columns.values()]
    table = inspection.inspect(write(tmp_path, columns, values))
    assert table.names[table.guess] == target


def test_what_a_target_is_for(tmp_path, rng):
    price, income = rng.normal(size=90), rng.permutation(90) ** 2
    columns = {"x": price[::-1], "price": price, "income": income, "digit": np.arange(90) % 10}
    table = inspection.inspect(write(tmp_path, columns, columns.values()))
    assert [table.task_of(i) for i in range(4)] == ["regression"] * 3 + ["classification"]


def naively_separate(values, codes):
    """Whether no value of one class lies between or on the ends of another."""
    ends = [(min(values[codes == one]), max(values[codes == one])) for one in set(codes)]
    return all(a[1] < b[0] or b[1] < a[0] for a, b in itertools.combinations(ends, 2))


def test_separate_classes_are_those_in_intervals_of_their_own(rng):
    seen = set()
    for _ in range(400):
        values, codes = rng.integers(0, 6, 7).astype(float), np.unique(rng.integers(0, 3, 7), return_inverse=True)[1]
        assert inspection.are_separate(values, codes) == naively_separate(values, codes)
        seen.add(naively_separate(values, codes))
    assert seen == {True, False}


def test_leaks_and_offsets_are_warned_of(tmp_path, rng):
    y = np.arange(60) % 3
    columns = {"noise": rng.normal(size=60), "after": 10 * y + rng.random(60), "time": 1.6e9 + rng.random(60), "y": y}
    table = inspection.inspect(write(tmp_path, columns, columns.values()))
    said = " ".join(table.check(3, [0, 1, 2]).warnings)
    assert "['after'], each alone, tell the target" in said
    assert "'time': values vary by" in said
    assert "noise" not in said
    number = {"x": (x := rng.normal(size=60)), "after": 3 * x + 2, "noise": rng.normal(size=60), "target": 2 * x}
    table = inspection.inspect(write(tmp_path, number, number.values()))
    assert "['x', 'after']" in " ".join(table.check(3, [0, 1, 2], "regression").warnings)


def test_columns_that_cannot_be_features_say_why(tmp_path, rng):
    n = 50
    holes = ["" if i % 3 == 0 else i / 7 for i in range(n)]
    broken = ["n/a" if i == 7 else i / 3 for i in range(n)]
    columns = {
        "": range(n), "nothing": [""] * n, "holes": holes, "broken": broken, "infinite": ["inf"] + [1.5] * (n - 1),
        "same": [2] * n, "number": np.arange(n) * 3, "rooms": rng.permutation(n),
        "time": [f"1{i % 10}:30" for i in range(n)], "y": ["a", "b"] * 25,
    }  # fmt: skip
    table = inspection.inspect(write(tmp_path, columns, columns.values()))
    words = {
        "": "no name", "nothing": "empty", "holes": "34% of its cells", "broken": "text in 1 cells, such as 'n/a'",
        "infinite": "not finite", "same": "constant: 2", "number": "identifier", "time": "dates", "y": "text, 2 different",
    }  # fmt: skip
    found = reasons(table)
    assert list(found) == list(words)
    for name, word in words.items():
        assert word in found[name], name


BAD_CHOICES = [
    ("x", [], "classification", "features", "no column is a feature"),
    ("x", ["i"], "classification", "target", "choose regression"),
    ("kind", ["i"], "regression", "target", "choose classification"),
    ("same", ["i"], "classification", "target", "in all rows"),
    ("kind", ["i", "holes"], "classification", "features", "leave out"),
    ("mixed", ["i"], "classification", "target", "a number like the other labels"),
]


@pytest.mark.parametrize(("target", "features", "task", "field", "said"), BAD_CHOICES)
def test_what_cannot_be_trained_is_a_fault_of_its_field(tmp_path, rng, target, features, task, field, said):
    columns = {
        "x": rng.random(200), "kind": ["u", "v"] * 100, "i": rng.random(200), "same": ["z"] * 200, "holes": [1.5] + [""] * 199,
        "mixed": ["w", *[1, 2] * 99, 1],
    }  # fmt: skip
    table = inspection.inspect(write(tmp_path, columns, columns.values()))
    names = list(columns)
    found = table.check(names.index(target), [names.index(one) for one in features], task)
    assert list(found.faults) == [field]
    assert said in found.faults[field]
    path = str(tmp_path / "t.csv")
    with pytest.raises((TypeError, ValueError)):  # training refuses it, too
        sl.datasets.Dataset.from_file(path, target=target, columns=features, task=task, missing="drop")


def test_rare_classes_frequent_ones_and_large_numbers_are_said(tmp_path, rng):
    columns = {"x": rng.random(100), "price": 1e6 * rng.random(100), "kind": ["u"] * 97 + ["v"] * 3}
    table = inspection.inspect(write(tmp_path, columns, columns.values()))
    said = table.check(2, [0]).warnings
    assert "['v']" in said[0]
    assert "97% of the rows are 'u'" in said[1]
    assert "may diverge" in table.check(1, [0], "regression").warnings[0]


NAMES = ["size", "5", "a, b", "2..7", '"q"', "", "-1", "größe", "new\nline"]


@pytest.mark.parametrize("places", [[0], [1, 2], [3], [4, 5, 6], [0, 7], [7, 8], list(range(9))])
def test_columns_written_as_text_are_found_again(places):
    found = columns_in("columns", columns_text(places, NAMES))
    assert [NAMES.index(one) if isinstance(one, str) else one for one in found] == places


def test_many_columns_are_a_short_text_and_ranges_are_read(tmp_path):
    names, places = [f"pixel{i}" for i in range(500)], [i for i in range(500) if i not in (7, 300)]
    assert columns_text(places, names) == "0..6, 8..299, 301..499"
    assert columns_in("columns", "0..6, 8..299, 301..499") == places
    config = sl.ExperimentConfig(dataset=str(tmp_path / "t.csv"), columns="size, 3..5, 9")
    assert data_options(config)["columns"] == ["size", 3, 4, 5, 9]
    for text in ("5..3", "0..99999999999"):
        with pytest.raises(ValueError, match="columns = "):
            columns_in("columns", text)


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv"):
        inspection.inspect(tmp_path / "t.npz")
    with pytest.raises(FileNotFoundError, match=r"t\.csv"):
        inspection.inspect(tmp_path / "t.csv")
