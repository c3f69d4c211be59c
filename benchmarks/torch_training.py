"""The Transformer of examples/torch in training, its feed-forward blocks sparse, beside its dense twin: a step, and accuracies.

`python -m benchmarks.torch_training [--only step|accuracy] [--density D] [--rounds N] [--data NAME] [--test NAME] [--epochs N]
[--seeds N]`: width 384, feed-forward 1536, two blocks, AdamW, batches of 64 images of 16 patches, float32, on torch's threads. A
step is forward, backward and update; three of each in turn, after one that does not count, median of the rounds. Accuracies are
those of the last epoch, with SET once an epoch, on all test samples of FashionMNIST, for a thousand would leave a point of noise.
Sparse layers learn at the dense model's rate over their density, and for comparison at that rate itself. A run that was stopped
goes on. GOALS are printed beside both.
"""

import argparse
from functools import partial

import numpy as np

import sparselab as sl
from benchmarks.common import emit, interleaved, table
from benchmarks.kept import Kept, spread

REST = 0.02  # seconds after the steps of a sample, so that no waiting threads of torch run beside the next one
IN_A_ROW, UNCOUNTED = 3, 1  # steps of a sample, and before it: the first after a rest finds caches of others and threads asleep
BATCH, NAMES, LR = 64, ("sparse", "dense"), 3e-4
SAME_RATE = "sparse, rate of the dense one"
TRAINED = "sparse", SAME_RATE, "dense"
SETTINGS = "data", "test", "epochs", "density", "lr"  # those that trainings which are compared have in common
STEP, ACCURACY = "torch_training", "torch_training: accuracy"
GOALS = {"times": 1.5, "points": 1.0}  # a step at density 0.1 is so many times as fast, and accuracies differ by less


def step_row(density, rounds):
    """The row of a step at this density."""
    import torch

    import sparselab.torch
    from examples.torch.transformer import feed_forward, transformer

    X, y, calls, sizes = torch.randn(BATCH, 16, 65), torch.arange(BATCH) % 10, {}, {}
    for name in NAMES:
        model = transformer()
        if name == "sparse":
            sparselab.torch.sparsify(model, density=density, layers=feed_forward)
        optimizer = torch.optim.AdamW(model.parameters())

        def step(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(X), y).backward()
            optimizer.step()

        calls[name] = step
        sizes[name] = sum(parameter.numel() for parameter in model.parameters())
    found = interleaved(calls, repeats=rounds, inner=IN_A_ROW, rest=REST, uncounted=UNCOUNTED)
    seconds = {name: float(np.median(each)) for name, each in found.items()}
    row = {"density": density} | {f"{name} ms": 1e3 * seconds[name] for name in NAMES}
    row |= {f"{name} parameters": sizes[name] for name in NAMES}
    return row | {"times faster": seconds["dense"] / seconds["sparse"]}


def accuracy_row(name, data, test, density, epochs, seed):
    """What one training has reached."""
    import torch

    import sparselab.torch
    from examples.torch.transformer import feed_forward, patches, transformer

    found, tested = (sl.datasets.load(one, standardise="published") for one in (data, test))
    torch.manual_seed(seed)
    samples = patches(found.X_train), found.y_train, patches(tested.X_test), tested.y_test
    options = {"density": density, "layers": feed_forward, "epochs": epochs, "batch_size": BATCH, "seed": seed}
    options |= {"optimizer": partial(torch.optim.AdamW, lr=LR)} if name == SAME_RATE else {"lr": LR}
    *_, last = sparselab.torch.twins(transformer(), samples, **options)["dense" if name == "dense" else "sparse"]
    return {"accuracy %": 100 * last.accuracy, "links": last.links, "bytes": last.bytes}


def accuracy_rows(kept):
    """Means over the seeds of each kind of training, from the kept rows."""
    groups = {}
    for row in kept.rows.values():
        s = row["settings"]
        groups.setdefault(tuple(s[name] for name in SETTINGS), {}).setdefault(s["model"], {})[s["seed"]] = row
    lines = []
    for same, found in groups.items():
        seeds = sorted(set.intersection(*(set(found.get(name, ())) for name in TRAINED)))
        for name in TRAINED if seeds else ():
            rows = [found[name][seed] for seed in seeds]
            mean = lambda field, rows=rows: float(np.mean([row[field] for row in rows]))
            lines.append(
                {
                    **dict(zip(SETTINGS, same, strict=True)), "model": name, "n": len(seeds),
                    "accuracy %": spread([row["accuracy %"] for row in rows]), "mean %": mean("accuracy %"),
                    "links": rows[0]["links"], "MiB": mean("bytes") / 2**20,
                }
            )  # fmt: skip
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("step", "accuracy"))
    parser.add_argument("--density", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--data", default="fashion_mnist_small")
    parser.add_argument("--test", default="fashion_mnist", help="the data set whose test samples count")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.only != "accuracy":
        row = step_row(given.density, given.rounds)
        emit(STEP, [row], key=("density",))
        met = "met" if row["times faster"] >= GOALS["times"] else "MISSED"
        print(f"a step at density {given.density:g}: {row['times faster']:.2f} × (goal at 0.1: ≥ {GOALS['times']} ×), {met}")
    if given.only != "step":
        kept = Kept(ACCURACY)
        mine = {"data": given.data, "test": given.test, "epochs": given.epochs, "density": given.density, "lr": LR}
        for seed in range(given.seeds):
            for name in TRAINED:
                measured = partial(accuracy_row, name, given.data, given.test, given.density, given.epochs, seed)
                found = kept.row({"model": name, **mine, "seed": seed}, measured)
                print(f"{name}, seed {seed}: {found['accuracy %']:.2f} %", flush=True)
        rows = accuracy_rows(kept)
        print(table(rows, list(rows[0])))
        found = {row["model"]: row["mean %"] for row in rows if all(row[name] == value for name, value in mine.items())}
        lost = found["dense"] - found["sparse"]
        print(f"lost: {lost:.2f} points (goal: < {GOALS['points']:g}), {'met' if lost < GOALS['points'] else 'MISSED'}")


if __name__ == "__main__":
    main()
