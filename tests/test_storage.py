"""A model file gives back the same bits, or an error that names the file: never a crash, never half a model, nothing executed."""

import io
import json
import os
import zipfile

import models
import numpy as np
import pytest
from strategies import lawful
from stress import attacks
from stress.checkpoints import failing

from sparselab.checkpoints import model_file
from sparselab.checkpoints.container import CheckpointError
from sparselab.nn.activations import AllNegative, AllReLU, FixedSlopes, Identity, LeakyReLU, ReLU, Tanh
from sparselab.nn.initializers import HeUniform, Normal, XavierUniform
from sparselab.training.loop import predict

ACTIVATIONS = [AllReLU(0.3), ReLU(), LeakyReLU(0.2), AllNegative(0.9), Identity(), Tanh()]


@pytest.fixture
def saved(tmp_path):
    """(path, model) of a small stored net."""
    model = models.net((6, 5, 3), dropout=0.25)
    return model_file.save(model, tmp_path / "net"), model


# round trip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_what_comes_back_is_the_same_net(tmp_path, dtype, activation):
    model, (X, _) = models.net(dtype=dtype, activation=activation, dropout=0.3), models.rows(dtype=dtype)
    again = model_file.load(model_file.save(model, tmp_path / "net.npz"))
    assert models.fingerprint(again) == models.fingerprint(model)
    np.testing.assert_array_equal(predict(again, X), predict(model, X))
    assert (again.sizes, again.dtype, again.dropout) == (model.sizes, dtype, 0.3)
    assert (again.activation, again.initializer) == (activation, model.initializer)
    assert all(lawful(layer.topology) for layer in again.layers)


@pytest.mark.parametrize("initializer", [HeUniform(), HeUniform("links"), XavierUniform("links"), Normal(0.3)], ids=repr)
def test_the_initializer_comes_back(tmp_path, initializer):
    model = models.net(initializer=initializer)
    assert model_file.load(model_file.save(model, tmp_path / "net")).initializer == initializer


def test_a_loaded_net_trains_on_like_the_one_that_was_saved(tmp_path):
    from sparselab.evolution import SET
    from sparselab.nn.optimizers import MomentumSGD

    model = models.net(dropout=0.3)
    again = model_file.load(model_file.save(model, tmp_path / "net"))
    results = [
        models.run(m, models.dataset(), optimizer=MomentumSGD(0.05), rules=[SET()], epochs=3, batch_size=32)
        for m in (model, again)
    ]
    assert results[0] == results[1]


def test_empty_layers_come_back(tmp_path):
    model = models.from_masks([np.zeros((5, 6)), np.zeros((3, 5))])
    assert models.fingerprint(model_file.load(model_file.save(model, tmp_path / "net"))) == models.fingerprint(model)


@pytest.mark.parametrize("name", ["net", "net.npz", "with space.npz", "ünïcode", ".hidden", "net.txt"])
def test_the_suffix_is_added_where_it_is_missing(tmp_path, name):
    path = model_file.save(models.net(), tmp_path / name)
    assert path == str(tmp_path / name) + ("" if name.endswith(".npz") else ".npz")
    assert os.listdir(tmp_path) == [os.path.basename(path)]
    model_file.load(path)


def test_saving_again_replaces_the_file(saved):
    path, model = saved
    model.layers[0].w += 1
    assert model_file.save(model, path) == path
    assert models.fingerprint(model_file.load(path)) == models.fingerprint(model)
    assert len(os.listdir(os.path.dirname(path))) == 1


def test_a_relative_path_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_file.save(models.net(), "net") == "net.npz"
    model_file.load("net.npz")


def test_a_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "other").write_text("")
    path = model_file.save(models.net(), tmp_path / "net")
    assert os.stat(path).st_mode == os.stat(tmp_path / "other").st_mode


# saving fails


class PlugIn:
    def forward(self, Z):
        return Z

    gradient = forward


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("activation", PlugIn()),
        ("activation", FixedSlopes(0.1)),
        ("initializer", lambda t, rng, dtype, slots=None: np.ones(t.nnz, dtype)),
    ],
)
def test_a_plug_in_has_no_name_and_is_refused(saved, argument, value):
    path, model = saved
    other = models.net((6, 5, 3), **{argument: value})
    with pytest.raises(ValueError, match=f"{argument} = .* plug-in"):
        model_file.save(other, path)
    assert models.fingerprint(model_file.load(path)) == models.fingerprint(model)
    assert len(os.listdir(os.path.dirname(path))) == 1


