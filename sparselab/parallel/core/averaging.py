"""One net out of several: the average over the union of their links."""

from collections.abc import Iterable

import numpy as np

from ...evolution import magnitude_within_sign
from ...nn.linear import SparseLinear
from ...nn.mlp import SparseMLP, check_model, check_no_estimator
from ...nn.trained_activations import names
from ...topology.rewiring import rewire, union
from ...utils import checks


def average(models: Iterable[SparseMLP], n_links: Iterable[int] | None = None) -> SparseMLP:
    """Average nets over the union of their links, cut back to as many links as there were.

    Biases and trained values of activations are averaged. A link that some models do not have counts as 0 there. Where the union
    of a layer has too many links, those with the smallest positive and the largest negative values are removed (the cut of SET),
    in the output layer too.

    Parameters
    ----------
    models : iterable of SparseMLP
        At least one; all with the same neurons and dtype.
    n_links : iterable of int, optional
        Links that each layer shall have; by default as many as those of the first model.

    Returns
    -------
    SparseMLP
        A new net.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.

    References
    ----------
    Curci et al. 2021, algorithm 3, last lines.

    Examples
    --------
    >>> import sparselab as sl
    >>> nets = [sl.SparseMLP.create((4, 8, 2), density=0.5, seed=seed) for seed in (0, 1)]
    >>> sl.average(nets).nnz == nets[0].nnz
    True
    """
    models = check_models(models)
    if n_links is not None and not isinstance(n_links, Iterable):
        checks.fail("n_links", n_links, f"{len(models[0].layers)} numbers, one a layer", TypeError)
    targets = (
        models[0].nnz if n_links is None else tuple(checks.integer(f"n_links[{i}]", n, low=0) for i, n in enumerate(n_links))
    )
    if len(targets) != len(models[0].layers):
        checks.fail("n_links", targets, f"{len(models[0].layers)} numbers, one a layer")
    result = models[0].copy()
    layers = [averaged(parts, n) for parts, n in zip(zip(*(m.layers for m in models), strict=True), targets, strict=True)]
    return result.take_over(layers, "models", models[0].neurons)


def check_models(models):
    """The models as a list, if they fit together."""
    if not hasattr(models, "__iter__"):
        check_no_estimator(models, "models", "a list of SparseMLP")
        checks.fail("models", models, "a list of SparseMLP", TypeError)
    models = list(models)
    if not models:
        checks.fail("models", models, "at least one SparseMLP")
    for i, model in enumerate(models):
        check_model(model, f"models[{i}]")
        same_neurons = all(
            np.array_equal(model.neurons.ids(level), models[0].neurons.ids(level)) for level in range(len(models[0].sizes))
        ) if model.sizes == models[0].sizes else False  # fmt: skip
        if not same_neurons or model.dtype != models[0].dtype:
            checks.fail(f"models[{i}]", model, f"of the neurons and dtype of the first, {models[0]!r}")
        found, wanted = (names(one.activation) for one in (model, models[0]))
        if found != wanted:
            checks.fail(
                f"models[{i}].activation", model.activation, f"of the trained values of the first, {models[0].activation!r}"
            )
        known = models[0].classes
        if not (model.classes is None or known is None or np.array_equal(model.classes, known)):
            checks.fail(f"models[{i}].classes", model.classes, f"those of the first model, {checks.shown(known)}")
    return models


def averaged(layers, n_links):
    """One layer: mean of all over the union, cut to n_links."""
    b, values = (
        np.mean([getattr(layer, name) for layer in layers], axis=0, dtype=np.float64).astype(layers[0].dtype)
        for name in ("b", "values")
    )
    whole, total = layers[0].topology, np.zeros(layers[0].topology.nnz) + layers[0].w
    for layer in layers[1:]:  # one after the other: the maps of all of them into the union would be as many times as long
        whole, (ours, theirs) = union([whole, layer.topology])
        total = ours.carry(total) + theirs.carry(layer.w)
    w = (total / len(layers)).astype(layers[0].dtype)
    return cut(SparseLinear(whole, w, b, values), n_links)


def cut(layer, n_links):
    """The layer with n_links links: of each sign the same share of those closest to zero goes, ties in slot order."""
    surplus = layer.topology.nnz - n_links
    if surplus <= 0:
        return layer
    keep = magnitude_within_sign(layer, None, None, None, surplus / layer.topology.nnz)
    missing = int(np.count_nonzero(keep)) - n_links  # shares are rounded down, and exact zeros stay
    if missing > 0:
        kept = np.flatnonzero(keep)
        keep[kept[np.argsort(np.abs(layer.w[kept]), kind="stable")[:missing]]] = False
    rewiring = rewire(layer.topology, keep)
    return SparseLinear(rewiring.topology, rewiring.carry(layer.w), layer.b, layer.values)
