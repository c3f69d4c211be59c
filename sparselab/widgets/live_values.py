"""The settings that a running training reads anew at each step, and how a changed control reaches them."""

import dataclasses
from functools import partial

from ..evolution import CHT, GMP
from ..experiments.experiment import rate_of
from ..experiments.rules import zeta_of

LIVE = ("learning_rate", "momentum", "weight_decay", "zeta")  # fields that can be changed while a training runs, if it uses them


def apply(names, optimizer, config):
    """Give these values of a config to an optimizer that has them, which reads them at each step; rules read zeta themselves."""
    values = {"learning_rate": rate_of(config), "momentum": config.momentum, "weight_decay": config.weight_decay}
    for name in values.keys() & set(names):
        if hasattr(optimizer, name):
            setattr(optimizer, name, values[name])


def used(optimizer, *, zeta):
    """The LIVE fields that have an effect on a training with this optimizer; zeta: whether a rule reads it anew."""
    return tuple(name for name in LIVE if (zeta if name == "zeta" else hasattr(optimizer, name)))


def with_live_zeta(rule, run):
    """A rule that uses the config's zeta, changed so that it reads zeta from `run.now` each time; other rules unchanged."""
    uses_zeta = dataclasses.is_dataclass(rule) and getattr(rule, "zeta", None) == zeta_of(run.config)
    if type(rule) is CHT and not callable(rule.zeta):  # lets a number fall by itself, and would take a function as it is
        return rule
    if type(rule) is GMP and rule.zeta == 0:  # that of a config, whose zeta it does not use
        return rule
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
