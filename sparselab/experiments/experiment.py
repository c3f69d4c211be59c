"""From a config to a training: `build` makes the data set, network, optimizer and rules that it names, as an Experiment."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import datasets, parallel
from ..checkpoints.records import EpochRecord, StepRecord
from ..datasets import Dataset
from ..datasets.coerce import given_dataset
from ..nn import activations, initializers
from ..nn.mlp import SparseMLP
from ..nn.optimizers import MomentumSGD
from ..nn.schedules import Cosine, Linear, OneCycle, Step, WarmUp
from ..nn.torch_optimizers import SGD, Adam, named
from ..training import loop
from ..utils import checks
from .config import ExperimentConfig, data_options
from .rules import rules_of

LOSSES = {  # by the targets they fit
    "classes": ("softmax_cross_entropy", "binary_cross_entropy", "squared_hinge", "mean_squared_error"),
    "several labels a sample": ("binary_cross_entropy", "squared_hinge"),
    "numbers to predict": ("mean_squared_error", "mean_absolute_error", "huber", "poisson", "quantile"),
}


@dataclass
class Experiment:
    """
    A config with the objects made from it: data set, network, optimizer and topology rules.

    Parameters
    ----------
    config : ExperimentConfig
        The settings.
    data : Dataset
        The data set.
    model : SparseMLP
        The network, not trained yet.
    optimizer : MomentumSGD, SGD or Adam
        The optimizer with the learning rate or its schedule.
    rules : list
        Rules that change the topology between epochs.

    Examples
    --------
    >>> import sparselab as sl
    >>> experiment = sl.build(sl.ExperimentConfig(dataset="digits", hidden=(20,), epochs=2))
    >>> [record.epoch for record in experiment.train()]
    [1, 2]
    """

    config: ExperimentConfig
    data: Dataset
    model: SparseMLP
    optimizer: MomentumSGD | SGD | Adam
    rules: list

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for `train` and `steps`, and those that `train_parallel` shares with them."""
        c = self.config
        return {
            "optimizer": self.optimizer, "rules": self.rules, "epochs": c.epochs, "batch_size": c.batch_size, "seed": c.seed,
            "threads": c.threads or None, "loss": loss_of(c, self.data), "config": dataclasses.asdict(c),
        }  # fmt: skip

    @property
    def parallel_options(self) -> dict[str, Any]:
        """Keyword arguments for `train_parallel`; `threads` is not among them, because a worker has one thread."""
        c, options = self.config, self.options
        del options["threads"]
        return options | {
            "n_jobs": c.workers, "backend": c.backend, "async_fraction": c.async_fraction, "synchronous": c.synchronous,
            "steps_per_push": c.steps_per_push,
        }  # fmt: skip

    def train(self, **changes: Any) -> Iterator[EpochRecord]:
        """
        Train with the settings of the config.

        Parameters
        ----------
        **changes : Any
            Other arguments of `sparselab.train`, such as ``checkpoint=folder``; if the config has workers, of
            `sparselab.train_parallel`.

        Returns
        -------
        iterator of EpochRecord
            Trains while it is iterated.
        """
        if self.config.workers:
            return parallel.train_parallel(self.model, self.data, **self.parallel_options | changes)
        return loop.train(self.model, self.data, **self.options | changes)

    def steps(self, **changes: Any) -> Iterator[EpochRecord | StepRecord]:
        """
        Train with the settings of the config, and yield a record of each step, too.

        Parameters
        ----------
        **changes : Any
            Other arguments of `sparselab.steps`; if the config has workers, of `sparselab.train_parallel`.

        Returns
        -------
        iterator of StepRecord and EpochRecord
            Trains while it is iterated. The local phase of parallel training has no StepRecords.
        """
        if self.config.workers:
            return self.train(**{"pace": 0.0} | changes)
        return loop.steps(self.model, self.data, **self.options | changes)


