"""Importance Pruning beside SET alone: links and neurons that are removed, and the change of test accuracy.

`python -m benchmarks.importance [--only NAME ...] [--seeds N] [--threads N] [--higgs FOLDER] [--out FILE]`

- higgs: the paper's net and settings on 7,500 true rows of HIGGS (higgs_sample.npz in FOLDER, by default the data folder; a
  stand-in, not part of the project), cut anew into 5,000 to train on and 2,500 to test on: SET alone, with pruning in mode
  "shrink", and in mode "links" with the paper's percentile and its schedule scaled to the epochs.
- fashion_mnist: complete, the authors' demo settings, 60 epochs, three seeds: SET alone and with "shrink".
- choose: the settings of "shrink" that were tried, on a validation part of the TRAINING rows; the test rows are not looked at.
- speed: one run on FashionMNIST without evaluation; its last epochs against its first ones. Never taken from the file.

Accuracy is the mean over the last ten epochs. Rows are kept as they come; a run that was stopped continues.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table
from benchmarks.kept import Kept, spread
from benchmarks.questions import DEMO
from sparselab.datasets.splits import split_rows
from sparselab.evolution import importances

LAST = 10  # epochs whose test accuracies are averaged
JOBS = {
    "higgs": asdict(sl.ExperimentConfig.paper("higgs", epochs=200)),
    "fashion_mnist": asdict(sl.ExperimentConfig(**DEMO, epsilon=20.0, epochs=60)),
}
BASE = {
    "higgs": {"mode": "shrink", "amount": 0.7, "start": 60, "stop": 140, "every": 10},
    "fashion_mnist": {"mode": "shrink", "amount": 0.4, "start": 10, "stop": 30, "every": 5},
}
DEFAULTS = {"importance": "incoming", "fold": "bias", "ramp": "cubic", "after_set": False}
TRIED = {
    "higgs": [
        *({"importance": name, "fold": fold} for name in importances.NAMES for fold in ("bias", "mean")),
        {"after_set": True}, {"ramp": "linear"}, {"start": 20, "stop": 60, "every": 5}, {"start": 100, "stop": 180},
        {"amount": 0.6}, {"amount": 0.8},
        *({"importance": "outgoing", "fold": "mean"} | changes for changes in (
            {"after_set": True}, {"ramp": "linear"}, {"start": 20, "stop": 60, "every": 5}, {"amount": 0.8},
        )),
    ],
    "fashion_mnist": [
        {}, {"fold": "mean"}, {"amount": 0.5}, {"amount": 0.5, "importance": "outgoing", "fold": "mean"},
    ],
}  # fmt: skip
# of those tried that take 75 % of the links and 50 % of the neurons (FashionMNIST: 50 % of the links) the best on validation rows
CHOSEN = {"higgs": {"importance": "outgoing", "fold": "mean"}, "fashion_mnist": {"amount": 0.5}}
# the paper's runs have 500 epochs, start 200 and every 10: here for 200 epochs
PAPER = {"mode": "links", "percentile": 20.0, "start": 80, "stop": None, "every": 4}


def higgs(folder=None):
    """The Dataset of 5,000 + 2,500 rows of HIGGS, stratified, always the same; FileNotFoundError if the file is missing."""
    path = (sl.datasets.data_folder() if folder is None else Path(folder)) / "higgs_sample.npz"
    with np.load(path, allow_pickle=False) as file:
        X, y = (np.concatenate([file[f"{name}_train"], file[f"{name}_test"]]) for name in "xy")
    train, test = split_rows(y.astype(np.int64), len(y), len(y) // 3, seed=0)
    parts = X[train], y[train], X[test], y[test]
    return sl.datasets.Dataset.from_arrays(*parts, standardise=True, name="higgs_sample", source="stand-in")


def rules_of(config, pruning):
    """SET, alone or with Importance Pruning before it (after it with `after_set`). pruning: settings, or None."""
    evolution = sl.SET(config.zeta)
    if pruning is None:
        return [evolution]
    settings = dict(pruning)
    after_set, importance = settings.pop("after_set"), importances.NAMES[settings.pop("importance")]
    rule = sl.ImportancePruning(**settings, importance=importance)
    return [evolution, rule] if after_set else [rule, evolution]


def measured(config, pruning, data, *, threads=None, evaluate_every=1):
    """Links and hidden neurons before and after, accuracy in percent, seconds of an epoch before and at the end, of one run.

    Neurons are those with an incoming link: in mode "links" the others stay and give a constant.
    """
    experiment = sl.build(config, data=data)
    model = experiment.model
    before = {"links before": model.n_links, "neurons before": sum(model.linked_neurons)}
    rules = rules_of(config, pruning)
    records = list(experiment.train(rules=rules, threads=threads, evaluate_every=evaluate_every))
    accuracy = [100 * record.test_accuracy for record in records if record.test_accuracy is not None]
    seconds = [record.seconds for record in records]
    return before | {
        "links": model.n_links, "neurons": sum(model.linked_neurons), "widths": list(model.sizes),
        "accuracy %": float(np.mean(accuracy[-LAST:])) if accuracy else None, "each epoch": [round(a, 3) for a in accuracy],
        "first epochs": float(np.median(seconds[1:4])), "last epochs": float(np.median(seconds[-3:])), "seconds": sum(seconds),
        "source": data.source,
    }  # fmt: skip


def row_of(kept, job, pruning, seed, data, *, part="test", threads=None, **changes):
    """One run's row, from the file or measured now. part: "test", or "validation", a third of the training rows."""
    config = sl.ExperimentConfig(**JOBS[job] | changes | {"seed": seed})
    settings = {"part": part, "config": asdict(config), "pruning": pruning}
    if part == "validation":
        data = data.split_validation(1 / 3 if job == "higgs" else 1 / 6, seed=seed)
    return kept.row(settings, lambda: measured(config, pruning, data, threads=threads))


