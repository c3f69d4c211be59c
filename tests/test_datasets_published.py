"""Sets with several labels, text and numbers to predict, on small files in their public form, valid and damaged.

Where ../shared/data or the data folder has the .npz files of these sets, the public form is rebuilt from them.
"""

import dataclasses
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_files
from sklearn.feature_extraction.text import CountVectorizer

import sparselab as sl
from sparselab.datasets import data_folder, load, published, sources
from sparselab.datasets.archives import read_houses, read_newsgroups
from sparselab.datasets.mulan import entries_digest, plain, read_mulan

FOLDERS = Path(__file__).parents[2] / "shared" / "data", data_folder()


def kept(name):
    """The arrays of name.npz, where there is such a file."""
    path = next((folder / f"{name}.npz" for folder in FOLDERS if (folder / f"{name}.npz").is_file()), None)
    if path is None:
        pytest.skip(f"no {name}.npz in {' or '.join(map(str, FOLDERS))}")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def matrix(arrays, name):
    parts = [arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr")]
    return sparse.csr_array(tuple(parts), shape=tuple(arrays[f"{name}_shape"]))


# --- Mulan ------------------------------------------------------------------------------------------------------


def arff(names, rows, is_label):
    """A sparse ARFF file; rows are [(index, value), …]."""
    kinds = ["{0,1}" if label else "numeric" for label in is_label]
    lines = [
        "% made by hand",
        "@relation small",
        "",
        *(f"@attribute {n} {k}" for n, k in zip(names, kinds, strict=True)),
        "",
        "@data",
    ]
    return "\n".join([*lines, *("{" + ",".join(f"{i} {v}" for i, v in row) + "}" for row in rows)]) + "\n"


def xml(labels):
    lines = (f'<label name="{name}"></label>' for name in labels)
    return "\n".join(
        ['<?xml version="1.0" encoding="utf-8"?>', '<labels xmlns="http://mulan.sourceforge.net/labels">', *lines, "</labels>"]
    )


NAMES = ["word", "TAG_m'usica", "'two words'", "TAG_b", r"TAG_dise\~no", "last"]
IS_LABEL = [False, True, False, True, True, False]
TRAIN = [[(0, 1), (1, 1), (5, 2.5)], [], [(2, 1), (3, 1), (4, 1)]]
TEST = [[(4, 1)], [(0, 0), (1, 0), (2, 3)]]
LABELS = ["TAG_b", r"TAG_dise\~no", r"TAG_m\'usica"]


def folder_of(path, *, names=NAMES, train=TRAIN, test=TEST, labels=LABELS, is_label=IS_LABEL, stem="small"):
    """The three files; [train, test, xml]."""
    contents = {"-train.arff": arff(names, train, is_label), "-test.arff": arff(names, test, is_label), ".xml": xml(labels)}
    path.mkdir(exist_ok=True)
    for end, text in contents.items():
        (path / f"{stem}{end}").write_text(text)
    return [path / f"{stem}{end}" for end in contents]


def test_labels_are_found_by_name_whatever_their_order_and_place(tmp_path):
    X, Y, X_test, Y_test, names = read_mulan(*folder_of(tmp_path))
    np.testing.assert_array_equal(X.toarray(), [[1, 0, 2.5], [0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(Y.toarray(), [[1, 0, 0], [0, 0, 0], [0, 1, 1]])
    np.testing.assert_array_equal(X_test.toarray(), [[0, 0, 0], [0, 3, 0]])
    np.testing.assert_array_equal(Y_test.toarray(), [[0, 0, 1], [0, 0, 0]])
    assert names.tolist() == ["m'usica", "b", r"dise\~no"]
    assert (X.dtype, Y.dtype, X.format, Y.format) == (np.float32, np.uint8, "csr", "csr")
    assert (X_test.nnz, Y_test.nnz) == (1, 1), "zeros that are written are no entries"


@pytest.mark.parametrize(
    "name, is_label", [("word", "word"), ("'a b'", "a b"), (r"'TAG_m\'u'", "TAG_m'u"), (r"a\~b", r"a\~b"), ("'", "'")]
)
def test_spelling_of_names(name, is_label):
    assert plain(name) == is_label


@pytest.mark.parametrize("columns, entries, seed", [(1, 0, 0), (7, 9, 1), (40, 300, 2)])
def test_random_matrices_survive_the_format(tmp_path, columns, entries, seed):
    rng = np.random.default_rng(seed)
    Z = rng.integers(0, 50, (20, columns + 3)) * (rng.random((20, columns + 3)) < entries / (20 * columns))
    is_label = rng.permutation(columns + 3) < 3
    Z[:, is_label] = rng.integers(0, 2, (20, 3))
    names = [f"TAG_{i}" if label else str(i) for i, label in enumerate(is_label)]
    rows = [[(j, row[j]) for j in np.flatnonzero(row)] for row in Z]
    labels = [name for name, label in zip(names, is_label, strict=True) if label][::-1]
    paths = folder_of(tmp_path, names=names, train=rows, test=rows[:4], labels=labels, is_label=is_label)
    X, Y, X_test, _, found = read_mulan(*paths)
    np.testing.assert_array_equal(X.toarray(), Z[:, ~is_label])
    np.testing.assert_array_equal(Y.toarray(), Z[:, is_label])
    np.testing.assert_array_equal(X_test.toarray(), Z[:4, ~is_label])
    assert found.tolist() == [str(i) for i in np.flatnonzero(is_label)]


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "which, old, new, words",
    [
        (0, "@data", "", "its @data"),
        (0, "{0 1,1 1,5 2.5}", "1,1,0,0,0,2.5", r"line 12 must be `\{index value"),
        (0, "{0 1,1 1,5 2.5}", "{0 1,1 1,5}", "line 12"),
        (0, "{0 1,1 1,5 2.5}", "{0 1,1 x}", "line 12"),
        (0, "{0 1,1 1,5 2.5}", "{1 1,0 1}", "ascend"),
        (0, "{0 1,1 1,5 2.5}", "{0 1,0 1}", "ascend"),
        (0, "{0 1,1 1,5 2.5}", "{0 1,6 1}", r"in \[0, 6\)"),
        (0, "{0 1,1 1,5 2.5}", "{-1 1}", r"in \[0, 6\)"),
        (0, "{0 1,1 1,5 2.5}", "{0.5 1}", r"in \[0, 6\)"),
        (0, "{0 1,1 1,5 2.5}", "{0 nan}", "finite"),
        (0, "{0 1,1 1,5 2.5}", "{0 1,1 2}", "every label is 0 or 1"),
        (0, "@attribute last", "@attribute word", "different names"),
        (0, "@attribute word numeric", "@attribute word", "line 4 must be `@attribute"),
        (1, "@attribute TAG_b", "@attribute TAG_c", "each of the labels in small.xml, also 'TAG_b'"),
        (1, "@attribute word", "@attribute other", "the columns of small-train.arff"),
        (2, "</labels>", "", "XML file of labels"),
        (2, "<labels", "<html", "XML file of labels"),
        (2, 'name="TAG_b"', 'name=""', "whose names differ"),
        (2, 'name="TAG_b"', r'name="TAG_m\'usica"', "whose names differ"),
        (2, "<labels", '<!DOCTYPE a [<!ENTITY b "c">]><labels', "without a document type"),
    ],
)
def test_other_files_are_named(tmp_path, which, old, new, words):
    paths = folder_of(tmp_path)
    changed(paths[which], old, new)
    with pytest.raises(ValueError, match=f"{re.escape(paths[which].name)}.*must be.*{words}"):
        read_mulan(*paths)


def test_an_arff_file_without_rows(tmp_path):
    with pytest.raises(ValueError, match="at least one row"):
        read_mulan(*folder_of(tmp_path, test=[]))


def test_digest_of_entries():
    A = sparse.csr_array(np.array([[0, 1], [2, 0]]))
    same = sparse.csr_array((A.data.astype(np.uint8), A.indices.astype(np.int64), A.indptr.astype(np.int64)), shape=(2, 2))
    assert entries_digest(A) == entries_digest(same)
    others = [
        A.T.tocsr(),
        A * 2,
        A[:, ::-1],
        A[:1],
        sparse.csr_array(np.array([[0, 1, 0], [2, 0, 0]])),
        sparse.vstack([A, A[:0]]),
    ]
    assert len({entries_digest(A), *(entries_digest(sparse.csr_array(B)) for B in others[:5])}) == 6


@pytest.fixture
def own(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSELAB_DATA", str(tmp_path))
    return tmp_path


def test_load_of_the_users_files(own, monkeypatch):
    paths = folder_of(own / "bibtex", stem="bibtex")
    *parts, _ = read_mulan(*paths)
    with pytest.raises(ValueError, match=r"bibtex-train\.arff.*the published rows of bibtex"):
        load("bibtex")
    monkeypatch.setitem(published.ENTRIES, "bibtex", entries_digest(*parts))
    data = load("bibtex")
    assert repr(data) == "Dataset('bibtex', 3 + 2 x 3 CSR float32, 3 outputs, source='local')"
    assert data.label_names.tolist() == ["m'usica", "b", r"dise\~no"]
    assert data.y_train.dtype == np.uint8
    assert data.split_validation(0.4).label_names is data.label_names
    for found, part in zip((data.X_train, data.y_train, data.X_test, data.y_test), parts, strict=True):
        assert (found != part).nnz == 0
    with pytest.raises(ValueError, match="label_names"):
        dataclasses.replace(data, label_names=["one"])


def test_several_labels_are_trained_with_their_loss(own, monkeypatch):
    *parts, _ = read_mulan(*folder_of(own / "bibtex", stem="bibtex"))
    monkeypatch.setitem(published.ENTRIES, "bibtex", entries_digest(*parts))
    data, model = load("bibtex"), sl.SparseMLP.create((3, 4, 3), seed=0)
    with pytest.raises(TypeError, match='several labels a sample.*loss="binary_cross_entropy"'):
        next(iter(sl.train(model, data, epochs=1, seed=0, loss="softmax_cross_entropy")))
    (record,), (named,) = (
        sl.train(model.copy(), data, epochs=1, seed=0, **loss) for loss in ({}, {"loss": "binary_cross_entropy"})
    )
    assert np.isfinite(record.test_loss)
    assert record.test_loss == named.test_loss


def test_a_web_page_in_place_of_a_label_file_is_refused(own):
    paths = folder_of(own / "delicious", stem="delicious")
    for content, words in (("<!DOCTYPE html><html>Log in", "it is a web page"), ("", "empty")):
        paths[2].write_text(content)
        with pytest.raises(ValueError, match=rf"delicious\.xml.*must be the published.*{words}"):
            load("delicious")


def ridge_precision(X, Y, X_test, Y_test):
    """Precision at 1, 3 and 5, in %, of ridge regression (λ = 10) with a constant column."""
    A, B = (np.hstack([M.toarray().astype(float), np.ones((M.shape[0], 1))]) for M in (X, X_test))
    scores = B @ np.linalg.solve(A.T @ A + 10 * np.eye(A.shape[1]), A.T @ Y.toarray())
    hits = np.take_along_axis(Y_test.toarray(), np.argsort(-scores, axis=1)[:, :5], axis=1)
    return [100 * hits[:, :k].mean() for k in (1, 3, 5)]


@pytest.mark.slow
@pytest.mark.parametrize("name, expected", [("bibtex", (64.45, 38.82, 27.90)), ("delicious", (64.74, 59.23, 54.77))])
def test_complete_sets_in_their_public_form(own, name, expected):
    """The public form is written from the .npz: names in quotes where they need it, labels of the XML file in another order."""
    arrays = kept(name)
    parts = [matrix(arrays, part) for part in ("x_train", "y_train", "x_test", "y_test")]
    both = [sparse.csr_array(sparse.hstack(parts[i : i + 2], format="csr")) for i in (0, 2)]
    tags = [f"TAG_{tag}" for tag in arrays["label_names"]]
    names = [f"'{word}'" for word in arrays["feature_names"]] + tags
    rows = [[zip(M.indices[a:b], M.data[a:b], strict=True) for a, b in zip(M.indptr, M.indptr[1:], strict=False)] for M in both]
    is_label = np.arange(len(names)) >= parts[0].shape[1]
    shuffled = [tags[i].replace("'", r"\'") for i in np.random.default_rng(0).permutation(len(tags))]
    folder_of(own / name, names=names, train=rows[0], test=rows[1], labels=shuffled, is_label=is_label, stem=name)
    data = load(name)
    assert data.label_names.tolist() == arrays["label_names"].tolist()
    loaded = [data.X_train, data.y_train, data.X_test, data.y_test]
    for found, part in zip(loaded, parts, strict=True):
        assert (found != part).nnz == 0
    np.testing.assert_allclose(ridge_precision(*loaded), expected, atol=0.05)


# --- 20 Newsgroups ----------------------------------------------------------------------------------------------


def tarred(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


TRAIN_FOLDER, TEST_FOLDER = "20news-bydate-train", "20news-bydate-test"


@pytest.fixture
def messages():
    """Members of an archive with three groups; some words occur in the test part only."""
    rng, groups = np.random.default_rng(4), ["sci.space", "alt.atheism", "comp.graphics"]
    words = np.array(["From:", "orbit", "Orbit", "caf\xe9", "3d", "a", "faith", "pixel", "x-ray"])
    text = lambda: " ".join(rng.choice(words, 30)).encode("latin-1")
    members = {f"{TEST_FOLDER}/{group}/{i}": text() + b" unseen" for group in groups for i in (7, 12)}
    return members | {f"{TRAIN_FOLDER}/{group}/{i}": text() for group in groups for i in (101, 9, 33)}


def lines_of(X, y):
    return sorted((int(code), row.tolist()) for code, row in zip(y, X.toarray(), strict=True))


def test_newsgroups_are_those_of_scikit_learns_reader(tmp_path, messages):
    path = tarred(tmp_path / "a.tar.gz", messages)
    X, y, X_test, y_test, names = read_newsgroups(path)
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    train, test = (load_files(tmp_path / part, encoding="latin1") for part in (TRAIN_FOLDER, TEST_FOLDER))
    counts = CountVectorizer(dtype=np.int16).fit(train.data)
    assert names.tolist() == train.target_names == ["alt.atheism", "comp.graphics", "sci.space"]
    assert lines_of(X, y) == lines_of(counts.transform(train.data), train.target)
    assert lines_of(X_test, y_test) == lines_of(counts.transform(test.data), test.target)
    assert (np.diff(y) < 0).any(), "the documents are shuffled"
    again = read_newsgroups(path)
    assert (X != again[0]).nnz == 0
    np.testing.assert_array_equal(y, again[1])


def test_damaged_archives_of_newsgroups(tmp_path, messages):
    path = tmp_path / "a.tar.gz"
    whole = tarred(path, messages).read_bytes()
    for content in (b"", whole[:100], whole[:-30], b"<html>"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="must be the archive of 20 Newsgroups"):
            read_newsgroups(path)
    lacking = {name: content for name, content in messages.items() if "test/sci" not in name}
    for members in (lacking, {"readme": b"x"}):
        with pytest.raises(ValueError, match="the same groups"):
            read_newsgroups(tarred(path, members))


# --- California housing -----------------------------------------------------------------------------------------


def houses_of(X, y):
    """The lines of cal_housing.data: totals in place of averages."""
    income, age, rooms, bedrooms, people, occupancy, latitude, longitude = X.astype(np.float64).T
    households = np.round(people / occupancy)
    totals = np.round(rooms * households), np.round(bedrooms * households), people, households
    table = np.column_stack([longitude.round(2), latitude.round(2), age, *totals, income.round(4), np.round(y * 100_000)])
    return "\n".join(",".join(f"{value:.6f}" for value in row) for row in table).encode()


def test_houses(tmp_path):
    line = b"-122.23,37.88,41,880,129,322,126,8.3252,452600\n"
    X, y = read_houses(tarred(tmp_path / "a.tgz", {"CaliforniaHousing/cal_housing.data": line * 2, "other": b"1"}))
    assert y.tolist() == [4.526] * 2
    np.testing.assert_allclose(X[1], [8.3252, 41, 880 / 126, 129 / 126, 322, 322 / 126, 37.88, -122.23])


@pytest.mark.parametrize(
    "content", [b"", b"1,2,3\n", b"1,2,3,4,5,6,0,8,9\n", b"1,2,3,4,5,6,7,8,nan\n", b"1,2,3,4,5,6,7,8,x\n", b"1,2\n1\n", b"\xff"]
)
def test_damaged_houses(tmp_path, content):
    with pytest.raises(ValueError, match="must be"):
        read_houses(tarred(tmp_path / "a.tgz", {"cal_housing.data": content}))
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(ValueError, match="must be the archive"):
        read_houses(tmp_path / "a.tgz")


def test_complete_houses(own, monkeypatch):
    """As `load` gives them: rebuilt from the .npz, whose rows are in another order."""
    arrays = kept("california")
    X, y = (np.concatenate([arrays[f"{name}_{part}"] for part in ("train", "val", "test")]) for name in "xy")
    (own / "california").mkdir()
    path = tarred(own / "california" / "cal_housing.tgz", {"CaliforniaHousing/cal_housing.data": houses_of(X, y)})
    unchecked = dataclasses.replace(sources.CALIFORNIA.files[0], sha256=())
    monkeypatch.setattr(sources, "CALIFORNIA", dataclasses.replace(sources.CALIFORNIA, files=(unchecked,)))
    found, values = read_houses(path)
    np.testing.assert_allclose(found, X, rtol=1e-6)
    np.testing.assert_allclose(values, y, rtol=1e-6)
    data = load("california", standardise=False)
    assert repr(data) == "Dataset('california', 16512 + 4128 x 8 dense float32, 1 outputs, source='local')"
    np.testing.assert_allclose(sorted(np.concatenate([data.y_train, data.y_test]).ravel()), sorted(y), rtol=1e-6)
