"""What a running training reads anew at each step, and how a moved control gets there."""

import dataclasses
from functools import partial

from ..experiments.experiment import rate_of, zeta_of


def set_rate(experiment, config):
    """The learning rate of a running experiment, schedule and all."""
    experiment.optimizer.learning_rate = rate_of(config)


def set_on_optimizer(name):
    """A function that hands a config's value on to the optimizer, which reads it at each step."""
    return lambda experiment, config: setattr(experiment.optimizer, name, getattr(config, name))


# Field -> how its value gets into a running experiment; zeta is asked for by the rules (`asking`).
LIVE = {
    "learning_rate": set_rate,
    "momentum": set_on_optimizer("momentum"),
    "weight_decay": set_on_optimizer("weight_decay"),
    "zeta": lambda experiment, config: None,
}


def asking(rule, run):
    """The rule, with a zeta that is asked of `run.now` each time, where it has the config's zeta; else as it is."""
    ours = dataclasses.is_dataclass(rule) and getattr(rule, "zeta", None) == zeta_of(run.config)
    return dataclasses.replace(rule, zeta=LiveZeta(run)) if ours else rule


class LiveZeta:
    """The zeta that `run.now` wants, as a function of the epoch; a copy in another process keeps that of when it was sent."""

    def __init__(self, run):
        self.run = run

    def __call__(self, epoch):
        return zeta_at(self.run.now, epoch)

    def __reduce__(self):
        return partial, (zeta_at, self.run.now)


def zeta_at(config, epoch):
    """The share that the config wants replaced before this epoch."""
    zeta = zeta_of(config)
    return zeta(epoch) if callable(zeta) else zeta
