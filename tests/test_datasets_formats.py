"""The readers of published formats, on tiny files in these formats, valid and damaged."""

import gzip
import io
import pickle
import struct
import sys
import tarfile

import numpy as np
import pytest

from sparselab.datasets.cifar import load_batch, read_cifar10
from sparselab.datasets.formats import read_higgs, read_idx, read_numbers, read_series_matrix


def written(path, content, packed=False):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return path


@pytest.fixture
def rng():
    return np.random.default_rng(2)


# --- idx --------------------------------------------------------------------------------------------------------


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 4)])
def test_idx(tmp_path, rng, shape, packed):
    array = rng.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(read_idx(written(tmp_path / "a", idx(array), packed)), array)


GOOD_IDX = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD_IDX[:2],
        GOOD_IDX[:7],
        GOOD_IDX[:-1],
        GOOD_IDX + b"x",
        b"\0\0\x0d" + GOOD_IDX[3:],
        b"\0\0\x08\0" + GOOD_IDX[4:],
        b"\0\0\x08\x03" + b"\xff" * 12 + GOOD_IDX,
        b"<html>",
        gzip.compress(GOOD_IDX, mtime=0)[:-10],
        gzip.compress(GOOD_IDX, mtime=0)[:20],
    ],
)
def test_idx_damaged(tmp_path, content):
    with pytest.raises(ValueError, match="must be"):
        read_idx(written(tmp_path / "a", content))


# --- text -------------------------------------------------------------------------------------------------------


def test_numbers_in_madelons_format(tmp_path):
    path = written(tmp_path / "train.data", "485 477 537 \n479 -1 471 \n")
    np.testing.assert_array_equal(read_numbers(path, 3), [[485, 477, 537], [479, -1, 471]])
    for text in ("-1\n1\n", "-1\n1"):
        np.testing.assert_array_equal(read_numbers(written(tmp_path / "labels", text), 1).ravel(), [-1, 1])


@pytest.mark.parametrize("text", ["", "1 2\n3\n", "1 2 3\n", "1 x\n", "1 2.5\n", "<html> <body>\n"])
def test_numbers_damaged(tmp_path, text):
    with pytest.raises(ValueError, match="must be"):
        read_numbers(written(tmp_path / "a", text), 2)


def higgs_lines(rng, n):
    values = np.column_stack([np.arange(n) % 2, rng.normal(size=(n, 28))]).astype(np.float32)
    return values, "\n".join(",".join(f"{value:.18e}" for value in row) for row in values) + "\n"


@pytest.mark.parametrize("packed", [True, False])
def test_higgs(tmp_path, rng, packed):
    values, text = higgs_lines(rng, 12)
    X, y = read_higgs(written(tmp_path / "HIGGS.csv.gz", text, packed), 10)
    np.testing.assert_array_equal(X, values[:10, 1:])
    np.testing.assert_array_equal(y, values[:10, 0])
    assert X.dtype == np.float32
    assert X.flags.c_contiguous


def test_higgs_is_read_only_as_far_as_needed(tmp_path, rng):
    _, text = higgs_lines(rng, 4000)
    whole = gzip.compress(text.encode())
    path = written(tmp_path / "HIGGS.csv.gz", whole[: len(whole) - 1000])
    assert len(read_higgs(path, 100)[0]) == 100
    with pytest.raises(ValueError, match="must be"):
        read_higgs(path, 4000)


@pytest.mark.parametrize("change", [lambda text: text[:300], lambda text: text.replace("e", "x"), lambda text: "1,2\n"])
def test_higgs_damaged(tmp_path, rng, change):
    with pytest.raises(ValueError, match="must be"):
        read_higgs(written(tmp_path / "a", change(higgs_lines(rng, 3)[1])), 3)


# --- GEO --------------------------------------------------------------------------------------------------------

KINDS = ["mature B-ALL with t(8;14)", "AML complex aberrant karyotype", "CLL"]


