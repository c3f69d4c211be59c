"""How large gradients are, layer by layer: where they die out, nothing is learnt."""

import numpy as np

from ..datasets.coerce import as_features
from ..engines.layerwise import LayerwiseEngine
from ..engines.tiling import tile_width
from ..evolution import Evidence
from ..nn import losses
from ..training.loop import check_model
from ..utils import checks


def gradient_norm_per_layer(model, X, y, *, loss=None, n_samples=1024):
    """{"layer", "links", "dZ", "dw"}: Euclidean norms of the gradients of the mean loss, a value a layer, dropout off.

    X (n, features) and y (n,) labels or (n, outputs) targets; the first `n_samples` rows are one batch. dZ (n_out, samples)
    is the gradient of Z, dw (nnz,) that of the links. ValueError where a gradient is not finite.
    """
    batch = _batch(model, X, y, loss, n_samples)
    flows = Evidence(model, *batch).flows
    return {
        "layer": list(range(1, len(flows) + 1)),
        "links": list(model.nnz),
        "dZ": [_norm(dZ) for _, dZ in flows],
        "dw": [_norm(dw) for dw in _link_gradients(model, *batch)],
    }


def effective_gradient_norm(model, X, y, *, loss=None, n_samples=1024):
    """A DataFrame, one row a layer: layer (from 1), links, norm (of the gradient over the links that exist), rms (per link).

    Only links that exist can follow a gradient, so norms that count absent ones cannot compare nets (Evci et al. 2020, "Gradient
    flow in sparse neural networks", look at this flow; Tessera et al. 2021, "Keep the gradients flowing", average the norms over
    the layers: `table["norm"].mean()` is their effective gradient flow of the weights). rms = norm / √links, comparable between
    layers and nets of different size; NaN without links. Arguments and errors as for `gradient_norm_per_layer`.
    """
    import pandas

    dw = _link_gradients(model, *_batch(model, X, y, loss, n_samples))
    norms, links = np.array([_norm(values) for values in dw]), np.array(model.nnz)
    rms = np.divide(norms, np.sqrt(links), out=np.full(len(norms), np.nan), where=links > 0)
    return pandas.DataFrame({"layer": np.arange(1, len(norms) + 1), "links": links, "norm": norms, "rms": rms})


def _batch(model, X, y, loss, n_samples):
    """(loss, X, targets, samples): the first rows, checked, as one batch."""
    check_model(model)
    given, y, n = y, checks.as_array(y), checks.integer("n_samples", n_samples)
    if y.ndim not in (1, 2):
        checks.fail("y", given, "(n,) labels or (n, outputs) targets", TypeError)
    labels = y.ndim == 1 and y.dtype.kind in "iu"
    loss = losses.get(loss or ("softmax_cross_entropy" if labels else "mean_squared_error"))
    X, targets = as_features("X", X[:n], model), loss.targets(y[:n], model.sizes[-1], model.dtype)
    if len(targets) != X.shape[0] or not len(targets):
        raise ValueError(f"y has {len(targets)} entries: must be {X.shape[0]} (and at least 1), one for each row of X")
    return loss, X, targets, np.arange(len(targets))


def _link_gradients(model, loss, X, targets, samples):
    dw = LayerwiseEngine(model, loss, tile_width(len(samples)), 1).batch_gradient(X, targets, samples, None)[2]
    if dw is None:
        raise ValueError("model: its gradient is not finite on these samples, so there are no norms to compare")
    return dw


def _norm(values):
    return float(np.linalg.norm(values.astype(np.float64)))
