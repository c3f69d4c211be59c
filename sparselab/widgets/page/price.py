"""What a run would cost, in one line, before anything runs: links, bytes and arithmetic are counted, the time is estimated.

The time comes from a rate of this machine: that of the latest run of this form's kind, else of a small net that is trained for
a moment. Evolution, evaluation and what else the machine does are not in it.
"""

import threading
import time
from itertools import pairwise

import numpy as np

from ... import memory, summary, training
from ...analysis.costs import training_flops
from ...datasets import Dataset
from ...mlp import SparseMLP
from ..subject import SMALL

PROBE = (784, 500, 500, 10)  # widths of the net that is trained for a moment
_measured, _lock = {}, threading.Lock()  # batch size -> flops a second


def price_of(config, subject):
    """The line for the settings in the form; subject: where data and the latest run are."""
    if subject.given is None and config.dataset not in (*subject.loaded, *SMALL):
        return f"{config.dataset} is loaded at Start; what it costs is known then"
    data = subject.data_of(config.dataset)
    sizes = (data.n_features, *config.hidden, data.n_outputs)
    links, dense = links_of(sizes, config.epsilon), np.array([float(a) * b for a, b in pairwise(sizes)])
    flops, dense_flops = (training_flops(one) * data.n_train for one in (links, dense))
    rate, known = rate_of(config, subject, data.n_train)
    need = memory.estimate_memory(
        sizes, epsilon=config.epsilon, batch_size=config.batch_size, threads=config.threads or None, dropout=config.dropout,
        activation=config.activation, n_samples=data.n_train, n_test=data.n_test,
    )  # fmt: skip
    seconds = flops / rate
    return (
        f"would cost: {links.sum():,.0f} links ({links.sum() / dense.sum():.1%} of dense) · {summary.size(need.total)}"
        f" · {large(flops)}flop an epoch (dense: {dense_flops / flops:.3g}×) · {duration(seconds)} an epoch, "
        f"{duration(seconds * config.epochs)} in all, at {rate / 1e9:.2g} Gflop/s ({known})"
    )


def links_of(sizes, epsilon):
    """(layers,) expected links of each layer."""
    return np.array([min(epsilon * (a + b), float(a) * b) for a, b in pairwise(sizes)])


def rate_of(config, subject, n_samples):
    """(flops a second, where that is known from): of the latest run with this batch size and these workers, else measured."""
    run = subject.current
    same = all(getattr(run.config, name) == getattr(config, name) for name in ("batch_size", "workers", "threads", "dataset"))
    records = list(run.history)[1:]  # the first one loads compiled code
    if same and records:
        done = [training_flops(np.array(record.nnz, float)) * record.n_samples / record.seconds for record in records]
        return float(np.median(done)), "your last run"
    return measured(config.batch_size), "measured"


def measured(batch_size):
    """Flops a second of a small net with this batch size on this machine; measured once in a process."""
    with _lock:
        if batch_size not in _measured:
            n, rng = min(4096, 16 * batch_size), np.random.default_rng(0)
            data = Dataset(rng.standard_normal((n, PROBE[0]), np.float32), np.arange(n) % PROBE[-1], classes=np.arange(PROBE[-1]))
            model, spent = SparseMLP.create(PROBE, epsilon=20, seed=0), []
            flops = training_flops(np.array(model.nnz, float)) * n
            for _ in range(3):  # the first one compiles
                start = time.perf_counter()
                list(training.train(model, data, epochs=1, batch_size=batch_size, seed=0))
                spent.append(time.perf_counter() - start)
            _measured[batch_size] = flops / min(spent)
        return _measured[batch_size]


def large(number):
    """A count with a prefix."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {prefix}"
    return f"{number:,.0f} "


def duration(seconds):
    """Seconds as one says them."""
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
