"""An estimator's parameters: each is checked under its own name, then turned into an object of the package.

By scikit-learn's conventions, __init__ stores parameters unchanged and fit checks them.
"""

import copy
import numbers
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from joblib import effective_n_jobs

from ..datasets.scaling import check_scaling
from ..evolution import SET
from ..nn import activations, initializers, losses
from ..nn.mlp import SparseMLP
from ..nn.torch_optimizers import named
from ..topology.layer_densities import check_density
from ..topology.topology import MAX_WIDTH
from ..training.loop import check_optimizer
from ..utils import checks
from ..utils.resources import cores

SMALLEST_BATCH, LARGEST_BATCH, BATCHES = 16, 128, 30  # "auto": about 30 mini-batches an epoch

OF_CLASSES = losses.SoftmaxCrossEntropy, losses.BinaryCrossEntropy, losses.SquaredHinge


@dataclass(frozen=True)
class Settings:
    """The checked parameters of one fit. Those in `net` are used when a net is made, the others at every fit."""

    net: dict
    dropout: float
    optimizer: object
    rules: tuple
    batch_size: object
    threads: int
    checkpointing: dict
    callbacks: tuple

    @classmethod
    def of(cls, estimator):
        """The settings of an estimator; TypeError or ValueError naming the parameter, its value and what is allowed."""
        for name in ("nesterov", "early_stopping", "warm_start"):
            boolean(name, getattr(estimator, name))
        check_scaling(estimator.standardise)
        for name in ("epochs", "n_epochs_no_change"):
            checks.integer(name, getattr(estimator, name))
        fraction = estimator.validation_fraction
        checks.number("validation_fraction", fraction, "a number in (0, 1)", low=0, high=1, open_low=True, open_high=True)
        checks.non_negative("tol", estimator.tol)
        if not isinstance(estimator.verbose, bool | np.bool_ | numbers.Integral):
            checks.fail("verbose", estimator.verbose, "True or False", TypeError)
        seeds_of(estimator.random_state)
        return cls(
            net_options(estimator),
            checks.fraction("dropout", estimator.dropout, open_high=True),
            optimizer(estimator),
            rules(estimator),
            batch_size(estimator.batch_size),
            threads_of(estimator.n_jobs),
            checkpoint_options(estimator),
            callbacks(estimator.callbacks),
        )

    def make_net(self, X, n_out, seeds):
        """A new SparseMLP for samples X."""
        options = dict(self.net)
        sizes = (X.shape[1], *options.pop("hidden_layer_sizes"), n_out)
        data = X if isinstance(options["topology"], str) and options["topology"] == "csti" else None
        return SparseMLP.create(sizes, dropout=self.dropout, seed=seeds, data=data, **options)

    def batch(self, n_samples):
        """Samples of a mini-batch."""
        if self.batch_size == "auto":
            return int(np.clip(n_samples // BATCHES, SMALLEST_BATCH, LARGEST_BATCH))
        return self.batch_size


def boolean(name, value):
    """Raise TypeError for anything but True or False."""
    if not isinstance(value, bool | np.bool_):
        checks.fail(name, value, "True or False", TypeError)


def hidden_layers(sizes):
    """Widths of the hidden layers as a tuple; one number is one layer."""
    if isinstance(sizes, numbers.Integral) and not isinstance(sizes, bool):
        sizes = (sizes,)
    if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str | bytes) or getattr(sizes, "ndim", 1) != 1:
        checks.fail("hidden_layer_sizes", sizes, "a sequence of whole numbers, such as (200, 200)", TypeError)
    return tuple(checks.integer(f"hidden_layer_sizes[{i}]", n, high=MAX_WIDTH) for i, n in enumerate(sizes))


def net_parameters(estimator):
    """What a net was made with, and the kind of its optimizer; they must not change while its training goes on."""
    names = ("epsilon", "density", "topology", "activation", "alpha", "initializer", "standardise", "scale_target")
    values = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    if isinstance(values["density"], Sequence | np.ndarray):
        values["density"] = list(values["density"])
    made = optimizer(estimator)  # its vectors and their meaning
    kind = {"optimizer": type(made).__qualname__, "count_by_link": getattr(made, "count_by_link", False)}
    return {"hidden_layer_sizes": hidden_layers(estimator.hidden_layer_sizes)} | values | kind


def net_options(estimator):
    """Arguments of SparseMLP.create, with the hidden widths alone and without dropout and seed."""
    checks.positive("epsilon", estimator.epsilon)
    hidden, density = hidden_layers(estimator.hidden_layer_sizes), estimator.density
    return {
        "hidden_layer_sizes": hidden,
        "epsilon": estimator.epsilon,
        "density": None if density is None else check_density(density, len(hidden) + 1),
        "topology": estimator.topology,
        "activation": activation(estimator.activation, estimator.alpha),
        "initializer": None if estimator.initializer is None else initializers.get(estimator.initializer),
    }


def activation(name, alpha):
    """The activation object; `alpha` is its slope where it is given by name and has one."""
    checks.non_negative("alpha", alpha)
    return activations.get(name, **({"alpha": alpha} if isinstance(name, str) and activations.takes_alpha(name) else {}))


def optimizer(estimator):
    """The optimizer: an object, or one named, which gets the estimator's learning rate and so on."""
    if not isinstance(estimator.optimizer, str):
        if estimator.optimizer is None:
            checks.fail("optimizer", None, "a name, or an object with init, update and rate", TypeError)
        return check_optimizer(estimator.optimizer)
    if isinstance(estimator.learning_rate, bool | np.bool_) or not (
        callable(estimator.learning_rate) or isinstance(estimator.learning_rate, numbers.Real)
    ):
        checks.fail("learning_rate", estimator.learning_rate, "a number > 0 or a schedule (epoch -> rate)", TypeError)
    return named(
        estimator.optimizer, learning_rate=estimator.learning_rate, momentum=estimator.momentum,
        weight_decay=estimator.weight_decay, nesterov=bool(estimator.nesterov),
    )  # fmt: skip


def rules(estimator):
    """The rules that change links between epochs: `rules`, or SET(zeta), or none."""
    evolution = SET(estimator.zeta)
    if estimator.rules is None:
        return () if not callable(estimator.zeta) and estimator.zeta == 0 else (evolution,)
    chosen = (estimator.rules,) if callable(estimator.rules) else estimator.rules
    if not isinstance(chosen, list | tuple) or not all(map(callable, chosen)):
        checks.fail("rules", estimator.rules, "None or a list of rules, such as [SET(0.3)]", TypeError)
    return tuple(chosen)


def loss_of(loss, *, of_classes):
    """The loss as an object; those of the package only where they are of classes or, if not `of_classes`, of numbers."""
    names = [name for name, kind in losses.NAMES.items() if (kind in OF_CLASSES) is of_classes]
    others = tuple(kind for name, kind in losses.NAMES.items() if name not in names)
    if isinstance(loss, str):
        checks.choice("loss", loss, names)
    elif loss is None or isinstance(loss, others) or (isinstance(loss, type) and issubclass(loss, others)):
        checks.fail("loss", loss, f"one of {names}, or the object of such a loss", TypeError)
    return losses.get(loss)


def callbacks(given):
    """What is called with each EpochRecord, as a tuple; None is nothing, one callable is itself."""
    chosen = () if given is None else (given,) if callable(given) else given
    if not isinstance(chosen, list | tuple) or not all(callable(one) and not isinstance(one, type) for one in chosen):
        checks.fail("callbacks", given, "None, a function of an EpochRecord, or a list of such functions", TypeError)
    return tuple(chosen)


def checkpoint_options(estimator):
    """Arguments of `train` that save the fit into a folder; with a random_state of None the seed in the folder is used."""
    folder = estimator.checkpoint
    if folder is None:
        return {}
    if not isinstance(folder, str | os.PathLike):
        checks.fail("checkpoint", folder, "None or the path of a folder", TypeError)
    checks.path("checkpoint", folder)
    if estimator.warm_start:
        checks.fail("checkpoint", str(folder), "None with warm_start, which goes on with the net in memory")
    return {"checkpoint": folder, "seed": None if estimator.random_state is None else seeds_of(estimator.random_state)}


def batch_size(size):
    """A whole number >= 1 or "auto"."""
    if isinstance(size, str) and size == "auto":
        return size
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        kind = ValueError if isinstance(size, str | numbers.Integral) else TypeError
        checks.fail("batch_size", size, 'a whole number >= 1 or "auto"', kind)
    return int(size)


def threads_of(n_jobs):
    """Threads by joblib's rules (None: 1, -1: all cores, 1 inside another parallel job), at most one for each core."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral)):
        checks.fail("n_jobs", n_jobs, "None or a whole number other than 0 (-1: all cores)", TypeError)
    if n_jobs == 0:
        checks.fail("n_jobs", n_jobs, "None or a whole number other than 0 (-1: all cores)")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Loky-backed parallel loops")  # in workers of multiprocessing.Pool
        return max(1, min(effective_n_jobs(n_jobs), cores()))


def seeds_of(random_state):
    """The SeedSequence of a run. A generator is copied first, so that fitting does not advance the caller's."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(copy.deepcopy(random_state).randint(0, 2**32, 4, np.uint32).tolist())
    if isinstance(random_state, np.random.Generator):
        return checks.seed_sequence("random_state", copy.deepcopy(random_state))
    if random_state is None or isinstance(random_state, np.random.SeedSequence):
        return checks.seed_sequence("random_state", random_state)
    allowed = "None, a whole number >= 0, a RandomState, a Generator or a SeedSequence"
    if isinstance(random_state, bool) or not isinstance(random_state, numbers.Integral):
        checks.fail("random_state", random_state, allowed, TypeError)
    return np.random.SeedSequence(int(random_state)) if random_state >= 0 else checks.fail("random_state", random_state, allowed)
