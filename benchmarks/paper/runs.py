"""A run of tables 2, 3, 6 and 7 and figure 5: its settings, what is measured, and the row that is kept.

The three accuracies are those of the last epoch, of the epoch that is best on a tenth of the training rows, which were not
trained on, and of the best epoch on the test rows, as the paper counts. A run with `held_out` = 0 trains on all training rows, as
the paper's do, and has no `accuracy_validation`.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np

import sparselab as sl
from benchmarks import kept
from benchmarks.paper import anchors, data, methods
from sparselab.evolution import apply, importances

BATCH = 1024  # training rows whose gradient figure 5 shows
POINTS = 50  # of figure 5
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

    def measured(self, threads=None, loaded=None):
        """The row, measured now. threads: of the training, by default all cores; results do not depend on it."""
        whole = data.load(self.dataset) if loaded is None else loaded
        part, X, y = data.held_out(whole, self.held_out, self.seed)
        experiment = sl.build(self.config, data=part)
        tests, validations, records, flow, clock = [], [], [], {}, []
        batch = np.random.default_rng(0).permutation(part.n_train)[:BATCH]
        X_batch, y_batch = part.X_train[batch], part.y_train[batch]
        every = max(1, self.epochs // POINTS)
        note = ""
        with sl.analysis.Meter() as meter:
            try:
                for record in self.trained(experiment, threads):
                    records.append(record)
                    clock.append(time.process_time())
                    meter.read()
                    if record.test_accuracy is not None:
                        tests.append(100 * record.test_accuracy)
                    if X is not None:
                        validations.append(100 * sl.evaluate(experiment.model, X, y, threads=self.threads or threads).accuracy)
                    if self.table == "table2" and record.epoch % every == 0:
                        norms = sl.analysis.gradient_norm_per_layer(experiment.model, X_batch, y_batch)["dw"]
                        flow[str(record.epoch)] = float(np.sum(np.square(norms)))
            except sl.DivergedError as error:
                note = f"diverged in epoch {error.epoch}"
        row = described(self, part, experiment.model, records, clock, note) | scores(tests, validations, note) | meter.as_dict()
        row |= {"threads": self.config.workers or self.threads or threads, "data_sha256": data.digest(whole)}
        if flow:
            row |= {"gradient_flow": flow}
        if self.table == "table2" and self.config.pruning == "none" and not note:
            row |= {"pruned_after": {str(q): pruned(experiment.model, part, q) for q in anchors.PERCENTILES}}
        return row

    def trained(self, experiment, threads):
        """The records of the training, without vectors; of a method "simulated …" in simulated time, with five workers."""
        if self.method.startswith("simulated"):
            records = sl.simulate_parallel(experiment, n_workers=SIMULATED)
        else:
            records = experiment.train(**({} if self.config.workers else {"threads": self.threads or threads}))
        return (record.without_degrees() for record in records)


def described(run, part, model, records, clock, note=""):
    """What a row says of run, data, net and times. clock: processor seconds at the end of each epoch."""
    spent = [record.seconds + record.seconds_evaluate for record in records] or [0.0]
    return {
        "table": run.table, "dataset": run.dataset, "called": data.CALLED[run.dataset], "source": part.source,
        "method": run.method, "seed": run.seed, "epochs": run.epochs, "links": model.n_links,
        "neurons": sum(model.linked_neurons), "widths": list(model.sizes), "train_rows": part.n_train, "test_rows": part.n_test,
        "seconds_training": sum(record.seconds for record in records), "seconds_epoch": float(np.median(spent[1:] or spent)),
        "cpu_seconds_epoch": float(np.median(np.diff(clock))) if len(clock) > 1 else None, "note": note,
    }  # fmt: skip


def book(table):
    """The kept rows of a table."""
    return kept.Kept(f"paper: {table}")


def scores(tests, validations, note=""):
    """The accuracies of a row, in percent on the test rows, of the accuracies after each epoch; None after a divergence."""
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
