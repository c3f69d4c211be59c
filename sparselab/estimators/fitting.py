"""The loop of a fit: epochs, a bar, and the best epoch of a validation part; and what a failed fit leaves behind."""

import os
import warnings
from contextlib import closing, contextmanager
from dataclasses import replace

from ..checkpoints.checkpoint import load_checkpoint, read, save_checkpoint
from ..checkpoints.container import CheckpointError
from ..checkpoints.run_dir import RunDir
from ..datasets.dataset import Dataset
from ..datasets.splits import rows_of_fraction, split_rows
from ..training.loop import train
from ..utils.seeds import child

VALIDATION = 9  # spawn key of the validation split, beside those in training.py


class BestEpoch:
    """Watches the validation accuracy: holds a copy of the best epoch, says when it has not grown for long.

    The copy has the optimizer's vectors too, for they lie beside links that evolution replaces. `folder`: where the fit is
    kept, or None; the best epoch is there as best.npz, for a fit that goes on sees records of earlier epochs without their nets.
    """

    def __init__(self, model, state, patience, tol, folder=None):
        self.model, self.state, self.patience, self.tol = model, state, patience, tol
        self.record, self.copy, self.stale = None, None, 0
        self.file = None if folder is None else os.path.join(folder, "best.npz")

    def is_over(self, record):
        """Look at the epoch that just ended; True after `patience` epochs in a row without a gain of more than `tol`."""
        best = -1.0 if self.record is None else self.record.test_accuracy
        self.stale = 0 if record.test_accuracy > best + self.tol else self.stale + 1
        if record.test_accuracy > best:
            self.record, self.copy = record, None
            if self.state.position == (record.epoch, 0, False):  # else the net is further already
                self._keep()
        return self.stale >= self.patience

    def _keep(self):
        self.copy = (self.model.snapshot(), [s.copy() for s in self.state.optimizer])
        try:
            if self.file:
                save_checkpoint(self.model, self.state, self.file)
        except CheckpointError as error:
            warnings.warn(f"{error}. Training goes on", stacklevel=2)

    def restore(self):
        """Bring model and optimizer back to the best epoch, where one has ended."""
        if self.record is None:
            return
        if self.copy is None:
            best = load_checkpoint(self.file, self.model)
            if best.state.epoch != self.record.epoch:
                raise CheckpointError(f"{self.file}: is of epoch {best.state.epoch}, must be of epoch {self.record.epoch}")
            self.state.optimizer = best.state.optimizer
        else:
            self.model.load(self.copy[0])
            self.state.optimizer = self.copy[1]


def run_epochs(model, state, history, data, settings, *, epochs, best=None, bar=None):
    """Train in place, appending to `history`; the model ends at the last epoch, or at the best one, also when interrupted."""
    options = {"optimizer": settings.optimizer, "rules": settings.rules, "threads": settings.threads, "state": state}
    options |= {"epochs": epochs, "batch_size": settings.batch(data.n_train), **settings.kept}
    try:
        with closing(train(model, data, **options)) as records:  # closed, and saved, before the best epoch is brought back
            for record in records:
                history.append(record)
                show(bar, record)
                if best and best.is_over(record):
                    break
    finally:
        if best:
            best.restore()


def seeds_kept(folder, model):
    """The SeedSequence of the run in a folder, or None; `model` has the plug-ins that its net may have."""
    found = RunDir(folder).last_good(lambda path: read(path, model))
    return found and found[1].state.seeds


def show(bar, record):
    """One epoch more on a tqdm bar, or nothing."""
    if bar is not None:
        validation = {} if record.test_accuracy is None else {"validation_accuracy": f"{record.test_accuracy:.4f}"}
        bar.set_postfix({"loss": f"{record.train_loss:.4f}"} | validation, refresh=False)
        bar.update()


@contextmanager
def progress(verbose, epochs, name):
    """A tqdm bar over epochs, or None."""
    if not verbose:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=epochs, desc=name, unit="epoch") as bar:
        yield bar


def with_validation(data, fraction, seeds):
    """The data set with a stratified part of its rows for validation in the place of the test rows."""
    n_validation = rows_of_fraction("validation_fraction", fraction, data.n_train)
    first, second = split_rows(data.y_train, data.n_train, n_validation, child(seeds, VALIDATION))
    X, y = data.X_train, data.y_train
    return Dataset(X[first], y[first], X[second], y[second], classes=data.classes)


@contextmanager
def all_or_nothing(estimator):
    """Where fitting fails before a new model is there, the estimator is what it was before: fitted then, or not fitted."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        if vars(estimator).get("model_") is before.get("model_"):
            vars(estimator).clear()
            vars(estimator).update(before)
        raise


def twin(model, state):
    """Copies to go on with, so that a fit that fails half way has not trained the net before it.

    Whatever is written to is an array of its own (joblib may have mapped the old one from a file, read-only).
    """
    vectors = [s.copy() for s in state.optimizer]
    return model.copy(), replace(state, optimizer=vectors, batch=0, evolved=False)
