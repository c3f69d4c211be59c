"""A run of tables 2, 3, 6 and 7 and figure 5: its settings, what is measured, and the row that is kept.

The three accuracies are those of the last epoch, of the epoch that is best on a tenth of the training rows, which were not
trained on, and of the best epoch on the test rows, as the paper counts. A run with `held_out` = 0 trains on all training rows, as
the paper's do, and has no `accuracy_validation`.
"""

import json
import multiprocessing
import os
import shutil
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import sparselab as sl
from benchmarks import kept
from benchmarks.paper import anchors, data, methods
from sparselab.checkpoints import checkpoint
from sparselab.checkpoints.run_dir import RunDir
from sparselab.evolution import apply, importances

BATCH = 1024  # training rows whose gradient figure 5 shows
POINTS = 50  # of figure 5
EPOCHS = "epochs.jsonl"  # in the folder of an interrupted run, beside its checkpoint
SPENT = {"": "seconds", "cpu_": "cpu"}  # of a row, and of an epoch
SIMULATED = 5  # workers, as in the paper's table 3


@dataclass(frozen=True)
class Run:
    """Settings of a run. held_out: share of the training rows that choose an epoch. threads: 0 for those of the command."""

    table: str
    dataset: str
    method: str
    seed: int
    epochs: int
    held_out: float = 0.0
    threads: int = 0

    @property
    def config(self):
        """The ExperimentConfig."""
        return methods.config_of(self.dataset, self.method, self.seed, self.epochs)

    @property
    def settings(self):
        """What tells the row of this run from others."""
        return asdict(self) | {"config": asdict(self.config)}

    def measured(self, threads=None, loaded=None, folder=None):
        """The row, measured now. threads: of the training, by default all cores; results do not depend on it. folder: where a run
        that is interrupted is kept, and goes on from; by default it begins anew."""
        whole = data.load(self.dataset) if loaded is None else loaded
        part, X, y = data.held_out(whole, self.held_out, self.seed)
        experiment = sl.build(self.config, data=part)
        batch = np.random.default_rng(0).permutation(part.n_train)[:BATCH]
        X_batch, y_batch = part.X_train[batch], part.y_train[batch]
        every = max(1, self.epochs // POINTS)
        earlier, note = finished_epochs(folder), ""
        epochs = [*earlier]
        with sl.analysis.Meter() as meter:
            try:
                clock = time.perf_counter(), time.process_time()
                for record in self.trained(experiment, threads, folder, every):
                    meter.read()
                    if record.epoch <= len(earlier):  # a run that goes on gives all its records
                        continue
                    one = {"epoch": record.epoch, "training": record.seconds, "evaluation": record.seconds_evaluate}
                    one["test"] = record.test_accuracy
                    if X is not None:
                        one["validation"] = sl.evaluate(experiment.model, X, y, threads=self.threads or threads).accuracy
                    if self.table == "table2" and record.epoch % every == 0:
                        norms = sl.analysis.gradient_norm_per_layer(experiment.model, X_batch, y_batch)["dw"]
                        one["flow"] = float(np.sum(np.square(norms)))
                    now = time.perf_counter(), time.process_time()
                    one |= {"seconds": now[0] - clock[0], "cpu": now[1] - clock[1]}
                    clock = now
                    epochs.append(one)
                    if folder:
                        with open(Path(folder) / EPOCHS, "a", encoding="utf-8") as file:
                            file.write(json.dumps(one) + "\n")
            except sl.DivergedError as error:
                note = f"diverged in epoch {error.epoch}"
        row = described(self, part, experiment.model, epochs, note) | scores(epochs, note) | meter.as_dict()
        if earlier:
            spent = {f"{kind}seconds": row[f"{kind}seconds"] + sum(one[name] for one in earlier) for kind, name in SPENT.items()}
            row |= spent | {"energy_joules": None, "resumed_after": len(earlier)}
        row |= {"threads": self.config.workers or self.threads or threads, "data_sha256": data.digest(whole)}
        if flow := {str(epoch): one["flow"] for epoch, one in enumerate(epochs, 1) if "flow" in one}:
            row |= {"gradient_flow": flow}
        if self.table == "table2" and self.config.pruning == "none" and not note:
            row |= {"pruned_after": {str(q): pruned(experiment.model, part, q) for q in anchors.PERCENTILES}}
        return row

    def trained(self, experiment, threads, folder, every):
        """The records of the training, without vectors; of a method "simulated …" in simulated time, with five workers."""
        if self.method.startswith("simulated"):
            records = sl.simulate_parallel(experiment, n_workers=SIMULATED)
        else:
            options = {} if self.config.workers else {"threads": self.threads or threads}
            records = experiment.train(**options, **({"checkpoint": folder, "every": every} if folder else {}))
        return (record.without_degrees() for record in records)


def measured_apart(run, threads, folder):
    """The row of a run, measured in a process of its own."""
    # An executor for each run: one that replaces its processes may wait for ever (cpython issue 115634).
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent) as alone:
        return alone.submit(run.measured, threads, folder=folder).result()


