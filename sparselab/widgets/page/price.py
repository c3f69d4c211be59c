"""What a run would cost, in one line, before anything runs: links, bytes and arithmetic are counted, the time is estimated.

The time comes from a rate of this machine: that of the latest run of this form's kind, else of the net itself, trained for a
moment on noise, or, where that is large, of a smaller one. Evaluation and what else the machine does are not in it.
"""

import threading
import time

import numpy as np

from ...analysis.costs import training_flops
from ...datasets import Dataset
from ...nn import footprint, summary
from ...nn.mlp import SparseMLP
from ...training import estimate, loop
from ..view_model import SMALL

MOST = 100_000  # links of a net that is trained for a moment
PROBE = (784, 500, 500, 10)  # widths of the net that is trained in place of a larger one
SAMPLES, VALUES = 4096, 2**22  # how many at most, how many numbers in all
MOMENT, EPOCHS = 0.5, 200  # seconds, epochs: the fastest one counts, for a page that is just opened keeps the machine busy
_measured, _lock = {}, threading.Lock()  # (widths, epsilon, batch size, threads) -> flops a second


def price_of(config, subject):
    """The line for the settings in the form; subject: where data and the latest run are."""
    if subject.given is None and config.dataset not in (*subject.loaded, *SMALL):
        return f"{config.dataset} is loaded at Start; what it costs is known then"
    data = subject.data_of(config.dataset)
    sizes = (data.n_features, *config.hidden, data.n_outputs)
    links, dense = footprint.expected_links(sizes, epsilon=config.epsilon), footprint.expected_links(sizes, density=1.0)
    flops, dense_flops = (training_flops(one) * data.n_train for one in (links, dense))
    rate, known = rate_of(config, subject, sizes)
    need = estimate.estimate_memory(
        sizes, epsilon=config.epsilon, batch_size=config.batch_size, threads=config.threads or None, dropout=config.dropout,
        activation=config.activation, n_samples=data.n_train, n_test=data.n_test,
    )  # fmt: skip
    seconds = flops / rate
    return (
        f"{links.sum():,.0f} links ({links.sum() / dense.sum():.1%} of dense) · {summary.size(need.total)} · an epoch: "
        f"{large(flops)}flop (dense {dense_flops / flops:.3g}×), {summary.duration(seconds)} · in all: "
        f"{summary.duration(seconds * config.epochs)} (at {rate / 1e9:.2g} Gflop/s, {known})"
    )


def rate_of(config, subject, sizes):
    """(flops a second, where that is known from): of the latest run with this batch size and these workers, else measured."""
    run = subject.current
    same = all(getattr(run.config, name) == getattr(config, name) for name in ("batch_size", "workers", "threads", "dataset"))
    records = list(run.history)[1:]  # the first one loads compiled code
    if same and run.config.hidden == config.hidden and records:
        return float(np.median(rates(records))), "your last run"
    small = footprint.expected_links(sizes, epsilon=config.epsilon).sum() <= MOST and sizes[0] * config.batch_size <= VALUES
    return measured(sizes if small else PROBE, config.epsilon if small else 20, config.batch_size, config.threads), "measured"


def measured(sizes, epsilon, batch_size, threads):
    """Flops a second of such a net on this machine; measured once in a process."""
    key = sizes, epsilon, batch_size, threads
    with _lock:
        if key not in _measured:
            data = noise(sizes, min(SAMPLES, 16 * batch_size, VALUES // sizes[0]))
            model = SparseMLP.create(sizes, epsilon=epsilon, seed=0)
            options = {"epochs": EPOCHS, "batch_size": batch_size, "seed": 0, "threads": threads or None, "evaluate_every": 0}
            _measured[key] = max(rates(for_a_moment(loop.train(model, data, **options))))
        return _measured[key]


def for_a_moment(records):
    """Those of MOMENT seconds, the first one, which may compile, not counted."""
    yield next(records)
    end = time.monotonic() + MOMENT
    for record in records:
        yield record
        if time.monotonic() > end:
            return


def noise(sizes, n):
    """`n` samples that fit a net of these widths."""
    X = np.random.default_rng(0).standard_normal((n, sizes[0]), np.float32)
    return Dataset(X, np.arange(n) % sizes[-1], classes=np.arange(sizes[-1]))


def rates(records):
    """Flops a second of each EpochRecord."""
    return [training_flops(np.array(record.nnz, float)) * record.n_samples / record.seconds for record in records]


def large(number):
    """A count with a prefix."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {prefix}"
    return f"{number:,.0f} "