def build(config: ExperimentConfig, *, data: Dataset | None = None) -> Experiment:
    """
    Make the objects that a config names: data set, network, optimizer and topology rules.

    Parameters
    ----------
    config : ExperimentConfig
        The settings.
    data : Dataset, optional
        Used in place of the data set that the config names.

    Returns
    -------
    Experiment
        The objects; its methods `train` and `steps` run the training.

    Raises
    ------
    TypeError
        If `config` is not an ExperimentConfig.
    ValueError
        If settings contradict each other, or there are more workers than mini-batches in an epoch.
    InsufficientMemoryError
        If the network does not fit into memory.
    DownloadError
        If the data set can neither be found nor downloaded.

    Examples
    --------
    >>> import sparselab as sl
    >>> experiment = sl.build(sl.ExperimentConfig(dataset="digits", hidden=(20, 10)))
    >>> experiment.model.sizes
    (64, 20, 10, 10)
    """
    if not isinstance(config, ExperimentConfig):
        checks.fail("config", config, "an ExperimentConfig", TypeError)
    rules, optimizer = rules_of(config), optimizer_of(config)  # before the data are loaded: settings may contradict each other
    data = datasets.load(config.dataset, **data_options(config)) if data is None else given_dataset(data)
    loss_of(config, data)
    n_batches = -(-data.n_train // config.batch_size)
    if config.workers > n_batches:
        checks.fail("workers", config.workers, f"at most {n_batches}, the mini-batches of an epoch")
    activation = activation_of(config)
    model = SparseMLP.create(
        (data.n_features, *config.hidden, data.n_outputs), epsilon=config.epsilon, density=config.density or None,
        activation=activation, dropout=config.dropout, initializer=initializer_of(config), seed=config.seed,
        topology=config.topology, dense_last=config.dense_last, data=data.X_train if config.topology == "csti" else None,
    )  # fmt: skip
    return Experiment(config, data, model, optimizer, rules)


def loss_of(config, data):
    """The name of the loss of a config, or None for the usual one; ValueError where it does not fit the targets of a Dataset."""
    kind = "several labels a sample" if data.has_labels else "classes" if data.n_classes else "numbers to predict"
    if config.loss not in ("auto", *LOSSES[kind]):
        checks.fail("loss", config.loss, f"auto or one of {list(LOSSES[kind])}: {data.name} has {kind}")
    return None if config.loss == "auto" else config.loss


def initializer_of(config):
    """The initializer of a config; None, the default of `SparseMLP.create`, for he_uniform with fan "auto"."""
    if config.fan == "auto":
        return None if config.initializer == "he_uniform" else initializers.get(config.initializer)
    scaled = config.initializer in ("he_uniform", "xavier_uniform", "he_normal")
    return initializers.get(config.initializer, **({"fan": config.fan} if scaled else {}))


def activation_of(config):
    """The activation of a config."""
    parameters = {"alpha": config.alpha} if activations.takes_alpha(config.activation) else {}
    return activations.get(config.activation, **parameters)


def optimizer_of(config):
    """The optimizer of a config."""
    return named(
        config.optimizer, learning_rate=rate_of(config), momentum=config.momentum, weight_decay=config.weight_decay,
        nesterov=config.nesterov, decay_biases=config.decay_biases, betas=(config.beta1, config.beta2), eps=config.eps,
        clip_norm=config.clip_norm or None,
    )  # fmt: skip


def rate_of(config):
    """The learning rate of a config, or its schedule."""
    rate, epochs = config.learning_rate, config.epochs
    warm_up = min(max(1, epochs / 10), epochs / 2)
    makers = {
        "constant": lambda: rate,
        "cosine": partial(Cosine, rate, epochs, final=rate / 1000),
        "step": partial(Step, rate, max(1, epochs // 4), 0.5),
        "warm_up": partial(WarmUp, rate, max(1, epochs / 10)),
        "linear": partial(Linear, rate, epochs, final=rate / 1000),
        "warm_up_cosine": lambda: WarmUp(Cosine(rate, epochs, rate / 1000, warm_up), warm_up),
        "one_cycle": partial(OneCycle, rate, epochs),
    }
    return makers[config.schedule]()
