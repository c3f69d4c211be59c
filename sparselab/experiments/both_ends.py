"""Nets with many features and many labels: artificial texts, a net with so many links a word and a label, and what it costs."""

from dataclasses import dataclass

import numpy as np

from .. import datasets
from ..analysis.rank_meter import RankMeter
from ..checkpoints.records import History
from ..nn import footprint, summary
from ..nn.mlp import SparseMLP
from ..training.progress import bar
from ..utils import checks
from .config import ExperimentConfig
from .experiment import Experiment, optimizer_of
from .rules import rules_of

LABELS, WORDS, TEXTS = 5, 60, 10_000  # labels and words of a text; texts, of which a fifth is for testing
LINKS_A_WORD = 2  # mean outgoing links
SETTINGS = {
    "hidden": (128,), "activation": "relu", "dropout": 0.0, "zeta": 0.3, "layers": "all", "optimizer": "adam",
    "learning_rate": 0.005, "batch_size": 64,
}  # fmt: skip


@dataclass
class Ends(Experiment):
    """An Experiment that does not evaluate: its loss and accuracy over all labels say little, P@k is measured by a RankMeter."""

    @property
    def options(self):
        """Keyword arguments for `train` and `steps`."""
        return super().options | {"evaluate_every": 0}


def texts(features, labels, *, n=TEXTS, seed=0):
    """A Dataset of n artificial texts: counts of so many words, and labels."""
    return datasets.many_labels(n, features, labels, LABELS, seed, words=WORDS, noise=0.2)


def config_of(links, **settings):
    """The ExperimentConfig of a net with so many links a label; settings: fields in place of those of SETTINGS."""
    config = ExperimentConfig(**SETTINGS | settings)
    checks.integer("links", links, high=config.hidden[-1])
    return config


def entered(data, links=16, **settings):
    """An Experiment on texts: each label starts with `links` incoming links, and as a bias the logarithm of its odds."""
    config, sizes = config_of(links, **settings), (data.n_features, data.n_outputs)
    widths = sizes[0], *config.hidden, sizes[1]
    inner = [min(1.0, 16 / n) for n in config.hidden[:-1]]  # 16 links a neuron between hidden layers
    densities = [min(1.0, LINKS_A_WORD / config.hidden[0]), *inner, links / config.hidden[-1]]
    model = SparseMLP.create(widths, density=densities, topology="fixed_fan_in", activation=config.activation, seed=config.seed)
    samples = np.bincount(data.y_train.indices, minlength=sizes[1]) + 0.5
    model.layers[-1].b[:] = np.log(samples / (data.n_train + 1 - samples))
    return Ends(config, data, model, optimizer_of(config), rules_of(config))


def run(data, links=16, *, progress=True, **settings):
    """(Experiment, RankMeter) of a whole training; settings as for `entered`."""
    experiment = entered(data, links, **settings)
    meter = RankMeter(data, threads=experiment.config.threads or None)
    records = bar(experiment.train(), experiment.config.epochs, shown=progress)
    for _ in meter.watch(records, experiment.model):
        pass
    return experiment, meter


def sizes(ends, *, links=8, n=500, threads=0, progress=True):
    """A DataFrame with a row for each (words, labels) of `ends`: links, bytes and seconds of a net that trains on n texts.

    bytes: in training, without activations; dense: those of the dense net, counted; seconds: of the faster of the last two of
    three epochs, so that other programs matter less.
    """
    import pandas

    rows = []
    for words, labels in bar(ends, unit="net", shown=progress):
        experiment = entered(texts(words, labels, n=max(10, n * 5 // 4)), links, epochs=3, threads=threads)
        history, model = History(experiment.train()), experiment.model
        dense, own = footprint.dense_bytes(model.sizes), summary.rows(model)[-1]["training_bytes"]
        row = {"words": words, "labels": labels, "links": model.n_links, "bytes": summary.size(own)}
        rows.append(
            row
            | {"dense": summary.size(dense), "times less": round(dense / own), "seconds": round(min(history["seconds"][1:]), 1)}
        )
    return pandas.DataFrame(rows)
