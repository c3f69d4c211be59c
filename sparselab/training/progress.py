"""A run as text: a line an epoch, for terminals, log files and cells; what the command line prints, too."""

import sys

from tqdm import tqdm

from ..checkpoints.records import EpochRecord, History

HEAD = f"{'epoch':>5} {'train loss':>11} {'train acc':>10} {'test acc':>9} {'links':>11} {'active':>18} {'s/epoch':>8}"


def watch(records, *, epochs=None, file=None):
    """Pull `records` (of `train`, `steps`, `train_parallel` or an Experiment) to their end; returns the History.

    One line an epoch goes to `file` (default: standard output); where that is a terminal, a bar under the lines shows how many
    of `epochs` are done and, for `steps`, the loss of the last mini-batch.
    """
    file, history = sys.stdout if file is None else file, History()
    with tqdm(total=epochs, file=file, disable=not file.isatty(), unit="epoch", leave=False) as bar:
        for record in records:
            if not isinstance(record, EpochRecord):
                bar.set_postfix_str(f"loss {record.loss:.3f}")
                continue
            for text in ([] if history else [HEAD]) + [line(record)]:
                bar.write(text, file=file)
            file.flush()
            history.append(record)
            bar.update()
    return history


def line(record):
    """An EpochRecord under the HEAD."""
    train, test = ("" if share is None else f"{share:.2%}" for share in (record.train_accuracy, record.test_accuracy))
    scores, active = f"{record.train_loss:>11.4f} {train:>10} {test:>9}", " ".join(map(str, record.active_neurons))
    return f"{record.epoch:>5} {scores} {record.links:>11,} {active:>18} {record.seconds:>8.3f}"