def test_what_could_not_be_read_again_is_not_written(saved):
    path, model = saved
    before = models.fingerprint(model)
    model.layers[1].b[1] = np.nan
    with pytest.raises(CheckpointError, match="1.b: .* must be finite"):
        model_file.save(model, path)
    assert models.fingerprint(model_file.load(path)) == before


@pytest.mark.parametrize("where, at", [("write", 0), ("write", 7), ("write", 30), ("fsync", 0), ("replace", 0)])
@pytest.mark.parametrize("only_first", [True, False])
def test_nothing_is_left_behind_when_saving_fails(saved, where, at, only_first):
    path, model = saved
    folder, before = os.path.dirname(path), models.fingerprint(model)
    model.layers[0].w += 1
    with failing(where, 28, at, only_first) as calls, pytest.raises(OSError, match="No space left"):
        model_file.save(model, path)
    assert len(calls) > at
    assert os.listdir(folder) == ["net.npz"]
    assert models.fingerprint(model_file.load(path)) == before


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model_file.save(models.net(), tmp_path / "nowhere" / "net")


def test_a_folder_in_the_way_is_not_replaced(tmp_path):
    (tmp_path / "net.npz").mkdir()
    with pytest.raises(OSError):
        model_file.save(models.net(), tmp_path / "net")
    assert os.listdir(tmp_path) == ["net.npz"]


# loading fails


def arrays_of(path):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop("header").tobytes()), arrays


def rewritten(path, header=None, arrays=None, drop=()):
    """The file with some of its header or arrays changed, and a digest that is right."""
    new, old_arrays = arrays_of(path)
    for name, value in (header or {}).items():
        (new if name in ("format", "kind", "model") else new["model"])[name] = value
    members = {"header": attacks.head(json.dumps(new).encode())}
    members |= {name: content_of(array) for name, array in (old_arrays | (arrays or {})).items()}
    with open(path, "wb") as file:
        file.write(attacks.zipped((f"{name}.npy", content) for name, content in members.items() if name not in drop))
    return path


def content_of(array):
    """A member as we write it, or as NumPy does where we never would."""
    return attacks.member(array) if np.ndim(array) == 1 and array.dtype != object else npy(np.asarray(array))


def refused(path):
    with pytest.raises(CheckpointError) as caught:
        model_file.load(path)
    assert path in str(caught.value)
    assert len(str(caught.value)) < 500 + len(path)
    return str(caught.value)


def test_rewriting_without_changes_is_accepted(saved):
    model_file.load(rewritten(saved[0]))


HEADERS = [
    {"kind": "checkpoint"},
    {"kind": None},
    {"model": None},
    {"model": {}},
    {"nnz": None},
    {"nnz": []},
    {"nnz": [12, 6, 3]},
    {"nnz": [-1, 6]},
    {"nnz": [12.0, 6]},
    {"nnz": [2**31, 6]},
    {"format": 1},
    {"format": 3},
    {"format": None},
    {"format": "2"},
    {"sizes": []},
    {"sizes": [6]},
    {"sizes": [6, 5]},
    {"sizes": [6, 5, 3, 2]},
    {"sizes": [6, 4, 3]},
    {"sizes": [6, 5, 0]},
    {"sizes": [6, 5, -3]},
    {"sizes": [6.0, 5, 3]},
    {"sizes": [True, 5, 3]},
    {"sizes": [6, 5, 2**80]},
    {"sizes": "653"},
    {"sizes": None},
    {"sizes": {"a": 6}},
    {"dtype": "float64"},
    {"dtype": "float16"},
    {"dtype": "int32"},
    {"dtype": "object"},
    {"dtype": "no such type"},
    {"dtype": 7},
    {"dropout": 1},
    {"dropout": -0.1},
    {"dropout": float("nan")},
    {"dropout": "0.3"},
    {"dropout": True},
    {"activation": {"name": "os.system"}},
    {"activation": {"name": "all_relu", "alpha": -1}},
    {"activation": {"name": "all_relu", "alpha": "x"}},
    {"activation": {"name": "all_relu", "beta": 1}},
    {"activation": {"name": ["all_relu"]}},
    {"activation": {}},
    {"activation": "all_relu"},
    {"activation": None},
    {"initializer": {"name": "normal", "deviation": 0}},
    {"initializer": {"name": "he_uniform", "fan": "none"}},
    {"initializer": {"name": "eval"}},
]


