"""Optimizers, the recipe of 1 % density and single events: seconds, and ratios of one run beside the GOALS.

`python -m benchmarks.rule_speed [--rounds N]`.

- optimizers: an epoch of the standard job (`benchmarks.training`) on one thread with each optimizer, in turn.
- recipe: an epoch of `benchmarks.repertoire` at 1 % on FashionMNIST with its events, on two threads.
- events: CHT at 1 % on 1568 x 1568, and RigL, with exact scores of all places, on the 1000 x 1000 layers of the standard job, in
  units of one training step of that net.
"""

import argparse

import numpy as np

import sparselab as sl
from benchmarks import repertoire
from benchmarks.common import emit, interleaved, table
from benchmarks.dense_peers import BATCH
from benchmarks.training import SIZES

OPTIMIZERS = {
    "MomentumSGD": sl.MomentumSGD(0.01), "SGD": sl.SGD(0.01, momentum=0.9), "Adam": sl.Adam(0.001), "AdamW": sl.AdamW(0.001),
}  # fmt: skip
RECIPE, DENSITY, CHT_WIDTH = ("SET", "RigL", "CHTs, L3p"), 0.01, 1568
GOALS = {  # what: at most
    "Adam": 1.25, "SGD": 1.05,
    **dict.fromkeys((f"recipe, {name}" for name in RECIPE), 1.0),
    "event of CHT": 0.15, "event of RigL": 20,
}  # fmt: skip


def standard_epochs(data, rule, optimizer):
    """A function that trains the standard job for one more epoch a call and returns its record."""
    model = sl.SparseMLP.create(SIZES, epsilon=20, activation=sl.AllReLU(0.6), dropout=0.3, seed=0)
    run = sl.train(
        model, data, rules=[rule], optimizer=optimizer, epochs=10**6, batch_size=BATCH, seed=0, threads=1, evaluate_every=0
    )  # fmt: skip
    return lambda: next(run)


def optimizers(data, rounds):
    """Rows: an epoch with each optimizer, and its ratio to MomentumSGD's."""
    calls = {name: standard_epochs(data, sl.SET(0.3), one) for name, one in OPTIMIZERS.items()}
    medians = {name: float(np.median(some)) for name, some in interleaved(calls, repeats=rounds).items()}
    return [
        {"what": name, "seconds": seconds, "value": seconds / medians["MomentumSGD"], "unit": "× MomentumSGD"}
        for name, seconds in medians.items()
    ]


def recipe(data, rounds):
    """Rows: seconds an epoch with its event, without evaluation."""
    rows = []
    for name in RECIPE:
        found = repertoire.measured(data, repertoire.methods("fashion_mnist")[name], DENSITY, rounds, 0, 2)
        seconds = found["seconds an epoch"]
        rows.append({"what": f"recipe, {name}", "seconds": seconds, "value": seconds, "unit": "s an epoch"})
    return rows


def events(data, rounds):
    """Rows: an event of CHT in seconds, and one of RigL on a layer of the standard job in steps."""
    rng, n = np.random.default_rng(0), 10 * BATCH
    samples = rng.standard_normal((n, CHT_WIDTH), np.float32), rng.integers(0, 10, n)
    model = sl.SparseMLP.create((CHT_WIDTH, CHT_WIDTH, 10), density=DENSITY, dense_last=True, exact=True, seed=0)
    rules = [sl.CHT(0.3)]
    options = {"optimizer": sl.SGD(0.01), "batch_size": BATCH, "seed": 0, "evaluate_every": 0}
    found = [record.seconds_evolve for record in sl.train(model, samples, rules=rules, epochs=rounds + 2, threads=2, **options)]
    cht = float(np.median(found[2:]))  # there is none before the first epoch, and the next one compiles
    epoch = standard_epochs(data, sl.RigL(0.3), sl.MomentumSGD(0.01))
    records = [epoch() for _ in range(rounds + 2)][2:]
    steps = -(-len(data.X_train) // BATCH)
    step = float(np.median([record.seconds - record.seconds_evolve for record in records])) / steps
    rigl = float(np.median([record.seconds_evolve for record in records])) / (len(SIZES) - 2)
    return [
        {"what": "event of CHT", "seconds": cht, "value": cht, "unit": "s"},
        {"what": "event of RigL", "seconds": rigl, "value": rigl / step, "unit": "steps"},
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    data = sl.datasets.load("fashion_mnist")
    rows = optimizers(data, rounds) + recipe(sl.datasets.load("fashion_mnist", standardise="published"), rounds)
    rows += events(data, rounds)
    rows = [row | {"goal": GOALS.get(row["what"])} for row in rows]
    emit("rule_speed", rows)
    print(table(rows, list(rows[0])))
    for row in rows:
        if row["goal"] is not None:
            met = "met" if row["value"] <= row["goal"] else "MISSED"
            print(f"{row['what']}: {row['value']:.3f} {row['unit']} (goal: at most {row['goal']:g}), {met}")


if __name__ == "__main__":
    main()