def line(job, name, rows, base):
    """A row of the table: means ± deviations over the seeds, and points of accuracy to the same seeds of SET alone."""
    gone = [[100 * (1 - row[what] / row[f"{what} before"]) for row in rows] for what in ("links", "neurons")]
    values, wanted = ([row["accuracy %"] for row in some] for some in (rows, base))
    return {
        "job": job, "variant": name, "n": len(rows), "links": spread([row["links"] for row in rows], 0),
        "neurons": spread([row["neurons"] for row in rows], 0), "links gone %": spread(gone[0], 1),
        "neurons gone %": spread(gone[1], 1), "accuracy %": spread(values),
        "points": "" if rows is base else spread([a - b for a, b in zip(values, wanted, strict=True)]),
    }  # fmt: skip


def name_of(pruning):
    """Settings as text; what a mode does not use is left out."""
    if pruning is None:
        return "SET alone"
    order = ", after SET" if pruning["after_set"] else ""
    if pruning["mode"] == "links":
        return "links, percentile {percentile:g}, from {start} on every {every}, {importance}".format(**pruning) + order
    text = "shrink {amount:.0%}, {start} to {stop} every {every}, {ramp}, {importance}, fold {fold}"
    return text.format(**pruning) + order


def variants(job, part):
    """The settings to run: SET alone first; those that were tried, or those that were chosen (for Higgs the paper's too)."""
    base = BASE[job] | DEFAULTS
    if part == "validation":
        return [None, *(base | changes for changes in TRIED[job])]
    return [None, base | CHOSEN[job], *([PAPER | DEFAULTS] if job == "higgs" else [])]


def compare(kept, job, part, seeds, data, *, threads=None, bar=None, **changes):
    """Table rows of all variants of a job, seed after seed so that an unfinished run is a fair one."""
    settings = variants(job, part)
    found = [[] for _ in settings]
    for seed in range(seeds):
        for rows, pruning in zip(found, settings, strict=True):
            rows.append(row_of(kept, job, pruning, seed, data, part=part, threads=threads, **changes))
            if bar is not None:
                bar.update()
    return [line(job, name_of(pruning), rows, found[0]) for rows, pruning in zip(found, settings, strict=True)]


def speed(path, data, threads, **changes):
    """Row of one run on FashionMNIST without evaluation: median seconds of epochs 2 to 4 and of the last three."""
    config = sl.ExperimentConfig(**JOBS["fashion_mnist"] | changes)
    pruning = variants("fashion_mnist", "test")[1]
    found = measured(config, pruning, data, threads=threads, evaluate_every=0)
    row = found | {"pruning": pruning, "threads": threads, "times faster": found["first epochs"] / found["last epochs"]}
    emit("importance: speed", [row], path, show=False)
    return row


COLUMNS = ["job", "variant", "n", "links", "neurons", "links gone %", "neurons gone %", "accuracy %", "points"]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["choose", *JOBS, "speed"], default=[*JOBS, "speed"])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="of choose")
    parser.add_argument("--seeds", type=int, help="default: 5 for higgs, 3 for fashion_mnist; to choose 3 and 1")
    parser.add_argument("--threads", type=int, help="default: all cores; scores do not depend on it")
    parser.add_argument("--higgs", type=Path, help="folder with higgs_sample.npz; default: the data folder (SPARSELAB_DATA)")
    parser.add_argument("--out", type=Path, help="default: the kept file of this benchmark")
    chosen = parser.parse_args(argv)
    kept = Kept("importance", chosen.out)
    load = {"higgs": lambda: higgs(chosen.higgs), "fashion_mnist": lambda: sl.datasets.load("fashion_mnist")}
    for job, part, seeds in plan(chosen.only, chosen.jobs):
        seeds = chosen.seeds or seeds
        with tqdm(total=seeds * len(variants(job, part)), desc=f"{job}, {part}") as bar:
            rows = compare(kept, job, part, seeds, load[job](), threads=chosen.threads, bar=bar)
        print(f"\n{job}, accuracy of the {part} rows\n{table(rows, COLUMNS)}")
    if "speed" in chosen.only:
        row = speed(chosen.out, load["fashion_mnist"](), chosen.threads)
        print("\n" + table([row], ["first epochs", "last epochs", "times faster", "links before", "links"]))


def plan(only, jobs):
    """[(job, part of the data, seeds)] of what was asked for."""
    choose = [(job, "validation", {"higgs": 3, "fashion_mnist": 1}[job]) for job in jobs] if "choose" in only else []
    return choose + [(job, "test", {"higgs": 5, "fashion_mnist": 3}[job]) for job in JOBS if job in only]


if __name__ == "__main__":
    main()