@pytest.mark.parametrize("change", HEADERS, ids=str)
def test_a_damaged_header_is_refused(saved, change):
    refused(rewritten(saved[0], header=change))


def bad_arrays(arrays):
    """{what: arrays that must be refused}."""
    indptr, indices, w, b = (arrays[f"0.{name}"] for name in ("indptr", "indices", "w", "b"))
    changed = lambda array, place, value: np.concatenate([array[:place], [value], array[place + 1 :]]).astype(array.dtype)
    full = int(np.argmax(np.diff(indptr) > 1))
    swapped = indices.copy()
    swapped[indptr[full] : indptr[full] + 2] = swapped[indptr[full] : indptr[full] + 2][::-1]
    return {
        "index too large": {"0.indices": changed(indices, 2, 6)},
        "index huge": {"0.indices": changed(indices, 2, 2**31 - 1)},
        "index negative": {"0.indices": changed(indices, 2, -1)},
        "unsorted": {"0.indices": swapped},
        "duplicate": {"0.indices": changed(indices, indptr[full] + 1, indices[indptr[full]])},
        "indptr decreasing": {"0.indptr": changed(indptr, 2, -5)},
        "indptr beyond": {"0.indptr": changed(indptr, 2, 10**9)},
        "indptr too short": {"0.indptr": indptr[:-1]},
        "indptr too long": {"0.indptr": np.append(indptr, indptr[-1])},
        "indptr starts late": {"0.indptr": changed(indptr, 0, 1)},
        "indptr ends early": {"0.indptr": changed(indptr, -1 + len(indptr), indptr[-1] - 1)},
        "indices too few": {"0.indices": indices[:-1]},
        "indices too many": {"0.indices": np.append(indices, np.int32(0))},
        "weights too few": {"0.w": w[:-1]},
        "weights too many": {"0.w": np.append(w, w[:1])},
        "weights 2-D": {"0.w": w[:, None]},
        "weights of another dtype": {"0.w": w.astype(np.float64)},
        "weights big-endian": {"0.w": w.astype(">f4")},
        "weight NaN": {"0.w": changed(w, 1, np.nan)},
        "weight infinite": {"1.w": np.full_like(arrays["1.w"], np.inf)},
        "bias NaN": {"1.b": changed(arrays["1.b"], 1, np.nan)},
        "biases too few": {"0.b": b[:-1]},
        "biases of another dtype": {"0.b": b.astype(np.float64)},
        "biases of integers": {"0.b": b.astype(np.int32)},
        "indptr of another dtype": {"0.indptr": indptr.astype(np.int32)},
        "indices of another dtype": {"0.indices": indices.astype(np.int64)},
        "indices of floats": {"0.indices": indices.astype(np.float32)},
        "text": {"0.w": np.array(["a"] * len(w))},
        "scalar": {"0.w": np.float32(1)},
    }


KINDS = list(
    bad_arrays(
        dict(zip(("0.indptr", "0.indices", "0.w", "0.b", "1.w", "1.b"), [np.array([0, 2, 4]), np.arange(4), *[np.ones(4)] * 4]))
    )
)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_arrays_are_refused(saved, kind):
    path, _ = saved
    refused(rewritten(path, arrays=bad_arrays(arrays_of(path)[1])[kind]))


@pytest.mark.parametrize("name", ["header", "0.indptr", "0.indices", "0.w", "0.b", "1.w"])
def test_missing_arrays_are_refused(saved, name):
    refused(rewritten(saved[0], drop=[name]))


