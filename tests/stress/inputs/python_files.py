"""The Python API: tables and other files that cannot be read, and paths that cannot be used."""

import gzip
import os
import tempfile
from itertools import chain
from pathlib import Path

import numpy as np

import sparselab as sl
from sparselab.datasets import Dataset
from sparselab.experiments.run_store import RunStore

from . import BadRepr, refusals

GOOD = "a,b,label\n" + "".join(f"{i / 3},{i % 5},{'xy'[i % 2]}\n" for i in range(20))


def files_and_paths():
    """Every kit of this file."""
    return chain(tables(), files(), options(), paths())


def read(content, name="table.csv", **options):
    """Dataset.from_file of a file with this content."""
    with tempfile.TemporaryDirectory(prefix="sparselab-stress-") as folder:
        path = Path(folder, name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Dataset.from_file(path, **options)


def tables():
    """Tables with a fault in their text."""
    faults = {
        "empty": "", "one line break": "\n", "blanks": "   \n  \n", "byte order mark alone": b"\xef\xbb\xbf",
        "header only": "a,b,label\n",
        "two headers": "a,b,label\na,b,label\n", "one cell": "3", "one column": "a\n1\n2\n", "one row": "1,2,x\n",
        "separators only": ",,\n,,\n",
        "sep line only": "sep=;\n", "comments only": "# a\n# b\n", "row too long": GOOD + "1,2,x,4\n",
        "row too short": GOOD + "1\n",
        "first row too long": "1,2,3,x\n" + GOOD, "every other row too long": "1,2,x\n3,4,y,5\n" * 9,
        "open quotation": GOOD + '1,2,"x\n',
        "quotation in the first line": '"a,b,label\n1,2,x\n3,4,y\n', "text in a column of numbers": GOOD + "red,4,x\n",
        "late text": GOOD * 1 + "".join(f"{i},1,x\n" for i in range(3000)) + "1,no number,y\n",
        "decimal comma in quotes": 'a,l\n"1,5",x\n"2,5",y\n',
        "two decimal marks": "a;b;l\n1,5;2.5;x\n2,5;1.5;y\n", "thousands": "a;l\n1.234.567,5;x\n2;y\n",
        "spaces in numbers": "a,l\n1 000,x\n2 000,y\n",
        "currency": "a,l\n3 EUR,x\n4 EUR,y\n", "percent": "a,l\n3%,x\n4%,y\n", "hexadecimal": "a,l\n0x10,x\n0x11,y\n",
        "fraction": "a,l\n1/2,x\n1/3,y\n",
        "date": "a,l\n2020-01-01,x\n2020-01-02,y\n", "time": "a,l\n12:30,x\n12:31,y\n", "infinity": "a,l\ninf,x\n2,y\n",
        "minus infinity": "a,l\n-Infinity,x\n2,y\n",
        "beyond float": "a,l\n1e999,x\n2,y\n", "beyond float32": "a,l\n1e300,x\n-1e308,y\n3e307,x\n1e308,y\n" * 3,
        "complex": "a,l\n1+2j,x\n2,y\n",
        "missing number": "a,l\n,x\n2,y\n3,x\n", "NaN": "a,l\nnan,x\n2,y\n3,x\n", "mark of no number": "a,l\n?,x\n2,y\n",
        "missing label": "a,l\n1,\n2,y\n3,x\n",
        "no labels at all": "a,l\n1,\n2,\n", "one class": "a,l\n1,x\n2,x\n",
        "a label for each row": "a,l\n" + "".join(f"{i},n{i}\n" for i in range(9)),
        "numbers and one word as labels": "a,l\n" + "".join(f"{i},{i % 2}\n" for i in range(200)) + "3,x\n",
        "equal names": "a,a,l\n1,2,x\n2,3,y\n",
        "NUL bytes": b"a,b,l\n1,2,x\n" + b"\0" * 40 + b"\n3,4,y\n", "binary": bytes(range(256)) * 8,
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "spreadsheet": b"PK\x03\x04" + bytes(100), "latin-1": "größe,l\n1,x\n2,y\n".encode("latin-1"),
        "utf-16": GOOD.encode("utf-16"),
        "utf-32": GOOD.encode("utf-32"), "utf-16 without a mark": GOOD.encode("utf-16-le"),
        "cut off inside a letter": "a,l\n1,ä".encode()[:-1],
        "gzip of nothing": gzip.compress(b""), "gzip cut off": gzip.compress(GOOD.encode())[:40],
        "gzip of gzip": gzip.compress(gzip.compress(GOOD.encode())),
        "HTML": "<html><body><table><tr><td>1</td></tr></table></body></html>", "JSON": '{"a": [1, 2], "label": ["x", "y"]}',
        "a long cell": "1," + "x" * 300_000 + "\n2,y",
        "SQL": "INSERT INTO t VALUES (1, 2);", "formula": "a,l\n=1+1,x\n2,y\n", "other digits": "a,l\n٣,x\n٤ ٥,y\n",
        "minus sign of typesetting": "a,l\n−3,x\n−4,y\n",
    }  # fmt: skip
    names = ("path", "table.csv", "column", "columns", "y", "X", "missing", "decimal", "header", "test_fraction")
    yield from refusals("from_file(table)", lambda s, v: read(v), faults, names=names, shows_value=False)


def files():
    """Other kinds of files that are not what their names say."""
    faults = {
        (".npz", "text"): b"1,2,x", (".npz", "empty"): b"", (".npz", "zip of nothing"): b"PK\x05\x06" + bytes(18),
        (".mat", "empty"): b"",
        (".mat", "text"): b"a = [1 2 3];", (".mat", "binary"): bytes(range(256)) * 3, (".arff", "empty"): b"",
        (".arff", "no data"): b"@relation t\n@attribute a numeric\n",
        (".arff", "no attributes"): b"@relation t\n@data\n1\n", (".arff", "binary"): bytes(range(128, 256)),
        (".arff", "row too long"): b"@relation t\n@attribute a numeric\n@attribute b {x,y}\n@data\n1,x,3\n",
        (".arff", "date"): b"@relation t\n@attribute a date yyyy\n@attribute b {x,y}\n@data\n2020,x\n2021,y\n",
        (".svmlight", "empty"): b"", (".svmlight", "text"): b"red 1:2\nblue 1:3\n",
        (".svmlight", "index 0 and -1"): b"1 -1:2\n0 1:3\n", (".svmlight", "unsorted"): b"1 3:1 2:1\n0 1:1\n",
        (".svmlight", "no values"): b"1\n0\n", (".svmlight", "NaN"): b"1 1:nan\n0 2:1\n",
        (".svmlight", "infinity"): b"1 1:inf\n0 2:1\n", (".svmlight", "one class"): b"1 1:1\n1 2:1\n",
        (".svmlight", "binary"): bytes(range(256)), (".xlsx", "spreadsheet"): b"PK\x03\x04",
        (".json", "records"): b'[{"a": 1}]', (".parquet", "column store"): b"PAR1", ("", "no extension"): b"1,2,x\n",
        (".csv.zip", "zip"): b"PK\x03\x04" + bytes(30),
    }  # fmt: skip
    by_name = {f"{kind[1:]}, {fault}" if kind else fault: (content, f"t{kind}") for (kind, fault), content in faults.items()}
    names = ("path", "t.arff", "extension", "X", "X.data", "y", "column")
    yield from refusals("from_file(file)", lambda s, v: read(*v), by_name, names=names, shows_value=False)
    arrays = {
        "no arrays": {}, "X alone": {"X": np.eye(4)}, "y alone": {"y": np.arange(4)},
        "other names": {"a": np.eye(4), "b": np.arange(4)}, "X_train alone": {"X_train": np.eye(4)},
        "X of text": {"X": np.full((4, 2), "a"), "y": np.arange(4) % 2},
        "X of dates": {"X": np.zeros((4, 2), "datetime64[D]"), "y": np.arange(4) % 2},
        "X complex": {"X": np.eye(4) + 0j, "y": np.arange(4) % 2},
        "X with NaN": {"X": np.full((4, 2), np.nan), "y": np.arange(4) % 2},
        "X 0-D": {"X": np.array(3.0), "y": np.arange(4)},
        "X 1-D": {"X": np.arange(4.0), "y": np.arange(4) % 2},
        "X 5-D": {"X": np.zeros((4, 1, 1, 1, 1)), "y": np.arange(4) % 2},
        "X of no rows": {"X": np.zeros((0, 3)), "y": np.arange(0)},
        "y too short": {"X": np.eye(4), "y": np.arange(3) % 2}, "y of fractions": {"X": np.eye(4), "y": np.arange(4) / 3},
        "y with NaN": {"X": np.eye(4), "y": np.array([0, 1, np.nan, 1])},
        "y 2-D": {"X": np.eye(4), "y": np.eye(4)}, "y one class": {"X": np.eye(4), "y": np.zeros(4)},
        "test part with unknown labels": {"X_train": np.eye(4), "y_train": np.arange(4) % 2, "X_test": np.eye(4),
            "y_test": np.arange(4)},
        "test part of other features": {"X_train": np.eye(4), "y_train": np.arange(4) % 2, "X_test": np.eye(5),
            "y_test": np.arange(5) % 2},
        "X_test without y_test": {"X_train": np.eye(4), "y_train": np.arange(4) % 2, "X_test": np.eye(4)},
        "pickled": {"X": np.array([[1, None]], dtype=object), "y": np.arange(1)},
    }  # fmt: skip

    def of_arrays(s, value):
        with tempfile.TemporaryDirectory(prefix="sparselab-stress-") as folder:
            np.savez(Path(folder, "t.npz"), **value)
            return Dataset.from_file(Path(folder, "t.npz"))

    yield from refusals("from_file(npz)", of_arrays, arrays, names=("path", "X", "y", "X_test", "y_test", "X.shape",
        "y.shape", "len(y)", "X.dtype"), shows_value=False)  # fmt: skip


def options():
    """Choices of `from_file` that do not exist, or that the file does not have."""
    wrong = {
        "target": {"unknown": "lable", "empty": "", "too far": 3, "too far back": -4, "10^30": 10**30, "fraction": 1.5,
            "whole float": 1.0, "bool": True, "list with an unknown name": ["label", "lable"], "object": object(),
            "bytes": b"label", "NaN": np.nan},
        "columns": {"unknown": ["a", "c"], "none": [], "the target": ["a", "label"], "too far": [0, 3], "fraction": [0.5],
            "number of none": [None], "nested": [["a"]], "bool": [True, False], "dict": {}, "object": object(),
            "number text": "0"},
        "missing": {"unknown": "fill", "empty": "", "number": 0, "bool": True, "list": ["drop"]},
        "separator": {"two characters": "::", "empty": "", "number": 3, "bytes": b",", "bool": True, "wrong": ";",
            "pattern": r"\d", "letter": "x", "line break": "\n", "quotation": '"', "NUL": "\0"},
        "header": {"number": 0, "text": "yes", "names": ["a", "b", "label"], "two": 2},
        "decimal": {"empty": "", "letter": "x", "the separator": ",", "number": 0, "bytes": b".", "two": ".,"},
        "encoding": {"unknown": "klingon", "empty": "", "number": 8, "bytes": b"utf-8", "list": ["utf-8"],
            "of bytes": "base64", "wrong": "utf-16", "NUL": "a\0b"},
        "test_fraction": {"one": 1, "negative": -0.1, "above 1": 1.5, "NaN": np.nan, "infinity": np.inf, "text": "0.2",
            "nothing": None, "bool": True, "tiny array": np.array([0.2])},
        "seed": {"negative": -1, "fraction": 0.5, "text": "a", "bool": True, "NaN": np.nan},
        "task": {"misspelt": "regresion", "nothing": None, "number": 1, "empty": "", "class": int,
            "regression of words": "regression"},
        "standardise": {"text": "yes", "number": 1, "nothing": None, "list": [True]},
        "image_shape": {"other number of pixels": (3, 3), "number": 2, "text": "1x2", "negative": (-1, -2), "fraction": (0.5, 4)},
    }  # fmt: skip
    for argument, faults in wrong.items():
        call = lambda s, v, argument=argument: read(GOOD, **{argument: v})
        others = ("y", "y.dtype", "columns[0]", "columns[1]", "columns", "path", "decimal", "separator")
        yield from refusals(f"from_file({argument})", call, faults, names=others, shows_value=False)


def paths():
    """Paths that cannot be read or written; an OSError is an answer, too, where it says the path."""
    with_text = {"nothing": None, "number": 3, "NaN": np.nan, "bool": True, "object": object(), "list": ["a"],
        "bytes with NUL": b"a\0b",
                 "without words": BadRepr()}  # fmt: skip
    names = {"NUL": "a\0b", "too long": "x" * 5000, "half a surrogate": "\ud800", "below a file": "/dev/null/x"}
    readers = {
        "Dataset.from_file(path)": Dataset.from_file, "Dataset.from_csv(path)": Dataset.from_csv,
        "Dataset.from_npz(path)": Dataset.from_npz, "load(path)": sl.load,
        "load_checkpoint(path)": sl.load_checkpoint, "export.from_npz(path)": sl.export.from_npz,
    }  # fmt: skip
    missing = {"empty": "", "missing": "/no/such/file.npz", "folder": "/", "device": os.devnull, "blank": " "}
    how = {"names": ("path", "extension", "checkpoint", "/dev/null", "/"), "shows_value": False, "of_system": True}
    for argument, call in readers.items():
        yield from refusals(argument, lambda s, v, call=call: call(v), with_text | names | missing, **how)
    figure = {}

    def drawn(s):
        figure.setdefault("one", sl.figures.memory(s.subject))
        return figure["one"]

    state = lambda s: sl.TrainingState.start(s.subject, sl.MomentumSGD(), 0)
    writers = {
        "save(path)": lambda s, v: sl.save(s.subject, v), "export.to_npz(path)": lambda s, v: sl.export.to_npz(s.subject, v),
        "save_checkpoint(path)": lambda s, v: sl.save_checkpoint(s.subject, state(s), v),
        "steps(checkpoint)": lambda s, v: next(sl.steps(s.subject, (s.X, s.y), checkpoint=v)),
        "train_parallel(checkpoint)": lambda s, v: next(sl.train_parallel(s.subject, (s.X, s.y), n_jobs=1, checkpoint=v)),
        "RunStore(folder)": lambda s, v: RunStore(v).new(sl.ExperimentConfig()), "save_figure(path)": lambda s,
        v: sl.figures.save_figure(drawn(s), v),
    }  # fmt: skip
    how["names"] += ("folder",)
    for argument, call in writers.items():
        faults = with_text | names | {"empty": ""}
        if argument in ("steps(checkpoint)", "train_parallel(checkpoint)"):
            faults = {fault: value for fault, value in faults.items() if fault != "nothing"}  # no folder
        yield from refusals(argument, call, faults, **how)
