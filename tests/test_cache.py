"""Compiled code is kept, found again, and never run where a bit of it changed."""

import gc
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from filelock import FileLock

from sparselab import kernels
from sparselab.kernels import cache, cache_files, csr_passes, native, settings

pytestmark = pytest.mark.skipif(not kernels.JIT, reason="about compiled code")
INDICES = np.array([0, 2, 2], np.int32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache folder, and a process that has said nothing yet."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    monkeypatch.setattr(cache_files, "_said", set())
    return tmp_path


def fresh():
    """A kernel as a new process has it: nothing loaded."""
    return settings.jit(csr_passes.count_columns.py_func)


def use(kernel, kind=np.int64):
    """Run it; the cache hits."""
    counts = np.zeros(3, kind)
    kernel(INDICES, counts)
    assert counts.tolist() == [1, 0, 2]
    return sum(kernel.stats.cache_hits.values())


def files(folder):
    return sorted(folder.rglob("*.nbc"))


def test_a_kernel_is_compiled_once_a_signature(folder, capfd):
    assert [use(fresh()), use(fresh()), use(fresh(), np.int32), use(fresh(), np.int32), use(fresh())] == [0, 1, 0, 1, 1]
    assert len(files(folder)) == 2
    assert [path.suffix for path in folder.rglob("*") if path.is_file()] == [".nbc", ".nbc"]
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "compiling kernels" in said


def test_a_function_that_kernels_call_is_compiled_once_and_has_no_file(folder):
    @settings.jit
    def add(values, k, by):
        values[k] += by

    @settings.jit
    def add_all(values, first, by):
        add(values, first, by)
        add(values, 2, 1)

    values = np.zeros(3, np.int64)
    add_all(values, 0, 5)
    assert values.tolist() == [5, 0, 1]
    assert (len(files(folder)), len(add.overloads), len(add._linked)) == (1, 0, 1)
    add(values, 0, 1)
    assert (values[0], len(files(folder)), len(add.overloads)) == (6, 2, 1)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(folder, monkeypatch, enabled):
    seen = []
    compiled = cache_files.CheckedCache.save_overload
    monkeypatch.setattr(
        cache_files.CheckedCache, "save_overload", lambda *arguments: (seen.append(gc.isenabled()), compiled(*arguments))
    )
    (gc.enable if enabled else gc.disable)()
    try:
        use(fresh())
        assert (seen, gc.isenabled()) == ([False], enabled)
        with pytest.raises(numba.TypingError):
            fresh()("no", "arrays")
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


def test_other_users_of_numba_have_its_own_options(folder):
    use(fresh())

    @numba.njit
    def made(n):
        array = np.zeros(n)
        for k in range(n):
            array[k] = 1 / (k - 1) if k != 1 else 0.0
        return array[:2].copy()

    assert made(3).tolist() == [-1, 0]
    with pytest.raises(ZeroDivisionError):
        numba.njit(lambda a: 1 / a)(0)


def test_a_kernel_that_another_process_compiles_is_waited_for(folder):
    """The other process holds the lock of the file; when it lets go, the file is there."""
    use(fresh())
    (path,) = files(folder)
    content = path.read_bytes()
    path.unlink()
    lock = FileLock(f"{path}.lock", thread_local=False)
    lock.acquire()

    def end():
        path.write_bytes(content)
        lock.release()

    timer = threading.Timer(0.3, end)
    timer.start()
    assert use(fresh()) == 1, "compiled, though it was about to be there"
    timer.join()


def test_a_process_that_hangs_while_it_compiles_is_not_waited_for_for_ever(folder, monkeypatch):
    use(fresh())
    (path,) = files(folder)
    path.unlink()
    monkeypatch.setattr(cache_files, "PATIENCE", 0.1)
    with FileLock(f"{path}.lock"):
        assert use(fresh()) == 0
    assert files(folder) == [path]


class Kernel:
    """Counts how often it is compiled."""

    def __init__(self, at_hand):
        self.at_hand, self.times = at_hand, 0

    def is_at_hand(self):
        return self.at_hand

    def compiled(self):
        self.times += 1


def test_a_terminal_is_told_the_number_of_each_kernel(folder, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    kernels_ = [Kernel(False), Kernel(True), Kernel(False)]
    native.prepare(kernels_)
    first, counted = terminal.getvalue().splitlines(keepends=True)[0], terminal.getvalue().split("\r")[1:]
    assert "compiling kernels" in first
    assert counted == ["sparselab: kernel 1 of 2", "sparselab: kernel 2 of 2\n"]
    assert [kernel.times for kernel in kernels_] == [1, 1, 1]


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "only-the-digest": lambda content: content[: cache_files.DIGEST],
    "shorter-than-it": lambda content: content[:7],
    "garbled": lambda content: bytes(255 - byte for byte in content),
    "longer": lambda content: content + b"\0",
    "last-bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_compiled_once_more_with_one_line(folder, capfd, kind):
    use(fresh())
    capfd.readouterr()
    (path,) = files(folder)
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    assert [use(fresh()), use(fresh())] == [0, 1]
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "damaged" in said
    assert files(folder) == [path]


def test_another_pickle_with_a_right_digest_is_compiled_once_more(folder, capfd):
    use(fresh())
    capfd.readouterr()
    (path,) = files(folder)
    content = cache_files.pickle.dumps(("not", "a compile result"))
    path.write_bytes(cache_files.hashlib.sha256(content).digest() + content)
    assert [use(fresh()), use(fresh())] == [0, 1]
    assert capfd.readouterr().err.count("\n") == 1


def test_every_flipped_bit_is_noticed(folder):
    use(fresh())
    (path,) = files(folder)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    assert bytes(cache_files.payload(path)) == whole[cache_files.DIGEST :]
    for bit in [*range(300), *random.integers(8 * len(whole), size=300)]:
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(ValueError, match="checksum"):
            cache_files.payload(path)


def test_a_full_disk_costs_the_cache_and_nothing_else(folder, capfd, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_files.os, "replace", full)
    assert [use(fresh()), use(fresh())] == [0, 0]
    compiling, full_disk = capfd.readouterr().err.splitlines()
    assert "compiling kernels" in compiling
    assert "No space left" in full_disk
    assert [path for path in folder.rglob("*") if path.is_file()] == []  # no half file stays


def test_an_unreadable_file_is_compiled_again(folder, capfd):
    use(fresh())
    capfd.readouterr()
    (path,) = files(folder)
    path.unlink()
    path.mkdir()
    assert [use(fresh()), use(fresh())] == [0, 0]
    assert 1 <= capfd.readouterr().err.count("\n") <= 2


def test_numbas_own_setting_is_untouched():
    assert cache.numba.config.CACHE_DIR == os.environ.get("NUMBA_CACHE_DIR", "")


# the folder


def test_the_name_of_the_folder_depends_on_all_that_code_depends_on(monkeypatch):
    before = cache.fingerprint()
    assert cache.NAME.fullmatch(f"kernels-{before}")
    for place, name in (
        (cache.numba, "__version__"), (cache.llvmlite, "__version__"), (cache.numba.config, "CPU_NAME"),
        (cache.numba.config, "CPU_FEATURES"), (cache.numba.config, "BOUNDSCHECK"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(place, name, "other")
            assert cache.fingerprint() != before
    assert cache.fingerprint() == before


def test_only_old_folders_of_ours_are_removed(tmp_path):
    names = ("kernels-0123456789ab", "kernels-ba9876543210", "kernels-notahexname!", "kernels-0123", "mine")
    for name in names:
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text("x")
    for name in names[1:]:
        os.utime(tmp_path / name, (time.time() - 40 * 86400,) * 2)
    (tmp_path / "kernels-aaaaaaaaaaaa").symlink_to(tmp_path / "mine")
    made = cache.prepare(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*names, made.name, "kernels-aaaaaaaaaaaa"} - {names[1]}
    assert (tmp_path / "mine" / "inner" / "file").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="about POSIX permissions")
def test_the_folder_is_ours_alone(tmp_path, monkeypatch):
    made = cache.prepare(tmp_path)
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o777)
    assert cache.prepare(tmp_path).stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(cache.os, "getuid", lambda: made.stat().st_uid + 1)
    if made.stat().st_uid == 0:  # root's folders are trusted by everybody: give this one away
        os.chown(made, 12345, -1)
    with pytest.raises(PermissionError, match="another user"):
        cache.prepare(tmp_path)


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = cache.prepare(Path("kept"))
    monkeypatch.chdir(tmp_path.parent)
    assert made.is_dir()
    assert made.parent == tmp_path / "kept"


def test_a_used_folder_says_so(tmp_path):
    made = cache.prepare(tmp_path)
    os.utime(made, (0, 0))
    cache.prepare(tmp_path)
    assert made.stat().st_mtime > time.time() - 3600


def test_a_home_that_is_not_there_is_no_error(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", nobody)
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert list(cache.candidates()) == [Path(cache.__file__).parent / "__pycache__"]


def test_what_cannot_be_kept_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cache, "candidates", lambda: [tmp_path / "file", tmp_path / "nul\0"])
    with pytest.warns(RuntimeWarning, match="each process will compile") as caught:
        assert cache.find() is None
    assert len(caught) == 1
    monkeypatch.setattr(cache, "candidates", lambda: [tmp_path / "file", tmp_path])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR cannot be used") as caught:
        assert cache.find().parent == tmp_path
    assert len(caught) == 1


TRAIN = """
import sys
import numpy as np
import sparselab as sl
X, y = np.random.default_rng(0).standard_normal((64, 8), dtype=np.float32), np.arange(64) % 2
for name in sys.argv[1:]:
    model = sl.SparseMLP.create((8, 16, 2), density=0.5, seed=0)
    *_, record = sl.train(model, (X, y), optimizer=getattr(sl, name)(0.01), epochs=3, batch_size=16, seed=0, threads=1)
    print(name, record.train_loss)
"""


@pytest.mark.slow
def test_kernels_that_several_processes_have_compiled_are_told_apart(tmp_path):
    """Numbered by process, the updates of two optimizers had one name in the cache, and who loaded both called either."""
    train = lambda *names: set(
        subprocess.run(
            [sys.executable, "-c", TRAIN, *names], env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, check=True,
            capture_output=True, text=True,
        ).stdout.splitlines()
    )  # fmt: skip
    alone = {name: train(name) for name in ("SGD", "MomentumSGD", "Adam")}  # each compiles what the others have not
    assert train("MomentumSGD", "Adam") == alone["MomentumSGD"] | alone["Adam"]
    assert train("SGD", "Adam", "MomentumSGD") == set.union(*alone.values())
