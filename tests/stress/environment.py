"""Cold start and surroundings: damaged caches, many processes at once, homes without write access, threads, forks, names.

Each case runs in a process of its own. A case is good if the training in it gives the bits of an undisturbed one.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sparselab.kernels import cache_files
from stress.processes import end, run, start, without_compiling

NOTE = "sparselab: "  # how every line of ours on stderr begins
LEFT_ALONE = {"NUMBA_CACHE_DIR": None, "NUMBA_THREADING_LAYER": None, "NUMBA_DISABLE_JIT": None}

TRAINING = """
import hashlib, sys
import numpy as np, sparselab as sl
def train(threads=2, kind="float32", n=300):
    random = np.random.default_rng(0)
    X, y = random.standard_normal((n, 20)).astype(kind), np.arange(n) % 4
    model = sl.SparseMLP.create((20, 60, 40, 4), epsilon=5, dropout=0.2, seed=0, dtype=kind)
    list(sl.train(model, (X, y, X, y), rules=[sl.SET(0.3)], epochs=3, batch_size=150, seed=0, threads=threads))
    arrays = [part for layer in model.layers for part in (layer.topology.indices, layer.w, layer.b)]
    return hashlib.sha256(b"".join(map(bytes, arrays)) + bytes(sl.predict(model, X))).hexdigest()
"""
TRAIN = TRAINING + "print(train())"
SMALL = """
import numpy as np
from sparselab.kernels import csr_passes
counts = np.zeros(3, np.int64)
csr_passes.count_columns(np.array([0, 2, 2], np.int32), counts)
print(counts.tolist())
"""
NOTHING_WRITABLE = """
import os, pathlib, tempfile
def refuse(*_, **__): raise PermissionError(13, "Permission denied")
pathlib.Path.mkdir = os.mkdir = os.makedirs = refuse
tempfile.TemporaryFile = refuse
"""


def outcome(ended):
    """The last line a good process printed, else None."""
    return ended.out.splitlines()[-1] if ended.code == 0 and ended.out else None


def notes(ended):
    """Lines on stderr that are ours, but for the one that kernels are compiled."""
    return [line for line in without_compiling(ended.err).splitlines() if NOTE in line and "warn(" not in line]


def damage(path, kind, random):
    """Leave a file empty, half, of random bytes, or with one bit flipped."""
    content = bytearray(path.read_bytes())
    if kind == "flipped":
        content[random.integers(len(content))] ^= 1 << random.integers(8)
    wanted = {"empty": b"", "half": content[: len(content) // 2], "garbled": random.bytes(len(content)), "flipped": content}
    path.write_bytes(wanted[kind])


def kernel_files(folder):
    """The files of compiled code below a cache folder."""
    return sorted(Path(folder).glob("kernels-*/*/*.nbc"))


def damaged_caches(kinds=("empty", "half", "garbled", "flipped"), *, each=True, code=TRAIN, seed=0):
    """(good, tried): one file after the other is damaged (and all at once; only that without `each`), then two processes start.

    Good: both give the same result as before; the first says at most one line, the second none, for the cache is good again.
    """
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole")
        wanted = outcome(run(code, **LEFT_ALONE | {"NUMBA_CACHE_DIR": str(whole)}))
        names = [path.relative_to(whole) for path in kernel_files(whole)]
        cases = [(kind, some) for kind in kinds for some in [names, *([name] for name in names if each)]]
        good = 0
        for kind, some in cases:
            copy = Path(folder, "copy")
            shutil.copytree(whole, copy)
            for name in some:
                damage(copy / name, kind, random)
            first, second = (run(code, **LEFT_ALONE | {"NUMBA_CACHE_DIR": str(copy)}) for _ in range(2))
            same = wanted is not None and outcome(first) == outcome(second) == wanted
            good += same and len(notes(first)) <= 1 and not notes(second)
            shutil.rmtree(copy)
    return good, len(cases)


def flipped_bits(n, seed=0, *, code=SMALL):
    """(noticed, tried): single flipped bits, anywhere in any file of compiled code, that reading it notices."""
    random, noticed = np.random.default_rng(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        run(code, **LEFT_ALONE | {"NUMBA_CACHE_DIR": folder})
        files = {path: path.read_bytes() for path in kernel_files(folder)}
        for path, content in files.items():
            assert cache_files.payload(path) == content[cache_files.DIGEST :]
        for _ in range(n):
            path = list(files)[random.integers(len(files))]
            damage(path, "flipped", random)
            try:
                cache_files.payload(path)
            except ValueError:
                noticed += 1
            path.write_bytes(files[path])
    return noticed, n


def cold_starts(n, *, code=TRAIN):
    """(good, tried): n processes start at once on an empty cache and give one result; one more then finds the cache complete."""
    with tempfile.TemporaryDirectory() as folder:
        surroundings = LEFT_ALONE | {"NUMBA_CACHE_DIR": folder}
        found = [outcome(end(process, 300)) for process in [start(code, **surroundings) for _ in range(n)]]
        size = len(kernel_files(folder))
        last = run(code, **surroundings)
        complete = not notes(last) and len(kernel_files(folder)) == size and outcome(last) is not None
        return sum(complete and result == outcome(last) for result in found), n


def unwritable(*, code=SMALL):
    """{case: (result, our lines on stderr)} where compiled code cannot be kept where it usually is."""
    nowhere = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": None}
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "home cannot be written to": (code, nowhere),
            "no home": (code, {"HOME": None, "XDG_CACHE_HOME": None}),
            "NUMBA_CACHE_DIR cannot be written to": (code, {"NUMBA_CACHE_DIR": "/dev/null/cache", "XDG_CACHE_HOME": folder}),
            "nothing can be written to": (NOTHING_WRITABLE + code, nowhere | {"NUMBA_CACHE_DIR": "/dev/null/cache"}),
        }
        found = {name: run(text, **LEFT_ALONE | changes) for name, (text, changes) in cases.items()}
    return {name: (outcome(ended), notes(ended)) for name, ended in found.items()}


def threading_layers(layers=("workqueue", "omp"), threads=(1, 2, 4)):
    """All results of trainings under numba's threading layers, for each number of threads: one, if all is well."""
    code = TRAINING + f"print([train(threads, kind) for kind in ('float32', 'float64') for threads in {threads}])"
    found = [outcome(run(code, **LEFT_ALONE | {"NUMBA_THREADING_LAYER": layer})) for layer in layers]
    return {tuple(sorted(set(eval(text)))) if text else None for text in found}


