"""The training of a fit: its epochs with a progress bar, early stopping, and the estimator's state after a failure."""

import math
import os
import warnings
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np

from ..checkpoints.checkpoint import load_checkpoint, read, save_checkpoint
from ..checkpoints.container import CheckpointError
from ..checkpoints.run_dir import RunDir
from ..datasets.splits import rows_of_fraction, split_rows
from ..training.loop import train
from ..utils.seeds import child

VALIDATION = 9  # spawn key of the validation split, beside those in checkpoints/state.py


class BestEpoch:
    """Early stopping: follows the score of the validation part and holds a copy of the net of the best epoch.

    The copy includes the optimizer's vectors, which belong to links that evolution may replace. folder: of the checkpoints, or
    None; the best epoch is saved there as best.npz, while the training has locked it, because a resumed fit sees the records of
    earlier epochs without their nets.
    """

    def __init__(self, model, state, patience, tol, folder=None):
        self.model, self.state, self.patience, self.tol = model, state, patience, tol
        self.record, self.copy, self.epochs_without_gain = None, None, 0
        self.folder, self.warned = None if folder is None else RunDir(folder), set()
        self.file = folder and os.path.join(self.folder.path, "best.npz")

    def should_stop(self, record):
        """Note the epoch that has ended; True after `patience` epochs in a row without a gain of more than `tol`."""
        best, score = -math.inf if self.record is None else score_of(self.record), score_of(record)
        self.epochs_without_gain = 0 if score > best + self.tol else self.epochs_without_gain + 1
        if score > best:
            self.record, self.copy = record, None
            if self.state.position == (record.epoch, 0, False, 0):  # not while old records of a resumed fit come again
                self._copy_net()
        return self.epochs_without_gain >= self.patience

    def _copy_net(self):
        self.copy = (self.model.snapshot(), [s.copy() for s in self.state.optimizer])
        try:
            if self.file:
                self.folder.check_held()  # never into the folder of another run
                save_checkpoint(self.model, self.state, self.file)
        except CheckpointError as error:
            if str(error) not in self.warned:
                self.warned.add(str(error))
                warnings.warn(f"{error}. The best epoch is not saved; training goes on", stacklevel=2)

    def restore(self):
        """Set model and optimizer back to the best epoch, if any epoch has ended."""
        if self.record is None:
            return
        if self.copy is None:
            self.folder.check_same()
            best = load_checkpoint(self.file, self.model)
            if best.state.epoch != self.record.epoch:
                raise CheckpointError(
                    f"{self.file}: is of epoch {best.state.epoch}: must be of epoch {self.record.epoch}, the best one for "
                    f"n_epochs_no_change = {self.patience} and tol = {self.tol}: give those with which the fit began, or another "
                    "folder as checkpoint"
                )
            self.state.optimizer = best.state.optimizer
        else:
            self.model.load(self.copy[0])
            self.state.optimizer = self.copy[1]


def score_of(record):
    """What early stopping wants to be large: the accuracy on the validation part, minus its loss for a regression."""
    return -record.test_loss if record.test_accuracy is None else record.test_accuracy


def run_epochs(model, state, history, data, settings, *, epochs, best=None, bar=None, loss=None):
    """Train in place and append to `history`; at the end, or after an interrupt, the model is that of the last or best epoch.

    All callbacks are called after each epoch; the training ends where one returns True.
    """
    options = {"optimizer": settings.optimizer, "rules": settings.rules, "threads": settings.threads, "state": state}
    options |= {"epochs": epochs, "batch_size": settings.batch(data.n_train), "loss": loss, **settings.checkpointing}
    if best and best.folder:
        options["checkpoint"] = best.folder
    try:
        with closing(train(model, data, **options)) as records:  # closed, and saved, before the best epoch is restored
            for record in records:
                history.append(record)
                show(bar, record)
                ends = [best is not None and best.should_stop(record), *(callback(record) for callback in settings.callbacks)]
                if any(isinstance(end, bool | np.bool_) and end for end in ends):
                    break
    finally:
        if best:
            best.restore()


def stored_seeds(folder, model):
    """The SeedSequence of the run in a folder, or None; plug-ins of its net are taken from `model`."""
    found = RunDir(folder).last_good(lambda path: read(path, model))
    return found and found[1].state.seeds


def show(bar, record):
    """Advance a tqdm bar (or None) by an epoch."""
    if bar is not None:
        scores = {"validation_loss": record.test_loss, "validation_accuracy": record.test_accuracy}
        name = "validation_loss" if record.test_accuracy is None else "validation_accuracy"
        validation = {} if scores[name] is None else {name: f"{scores[name]:.4f}"}
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
    """The data set with a part of its rows, stratified for one label a sample, as validation rows, in place of test rows."""
    codes = None if data.classes is None else data.y_train
    n_validation = rows_of_fraction("validation_fraction", fraction, data.n_train)
    first, second = split_rows(codes, data.n_train, n_validation, child(seeds, VALIDATION), "rows of validation_fraction")
    return data.divided(first, second)


@contextmanager
def restored_on_failure(estimator):
    """Set the estimator back to its attributes from before, if an error inside the `with` comes before a new model is set."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        if vars(estimator).get("model_") is before.get("model_"):
            vars(estimator).clear()
            vars(estimator).update(before)
        raise


def copied(model, state):
    """Copies of both for a fit that goes on, so that its failure does not change the net.

    Every array that training writes to is copied: joblib may have mapped the old one read-only from a file.
    """
    vectors = [s.copy() for s in state.optimizer]
    return model.copy(), replace(state, optimizer=vectors, batch=0, evolved=False, event=0)
