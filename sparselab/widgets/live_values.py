"""The settings that a running training reads anew at each step, and how a changed control reaches them."""

import dataclasses
from functools import partial

from ..experiments.experiment import rate_of, zeta_of


def set_rate(experiment, config):
    """Set the learning rate of a running experiment, including its schedule."""
    experiment.optimizer.learning_rate = rate_of(config)


def setter(name):
    """A function that copies this value of a config to the optimizer, which reads it at each step."""
    return lambda experiment, config: setattr(experiment.optimizer, name, getattr(config, name))


# Field -> how its value gets into a running experiment; the rules read zeta themselves (`with_live_zeta`).
LIVE = {
    "learning_rate": set_rate,
    "momentum": setter("momentum"),
    "weight_decay": setter("weight_decay"),
    "zeta": lambda experiment, config: None,
}


def with_live_zeta(rule, run):
    """A rule that uses the config's zeta, changed so that it reads zeta from `run.now` each time; other rules unchanged."""
    uses_zeta = dataclasses.is_dataclass(rule) and getattr(rule, "zeta", None) == zeta_of(run.config)
    return dataclasses.replace(rule, zeta=LiveZeta(run)) if uses_zeta else rule


class LiveZeta:
    """The current zeta of a run as a function of the epoch; a copy sent to another process keeps the value it had then."""

    def __init__(self, run):
        self.run = run

    def __call__(self, epoch):
        return zeta_at(self.run.now, epoch)

    def __reduce__(self):
        return partial, (zeta_at, self.run.now)


def zeta_at(config, epoch):
    """The share of links that the config replaces before this epoch."""
    zeta = zeta_of(config)
    return zeta(epoch) if callable(zeta) else zeta