FORK = (
    TRAINING
    + """
import multiprocessing, os
def child(pipe): pipe.send(train())
before = train()
if sys.argv[1] == "open":  # a training is under way
    random = np.random.default_rng(0)
    data = random.random((300, 20), np.float32), np.arange(300) % 4
    stream = sl.steps(sl.SparseMLP.create((20, 60, 4), seed=0), data, threads=2)
    next(stream)
mine, theirs = multiprocessing.get_context("fork").Pipe()
process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
process.start()
found = mine.recv() if mine.poll(60) else None
process.join(10)
if process.is_alive(): process.kill()
print(found == before == train())
"""
)


def forks(cases=("closed", "open")):
    """(good, tried): a forked child trains and predicts with the parent's result, after a training and during one."""
    ended = [run(FORK, case, **LEFT_ALONE) for case in cases]
    return sum(outcome(one) == "True" for one in ended), len(cases)


ODD_NAMES = (
    "a b.npz", " .npz", "ünïcödé ☃ 网.npz", "it's \"quoted\".npz", "two\nlines.npz", "-rf.npz", "$HOME `x` %s {0}.npz", ".hidden",
    "e" * 200 + ".npz", "two.dots.npz",
)  # fmt: skip


def odd_paths(names=ODD_NAMES):
    """(good, tried): a net is saved below a folder and to a file of such a name, and loaded again; so is a config."""
    import sparselab as sl

    model, good = sl.SparseMLP.create((5, 4, 3), epsilon=2, seed=0), 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder, Path(name).stem)
            inner.mkdir()
            loaded = sl.load(sl.save(model, inner / name))
            (inner / "config.json").write_text(sl.ExperimentConfig().to_json())
            config = sl.ExperimentConfig.from_json((inner / "config.json").read_text())
            good += bool(np.array_equal(loaded.layers[0].w, model.layers[0].w) and config == sl.ExperimentConfig())
    return good, len(names)


def good_layers(found):
    """One result for float32 and one for float64."""
    return len(found) == 1 and None not in found and len(next(iter(found))) == 2


# the promises


PROMISES = {
    "damaged cache: same result, one line, good afterwards": lambda s: damaged_caches(each=False),
    "damaged cache, one file after the other, of a small kernel": lambda s: damaged_caches(code=SMALL),
    "flipped bits of compiled code noticed": lambda s: flipped_bits(s.count(10_000, 100)),
    "cold starts at once": lambda s: cold_starts(s.count(8, 2)),
    "forked children train": lambda s: forks(),
    "odd names of files and folders": lambda s: odd_paths(),
}


@pytest.mark.parametrize("promise", PROMISES)
def test_surroundings(promise, stress):
    stress.all(promise, *PROMISES[promise](stress))


def test_homes_without_write_access(stress):
    cases = unwritable().values()
    stress.all("homes and caches without write access", sum(text == "[1, 0, 2]" for text, _ in cases), len(cases))
    stress.all("homes and caches without write access: one line at most", sum(len(said) <= 1 for _, said in cases), len(cases))


def test_one_result_for_all_layers_and_numbers_of_threads(stress):
    found = threading_layers()
    promise = "results: 2 threading layers, 1, 2, 4 threads, 2 engines"
    stress.row(promise, f"{len(found)} set", "1 set of 2", good_layers(found))
