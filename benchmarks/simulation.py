"""Simulated training with many workers, and the simulation compared with measured runs of one and two workers.

`python -m benchmarks.simulation [--quick] [--epochs 10]`

The job: fashion_mnist_small (5,000 training images), 784-1000-1000-1000-10, ε = 20, dropout 0.3, SET; mini-batches of 16, so that
256 workers have one each. First part: seconds an epoch of `train_parallel` on backend "threads" beside the simulation with
costs measured just before; medians of rounds. Second part: accuracy, staleness and speed-up of 1 … 256 workers.
"""

import argparse
import dataclasses
import time

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table
from sparselab.parallel import Costs, Network, calibrate, saturation

SIZES, BATCH, WORKERS = (784, 1000, 1000, 1000, 10), 16, (1, 2, 4, 8, 16, 64, 256)
COLUMNS = ("workers", "phase 1", "measured", "simulated", "ratio", "ratios")


def net(sizes=SIZES):
    """A new net."""
    return sl.SparseMLP.create(sizes, epsilon=20, activation=sl.AllReLU(0.6), dropout=0.3, seed=0)


def seconds_of(records):
    """{phase: seconds an epoch}: the median of each; the first epoch, which has no evolution, is left out."""
    found = {}
    for record in records[1:]:
        found.setdefault(record.phase, []).append(record.seconds)
    return {phase: float(np.median(seconds)) for phase, seconds in found.items()}


def validate(data, *, sizes=SIZES, batch_size=BATCH, epochs=8, rounds=5, workers=(1, 2), bar=None):
    """(rows, Costs): seconds an epoch, measured and simulated, by workers and phase: medians of rounds.

    In each round costs are measured just before the run that they predict, because the speed of the machine drifts.
    """
    options = {"rules": [sl.SET(0.3)], "epochs": epochs, "batch_size": batch_size, "seed": 0, "evaluate_every": 0}
    costs, found = [], {}
    for _ in range(rounds):
        for n, synchronous in ((n, synchronous) for n in workers for synchronous in (False, True)):
            costs.append(calibrate(net(sizes), data, batch_size, n_jobs=n))
            both = {"synchronous": synchronous, **options}
            measured = seconds_of(list(sl.train_parallel(net(sizes), data, backend="threads", n_jobs=n, **both)))
            simulated = seconds_of(list(sl.simulate_parallel(net(sizes), data, n, costs=costs[-1], **both)))
            for phase, seconds in measured.items():
                found.setdefault((n, synchronous, phase), []).append((seconds, simulated[phase]))
            if bar is not None:
                bar.update()
    return [row_of(*key, np.array(pairs)) for key, pairs in found.items()], typical(costs[-2 * rounds :])


def row_of(n, synchronous, phase, pairs):
    """A row of `validate`; pairs: (rounds, 2) seconds measured and simulated."""
    first, ratios = "synchronous" if synchronous else "asynchronous", pairs[:, 1] / pairs[:, 0]
    return {
        "workers": n, "phase 1": phase if phase == first else f"{first}, {phase}", "measured": float(np.median(pairs[:, 0])),
        "simulated": float(np.median(pairs[:, 1])), "ratio": float(np.median(ratios)),
        "ratios": " ".join(f"{ratio:.2f}" for ratio in sorted(ratios)),
    }  # fmt: skip


def typical(costs):
    """The median of several Costs, field by field."""
    names = [one.name for one in dataclasses.fields(Costs)]
    return Costs(**{name: float(np.median([getattr(one, name) for one in costs])) for name in names})


def outlook(data, costs, *, sizes=SIZES, batch_size=BATCH, epochs=10, workers=WORKERS, **options):
    """Yield a row for each number of workers: accuracy, staleness and speed-up of a simulated run, or why there are none."""
    alone = None
    for n in workers:
        model, start = net(sizes), time.perf_counter()
        row = {
            "workers": n,
            "phase 1": "synchronous" if options.get("synchronous") else "asynchronous",
            "damping": 0.0,
            **options,
        }
        run = sl.simulate_parallel(
            model, data, n, costs=costs, network=Network(), rules=[sl.SET(0.3)], epochs=epochs,
            batch_size=batch_size, seed=0, evaluate_every=epochs, **options,
        )  # fmt: skip
        try:
            records = list(run)
        except sl.DivergedError as error:
            yield row | {"accuracy": float("nan"), "note": f"diverged in epoch {error.epoch}"}
            continue
        clock, stale = records[-1].workers.clock, [s for record in records for s in record.workers.staleness]
        alone = clock if n == 1 else alone
        first = [record for record in records if record.phase not in ("local", "average")]
        yield row | {
            "accuracy": records[-1].test_accuracy, "staleness": float(np.mean(stale)) if stale else 0.0, "seconds": clock,
            "speed-up": alone / clock if alone else float("nan"), "took": time.perf_counter() - start, "note": "",
            "server busy": float(np.mean([record.workers.server_utilisation for record in first])),
        }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small net and few workers")
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    data, quick = sl.datasets.load("fashion_mnist_small"), arguments.quick
    sizes, workers = ((784, 100, 100, 10), (1, 4, 16)) if quick else (SIZES, WORKERS)
    with tqdm(total=(4 if quick else 20) + 3 * len(workers), unit="run") as bar:
        rows, costs = validate(data, sizes=sizes, rounds=1 if quick else 5, bar=bar)
        emit("simulation: validated", rows, show=False)
        simulated = []
        for options in ({}, {"damping": 1.0}, {"synchronous": True}):
            for row in outlook(data, costs, sizes=sizes, epochs=arguments.epochs, workers=workers, **options):
                emit("simulation", [row], key=("workers", "phase 1", "damping"), show=False)
                simulated.append(row)
                bar.update()
    print(table(rows, COLUMNS))
    print("\nmilliseconds:", ", ".join(f"{key} {1e3 * value:.3f}" for key, value in dataclasses.asdict(costs).items()))
    print(f"the server is busy all the time from {saturation(costs):.1f} workers on\n")
    columns = ("workers", "phase 1", "damping", "accuracy", "staleness", "seconds", "speed-up", "server busy", "took", "note")
    print(table([{name: row.get(name, "") for name in columns} for row in simulated], columns))


if __name__ == "__main__":
    main()