def series_matrix(values, kinds=KINDS, ending="!series_matrix_table_end\n"):
    names = [f'"GSM{i}"' for i in range(len(kinds))]
    lines = [
        '!Series_title\t"Stage 1"',
        "!Sample_geo_accession\t" + "\t".join(names),
        "!Sample_characteristics_ch1\t" + "\t".join('"tissue: bone marrow"' for _ in kinds),
        "!Sample_characteristics_ch1\t" + "\t".join(f'"leukemia class: {kind}"' for kind in kinds),
        "!series_matrix_table_begin",
        '"ID_REF"\t' + "\t".join(names),
    ]
    lines += [f'"{i}_at"\t' + "\t".join(map(repr, row)) for i, row in enumerate(values.T.tolist())]
    return "\n".join(lines) + "\n" + ending


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("n_probes", [1, 512, 700])
def test_series_matrix(tmp_path, rng, n_probes, newline, packed):
    values = rng.random((3, n_probes))
    path = written(tmp_path / "a.gz", series_matrix(values).replace("\n", newline), packed)
    X, labels = read_series_matrix(path)
    np.testing.assert_array_equal(X, values.astype(np.float32))
    assert labels.tolist() == KINDS


GOOD_MATRIX = series_matrix(np.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "with its table"),
        ("<html>", "with its table"),
        (GOOD_MATRIX.replace("leukemia class", "class"), "leukemia class"),
        (GOOD_MATRIX.replace("!series_matrix_table_begin", "x"), "with its table"),
        (GOOD_MATRIX.replace("!series_matrix_table_end", ""), "probe"),
        (GOOD_MATRIX.replace("!series_matrix_table_end\n", ""), "has no end"),
        (GOOD_MATRIX.replace("\t5.0", "\t"), "probe"),
        (GOOD_MATRIX.replace("\t5.0", "\tnull"), "probe"),
        (GOOD_MATRIX.replace("\t5.0", ""), "probe"),
        (series_matrix(np.empty((3, 0))), "at least one probe"),
        ("x" * 2**24, "lines below"),
    ],
)
def test_series_matrix_damaged(tmp_path, text, words):
    with pytest.raises(ValueError, match="must be") as error:
        read_series_matrix(written(tmp_path / "a", text))
    assert words in str(error.value)
    with pytest.raises(ValueError, match="must be"):
        read_series_matrix(written(tmp_path / "a", gzip.compress(text.encode())[:-8]))


# --- CIFAR-10 ---------------------------------------------------------------------------------------------------


def text(value):
    return b"U" + bytes([len(value)]) + value


def number(value):
    return b"J" + struct.pack("<i", value)


def python2_array(array):
    """The pickle of a uint8 array as Python 2 and numpy 1 wrote it into the published batches."""
    shape = number(array.shape[0]) + number(array.shape[1]) + b"\x86"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
    kind += b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    raw = b"T" + struct.pack("<i", array.nbytes) + array.tobytes()
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
    return made + b"(" + number(1) + shape + kind + b"\x89" + raw + b"tb"


def python2_batch(images, labels):
    items = text(b"data") + python2_array(images)
    items += text(b"labels") + b"](" + b"".join(map(number, labels)) + b"e"
    return b"\x80\x02}(" + items + b"u."


META = b"\x80\x02}(" + text(b"label_names") + b"](" + b"".join(text(f"kind{i}".encode()) for i in range(10)) + b"eu."


def archive(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def cifar(rng):
    """A small archive's images (6 batches of 4), labels, and its members in an order of their own."""
    images = rng.integers(0, 256, (6, 4, 12), dtype=np.uint8)
    labels = rng.integers(0, 10, (6, 4))
    names = ["data_batch_4", "test_batch", "data_batch_3", "data_batch_2", "data_batch_5", "data_batch_1"]
    place = [3, 5, 2, 1, 4, 0]
    folder = "cifar-10-batches-py/"
    batches = {folder + n: python2_batch(images[i], labels[i]) for n, i in zip(names, place, strict=True)}
    return images, labels, {folder + "readme.html": b"<html>", **batches, folder + "batches.meta": META}


def test_cifar10(tmp_path, cifar):
    images, labels, members = cifar
    X, y, X_test, y_test, names = read_cifar10(archive(tmp_path / "a.tar.gz", members), n_pixels=12)
    np.testing.assert_array_equal(X, images[:5].reshape(20, 12))
    np.testing.assert_array_equal(y, labels[:5].ravel())
    np.testing.assert_array_equal(X_test, images[5])
    np.testing.assert_array_equal(y_test, labels[5])
    assert names.tolist() == [f"kind{i}" for i in range(10)]
    assert X.dtype == np.uint8


def test_the_handmade_batch_is_one_that_pickle_understands(cifar):
    """So the tests above are about the real format: numpy itself reads the same bytes to the same arrays."""
    images, labels, members = cifar
    batch = pickle.loads(members["cifar-10-batches-py/data_batch_1"], encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], images[0])
    assert batch[b"labels"] == labels[0].tolist()


