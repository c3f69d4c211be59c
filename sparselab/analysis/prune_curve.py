"""Importance Pruning after training: how much of a net can go, and what that costs."""

import sys
from functools import partial

from .. import evolution
from ..datasets.coerce import as_dataset, as_features
from ..evolution import Evidence, importances
from ..nn import losses
from ..training.loop import check_model, evaluate, predict, train
from ..utils import checks
from .timing import least_seconds

SAMPLES = 1024  # of the training data, whose mean activations stand in for neurons that go
AMOUNTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def prune(model, amount, *, data=None, importance=importances.incoming, min_neurons=1, seed=0):
    """A copy of `model` without the share `amount` of the neurons of each hidden layer, the least important ones.

    data: a Dataset or (X, y, …); with it, neurons that go are replaced by their mean activation over 1,024 training samples,
    without it by f(b), what they give without their links. importance, min_neurons: as in ImportancePruning. The model itself
    is not changed. Raises TypeError or ValueError naming the argument.
    """
    check_model(model)
    seed = checks.generator("seed", seed)
    evidence = None if data is None else evidence_of(model, as_dataset(data, model), seed)
    return _pruned(model, checks.fraction("amount", amount), importance, min_neurons, evidence)


def prune_curve(
    model, data, amounts=AMOUNTS, fine_tune_epochs=0, *, importance=importances.incoming, min_neurons=1, optimizer=None,
    batch_size=128, seed=0, threads=None, repeats=5, progress=True,
):  # fmt: skip
    """What is left of a trained net at each amount of Importance Pruning, as a DataFrame with a row an amount.

    amounts: shares of the neurons of each hidden layer that go, weakest first (Curci et al. 2021, section 3.3, after training).
    data: a Dataset with test samples, or (X, y, X_test, y_test). Columns: amount, neurons (hidden, in all), links, bytes, loss
    and accuracy on the test samples, seconds (least of `repeats` predictions of them, measured); with fine_tune_epochs > 0 also
    tuned_loss and tuned_accuracy after as many epochs of training without evolution (optimizer, batch_size, seed, threads as
    for train); widths. The model is not changed. Raises TypeError or ValueError naming the argument.
    """
    import pandas
    from tqdm import tqdm

    check_model(model)
    data, epochs = as_dataset(data, model), checks.integer("fine_tune_epochs", fine_tune_epochs, low=0)
    if data.X_test is None:
        raise ValueError("data: must have test samples: (X, y, X_test, y_test), or a Dataset with X_test")
    repeats, batch_size = checks.integer("repeats", repeats), checks.integer("batch_size", batch_size)
    progress = checks.flag("progress", progress)
    amounts = [checks.fraction(f"amounts[{i}]", amount) for i, amount in enumerate(as_list("amounts", amounts))]
    X_test, evidence = as_features("data.X_test", data.X_test, model), evidence_of(model, data, seed)
    nets = [_pruned(model, amount, importance, min_neurons, evidence) for amount in amounts]
    seconds, rows = least_seconds([partial(predict, net, X_test, threads=threads) for net in nets], repeats), []
    for amount, net, spent in zip(tqdm(amounts, disable=not progress, file=sys.stdout, leave=False, unit="net"), nets, seconds):
        row = {"amount": amount, "neurons": sum(net.sizes[1:-1]), "links": net.n_links, "bytes": net.nbytes}
        row |= evaluate(net, X_test, data.y_test, threads=threads)._asdict() | {"seconds": spent}
        if epochs:
            options = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "threads": threads, "evaluate_every": epochs}
            *_, last = train(net, data, optimizer=optimizer, **options)
            row |= {"tuned_loss": last.test_loss, "tuned_accuracy": last.test_accuracy}
        rows.append(row | {"widths": net.sizes})
    return pandas.DataFrame(rows)


def as_list(name, values):
    """A non-empty list of a sequence or of one number."""
    several = hasattr(values, "__len__") and not isinstance(values, str) and getattr(values, "ndim", 1)
    values = list(values) if several else [values]
    return values or checks.fail(name, values, "at least one share in [0, 1]")


def evidence_of(model, data, seed):
    """An Evidence of some training samples."""
    X = as_features("data.X_train", data.X_train, model)
    loss = losses.get("softmax_cross_entropy" if data.n_classes else "mean_squared_error")
    targets = loss.targets(data.y_train, model.sizes[-1], model.dtype)
    samples = checks.generator("seed", seed).permutation(len(targets))[:SAMPLES]
    return Evidence(model, loss, X, targets, samples)


def _pruned(model, amount, importance, min_neurons, evidence):
    importances.check(importance)
    widths = evolution.widths_without(model.sizes[1:-1], amount, checks.integer("min_neurons", min_neurons))
    gone, net = evolution.least_important(model, importance, widths), model.copy()
    evolution.apply(evolution.shrink(model, gone, evidence), net, None, None)
    return net
