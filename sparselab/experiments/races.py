"""A race of rules: the same net and data under every rule by name, each measured by a RuleMeter."""

import dataclasses
from itertools import islice

import numpy as np

from .. import datasets
from ..analysis.rule_meter import RuleMeter
from ..datasets import Dataset
from ..nn import summary
from ..training.progress import bar
from ..utils import checks
from .config import ExperimentConfig
from .experiment import build
from .rules import RULES, Course
from .sweep import seeds_of

SAMPLES = 512  # training samples on which neurons count as idle
SETTINGS = {
    "hidden": (300, 300, 300), "activation": "relu", "dropout": 0.0, "topology": "uniform", "dense_last": True, "threads": 0,
}  # fmt: skip


def entered_config(density, **settings):
    """The ExperimentConfig of a race; settings: fields in place of those of SETTINGS."""
    if not 0 < checks.fraction("density", density):
        checks.fail("density", density, "a number in (0, 1]")
    config = ExperimentConfig(**SETTINGS | settings | {"density": density})
    if config.epochs < 2:
        checks.fail("epochs", config.epochs, "at least 2: there is no event before the first one")
    return config


def entered(name, density=0.05, *, data=None, **settings):
    """The Experiment of a rule by name, for `run` and the panel; see `entered_config`."""
    entry = RULES[checks.choice("rule", name, RULES)]
    config = entered_config(density, **settings)
    data = datasets.load(config.dataset) if data is None else data
    held_out = None
    if entry.holds_out:
        n = data.n_train - max(1, data.n_train // 10)
        held_out = data.X_train[n:], data.y_train[n:]
        data = dataclasses.replace(data, X_train=data.X_train[:n], y_train=data.y_train[:n])
    course = Course(density, config.epochs, held_out)
    experiment = build(config.replace(density=entry.first(course)), data=data)
    experiment.rules = entry.raced(course)
    if entry.optimizes:
        experiment.optimizer = experiment.rules[-1]
    return experiment


def meter_of(experiment):
    """A RuleMeter for an Experiment."""
    return RuleMeter(experiment.data.X_train[:SAMPLES])


def run(names, density=0.05, *, seeds=1, data=None, progress=True, **settings):
    """{name: [RuleMeter of each seed]} of trainings that differ in their rule only, for `figures.rule_race`.

    names: of RULES. density: of the sparse layers in the end. settings: fields of ExperimentConfig common to all.
    """
    seeds = seeds_of(seeds)
    for name in names:
        checks.choice("rule", name, RULES)
    checks.different_texts("names", names)
    meters = {name: [] for name in names}
    with bar(total=len(meters) * len(seeds), unit="run", shown=progress) as shown:
        for name in meters:
            for seed in seeds:
                shown.set_description(name)
                experiment = entered(name, density, data=data, **settings | {"seed": seed})
                meters[name].append(meter_of(experiment))
                for _ in meters[name][-1].watch(experiment.steps(), experiment.model):
                    pass
                shown.update()
    return meters


def results(meters):
    """A DataFrame with a row for each rule of `run`, all of the last epoch and means over seeds but for the accuracies.

    accuracy: mean, lowest, highest. links; bytes in training. itop: ITOP rate, %. idle: hidden neurons that contribute nothing,
    %. event_ms: median time of an event; epoch_ms: of an epoch.
    """
    import pandas

    table = {}
    for name, seeds in meters.items():
        frames = [meter.to_frame() for meter in seeds]
        last, every = pandas.concat([frame.iloc[-1:] for frame in frames]), pandas.concat(frames)
        score = last["test_accuracy"]
        row = {"accuracy": score.mean(), "lowest": score.min(), "highest": score.max(), "n": len(score)}
        row |= {"links": round(last["links"].mean()), "bytes": round(mean_bytes(seeds)), "itop": 100 * last["itop_rate"].mean()}
        row |= {
            "idle": 100 * (last["idle"] / last["neurons"].clip(lower=1)).mean(),
            "event_ms": 1e3 * every["event_seconds"].median(),
        }
        table[name] = row | {"epoch_ms": 1e3 * float(np.median([r.seconds for meter in seeds for r in meter.history]))}
    digits = {"accuracy": 4, "lowest": 4, "highest": 4, "itop": 1, "idle": 1, "event_ms": 2, "epoch_ms": 1}
    return pandas.DataFrame.from_dict(table, orient="index").round(digits)


def mean_bytes(meters):
    """Mean bytes in training of the nets at the end."""
    return float(np.mean([summary.rows(meter.model)[-1]["training_bytes"] for meter in meters]))


def events(names, density=0.3, *, epochs=8, seed=0):
    """{name: (topology before, after)} of the first layer of a small net, at the events before epoch `epochs` // 4 + 1.

    The net is 16-12-12-10, for the embedded digits with pixels averaged to 4 × 4. A neuron that was removed has no links.
    """
    data, found = small_digits(), {}
    for name in names:
        experiment = entered(name, density, data=data, hidden=(12, 12), epochs=epochs, seed=seed, threads=1, learning_rate=0.05)
        records = islice(experiment.train(), epochs // 4 + 1)
        seen = [experiment.model.original_topologies[0] for _ in records]
        found[name] = tuple(seen[-2:])
    return found


def small_digits():
    """The embedded digits with 4 × 4 pixels."""
    data = datasets.load("digits")
    smaller = lambda X: np.ascontiguousarray(np.asarray(X).reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(X), 16))
    parts = {"X_train": smaller(data.X_train), "X_test": smaller(data.X_test)}
    return Dataset(**parts, y_train=data.y_train, y_test=data.y_test, classes=data.classes, name="digits, 4 × 4")