class Canary:
    """Writes a file if somebody unpickles it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["header", "0.w", "0.indices", "anything"])
@pytest.mark.parametrize("written_by", ["NumPy", "us"])
def test_object_arrays_are_refused_and_never_unpickled(saved, tmp_path, name, written_by):
    path, _ = saved
    objects = np.array([Canary(tmp_path / "canary")], object)
    if written_by == "us":
        rewritten(path, arrays={name: objects}, drop=["header"] if name == "header" else [])
    else:
        header, arrays = arrays_of(path)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with open(path, "wb") as file:
            np.savez(file, **arrays | {name: objects})
    refused(path)
    assert not (tmp_path / "canary").exists()


def test_a_pickle_is_refused_and_never_executed(tmp_path):
    import pickle

    path = str(tmp_path / "net.npz")
    with open(path, "wb") as file:
        pickle.dump(Canary(tmp_path / "canary"), file)
    refused(path)
    assert not (tmp_path / "canary").exists()


def as_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header_file(text):
    return as_zip({"header.npy": npy(np.frombuffer(text, np.uint8))})


OTHER_FILES = {
    "empty": b"",
    "text": b"hello",
    "noise": bytes(range(256)) * 4,
    "an array": npy(np.arange(3)),
    "an empty zip": as_zip({}),
    "a zip of text": as_zip({"header.npy": b"{}"}),
    "header not JSON": header_file(b"{"),
    "header not UTF-8": header_file(b"\xff\xfe{}"),
    "header a list": header_file(b"[1]"),
    "header a number": header_file(b"1"),
    "header without format": header_file(b"{}"),
    "header deep": header_file(b"[" * 100_000),
    "header format only": header_file(b'{"format": 2}'),
    "a damaged npy": as_zip({"header.npy": npy(np.arange(3))[:40]}),
    "an npy that promises too much": as_zip({"header.npy": npy(np.arange(3)).replace(b"(3,)", b"(9,)")}),
}


@pytest.mark.parametrize("with_digest", [False, True])
@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES.keys())
def test_other_files_are_refused(tmp_path, content, with_digest):
    path = str(tmp_path / "net.npz")
    with open(path, "wb") as file:
        file.write(attacks.sealed(content) if with_digest else content)
    refused(path)


def test_the_layout_before_there_was_a_digest_has_an_error_of_its_own(saved):
    path, _ = saved
    header, arrays = arrays_of(path)
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    assert "without sparselab's digest at its end" in refused(path)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_not_a_file_is_refused_at_once(tmp_path, make):
    path = str(tmp_path / "net.npz")
    make(path)
    refused(path)


def test_numpy_reads_a_model_file(saved):
    path, model = saved
    with np.load(path) as file:
        np.testing.assert_array_equal(file["1.w"], model.layers[1].w)
        np.testing.assert_array_equal(file["0.indptr"], model.layers[0].topology.indptr)
        assert json.loads(file["header"].tobytes())["model"]["sizes"] == [6, 5, 3]


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    path, model = saved
    assert read(model_file.save(model, tmp_path / "again")) == read(path)


def test_a_checkpoint_is_not_a_model_and_says_how_to_get_it(tmp_path):
    from sparselab.checkpoints import checkpoint, state
    from sparselab.nn import optimizers

    model = models.net()
    path = checkpoint.save_checkpoint(model, state.TrainingState.start(model, optimizers.MomentumSGD()), tmp_path / "run")
    assert "load_checkpoint(path).model" in refused(path)


def test_a_net_that_does_not_fit_into_memory_is_refused_before_anything_is_allocated(saved, monkeypatch):
    monkeypatch.setattr(model_file.container.resources, "available", lambda: 1000)
    assert "1,000 are free" in refused(saved[0])
    monkeypatch.setattr(model_file.container.resources, "available", lambda: None)
    model_file.load(saved[0])


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        model_file.load(tmp_path / "net.npz")


def damaged(path, content):
    with open(path, "wb") as file:
        file.write(content)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("every", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_truncated_files_are_refused(saved, every):
    path, _ = saved
    whole = read(path)
    for length in [*range(0, len(whole) - 1, every), len(whole) - 1]:
        refused(damaged(path, whole[:length]))


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_noticed(saved, every):
    path, _ = saved
    whole = read(path)
    for place in range(0, len(whole), every):
        damaged(path, whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        refused(path)


def test_a_refused_file_leaves_no_file_open(saved):
    path, _ = saved
    descriptors = lambda: len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    before = descriptors()
    for content in (b"hello", read(path)[:-30]):
        damaged(path, content)
        refused(path)
    assert descriptors() == before


def test_a_file_whose_writing_was_cut_off_writes_nothing_later(tmp_path, monkeypatch):
    """An exception at any point, as the handler of an alarm raises it, leaves a ZipFile that writes its end when collected."""
    from sparselab.checkpoints import container

    kept = []

    def cut_off(archive, name, array):
        kept.append((archive, archive.open(name, "w")))
        raise TimeoutError

    monkeypatch.setattr(container, "_write_member", cut_off)
    with pytest.raises((TimeoutError, ValueError)):
        container.write(tmp_path / "cut.npz", {}, {})
    others = [open(tmp_path / f"other{n}", "wb") for n in range(4)]  # noqa: SIM115
    archive, member = kept.pop()
    member.close()
    archive.close()
    for other in others:
        other.close()
        assert os.path.getsize(other.name) == 0