def end_with_parent():
    """From now on this process ends when the one that started it does, however that ended."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def finished_epochs(folder):
    """What was measured after each epoch of a run that is kept in a folder, but perhaps not after the last one, whose net is
    saved; where more is missing the run begins anew."""
    if folder is None or not Path(folder).exists():
        return []
    found = {one["epoch"]: one for one in kept.read(Path(folder) / EPOCHS)}
    saved = RunDir(folder).last_good(checkpoint.load_checkpoint)
    epochs = [*range(1, saved[1].state.epoch + 1)] if saved else []
    if not found.keys() >= {*epochs[:-1]}:
        shutil.rmtree(folder)
        return []
    return [found[epoch] for epoch in epochs if epoch in found]


def described(run, part, model, epochs, note=""):
    """What a row says of run, data, net and times. epochs: what was measured after each epoch."""
    spent = [one["training"] + one["evaluation"] for one in epochs] or [0.0]
    cpu = [one["cpu"] for one in epochs[1:]]
    return {
        "table": run.table, "dataset": run.dataset, "called": data.CALLED[run.dataset], "source": part.source,
        "method": run.method, "seed": run.seed, "epochs": run.epochs, "links": model.n_links,
        "neurons": sum(model.linked_neurons), "widths": list(model.sizes), "train_rows": part.n_train, "test_rows": part.n_test,
        "seconds_training": sum(one["training"] for one in epochs), "seconds_epoch": float(np.median(spent[1:] or spent)),
        "cpu_seconds_epoch": float(np.median(cpu)) if cpu else None, "note": note,
    }  # fmt: skip


def book(table):
    """The kept rows of a table."""
    return kept.Kept(f"paper: {table}")


def scores(epochs, note=""):
    """The accuracies of a row, in percent on the test rows; None after a divergence."""
    tests, validations = ([100 * one[name] for one in epochs if one.get(name) is not None] for name in ("test", "validation"))
    chosen = int(np.argmax(validations)) if validations else None
    return {
        "accuracy_last": None if note or not tests else tests[-1],
        "accuracy_validation": None if chosen is None else tests[chosen], "accuracy_best": max(tests, default=None),
        "epoch_validation": None if chosen is None else chosen + 1, "epoch_best": int(np.argmax(tests)) + 1 if tests else None,
        "test_accuracies": [round(value, 2) for value in tests],
    }  # fmt: skip


def pruned(model, part, percentile):
    """(test accuracy in percent, links) without the incoming links of the neurons up to a percentile of importance."""
    net = model.copy()
    rule = sl.ImportancePruning(mode="links", percentile=percentile, start=1, importance=importances.incoming)
    apply(rule(1, net, None, None, None), net, None, None)
    return 100 * sl.evaluate(net, part.X_test, part.decode(part.y_test)).accuracy, net.n_links
