"""The Transformer of examples/torch in training, its feed-forward blocks sparse, beside its dense twin: a step, and accuracies.

`python -m benchmarks.torch_training [--only step|accuracy] [--density D] [--rounds N] [--data NAME] [--epochs N] [--seeds N]`:
width 384, feed-forward 1536, two blocks, AdamW, batches of 64 images of 16 patches, float32, on torch's threads. A step is
forward, backward and update; three of each in turn, after one that does not count, median of the rounds. Accuracies are those of
the last epoch, with SET once an epoch; a run that was stopped goes on. GOALS are printed beside both.
"""

import argparse

import numpy as np

import sparselab as sl
from benchmarks.common import emit, interleaved, table
from benchmarks.kept import Kept, spread

REST = 0.02  # seconds after the steps of a sample, so that no waiting threads of torch run beside the next one
IN_A_ROW, UNCOUNTED = 3, 1  # steps of a sample, and before it: the first after a rest finds caches of others and threads asleep
BATCH, NAMES = 64, ("sparse", "dense")
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


def accuracy_row(name, data, density, epochs, seed):
    """What one training has reached."""
    import torch

    import sparselab.torch
    from examples.torch.transformer import feed_forward, patches, transformer

    found = sl.datasets.load(data, standardise="published")
    torch.manual_seed(seed)
    samples = patches(found.X_train), found.y_train, patches(found.X_test), found.y_test
    options = {"density": density, "layers": feed_forward, "epochs": epochs, "batch_size": BATCH, "seed": seed}
    records = list(sparselab.torch.twins(transformer(), samples, **options)[name])
    seconds = float(np.median([record.seconds for record in records]))
    return {"accuracy %": 100 * records[-1].accuracy, "seconds": seconds, "links": records[-1].links, "bytes": records[-1].bytes}


def accuracy_rows(kept):
    """Means over the seeds of each kind of training, from the kept rows."""
    groups = {}
    for row in kept.rows.values():
        s = row["settings"]
        groups.setdefault((s["data"], s["epochs"], s["density"]), {}).setdefault(s["model"], {})[s["seed"]] = row
    lines = []
    for (data, epochs, density), found in groups.items():
        seeds = sorted(set.intersection(*(set(found.get(name, ())) for name in NAMES)))
        for name in NAMES if seeds else ():
            rows = [found[name][seed] for seed in seeds]
            mean = lambda field, rows=rows: float(np.mean([row[field] for row in rows]))
            lines.append(
                {
                    "data": data, "epochs": epochs, "density": density, "model": name, "n": len(seeds),
                    "accuracy %": spread([row["accuracy %"] for row in rows]), "mean %": mean("accuracy %"),
                    "seconds": mean("seconds"), "links": rows[0]["links"], "MiB": mean("bytes") / 2**20,
                }
            )  # fmt: skip
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("step", "accuracy"))
    parser.add_argument("--density", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--data", default="fashion_mnist_small")
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
        for seed in range(given.seeds):
            for name in NAMES:
                settings = {"model": name, "data": given.data, "density": given.density, "epochs": given.epochs, "seed": seed}
                found = kept.row(
                    settings, lambda name=name, seed=seed: accuracy_row(name, given.data, given.density, given.epochs, seed)
                )
                print(f"{name}, seed {seed}: {found['accuracy %']:.2f} %, {found['seconds']:.1f} s an epoch", flush=True)
        rows = accuracy_rows(kept)
        print(table(rows, list(rows[0])))
        mine = given.data, given.epochs, given.density
        sparse, dense = (row for row in rows if (row["data"], row["epochs"], row["density"]) == mine)
        lost = dense["mean %"] - sparse["mean %"]
        print(f"lost: {lost:.2f} points (goal: < {GOALS['points']:g}), {'met' if lost < GOALS['points'] else 'MISSED'}")


if __name__ == "__main__":
    main()
