"""The loop of a fit: epochs, a bar, and the best epoch of a validation part; and what a failed fit leaves behind."""

import copy
from contextlib import contextmanager

from ..datasets.dataset import Dataset
from ..datasets.splits import rows_of_fraction, split_rows
from ..mlp import child
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
    state.batch = 0  # an interrupted epoch is not continued
    try:
        for record in train(model, data, epochs=epochs, batch_size=settings.batch(data.n_train), **options):
            history.append(record)
            show(bar, record)
            if best and best.is_over(record):
                break
    finally:
        state.batch = 0
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


def writeable(model, state):
    """Both as they are, or as copies where a file that was mapped into memory (joblib) must not be written to."""
    arrays = [array for layer, s in zip(model.layers, state.optimizer) for array in (layer.w, layer.b, *s.links, *s.neurons)]
    return (model, state) if all(array.flags.writeable for array in arrays) else copy.deepcopy((model, state))
