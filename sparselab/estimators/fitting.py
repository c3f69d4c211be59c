"""The loop of a fit: epochs, a bar, and the best epoch of a validation part; and what a failed fit leaves behind."""

import copy
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..datasets.dataset import Dataset
from ..datasets.splits import rows_of_fraction, split_rows
from ..layers import SparseLinear
from ..mlp import child
from ..optimizers import LayerState
from ..training import train

VALIDATION = 9  # spawn key of the validation split, beside those in training.py


class BestEpoch:
    """Watches the validation accuracy: holds a copy of the best epoch, says when it has not grown for long.

    The copy has the optimizer's vectors too, for they lie beside links that evolution replaces.
    """

    def __init__(self, model, state, patience, tol):
        self.model, self.state, self.patience, self.tol = model, state, patience, tol
        self.record, self.copy, self.stale = None, None, 0

    def is_over(self, record):
        """Look at the epoch that just ended; True after `patience` epochs in a row without a gain of more than `tol`."""
        best = -1.0 if self.record is None else self.record.test_accuracy
        self.stale = 0 if record.test_accuracy > best + self.tol else self.stale + 1
        if record.test_accuracy > best:
            self.record, self.copy = record, (self.model.snapshot(), copy.deepcopy(self.state.optimizer))
        return self.stale >= self.patience

    def restore(self):
        """Bring model and optimizer back to the best epoch, where one has ended."""
        if self.record is not None:
            self.model.load(self.copy[0])
            self.state.optimizer = self.copy[1]


def run_epochs(model, state, history, data, settings, *, epochs, best=None, bar=None):
    """Train in place, appending to `history`; the model ends at the last epoch, or at the best one, also when interrupted."""
    options = {"optimizer": settings.optimizer, "rules": settings.rules, "threads": settings.threads, "state": state}
    try:
        for record in train(model, data, epochs=epochs, batch_size=settings.batch(data.n_train), **options):
            history.append(record)
            show(bar, record)
            if best and best.is_over(record):
                break
    finally:
        if best:
            best.restore()


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

    Topologies are shared, for they never change; whatever is written to is an array of its own (joblib may have mapped
    the old one from a file, read-only).
    """
    other = copy.copy(model)
    other.layers = [SparseLinear(layer.topology, np.array(layer.w), np.array(layer.b)) for layer in model.layers]
    vectors = [LayerState(*([np.array(v) for v in part] for part in (s.links, s.neurons))) for s in state.optimizer]
    return other, replace(state, optimizer=vectors, batch=0)
