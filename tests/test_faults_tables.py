"""Tables as people have them: read right, or refused with the argument that helps; no index is silently a feature."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import io as scipy_io
from scipy import sparse

import sparselab as sl
from sparselab.datasets import Dataset, load
from sparselab.experiments.config import data_options

pandas = pytest.importorskip("pandas")
ROWS = [(i / 7, -i, "yes" if i % 3 else "no") for i in range(30)]


def table(separator=",", decimal=".", header="size,height,bought", end="\n"):
    """The rows as text."""
    write = lambda cell: f"{cell:.6f}".replace(".", decimal) if isinstance(cell, float) else str(cell)
    lines = [separator.join(map(write, row)) for row in ROWS]
    return end.join([*([header.replace(",", separator)] if header else []), *lines]) + end


def check(data):
    """Whether a dataset holds ROWS."""
    X = np.array([row[:2] for row in ROWS], np.float32)
    y = [row[2] for row in ROWS]
    np.testing.assert_allclose(data.X_train, X, atol=1e-6)
    assert data.decode(data.y_train).tolist() == y


WHOLE = {"test_fraction": 0, "standardise": False}
WILD = {
    "semicolon, decimal comma, BOM": ("t.csv", b"\xef\xbb\xbf" + table(";", ",").encode(), {}),
    "tab": ("t.tsv", table("\t").encode(), {}),
    "tab, decimal comma": ("t.txt", table("\t", ",").encode(), {}),
    "pipe": ("t.dat", table("|").encode(), {}),
    "whitespace": ("t.data", table("  ").encode(), {}),
    "whitespace, given": ("t.csv", table("   ").encode(), {"separator": r"\s+"}),
    "no header": ("t.csv", table(header="").encode(), {}),
    "blank first lines": ("t.csv", b"\n \n" + table().encode(), {}),
    "comments": ("t.csv", b"# made by hand\n" + table().encode(), {}),
    "windows": ("t.csv", table(end="\r\n").encode(), {}),
    "gz": ("t.csv.gz", gzip.compress(table().encode()), {}),
    "bz2": ("t.csv.bz2", bz2.compress(table().encode()), {}),
    "xz": ("t.csv.xz", lzma.compress(table().encode()), {}),
    "latin-1": ("t.csv", table(header="größe,höhe,bought").encode("latin-1"), {"encoding": "latin-1"}),
    "utf-16": ("t.csv", table().encode("utf-16"), {"encoding": "utf-16"}),
    "quoted": ("t.csv", ("size,height,bought\n" + "".join(f'"{a}","{b}","{c}"\n' for a, b, c in ROWS)).encode(), {}),
    "target first": ("t.csv", ("bought,a,b\n" + "".join(f"{c},{a},{b}\n" for a, b, c in ROWS)).encode(), {"target": "bought"}),
    "spaces": ("t.csv", ("size, height, bought\n" + "".join(f"{a}, {b}, {c}\n" for a, b, c in ROWS)).encode(), {}),
    "ARFF": (
        "t.arff",
        (
            "% weather\n@relation t\n@attribute size numeric\n@attribute height numeric\n@attribute bought {no, yes}\n@data\n"
            + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS)
        ).encode(),
        {},
    ),
    "text left out": (
        "t.csv", ("name,size,height,bought\n" + "".join(f"x{b},{a},{b},{c}\n" for a, b, c in ROWS)).encode(),
        {"columns": ["size", 2]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WILD)
def test_tables_of_the_wild_are_read(name, tmp_path, recwarn):
    file, content, options = WILD[name]
    (tmp_path / file).write_bytes(content)
    check(load(tmp_path / file, **options, **WHOLE))
    check(load(str(tmp_path / file), **options, **WHOLE))
    with open(tmp_path / file, "rb") as opened:
        check(Dataset.from_file(opened, **options, **WHOLE))
    assert not recwarn.list


def test_quoted_cells_may_have_line_breaks_and_lines_are_still_counted(tmp_path):
    text = 'size,bought\n1,"yes\nor so"\n2,no\n3,"yes\nor so"\nbig,no\n'
    path = tmp_path / "t.csv"
    path.write_text(text.replace("big", "4"))
    assert Dataset.from_csv(path, **WHOLE).classes.tolist() == ["no", "yes\nor so"]
    path.write_text("\n\n" + text)
    with pytest.raises(ValueError, match=r"column 'size', line 9 = 'big'.*columns="):
        Dataset.from_csv(path, **WHOLE)


def test_an_index_column_is_no_feature(tmp_path):
    frame = pandas.DataFrame({"a": np.arange(20) % 5, "b": 1.5, "label": ["x", "y"] * 10})
    frame.to_csv(tmp_path / "t.csv")
    with pytest.warns(UserWarning, match="index of the rows"):
        data = load(tmp_path / "t.csv", **WHOLE)
    assert data.n_features == 2
    assert load(tmp_path / "t.csv", columns=[0, "a"], **WHOLE).n_features == 2
    (tmp_path / "u.csv").write_text((tmp_path / "t.csv").read_text().replace(",a,", "Unnamed: 0,a,", 1))
    with pytest.warns(UserWarning, match="index of the rows"):
        assert load(tmp_path / "u.csv", **WHOLE).n_features == 2


def test_a_header_of_numbers_is_no_sample(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "t.csv"
    X = rng.normal(size=(30, 3)).round(3)
    rows = "".join(f"{a},{b},{c},{'ab'[i % 2]}\n" for i, (a, b, c) in enumerate(X))
    path.write_text("400,402,404,class\n" + rows)
    with pytest.warns(UserWarning, match=r"'class' occurs nowhere else.*header=True"):
        assert load(path, **WHOLE).n_train == 31
    data = load(path, header=True, target="class", **WHOLE)
    assert (data.n_train, data.classes.tolist()) == (30, ["a", "b"])
    path.write_text("400,402,404,class\n" + rows.replace("a", "0").replace("b", "1"))
    with pytest.warns(UserWarning, match=r"taken as a header.*header=False"):
        assert load(path, **WHOLE).n_train == 30
    pandas.DataFrame(np.c_[X, np.arange(30) % 2]).to_csv(path, index=False)
    with pytest.warns(UserWarning, match="taken as a header"):
        assert load(path, **WHOLE).n_train == 30
    assert load(path, header=False, task="regression", **WHOLE).n_train == 31
    pandas.DataFrame(np.c_[X, np.arange(30) % 2]).to_csv(path)
    with pytest.warns(UserWarning, match="taken as a header"):
        data = load(path, **WHOLE)
    assert (data.n_train, data.n_features) == (30, 3)


def test_a_header_above_whole_labels_is_no_sample_unsaid(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("400,402,404\n" + "".join(f"{i / 7:.3f},{-i / 3:.3f},{i % 2}\n" for i in range(40)))
    with pytest.warns(UserWarning, match=r"404 occurs nowhere else|label np.int64\(404\) occurs nowhere else"):
        load(path, **WHOLE)
    assert load(path, header=True, **WHOLE).n_train == 40


@pytest.mark.parametrize("header", ["", "id,size,label\n"])
@pytest.mark.parametrize("start", [0, 1])
def test_a_column_that_counts_the_rows_is_said(header, start, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(header + "".join(f"{i + start},{i % 7 / 3:.2f},{'ab'[i % 2]}\n" for i in range(30)))
    with pytest.warns(UserWarning, match="counts the rows"):
        assert load(path, **WHOLE).n_features == 2
    assert load(path, columns=[1], **WHOLE).n_features == 1


@pytest.mark.parametrize("mark", ["NA", "nan", "None", "?", ""])
def test_marks_among_labels_that_are_numbers_are_missing_labels(mark, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,label\n" + "".join(f"{i % 7},{mark if i % 20 == 3 else i % 2}\n" for i in range(60)))
    with pytest.raises(ValueError, match=r"column 'label', line 5 = .*missing="):
        load(path, **WHOLE)
    data = load(path, missing="drop", **WHOLE)
    assert (data.n_train, data.classes.tolist()) == (57, [0, 1])


def test_blanks_around_labels_make_no_class_and_long_numbers_may_be_labels(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,label\n" + "".join(f"{i % 7},{('no', 'no ', ' yes')[i % 3]}\n" for i in range(30)))
    assert load(path, **WHOLE).classes.tolist() == ["no", "yes"]
    ids = ("12345678901234567890123", "22345678901234567890123")
    path.write_text("a,label\n" + "".join(f"{i % 7},{ids[i % 2]}\n" for i in range(30)))
    assert len(load(path, **WHOLE).classes) == 2


def test_missing_cells_are_named_and_can_be_dropped(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,label\n1,?,3,x\n4,5,NA,y\n7,8,9,x\n10,11,12,y\n1,2,3,\n")
    with pytest.raises(ValueError, match=r"column 'b', line 2 = '\?'.*missing=\"drop\" leaves out the 2 rows.*\['b', 'c'\]"):
        load(path, **WHOLE)
    data = load(path, missing="drop", **WHOLE)
    assert data.X_train.tolist() == [[7, 8, 9], [10, 11, 12]]
    with pytest.raises(ValueError, match=r"column 'label', line 6 = ''.*missing"):
        load(path, columns=["a"], **WHOLE)
    assert load(path, columns="a", missing="drop", **WHOLE).n_train == 4
    path.write_text("a,label\n?,1\n?,2\n")
    with pytest.raises(ValueError, match="every row has a missing cell"):
        load(path, missing="drop", **WHOLE)


@pytest.mark.parametrize("marks", ["NA", "None", "null", "nan"])
def test_a_label_may_be_a_word_that_marks_missing_numbers(marks, tmp_path):
    (tmp_path / "t.csv").write_text(f"a,label\n1,{marks}\n2,yes\n3,{marks}\n4,yes\n")
    assert sorted(load(tmp_path / "t.csv", **WHOLE).classes.tolist()) == sorted([marks, "yes"])


def test_whole_labels_stay_whole_where_one_is_missing(tmp_path):
    (tmp_path / "t.csv").write_text("a,label\n1,0\n2,1\n3,\n4,1\n")
    data = load(tmp_path / "t.csv", missing="drop", **WHOLE)
    assert data.classes.tolist() == [0, 1]
    assert data.classes.dtype.kind == "i"


def test_dates_and_text_are_named_with_the_argument_that_helps(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("day,name,size,label\n2024-01-01,ann,1,x\n2024-01-02,bob,2,y\n")
    with pytest.raises(ValueError, match=r"column 'day', line 2 = '2024-01-01'.*nor are columns \['name'\].*columns="):
        load(path, **WHOLE)
    assert load(path, columns=["size"], **WHOLE).n_features == 1


def test_one_late_word_among_many_numbers_is_named(tmp_path):
    path, n = tmp_path / "t.csv", 200_000
    lines = [f"{i % 97},{i % 2}\n" for i in range(n)]
    path.write_text("a,label\n" + "".join([*lines, "5,x\n"]))
    with pytest.raises(ValueError, match=f"column 'label', line {n + 2} = 'x'"):
        load(path, **WHOLE)
    path.write_text("a,label\n" + "".join([*lines, "x,1\n"]))
    with pytest.raises(ValueError, match=f"column 'a', line {n + 2} = 'x'"):
        load(path, **WHOLE)


def texts(data):
    """The labels of all rows."""
    return data.decode(data.y_train).tolist()


@pytest.mark.parametrize("missing", [False, True])
def test_labels_with_leading_zeros_stay_different(missing, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,code\n1,01\n2,1\n3, 001\n4,7\n" + "5,\n" * missing)
    options = WHOLE | ({"missing": "drop"} if missing else {})
    with pytest.warns(UserWarning, match=r"'code'.*'01', '1', '001'.*are different labels"):
        assert texts(load(path, **options)) == ["01", "1", "001", "7"]
    with pytest.warns(UserWarning, match="for a regression"):
        assert load(path, task="regression", **options).y_train.ravel().tolist() == [1, 1, 1, 7]


@pytest.mark.parametrize("labels", [["01", "02", "10"], ["0", "1", "2"], ["1", "1.0", "01.0"], ["0.5", "0.05", "00.5"]])
def test_other_numbers_stay_numbers(labels, tmp_path, recwarn):
    (tmp_path / "t.csv").write_text("a,code\n" + "".join(f"{i + 0.5},{label}\n" for i, label in enumerate(labels)))
    data = load(tmp_path / "t.csv", task="regression", **WHOLE)
    np.testing.assert_allclose(data.y_train.ravel(), [float(label) for label in labels])
    assert not recwarn.list


def test_a_comma_that_may_part_thousands_is_said_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c\n1,234;2,345;x\n-3,456;12,000;y\n")
    with pytest.warns(UserWarning, match=r"'1,234' .* as 1\.234, .*thousands.*decimal=") as said:
        data = load(path, **WHOLE)
    assert len(said) == 1
    assert said[0].filename == __file__
    np.testing.assert_allclose(data.X_train, [[1.234, 2.345], [-3.456, 12]])
    with pytest.raises(ValueError, match="line 2 = '1,234'"):
        load(path, decimal=".", **WHOLE)


@pytest.mark.parametrize("cells", ["0,234;2,345", "1,23;2,345", "1,234;,345", "1,2345;1,234", "1,234e2;1,234"])
def test_a_comma_that_cannot_part_thousands_is_unsaid(cells, tmp_path, recwarn):
    (tmp_path / "t.csv").write_text(f"a;b;c\n1,234;2,345;x\n{cells};y\n")
    load(tmp_path / "t.csv", **WHOLE)
    (tmp_path / "u.csv").write_text("a;b;c\n1,234;2,345;x\n1,234;2,345;y\n")
    load(tmp_path / "u.csv", decimal=",", **WHOLE)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("header", "separator", "quote", "options"),
    [("size height bought", " ", '"', {}), ("size height bought", "\t", "", {}), ("400 402 class", " ", '"', {"header": True})],
)
def test_tables_that_r_writes(header, separator, quote, options, tmp_path):
    path = tmp_path / "t.txt"
    lines = [separator.join(f"{quote}{name}{quote}" for name in header.split())]
    lines += [separator.join([f"{quote}row {i}{quote}" if quote else f"{i}", f"{a:.6f}", f"{b}", f"{quote}{c}{quote}"])
              for i, (a, b, c) in enumerate(ROWS, 1)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match="first column has no name") as said:
        check(load(path, **options, **WHOLE))
    assert len(said) == 1
    target = header.split()[0]
    assert load(path, target=target, task="regression", columns=[2], **options, **WHOLE).n_features == 1


def test_words_in_quotation_marks_between_blanks(tmp_path, recwarn):
    (tmp_path / "t.txt").write_text('"the size"  b\n 1  "oh no"\n2 "oh ""yes"" "\n3\tplain\n')
    data = load(tmp_path / "t.txt", target="b", columns=["the size"], **WHOLE)
    assert texts(data) == ["oh no", 'oh "yes"', "plain"]
    assert not recwarn.list


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "SEP=; \n", "\nsep=;\n\n"])
def test_the_line_that_tells_excel_the_separator(first, tmp_path, recwarn):
    path = tmp_path / "t.csv"
    path.write_text(first + table(";", ","))
    check(load(path, **WHOLE))
    assert not recwarn.list
    path.write_text(first + "a;b\n1;x\nred;y\n")
    with pytest.raises(ValueError, match=f"line {first.count(chr(10)) + 3} = 'red'"):
        load(path, **WHOLE)
    path.write_text("sep=;\n" + table(","))
    check(load(path, separator=",", **WHOLE))


@pytest.mark.parametrize("separator", [",", r"\s+"])
def test_comments_between_the_rows_are_left_out_and_said(separator, tmp_path):
    path = tmp_path / "t.csv"
    lines = table("," if separator == "," else " ").splitlines()
    lines = [*lines[:3], "# in the middle", *lines[3:9], " % of that", *lines[9:], "#", "# 1,2,no"]
    path.write_text("\n".join(["# before", *lines, ""]))
    with pytest.warns(UserWarning, match="4 comments, the first in line 5, are left out"):
        check(load(path, separator=separator, **WHOLE))
    with open(path, "a") as file:
        file.write("red,1,no\n".replace(",", "," if separator == "," else " "))
    with pytest.warns(UserWarning, match="comments"), pytest.raises(ValueError, match="line 37 = 'red'"):
        load(path, **WHOLE)


def test_a_row_that_begins_like_a_comment_is_no_comment(tmp_path, recwarn):
    path = tmp_path / "t.csv"
    path.write_text("id,a,label\n" + "".join(f"#{i},{i / 3},{'xy'[i % 2]}\n" for i in range(9)))
    assert load(path, columns=["a"], **WHOLE).n_train == 9
    path.write_text("text,a,label\n" + "".join(f'"hello\n# there",{i / 3},{"xy"[i % 2]}\n' for i in range(9)))
    assert load(path, columns=["a"], **WHOLE).n_train == 9
    assert not recwarn.list
    path.write_text("id,a,label\nu,1,x\nv,2,y\n#w,3,y\nz,4,x\n")
    with pytest.warns(UserWarning, match="line 4 begins like a comment and is a row"):
        assert load(path, columns=["a"], **WHOLE).n_train == 4


def test_long_integers_are_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("a,label\n12345678901234567890123,x\n-12345678901234567890124,y\n")
    np.testing.assert_allclose(load(tmp_path / "t.csv", **WHOLE).X_train[:, 0], [1.2345678901234568e22, -1.2345678901234568e22])


BAD = {
    "empty": (b"", {}, "at least one line"),
    "blank": (b" \n\n", {}, "at least one line"),
    "comment only": (b"# nothing\n", {}, "at least one line"),
    "header only": (b"a,b\n", {}, "below its header"),
    "one column": (b"1\n2\n", {}, "separator"),
    "ragged": (b"1,2,x\n3,4,y,5\n", {}, "equally many cells"),
    "row names without a head": (b"a b\n1 2 3\n2 3 4\n", {"header": False}, "equally many cells"),
    "a quotation mark that never ends": (b'1,2,"x\n' + b"3,4,y\n" * 40000, {}, "EOF inside string"),
    "a long cell": (b'1,2,"' + b"x" * 200_000 + b"\n3,4,y\n", {}, "must be a table"),
    "row names without names of columns": (b"400 402\n1 2 3\n2 3 4\n", {}, "header=True"),
    "names twice": (b"a,a,b\n1,2,x\n3,4,y\n", {}, "names that differ"),
    "truncated gz": (gzip.compress(table().encode())[:60], {}, "complete compressed file"),
    "truncated bz2": (bz2.compress(table().encode())[:60], {}, "complete compressed file"),
    "truncated xz": (lzma.compress(table().encode())[:60], {}, "complete compressed file"),
    "binary": (bytes(range(256)), {}, "UTF-8"),
    "utf-16 unsaid": (table().encode("utf-16"), {}, "encoding="),
    "unknown encoding": (b"1,2,x\n", {"encoding": "klingon"}, "encoding = 'klingon'"),
    "encoding no text": (b"1,2,x\n", {"encoding": 7}, "encoding = 7"),
    "long separator": (b"1,2,x\n", {"separator": "ab"}, "separator = 'ab'"),
    "empty separator": (b"1,2,x\n", {"separator": ""}, "separator = ''"),
    "separator no text": (b"1,2,x\n", {"separator": 3}, "separator = 3"),
    "wrong separator": (b"1,2,x\n3,4,y\n", {"separator": ";"}, "separator=';'"),
    "decimal": (b"1,2,x\n", {"decimal": "x"}, "decimal = 'x'"),
    "decimal and separator": (b"1,2,x\n", {"decimal": ",", "separator": ","}, "decimal = ','"),
    "header no flag": (b"1,2,x\n", {"header": 0}, "header = 0"),
    "missing": (b"1,2,x\n", {"missing": "fill"}, "missing = 'fill'"),
    "unknown target": (b"a,label\n1,x\n2,y\n", {"target": "lable"}, "did you mean 'label'"),
    "target too far": (b"a,label\n1,x\n2,y\n", {"target": 7}, "target = 7"),
    "target no number": (b"a,label\n1,x\n2,y\n", {"target": 1.5}, "target = 1.5"),
    "no columns": (b"a,label\n1,x\n2,y\n", {"columns": []}, "columns = []"),
    "the target as a column": (b"a,label\n1,x\n2,y\n", {"columns": ["a", "label"]}, "without the target"),
    "unknown column": (b"a,label\n1,x\n2,y\n", {"columns": ["b"]}, "columns[0] = 'b'"),
    "word": (b"a,b,c\n1,2,x\nred,4,y\n", {}, "column 'a', line 3 = 'red'"),
    "formula": (b"a,b,c\n1,2,x\n=1+1,5,y\n", {}, "'=1+1'"),
    "thousands": (b"a;b;c\n1.234,5;2;x\n3,5;4;y\n", {}, "column 'a', line 2 = '1.234,5'"),
    "infinity": (b"1,2,x\n3,inf,y\n", {}, "infinity"),
    "no labels": (b"a,label\n1,\n2,\n", {}, "column is empty"),
    "one class": (b"1,2,x\n3,4,x\n", {}, "at least two classes"),
    "empty column": (b"a,b,label\n1,,x\n2,,y\n", {}, "columns=[…] can leave out ['b']"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_refused_with_a_way_out(name, tmp_path):
    content, options, words = BAD[name]
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises((ValueError, TypeError)) as error:
        Dataset.from_csv(tmp_path / "bad.csv", **options, **WHOLE)
    assert words in str(error.value)
    assert len(str(error.value)) < 600


BAD_FILES = {
    "arff text": ("t.arff", b"@relation t\n@attribute a string\n@attribute b {x,y}\n@data\nhello,x\nbye,y\n", "ARFF"),
    "arff feature of words": (
        "t.arff", b"@relation t\n@attribute a {u,v}\n@attribute b {x,y}\n@data\nu,x\nv,y\n", "column 'a', row 0 = 'u'",
    ),
    "arff missing": ("t.arff", b"@relation t\n@attribute a numeric\n@attribute b {x,y}\n@data\n?,x\n1,y\n", "missing="),
    "no arff": ("t.arff", b"1,2,3\n", "ARFF"),
    "arff of another attribute": ("t.arff", b"@relation t\n@attribute a numeric\n@attribute b {x,y}\n@data\n1,z\n", "ARFF"),
    "svmlight words": ("t.svmlight", b"x y z\n", "svmlight"),
    "svmlight empty": ("t.svm", b"", "svmlight"),
    "svmlight of zeros": ("t.svm", b"0\n1\n", "svmlight"),
    "mat damaged": ("t.mat", b"MATLAB 5.0 MAT-file" + b"\0" * 40, ".mat"),
    "mat 7.3": ("t.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM", ".mat"),
    "npz damaged": ("t.npz", b"no zip", ".npz"),
    "excel": ("t.xlsx", b"PK", "ends in one of"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_of_other_kinds_are_refused(name, tmp_path):
    file, content, words = BAD_FILES[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises((ValueError, TypeError)) as error:
        load(tmp_path / file, **WHOLE)
    assert words in str(error.value)


def test_arff_with_missing_rows_dropped_and_a_target_by_name(tmp_path):
    text = "@relation t\n@attribute kind {b, a}\n@attribute s real\n@attribute t integer\n@data\na,1.5,2\n?,1,1\nb,?,1\nb,2.5,3\n"
    (tmp_path / "t.arff").write_text(text)
    data = load(tmp_path / "t.arff", target="kind", missing="drop", **WHOLE)
    assert data.X_train.tolist() == [[1.5, 2], [2.5, 3]]
    assert data.decode(data.y_train).tolist() == ["a", "b"]


def test_svmlight_with_comments_is_sparse(tmp_path):
    (tmp_path / "t.svmlight").write_text("# comment\n1 1:0.5 7:2 # a\n-1 3:1\n1 2:4\n-1 1:1\n")
    data = load(tmp_path / "t.svmlight", **WHOLE)
    assert data.is_sparse
    assert data.classes.tolist() == [-1, 1]
    dense = np.zeros((4, 7), np.float32)
    dense[0, 0], dense[0, 6], dense[1, 2], dense[2, 1], dense[3, 0] = 0.5, 2, 1, 4, 1
    np.testing.assert_array_equal(data.X_train.toarray(), dense)
    with pytest.raises(ValueError, match="separator = ';'"):
        load(tmp_path / "t.svmlight", separator=";")


@pytest.mark.parametrize("names", [("X", "Y"), ("fea", "gnd"), ("data", "label")])
@pytest.mark.parametrize("kind", ["column", "row", "sparse"])
def test_matlab(names, kind, tmp_path):
    X, y = np.arange(40.0).reshape(20, 2) % 7, np.arange(20.0) % 2 + 1
    stored = {names[0]: sparse.csc_matrix(X) if kind == "sparse" else X, names[1]: y[None] if kind == "row" else y[:, None]}
    scipy_io.savemat(tmp_path / "t.mat", stored)
    data = load(tmp_path / "t.mat", **WHOLE)
    np.testing.assert_array_equal(data.X_train.toarray() if kind == "sparse" else data.X_train, X)
    assert data.decode(data.y_train).tolist() == y.tolist()


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")]
)
def test_npz_of_images_with_other_names(names, tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (12, 4, 3), dtype=np.uint8), np.arange(12)[:, None] % 3]
    np.savez(tmp_path / "mnist.npz", **dict(zip(names, [*arrays, *arrays], strict=True)))
    data = load(tmp_path / "mnist.npz", standardise=False)
    assert (data.n_train, data.n_test, data.image_shape) == (12, 12, (4, 3))
    np.testing.assert_array_equal(data.X_train.reshape(12, 4, 3), arrays[0])


def test_an_open_file_without_a_name_says_what_is_needed():
    with pytest.raises((TypeError, ValueError), match="extension"):
        Dataset.from_file(io.StringIO("1,2\n"))
    check(Dataset.from_csv(io.StringIO(table()), **WHOLE))
    check(Dataset.from_csv(io.BytesIO(table().encode()), **WHOLE))


# --- data frames ------------------------------------------------------------------------------------------------


def test_a_sparse_frame_stays_sparse():
    X = sparse.random_array((40, 2000), density=0.01, rng=np.random.default_rng(0), format="csr")
    frame = pandas.DataFrame.sparse.from_spmatrix(X)
    data = Dataset.from_arrays(frame, np.arange(40) % 2, standardise=False)
    assert data.is_sparse
    assert data.X_train.nnz == X.nnz
    np.testing.assert_allclose(data.X_train.toarray(), X.toarray(), rtol=1e-6)
    model = sl.SparseMLP.create((2000, 8, 2), epsilon=4, seed=0)
    np.testing.assert_array_equal(sl.predict(model, frame), sl.predict(model, X))
    with pytest.raises(ValueError, match="fill value 0"):
        Dataset.from_arrays(frame.astype(pandas.SparseDtype(float, 1.0)), np.arange(40) % 2)


def test_objects_that_are_numbers_are_numbers():
    frame = pandas.DataFrame({"a": [1, 2.5, 3, 4], "b": [True, False, True, False]}, dtype=object)
    np.testing.assert_array_equal(Dataset.from_arrays(frame, [0, 1, 0, 1]).X_train, [[1, 1], [2.5, 0], [3, 1], [4, 0]])
    sl.SparseMLPClassifier((4,), epochs=1).fit(frame, [0, 1, 0, 1]).predict(frame)
    for bad in ("1", "x", None, {}):
        frame["a"] = pandas.Series([1, 2, 3, bad], dtype=object)
        with pytest.raises((TypeError, ValueError), match="a|NaN"):
            Dataset.from_arrays(frame, [0, 1, 0, 1])


def test_polars_frames():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2, 3, 4], "b": [0.5, 1.5, 2.5, 3.5]})
    np.testing.assert_array_equal(Dataset.from_arrays(frame, polars.Series([0, 1, 0, 1])).X_train[:, 1], [0.5, 1.5, 2.5, 3.5])


# --- settings and the command line ------------------------------------------------------------------------------


def config(path, **more):
    return sl.ExperimentConfig(dataset=str(path), hidden=(8,), epochs=1, epsilon=4, threads=1, **more)


def test_a_config_says_how_its_file_is_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("bought;size;height;name\n" + "".join(f"{c};{a};{b};n{b}\n" for a, b, c in ROWS))
    settings = config(path, target="bought", columns="size, 2", separator=";", header="yes", decimal=".", missing="drop")
    assert sl.build(settings).data.n_features == 2
    assert sl.ExperimentConfig.from_json(settings.to_json()) == settings
    assert data_options(config(path, separator="tab")) == {"separator": "\t"}
    assert data_options(config(path)) == {}
    for options in ({"target": "bought"}, {"separator": "tab"}, {"header": "no"}, {"task": "regression"}, {"columns": "1"}):
        with pytest.raises(ValueError, match="is not a file"):
            sl.build(config("digits", **options))
    for name, value in {"header": "maybe", "decimal": ";", "task": "x", "missing": "fill"}.items():
        with pytest.raises(ValueError, match=name):
            config(path, **{name: value})


def test_the_command_line_reads_a_regression_from_a_semicolon_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("price;size;name\n" + "".join(f"{2 * a:.3f};{a:.3f};n\n".replace(".", ",") for a, _, _ in ROWS))
    command = [sys.executable, "-m", "sparselab", "train", "--dataset", str(path), "--hidden", "8", "--epochs", "1"]
    env = os.environ | {"PYTHONPATH": str(Path(sl.__file__).parents[1])}
    run = lambda *more: subprocess.run([*command, *more], capture_output=True, text=True, env=env, timeout=120)
    good = run("--target", "price", "--task", "regression", "--separator", ";", "--columns", "size", "--header", "yes")
    assert good.returncode == 0, good.stderr
    assert "1 outputs" in good.stdout
    bad = run("--target", "prise")
    assert bad.returncode == 2
    assert "did you mean 'price'" in bad.stderr


def named(text, name="t.csv"):
    file = io.StringIO(text)
    file.name = name
    return file


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("price;size;y\n999;2,5;x\n1.234;3,5;z\n12.345;4,5;x\n", {"decimal": ","}),
        ("price;size;y\n" + "900;2,5;x\n800;3,5;z\n" * 120 + "1.234;4,5;x\n", {}),  # behind the lines that are looked at
        ("a;price;y\n1,5;2,5;x\n2,5;1.234;z\n3,5;4,5;x\n", {"decimal": ","}),
    ],
)
def test_a_thousand_with_a_point_is_no_decimal_beside_decimal_commas(text, options):
    with pytest.raises(ValueError, match=r"column 'price', line \d+ = '1.234': must be a finite number"):
        Dataset.from_file(named(text), **WHOLE, **options)


def test_a_target_with_a_thousand_is_no_number_beside_decimal_commas():
    with pytest.raises(ValueError, match="y"):
        Dataset.from_file(named("a;b;y\n1,5;2;1.500\n2,5;3;900\n"), decimal=",", task="regression", **WHOLE)


def test_labels_that_floats_do_not_hold_are_refused_where_cells_are_empty():
    a, b = 2**53, 2**53 + 1
    text = f"f,id\n1,{a}\n2,{b}\n3,5\n4,{a}\n5,{b}\n6,5\n"
    assert Dataset.from_file(named(text), **WHOLE).classes.tolist() == [5, a, b]
    with pytest.raises(ValueError, match=rf"column 'id', line 2 = '{a}': must be a label below"):
        Dataset.from_file(named(text + "7,\n"), missing="drop", **WHOLE)
    large = "f,y\n1,1e20\n2,3e20\n3,\n"  # numbers of a regression may be as large as they like
    data = Dataset.from_file(named(large), missing="drop", task="regression", **WHOLE)
    assert data.y_train.ravel().tolist() == [np.float32(1e20), np.float32(3e20)]


def test_arff_rows_have_a_cell_for_each_attribute():
    head = "@relation r\n@attribute a numeric\n@attribute b {'x,1','y'}\n@attribute c numeric\n@data\n% a, b, c, d, e\n"
    good = Dataset.from_file(
        named(head.replace("b {'x,1','y'}", "b numeric") + "1,5,2\n2,6,4\n", "t.arff"), task="regression", **WHOLE
    )
    assert good.X_train.tolist() == [[1, 5], [2, 6]]
    with pytest.raises(ValueError, match="rows of 3 cells.*line 8 has 4"):
        Dataset.from_file(named(head + "1,'x,1',2\n1,'y',2,3\n", "t.arff"), **WHOLE)
    with pytest.raises(ValueError, match=r"row 1 = '\?'"):
        Dataset.from_file(named("@relation r\n@attribute a numeric\n@attribute c {u,v}\n@data\n1,u\n2,?\n", "t.arff"), **WHOLE)
