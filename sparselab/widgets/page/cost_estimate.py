"""What a run would cost, in one line, before anything runs: links, bytes and operations are counted, the time is estimated.

The time is computed from a rate of this machine: that of the latest run with these settings, else that of the net itself, trained
for a moment on noise, or of a smaller net if it is large. Evaluation and other load of the machine are not included.
"""

import threading
import time

import numpy as np
from scipy import sparse

from ...analysis.costs import training_flops
from ...datasets import Dataset
from ...experiments.config import layer_densities
from ...experiments.rules import evolution_of
from ...nn import summary, torch_optimizers
from ...nn.entry_costs import density_limit
from ...nn.footprint import expected_links
from ...nn.mlp import SparseMLP
from ...training import estimate, loop
from .. import markup

MOST = 100_000  # a net with at most so many links is measured itself
PROBE = (784, 500, 500, 10)  # widths of the net that is measured in place of a larger one
SAMPLES, VALUES = 4096, 2**22  # at most so many samples, and numbers in all of them
MOMENT, EPOCHS = 0.5, 200  # seconds and epochs at most; the fastest epoch counts, since opening the page keeps the machine busy
_measured, _lock = {}, threading.Lock()  # (widths, epsilon, batch size, threads) -> flops per second


def cost_line(config, view_model):
    """The line for these settings; view_model: has the data and the latest run."""
    if not view_model.at_hand(config):
        return f"{config.dataset} is loaded at Start; the costs are known then"
    data = view_model.data_of(config)
    sizes = (data.n_features, *config.hidden, data.n_outputs)
    density = layer_densities(config, sizes)
    links, dense = links_of(config, view_model, sizes), expected_links(sizes, density=1.0)
    share = data.X_train.nnz / np.prod(data.X_train.shape) if sparse.issparse(data.X_train) else None
    by_entries = share is not None and share < density_limit(sizes[0], links[0])
    flops, dense_flops = (training_flops(one) * data.n_train for one in (links, dense))
    rate, known = rate_of(config, view_model, sizes, links.sum())
    need = estimate.estimate_memory(
        sizes, density=density, batch_size=config.batch_size, threads=config.threads or None, dropout=config.dropout,
        activation=config.activation, n_samples=data.n_train, n_test=data.n_test,
        optimizer_vectors=torch_optimizers.NAMES[config.optimizer].vectors, data_density=share,
        n_batches=max((rule.n_batches for rule in evolution_of(config) if rule.n_batches > 1), default=0),
    )  # fmt: skip
    seconds = flops / rate
    way = (
        "" if share is None else f"samples {'by their entries' if by_entries else 'as dense tiles'}, density of X {share:.2%} · "
    )
    return (
        way + f"{links.sum():,.0f} links ({links.sum() / dense.sum():.1%} of dense) · {summary.size(bytes_of(sizes, links))} in "
        f"training, with samples and buffers {summary.size(need.total)} · an epoch: {with_prefix(flops)}flop (dense "
        f"{markup.times(dense_flops, flops)}), about {summary.duration(seconds)} · {config.epochs:,} epochs: about "
        f"{summary.duration(seconds * config.epochs)} of training, without evaluation and drawing (at {rate / 1e9:.2g} Gflop/s, "
        f"{known})"
    )


def links_of(config, view_model, sizes):
    """Links of each layer before training: counted where this net has been made, else expected."""
    run = view_model.current
    if run.config == config and run.first:
        return np.array([one.nnz for one in run.first], float)
    made = None if run.active else view_model.untrained_experiment()
    if made is not None and made.config == config:
        return np.array([layer.topology.nnz for layer in made.model.layers], float)
    return expected_links(sizes, density=layer_densities(config, sizes))


def bytes_of(sizes, links):
    """Bytes in training as the tab of costs counts them: links and biases, velocities and gradients, the transposed index."""
    return sum(summary.shape_bytes(*shape) for shape in zip(sizes, sizes[1:], map(int, links)))


def rate_of(config, view_model, sizes, n_links):
    """(flops per second, its origin): of the latest run if its settings are the same, else measured."""
    run = view_model.current
    same = all(getattr(run.config, name) == getattr(config, name) for name in ("batch_size", "workers", "threads", "dataset"))
    records = list(run.history)[1:]  # the first one loads compiled code
    if same and run.config.hidden == config.hidden and records:
        return float(np.median(rates(records))), "your last run"
    small = n_links <= MOST and sizes[0] * config.batch_size <= VALUES
    epsilon = n_links / (2 * sum(sizes) - sizes[0] - sizes[-1]) if config.density else config.epsilon  # for so many links
    return measured(sizes if small else PROBE, epsilon if small else 20, config.batch_size, config.threads), "measured"


def measured(sizes, epsilon, batch_size, threads):
    """Flops per second of such a net on this machine, measured once in a process."""
    key = sizes, epsilon, batch_size, threads
    with _lock:
        if key not in _measured:
            n, classes = min(SAMPLES, 16 * batch_size, VALUES // sizes[0]), np.arange(sizes[-1])
            noise = np.random.default_rng(0).standard_normal((n, sizes[0]), np.float32)
            data = Dataset(noise, np.arange(n) % sizes[-1], classes=classes)
            model = SparseMLP.create(sizes, epsilon=epsilon, seed=0)
            options = {"epochs": EPOCHS, "batch_size": batch_size, "seed": 0, "threads": threads or None, "evaluate_every": 0}
            _measured[key] = max(rates(for_a_moment(loop.train(model, data, **options))))
        return _measured[key]


def for_a_moment(records):
    """The records of MOMENT seconds, after a first one that may compile."""
    yield next(records)
    end = time.monotonic() + MOMENT
    for record in records:
        yield record
        if time.monotonic() > end:
            return


def rates(records):
    """Flops per second of each EpochRecord."""
    return [training_flops(np.array(record.nnz, float)) * record.n_samples / record.seconds for record in records]


def with_prefix(number):
    """A large count with the prefix of its unit."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {prefix}"
    return f"{number:,.0f} "