def test_cifar10_damaged(tmp_path, cifar):
    _, _, members = cifar
    path = tmp_path / "a.tar.gz"
    whole = archive(path, members).read_bytes()
    for content in (b"", whole[:500], whole[:-200], b"<html>", gzip.compress(b"no tar", mtime=0)):
        with pytest.raises(ValueError, match="must be the archive"):
            read_cifar10(written(path, content), n_pixels=12)
    for name in members.keys() - {"cifar-10-batches-py/readme.html"}:
        with pytest.raises(ValueError, match="must be the archive"):
            read_cifar10(archive(path, {key: value for key, value in members.items() if key != name}), n_pixels=12)
    with pytest.raises(ValueError, match="bytes an image"):
        read_cifar10(path=archive(path, members), n_pixels=3072)


def test_cifar10_archive_is_never_unpacked(tmp_path, cifar):
    members = cifar[2] | {"../../escaped": b"x", "/tmp/escaped-absolute": b"x"}
    read_cifar10(archive(tmp_path / "a.tar.gz", members), n_pixels=12)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "cifar-10-batches-py/data_batch_2"])
def test_cifar10_members_that_are_no_files_are_not_followed(tmp_path, cifar, kind, target):
    members = {name: content for name, content in cifar[2].items() if not name.endswith("data_batch_1")}
    path = archive(tmp_path / "plain.tar.gz", members)
    with tarfile.open(path) as plain, tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        for member in plain:
            file.addfile(member, plain.extractfile(member))
        info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        info.type, info.linkname = kind, target
        file.addfile(info)
    with pytest.raises(ValueError, match="must be the archive.*data_batch_1"):
        read_cifar10(tmp_path / "a.tar.gz", n_pixels=12)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "plain.tar.gz"]


def test_cifar10_names_that_point_elsewhere_are_only_names(tmp_path, cifar):
    """Whatever folder a member claims to be in, it is read from the archive and written nowhere."""
    members = {name.replace("cifar-10-batches-py", "/tmp/../.."): content for name, content in cifar[2].items()}
    X, *_ = read_cifar10(archive(tmp_path / "a.tar.gz", members), n_pixels=12)
    np.testing.assert_array_equal(X, cifar[0][:5].reshape(20, 12))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


class Calls:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


HOSTILE = {
    "system": pickle.dumps(Calls(eval, "1 / 0"), protocol=2),
    "import": b"cos\nsystem\n(U\x04truetR.",
    "nested": b"\x80\x04\x8c\x05numpy\x8c\x0cf2py.os.exec\x93.",
    "object array": pickle.dumps({b"data": np.array([eval, None])}, protocol=2),
    "float array": pickle.dumps({b"data": np.ones(3)}, protocol=4),
    "huge shape": python2_batch(np.zeros((1, 12), np.uint8), [1]).replace(number(12) + b"\x86", number(2**31 - 1) + b"\x86"),
    "wrong kind": python2_batch(np.zeros((1, 12), np.uint8), [1]).replace(text(b"u1"), text(b"O8")),
    "build on a class": b"\x80\x02cnumpy\nndarray\n}U\x01xU\x01ysb.",
    "build slots on a class": b"\x80\x02cnumpy\nndarray\nN}U\x05arrayU\x01ys\x86b.",
    "huge string": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"\x80\x02U\x01aQ.",
    "garbage": b"\xff\x00garbage",
    "empty": b"",
    "cut": python2_batch(np.zeros((2, 12), np.uint8), [1, 2])[:-20],
}


@pytest.fixture(scope="module")
def audit():
    """Events of running code, heard while `audit["on"]`; a hook cannot be taken away again."""
    state = {"on": False, "events": []}

    def hook(event, arguments):
        if state["on"] and event in {"os.system", "subprocess.Popen", "exec", "compile", "import"}:
            state["events"].append((event, arguments))

    sys.addaudithook(hook)
    return state


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_run_nothing(name, audit):
    audit["on"] = True
    try:
        with pytest.raises(ValueError, match="not a batch of CIFAR-10"):
            load_batch(io.BytesIO(HOSTILE[name]))
    finally:
        audit["on"] = False
    assert audit["events"] == []


def test_the_audit_hears(audit):
    audit["on"] = True
    eval("1 + 1")
    audit["on"] = False
    assert {event for event, _ in audit["events"]} == {"compile", "exec"}
    audit["events"].clear()
