"""How large gradients are, layer by layer; a layer with vanishing gradients does not learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.coerce import as_features, as_targets
from ..engines.layerwise import LayerwiseEngine
from ..engines.tiling import tile_width
from ..evolution import Evidence
from ..nn import losses
from ..training.loop import check_model
from ..utils import checks

if TYPE_CHECKING:
    import pandas
    from numpy.typing import ArrayLike

    from ..nn.mlp import SparseMLP
    from ..nn.protocols import Loss


def gradient_norm_per_layer(
    model: SparseMLP, X: Any, y: ArrayLike, *, loss: str | type | Loss | None = None, n_samples: int = 1024
) -> dict[str, list[Any]]:  # fmt: skip
    """Compute the Euclidean norms of the gradients of the mean loss, layer by layer, without dropout.

    Parameters
    ----------
    model : SparseMLP
        The net.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    y : array_like of shape (n,) or (n, outputs)
        Labels, or targets.
    loss : str or object, optional
        By default "softmax_cross_entropy" for labels, "binary_cross_entropy" for a sparse y, else "mean_squared_error".
    n_samples : int, default 1024
        The first so many rows are used, as one batch.

    Returns
    -------
    dict of str to list
        A value for each layer: "layer" (from 1), "links", "dZ" (norm of the gradient of Z, (n_out, samples)), "dw" (norm of the
        gradient of the links, (nnz,)).

    Raises
    ------
    TypeError or ValueError
        Naming the argument; ValueError where a gradient is not finite.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> norms = sl.analysis.gradient_norm_per_layer(model, [[0.0, 1.0], [1.0, 0.0]], [0, 1])
    >>> norms["layer"], min(norms["dw"]) > 0
    ([1, 2], True)
    """
    batch = _batch(model, X, y, loss, n_samples)
    flows = Evidence(model, *batch).flows
    return {
        "layer": list(range(1, len(flows) + 1)),
        "links": list(model.nnz),
        "dZ": [_norm(dZ) for _, dZ in flows],
        "dw": [_norm(dw) for dw in _link_gradients(model, *batch)],
    }


def effective_gradient_norm(
    model: SparseMLP, X: Any, y: ArrayLike, *, loss: str | type | Loss | None = None, n_samples: int = 1024
) -> pandas.DataFrame:  # fmt: skip
    """Compute the norm of the gradient over the links that exist, layer by layer, without dropout.

    Only existing links can follow a gradient, so norms that count absent ones cannot compare nets (Evci et al.). The mean over
    the layers, `table["norm"].mean()`, is the effective gradient flow of the weights of Tessera et al.

    Parameters
    ----------
    model : SparseMLP
        The net.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    y : array_like of shape (n,) or (n, outputs)
        Labels, or targets.
    loss : str or object, optional
        By default "softmax_cross_entropy" for labels, "binary_cross_entropy" for a sparse y, else "mean_squared_error".
    n_samples : int, default 1024
        The first so many rows are used, as one batch.

    Returns
    -------
    pandas.DataFrame
        One row a layer. Columns: layer (from 1), links, norm, rms = norm / √links, which is comparable between layers and nets
        of different size (NaN without links).

    Raises
    ------
    TypeError or ValueError
        Naming the argument; ValueError where a gradient is not finite.

    References
    ----------
    U. Evci et al., "Gradient flow in sparse neural networks and how lottery tickets win", 2020.
    K. Tessera, S. Hooker, B. Rosman, "Keep the gradients flowing: using gradient flow to study sparse network optimization",
    2021.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> table = sl.analysis.effective_gradient_norm(model, [[0.0, 1.0], [1.0, 0.0]], [0, 1])
    >>> table["links"].tolist() == list(model.nnz)
    True
    """
    import pandas

    dw = _link_gradients(model, *_batch(model, X, y, loss, n_samples))
    norms, links = np.array([_norm(values) for values in dw]), np.array(model.nnz)
    rms = np.divide(norms, np.sqrt(links), out=np.full(len(norms), np.nan), where=links > 0)
    return pandas.DataFrame({"layer": np.arange(1, len(norms) + 1), "links": links, "norm": norms, "rms": rms})


def _batch(model, X, y, loss, n_samples):
    """(loss, X, targets, samples): the first rows, checked, as one batch."""
    check_model(model)
    y, n = as_targets(y, model, loss), checks.integer("n_samples", n_samples)
    loss = losses.get(loss, default=losses.usual(y))
    X = as_features("X", X, model)
    if y.shape[0] != X.shape[0]:
        raise ValueError(f"y has {y.shape[0]} entries: must be {X.shape[0]}, one for each row of X")
    X, targets = X[:n], loss.targets(y[:n], model.sizes[-1], model.dtype)
    return loss, X, targets, np.arange(len(targets))


def _link_gradients(model, loss, X, targets, samples):
    """dw (nnz,) of each layer."""
    dw = LayerwiseEngine(model, loss, tile_width(len(samples)), 1).batch_gradient(X, targets, samples, None)[2]
    if dw is None:
        raise ValueError("model: its gradient is not finite on these samples, so there are no norms to compare")
    return dw


def _norm(values):
    return float(np.linalg.norm(values.astype(np.float64)))
