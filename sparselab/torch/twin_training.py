"""A model with sparse layers and its dense twin, trained on the same samples in the same order."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..utils import checks
from .convert import sparse_layers, sparsify
from .evolution import Evolution
from .parameter_groups import parameter_groups

AT_ONCE = 500  # test samples that pass at once
SHARE_OF_EVENTS = 0.75  # of the steps, as in RigL (Evci et al. 2020): new links need time to learn before the last test


class Epoch(NamedTuple):
    """What was measured of a model after an epoch of training, or within it.

    Parameters
    ----------
    epoch : float
        Passes over the training samples so far.
    loss : float
        Mean cross-entropy of this epoch's training samples.
    accuracy : float
        Share of right answers on the test samples; NaN within an epoch.
    seconds : float
        Time of this epoch's steps, without that of the tests.
    links : int
        Weights of the model: values of sparse layers and of matrices.
    bytes : int
        Bytes of values, gradients, what the optimizer keeps, and the indices of sparse layers; without activations.

    Examples
    --------
    >>> from sparselab.torch import Epoch
    >>> Epoch(1.0, 0.7, 0.8, 2.5, 1000, 16_000).accuracy
    0.8
    """

    epoch: float
    loss: float
    accuracy: float
    seconds: float
    links: int
    bytes: int


def twins(
    model: nn.Module,
    data: tuple[Any, Any, Any, Any],
    *,
    density: float,
    layers: Iterable[str] | Callable[[str, nn.Linear], bool] | None = None,
    rule: Callable[..., Any] | None = None,
    every: int | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    lr: float | None = None,
    epochs: int = 5,
    batch_size: int = 64,
    seed: int = 0,
    pace: float | None = None,
) -> dict[str, Iterator[Epoch]]:
    """Train a classifier with sparse layers, and the dense model that it was made from.

    The two do not wait for each other: draw from both in turn to see them side by side.

    Parameters
    ----------
    model : torch.nn.Module
        The dense model, which gives logits; both are copies of it.
    data : (X, y, X_test, y_test)
        Arrays or tensors: samples and their classes, for training and for the accuracy.
    density : float
        Share of the links of the sparse layers that exist, in (0, 1].
    layers : iterable of str or callable, optional
        Linear layers that become sparse, see `sparsify`; by default all.
    rule : callable, optional
        A rule that changes the links, see `Evolution`; by default `sl.SET(0.3)`.
    every : int, optional
        Steps from one change to the next; by default one change an epoch. The links stay as they are in the last quarter of the
        steps, so that new ones have learnt before the end.
    optimizer : callable, optional
        Makes an optimizer of parameters; by default torch.optim.AdamW of `parameter_groups(model, lr)`.
    lr : float, default 3e-4
        Learning rate of dense layers in that AdamW; an optimizer that is given brings its own.
    epochs : int, default 5
        Passes over the training samples.
    batch_size : int, default 64
        Samples of a step.
    seed : int, default 0
        Source of randomness: links, order of the samples, dropout.
    pace : float, optional
        Seconds of training from one record to the next within an epoch; by default there is one at the end of each.

    Returns
    -------
    dict of str to iterator of Epoch
        The trainings "sparse" and "dense", which run while they are iterated over.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import torch
    >>> import sparselab.torch
    >>> X, y = torch.randn(200, 20), torch.arange(200) % 4
    >>> model = torch.nn.Sequential(torch.nn.Linear(20, 60), torch.nn.ReLU(), torch.nn.Linear(60, 4))
    >>> both = sparselab.torch.twins(model, (X, y, X, y), density=0.1, layers=["0"], epochs=2)
    >>> {name: [record.links for record in training] for name, training in both.items()}
    {'sparse': [360, 360], 'dense': [1440, 1440]}
    """
    if not isinstance(data, tuple | list) or len(data) != 4:
        checks.fail("data", data, "(X, y, X_test, y_test)", TypeError)
    if optimizer is not None and not callable(optimizer):
        checks.fail("optimizer", optimizer, "a function of parameters, such as torch.optim.SGD", TypeError)
    X, y, X_test, y_test = (torch.as_tensor(part) for part in data)
    for name, samples, classes in (("data", X, y), ("data, test samples", X_test, y_test)):
        if len(samples) != len(classes) or not len(samples):
            raise ValueError(f"{name}: {len(samples)} samples and {len(classes)} classes, must be as many, and not none")
    y, y_test = y.long(), y_test.long()
    batch_size, epochs = checks.integer("batch_size", batch_size), checks.integer("epochs", epochs)
    seed, steps = checks.integer("seed", seed, low=0), -(-len(X) // batch_size)
    pace = None if pace is None else checks.number("pace", pace, "a number of seconds >= 0", low=0)
    if lr is not None and optimizer is not None:
        raise ValueError(f"lr = {lr}: must not be given beside optimizer, which has a rate of its own")
    lr = 3e-4 if lr is None else checks.positive("lr", lr)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = {"sparse": sparsify(copy.deepcopy(model), density=density, layers=layers), "dense": copy.deepcopy(model)}
    found = {}
    for name, one in pair.items():
        own = torch.optim.AdamW(parameter_groups(one, lr)) if optimizer is None else optimizer(one.parameters())
        evolution = None
        if name == "sparse":
            stop = math.ceil(SHARE_OF_EVENTS * epochs * steps)
            evolution = Evolution(one, own, rule, every=steps if every is None else every, stop=stop, seed=seed)
        found[name] = _epochs(one, own, evolution, (X, y, X_test, y_test), epochs, batch_size, seed, pace)
    return found


def _epochs(model, optimizer, evolution, data, epochs, batch_size, seed, pace):
    """The records of a training. Randomness is its own, so that trainings that take turns do not change each other."""
    X, y, X_test, y_test = data
    order, state = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed).get_state()
    for epoch in range(epochs):
        seconds, total, told = 0.0, 0.0, 0.0
        model.train()
        rows = torch.randperm(len(X), generator=order)
        for first in range(0, len(X), batch_size):
            part = rows[first : first + batch_size]
            began = time.perf_counter()
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(state)
                loss = nn.functional.cross_entropy(model(X[part]), y[part])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if evolution is not None:
                    evolution.step()
                state = torch.get_rng_state()
            seconds += time.perf_counter() - began
            total += loss.item() * len(part)
            done = min(first + batch_size, len(X))
            if pace is not None and seconds - told >= pace and done < len(X):
                told = seconds
                yield Epoch(epoch + done / len(X), total / done, math.nan, seconds, *size(model, optimizer))
        yield Epoch(epoch + 1.0, total / len(X), accuracy(model, X_test, y_test), seconds, *size(model, optimizer))


def accuracy(model: nn.Module, X: Tensor, y: Tensor) -> float:
    """Share of the samples whose class has the largest logit."""
    model.eval()
    with torch.no_grad():
        right = sum(int((model(part).argmax(1) == wanted).sum()) for part, wanted in zip(X.split(AT_ONCE), y.split(AT_ONCE)))
    return right / len(X)


def size(model, optimizer):
    """(links, bytes) of a model in training."""
    sparse = [layer for _, layer in sparse_layers(model)]
    parameters = list(model.parameters())
    links = sum(len(layer.weight) for layer in sparse) + sum(one.numel() for one in parameters if one.dim() > 1)
    kept = [one for state in optimizer.state.values() for one in state.values() if isinstance(one, Tensor)]
    tensors = [*parameters, *(one for one in parameters if one.requires_grad), *model.buffers(), *kept]  # and gradients
    turned = [part for layer in sparse for part in vars(layer.topology.transposed).values()]  # the links by input
    return links, sum(one.nbytes for one in tensors) + sum(part.nbytes for part in turned)
