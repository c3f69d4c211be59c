"""Parallel training against sequential training: workers × backend × {WASAP, WASSP}, both phases, evolution and average counted.

`python -m benchmarks.parallel [--only times accuracy cluster-accuracy cifar traffic] [--epochs 10] [--rounds 3] [--cifar FILE]`.
times: complete FashionMNIST, 784-1000-1000-1000-10, ε = 20, batch 128, dropout .3, SET; evaluation off; ratios of wall time to
sequential training on one thread just before, the median of some rounds; the start of processes and clusters, until the
first gradient that counts, is listed separately. accuracy: 30 epochs, several seeds; cluster-accuracy: the same on a cluster of
two single-threaded Dask workers, also with compression. cifar: the paper's CIFAR-10 net (3072-4000-1000-4000-10, ε = 20) on
images in FILE (.npz with JPEG bytes: source "stand-in"). traffic: bytes and server time of a push by net size, and the number of
workers that keep one server busy.
"""

import argparse
import io
import time
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table
from benchmarks.kept import spread
from sparselab.parallel.core.server import ParameterServer

STANDARD, CIFAR = (784, 1000, 1000, 1000, 10), (3072, 4000, 1000, 4000, 10)
BACKENDS = ("threads", "processes", "dask")
ADDRESSED = {"dask-tcp": False, "dask-team": True}  # local clusters without TLS, as an address has it; whether of one Dask worker
TIMED = ("job", "backend", "workers", "kind", "steps_per_push")  # a run replaces the rows that say the same of these


def net(sizes, seed):
    return sl.SparseMLP.create(sizes, epsilon=20, activation=sl.AllReLU(0.6), dropout=0.3, seed=seed)


def options(epochs, seed):
    return {"rules": [sl.SET(0.3)], "epochs": epochs, "batch_size": 128, "seed": seed}


def timed(train, sizes, data, epochs, seed=0, **more):
    """Seconds from the first call to the end, and from the first epoch's begin (workers are ready then)."""
    model, begin = net(sizes, seed), time.perf_counter()
    records = list(train(model, data, optimizer=sl.MomentumSGD(0.01, 0.9), evaluate_every=0, **options(epochs, seed), **more))
    return time.perf_counter() - begin, records


def working(records, whole):
    """Seconds without the start of the workers: the first task of any began then."""
    first = min((begun for record in records for _, begun, _ in record.workers.timeline), default=0.0)
    return whole - first


def times(data, sizes, epochs, rounds, ways, name, backends, **more):
    """Rows: median wall seconds, and ratios to sequential training on one thread, of each (backend, workers, synchronous).

    backends: what `train_parallel` gets for each name; more: its other options.
    """
    timed(sl.train, sizes, data, 1, threads=1)  # compiles and warms up
    found = {way: [] for way in ways}
    with tqdm(total=rounds * len(ways), desc=f"times, {name}") as bar:
        for _ in range(rounds):
            for backend, n, sync in ways:  # in turn, so that a slow phase of the machine affects all
                alone = timed(sl.train, sizes, data, epochs, threads=1)[0]
                chosen = {"backend": backends[backend], "n_jobs": n, "synchronous": sync, **more}
                whole, records = timed(sl.train_parallel, sizes, data, epochs, **chosen)
                found[backend, n, sync].append((alone, working(records, whole), whole))
                bar.update()
    return [row_of(name, epochs, way, np.array(spent)) | more for way, spent in found.items()]


def row_of(name, epochs, way, spent):
    """The row of a way; spent: (rounds, 3) seconds of sequential training, of the work, and of all."""
    backend, n, sync = way
    (alone, work, whole), ratios = np.median(spent, axis=0), spent[:, 1] / spent[:, 0]
    return {
        "job": name, "backend": backend, "workers": n, "kind": "WASSP" if sync else "WASAP", "epochs": epochs,
        "sequential s": alone, "seconds": work, "start s": whole - work, "ratio": float(np.median(ratios)),
        "ratios": " ".join(f"{ratio:.2f}" for ratio in sorted(ratios)),
        "with start": float(np.median(spent[:, 2] / spent[:, 0])),
    }  # fmt: skip


def accuracy(data, epochs, seeds, client=None):
    """Rows: test accuracy % after `epochs`, sequential, WASAP and WASSP with 2 workers, and the workers of the average.

    client: of a cluster, on which WASAP is trained too then, with pushes by "auto", without and with compression.
    """
    ways = {
        "sequential": lambda **o: sl.train(threads=1, **o),
        "WASAP": lambda **o: sl.train_parallel(backend="threads", n_jobs=2, **o),
        "WASSP": lambda **o: sl.train_parallel(backend="threads", n_jobs=2, synchronous=True, **o),
    }
    if client is not None:
        on_cluster = lambda compression, **o: sl.train_parallel(
            backend=sl.parallel.backends.Cluster(client, compression, 0.1), n_jobs=2, steps_per_push="auto", **o
        )
        names = {None: "", "bfloat16": ", bfloat16", "top-k": ", top-k 0.1"}
        ways = {"sequential": ways["sequential"]} | {
            f"WASAP, dask{text}": partial(on_cluster, compression) for compression, text in names.items()
        }
    rows = []
    for name, train in ways.items():
        last = []
        for seed in tqdm(range(seeds), desc=name):
            settings = options(epochs, seed) | {"optimizer": sl.MomentumSGD(0.01, 0.9), "evaluate_every": epochs}
            *_, record = train(model=net(STANDARD, seed), data=data, **settings)
            last.append(record)
        each = [100 * record.test_accuracy for record in last]
        own = [100 * value for record in last if record.workers for value in record.workers.accuracies]
        rows.append({
            "way": name, "epochs": epochs, "n": seeds, "accuracy %": spread(each),
            "workers' own %": spread(own) if own else "", "each": " ".join(f"{value:.2f}" for value in each),
        })  # fmt: skip
    return rows


