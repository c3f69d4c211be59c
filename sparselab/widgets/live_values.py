"""The settings that a running training reads anew at each step, and how a changed control reaches them."""

import dataclasses
from functools import partial

from ..experiments.experiment import rate_of, zeta_of

LIVE = ("learning_rate", "momentum", "weight_decay", "zeta")  # fields that can be changed while a training runs


def apply(names, optimizer, config):
    """Give these values of a config to an optimizer that has them, which reads them at each step; rules read zeta themselves."""
    values = {"learning_rate": rate_of(config), "momentum": config.momentum, "weight_decay": config.weight_decay}
    for name in values.keys() & set(names):
        if hasattr(optimizer, name):
            setattr(optimizer, name, values[name])


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
