"""Progress of a training as text, a line an epoch, for terminals, log files and notebook cells."""

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, TextIO

from tqdm import tqdm

from ..checkpoints.records import EpochRecord, History, StepRecord
from ..utils.interrupts import defer_interrupts

HEAD = f"{'epoch':>5} {'train loss':>11} {'train acc':>10} {'test acc':>9} {'links':>11} {'active':>18} {'s/epoch':>8}"


def watch(
    records: Iterable[EpochRecord | StepRecord], *, epochs: int | None = None, file: TextIO | None = None
) -> History:  # fmt: skip
    """Run a training to its end and print a line for each epoch.

    On a terminal, a bar under the lines shows how many epochs are done and, for `steps`, the loss of the last mini-batch.

    Parameters
    ----------
    records : iterable of EpochRecord and StepRecord
        A training: `train`, `steps`, `train_parallel`, or the `train` of an experiment.
    epochs : int, optional
        Epochs in all, for the bar.
    file : file, optional
        Where to print; by default the standard output.

    Returns
    -------
    History
        The EpochRecords.

    Examples
    --------
    >>> import sparselab as sl
    >>> model, data = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0), ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8)
    >>> history = sl.widgets.watch(sl.train(model, data, epochs=2, seed=0))  # doctest: +ELLIPSIS
    epoch  train loss  train acc  test acc       links             active  s/epoch
    ...
    >>> len(history)
    2
    """
    file, history = sys.stdout if file is None else file, History()
    with tqdm(total=epochs, file=file, disable=not file.isatty(), unit="epoch", leave=False) as bar:
        write, whole = (print, nullcontext()) if bar.disable else (bar.write, defer_interrupts)
        for record in records:
            with whole:  # an interrupt inside of tqdm leaves its lock in disorder
                if not isinstance(record, EpochRecord):
                    bar.set_postfix_str(f"loss {record.loss:.3f}")
                    continue
                for text in ([] if history else [HEAD]) + [line(record)]:
                    write(text, file=file)
                file.flush()
                history.append(record)
                bar.update()
    return history


def bar(steps: Iterable[Any] | None = None, total: int | None = None, *, unit: str = "epoch", shown: bool = True) -> Any:
    """`steps` with a bar that counts them, on the standard output, which is gone when they are over; `total` of them in all."""
    return tqdm(steps, total=total, unit=unit, disable=not shown, file=sys.stdout, leave=False)


def line(record):
    """An EpochRecord as a line below HEAD."""
    train, test = ("" if share is None else f"{share:.2%}" for share in (record.train_accuracy, record.test_accuracy))
    test = f"R² {record.test_r2:.3f}" if record.test_r2 is not None else test
    scores, active = f"{record.train_loss:>11.4f} {train:>10} {test:>9}", " ".join(map(str, record.active_neurons))
    return f"{record.epoch:>5} {scores} {record.links:>11,} {active:>18} {record.seconds:>8.3f}"
