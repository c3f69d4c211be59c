"""Importance Pruning after training: how many neurons a net can lose, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import evolution
from ..datasets.coerce import as_dataset, as_features
from ..evolution import Evidence, importances
from ..nn import losses
from ..training.epoch_runner import loss_for
from ..training.loop import check_model, predict, train
from ..training.progress import bar
from ..utils import checks
from .timing import least_seconds

if TYPE_CHECKING:
    import numpy as np
    import pandas

    from ..datasets.dataset import Dataset
    from ..nn.mlp import SparseMLP
    from ..nn.optimizers import Optimizer
    from ..nn.protocols import Loss

SAMPLES = 1024  # of the training data, whose mean activations replace the neurons that are removed
AMOUNTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def prune(model, amount, *, data=None, importance=importances.incoming, min_neurons=1, seed=0):
    """A copy of `model` without the share `amount` of the neurons of each hidden layer, the least important ones.

    data: a Dataset or (X, y, …). With it, removed neurons are replaced by their mean activation over 1,024 training samples,
    without it by f(b), their activation without links. importance, min_neurons: as for ImportancePruning. Raises TypeError or
    ValueError naming the argument.
    """
    check_model(model)
    seed = checks.generator("seed", seed)
    evidence = None if data is None else evidence_of(model, as_dataset(data, model), seed)
    return _pruned(model, checks.fraction("amount", amount), importance, min_neurons, evidence)


def prune_curve(
    model: SparseMLP,
    data: Dataset | tuple[Any, ...],
    amounts: float | Sequence[float] = AMOUNTS,
    fine_tune_epochs: int = 0,
    *,
    importance: Callable[..., Any] = importances.incoming,
    min_neurons: int = 1,
    optimizer: Optimizer | None = None,
    batch_size: int = 128,
    seed: int | np.random.SeedSequence | np.random.Generator | None = 0,
    threads: int | None = None,
    repeats: int = 5,
    progress: bool = True,
    loss: str | type | Loss | None = None,
) -> pandas.DataFrame:
    """Measure what is left of a trained net at different amounts of Importance Pruning; the net itself is not changed.

    Parameters
    ----------
    model : SparseMLP
        The trained net.
    data : Dataset or tuple
        A Dataset with test samples, or (X, y, X_test, y_test).
    amounts : float or sequence of float, default (0, 0.1, …, 0.9, 0.95)
        Shares, in [0, 1], of the neurons of each hidden layer that are removed, the least important ones first.
    fine_tune_epochs : int, default 0
        Epochs of training, without evolution, after the pruning.
    importance : callable, default sl.importances.incoming
        As for `ImportancePruning`.
    min_neurons : int, default 1
        Neurons that each hidden layer keeps at least.
    optimizer : object, optional
        For the fine-tuning, as for `train`.
    batch_size : int, default 128
        For the fine-tuning, as for `train`.
    seed : int, SeedSequence or Generator, default 0
        For the choice of samples and the fine-tuning.
    threads : int, optional
        Threads that compute, by default all cores.
    repeats : int, default 5
        Predictions of which the fastest is reported.
    progress : bool, default True
        Whether to show a progress bar.
    loss : str or object, optional
        The loss that is measured, and trained with; by default as in `train`.

    Returns
    -------
    pandas.DataFrame
        One row an amount. Columns: amount, neurons (hidden, in all), links, bytes, loss, accuracy (or r2) on the test samples,
        seconds (of the fastest prediction of them); with fine_tune_epochs > 0 also tuned_loss and tuned_accuracy; widths.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    References
    ----------
    S. Curci, D. C. Mocanu, M. Pechenizkiy, "Truly sparse neural networks at scale", 2021, arXiv:2102.01732, section 3.3, pruning
    after training.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> X, y = [[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8
    >>> sl.prune_curve(model, (X, y, X, y), [0.0, 0.5], repeats=1, progress=False)["neurons"].tolist()
    [8, 4]
    """
    import pandas

    check_model(model)
    dataset: Any = as_dataset(data, model)
    epochs = checks.integer("fine_tune_epochs", fine_tune_epochs, low=0)
    if dataset.X_test is None:
        raise ValueError("data: must have test samples: (X, y, X_test, y_test), or a Dataset with X_test")
    repeats, batch_size = checks.integer("repeats", repeats), checks.integer("batch_size", batch_size)
    progress = checks.flag("progress", progress)
    amounts = [checks.fraction(f"amounts[{i}]", amount) for i, amount in enumerate(as_list("amounts", amounts))]
    loss_function = loss_for(dataset, loss)
    X_test, evidence = as_features("data.X_test", dataset.X_test, model), evidence_of(model, dataset, seed, loss_function)
    targets = loss_function.targets(dataset.y_test, model.sizes[-1], model.dtype)
    nets = [_pruned(model, amount, importance, min_neurons, evidence) for amount in amounts]
    seconds, rows = least_seconds([partial(predict, net, X_test, threads=threads) for net in nets], repeats), []
    for amount, net, spent in zip(bar(amounts, unit="net", shown=progress), nets, seconds):
        row = {"amount": amount, "neurons": sum(net.sizes[1:-1]), "links": net.n_links, "bytes": net.nbytes}
        scores = losses.scores(loss_function, predict(net, X_test, threads=threads), targets)
        row |= dict(zip(("loss", "accuracy", "r2"), scores, strict=True)) | {"seconds": spent}
        if epochs:
            options = {
                "epochs": epochs,
                "batch_size": batch_size,
                "seed": seed,
                "threads": threads,
                "evaluate_every": epochs,
                "loss": loss,
            }
            *_, last = train(net, dataset, optimizer=optimizer, **options)
            row |= {"tuned_loss": last.test_loss, "tuned_accuracy": last.test_accuracy}
        rows.append(row | {"widths": net.sizes})
    return pandas.DataFrame(rows)


def as_list(name, values):
    """A sequence or a single number as a non-empty list."""
    several = hasattr(values, "__len__") and not isinstance(values, str) and getattr(values, "ndim", 1)
    values = list(values) if several else [values]
    return values or checks.fail(name, values, "at least one share in [0, 1]")


def evidence_of(model, data, seed, loss=None):
    """The Evidence (activations and gradients) of SAMPLES training samples."""
    X = as_features("data.X_train", data.X_train, model)
    loss = loss_for(data, loss)
    targets = loss.targets(data.y_train, model.sizes[-1], model.dtype)
    samples = checks.generator("seed", seed).permutation(len(targets))[:SAMPLES]
    return Evidence(model, loss, X, targets, samples)


def _pruned(model, amount, importance, min_neurons, evidence):
    """A pruned copy of the model; arguments that depend on it are checked."""
    importances.check(importance)
    widths = evolution.widths_without(model.sizes[1:-1], amount, checks.integer("min_neurons", min_neurons))
    gone, net = evolution.least_important(model, importance, widths), model.copy()
    evolution.apply(evolution.shrink(model, gone, evidence), net, None, None)
    return net