def traffic(widths=(250, 1000, 4000, 16000), batch_size=128, repeats=30):
    """Rows by net size: bytes of a push and a snapshot, seconds of compute, server and copy, workers that saturate the server."""
    rng, rows = np.random.default_rng(0), []
    for width in tqdm(widths, desc="traffic"):
        model = net((784, width, width, width, 10), 0)
        X, y = rng.standard_normal((batch_size, 784), dtype=np.float32), rng.integers(0, 10, batch_size)
        server = ParameterServer(model, sl.MomentumSGD(0.001, 0.9))
        dw, db = ([np.zeros_like(getattr(layer, name)) for layer in model.layers] for name in ("w", "b"))
        compute = least(lambda: list(sl.train(model.copy(), (X, y), epochs=1, batch_size=batch_size, threads=1)), 5)  # noqa: B023
        epochs = least(lambda: list(sl.train(model.copy(), (X, y), epochs=repeats, batch_size=batch_size, threads=1)), 3)  # noqa: B023
        step = (epochs - compute) / (repeats - 1)  # without what a call of train costs
        push = least(lambda: server.push(server.view(), dw, db, 0.001), repeats)  # noqa: B023
        pull = least(server.pull, repeats)
        rows.append({
            "net": "-".join(map(str, model.sizes)), "links": model.n_links, "bytes a push": sum(g.nbytes for g in (*dw, *db)),
            "compute ms": 1e3 * step, "server ms": 1e3 * push, "pull ms": 1e3 * pull,
            "workers at saturation": (step + pull) / push + 1,
        })  # fmt: skip
    return rows


def least(function, repeats):
    """The least seconds of a call, because other work on the machine only adds to them."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return min(spent)


def cifar(path):
    """The Dataset of a .npz with JPEG bytes: jpeg_*, offset_*, y_* for train and test."""
    from PIL import Image

    with np.load(path) as file:
        parts = []
        for part in ("train", "test"):
            data, ends, y = (file[f"{name}_{part}"] for name in ("jpeg", "offset", "y"))
            images = [
                np.asarray(Image.open(io.BytesIO(data[a:b].tobytes()))).reshape(-1)
                for a, b in zip(ends, ends[1:], strict=False)
            ]  # fmt: skip
            parts += [np.array(images, np.float32), y]
    return sl.datasets.Dataset.from_arrays(*parts, name="cifar10", source="stand-in", standardise=True)


@contextmanager
def started(backends, workers):
    """{name: what train_parallel is given} of the backends; a cluster that is addressed is started here, and ended."""
    place, found = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}, {name: name for name in backends}
    with ExitStack() as stack:
        for name in ADDRESSED.keys() & found:
            from distributed import Client, LocalCluster

            n_processes, n_threads = (1, workers) if ADDRESSED[name] else (workers, 1)
            cluster = stack.enter_context(LocalCluster(n_workers=n_processes, threads_per_worker=n_threads, **place))
            found[name] = stack.enter_context(Client(cluster, set_as_default=False))
        yield found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=["times", "traffic", "accuracy"])
    parser.add_argument("--backends", nargs="*", default=["threads", "processes"], choices=[*BACKENDS, *ADDRESSED])
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--kinds", nargs="*", default=["WASAP", "WASSP"], choices=["WASAP", "WASSP"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps-per-push", type=lambda text: text if text == "auto" else int(text), default=1)
    parser.add_argument("--cifar")
    given = parser.parse_args()
    ways = [(b, n, kind == "WASSP") for b in given.backends for n in given.workers for kind in given.kinds]
    more = {"steps_per_push": given.steps_per_push}
    if {"times", "accuracy", "cluster-accuracy"} & set(given.only):
        data = sl.datasets.load("fashion_mnist")
    with started(given.backends, max(given.workers)) as backends:
        if "times" in given.only:
            show("times", times(data, STANDARD, given.epochs, given.rounds, ways, "FashionMNIST", backends, **more), TIMED)
        if "cifar" in given.only:
            images, name = cifar(given.cifar), "CIFAR-10 (JPEG stand-in)"
            show("times", times(images, CIFAR, given.epochs, given.rounds, ways, name, backends, **more), TIMED)
    if "accuracy" in given.only:
        show("accuracy", accuracy(data, 30, given.seeds), ("way", "epochs"))
    if "cluster-accuracy" in given.only:
        with started(["dask-tcp"], 2) as backends:
            show("accuracy", accuracy(data, 30, given.seeds, backends["dask-tcp"]), ("way", "epochs"))
    if "traffic" in given.only:
        show("traffic", traffic())


def show(part, rows, key=()):
    """Keep the rows of a part and print them as a table."""
    emit(f"parallel: {part}", rows, key=key, show=False)
    print(table(rows, list(rows[0])), "\n")


if __name__ == "__main__":
    main()
