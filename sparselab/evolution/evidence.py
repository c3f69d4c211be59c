"""Activations and gradients of a batch, which rules may use beside the weights; computed on first use."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..datasets.coerce import as_features, as_targets
from ..engines import select
from ..engines.entries import by_entries
from ..engines.layerwise import LayerwiseEngine
from ..engines.tiling import tile_width
from ..nn.footprint import flow_items, net_name, require_memory
from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP, check_model
from ..nn.protocols import Loss
from ..utils import checks

NOT_FINITE = "a gradient or loss that a rule asks for is not finite: the training diverges"
AT_ONCE = 2**18  # numbers that `gradient_at` gathers in one piece, which stay in a cache


class Flow(NamedTuple):
    """Inputs and gradients of one layer for a batch of n samples.

    Parameters
    ----------
    X : ndarray or scipy.sparse.csr_array
        Inputs of the layer, (n_in, n). It is sparse in the first layer where CSR samples go through it by their own entries.
    dZ : ndarray
        Gradient of the loss with respect to the layer's outputs before activation, (n_out, n).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> flow = sl.evolution.Flow(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    >>> flow.gradient_at([0], [0]).tolist()
    [11.0]
    """

    X: NDArray[np.floating] | sparse.csr_array
    dZ: NDArray[np.floating]

    def gradient_at(self, rows: ArrayLike, columns: ArrayLike) -> NDArray[np.floating]:
        """Compute the gradient of single links, whether they exist or not: dZ[row] · X[column].

        Parameters
        ----------
        rows, columns : array_like of int
            Outputs and inputs of k links.

        Returns
        -------
        ndarray
            Gradients (k,).

        Raises
        ------
        TypeError, ValueError
            If a position is outside the layer.
        """
        rows = checks.whole_array("rows", rows)
        columns = checks.whole_array("columns", columns, len(rows))
        for name, places, n in (("rows", rows, len(self.dZ)), ("columns", columns, self.X.shape[0])):
            if len(places) and not 0 <= places.min() <= places.max() < n:
                checks.fail(name, places, f"in [0, {n})")
        out, piece = np.empty(len(rows), self.X.dtype), max(1, AT_ONCE // self.X.shape[1])
        for start in range(0, len(rows), piece):
            part = slice(start, start + piece)
            if sparse.issparse(self.X):
                out[part] = products(self.dZ, self.X[columns[part]], rows[part])
            else:
                np.einsum("kn,kn->k", self.dZ[rows[part]], self.X[columns[part]], out=out[part])
        return out


class Evidence:
    """Inputs and gradients of all layers for a batch, without dropout; computed on first use.

    With these a rule can score any possible link, without computing a dense gradient.

    Parameters
    ----------
    model : SparseMLP
        The network.
    loss : Loss
        The loss.
    X : ndarray or scipy.sparse.csr_array
        Features (samples, features), validated.
    targets : ndarray
        Targets of all samples, as `loss.targets` returns them.
    samples : ndarray of int64
        The samples of the batch.
    order : ndarray of int64, optional
        The samples that are trained after and with them, in their order: what `average` goes through; by default the batch alone.
    epochs : int, optional
        Epochs of the whole training, where it is known.

    Attributes
    ----------
    memory : dict
        What the rule wrote here at its events before, empty at first: numbers, texts, and lists and dicts of them, with texts as
        keys. It is saved in checkpoints, and as it was before where an event fails.
    epochs : int or None
        Epochs of the whole training; None where it is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model, X, y = sl.SparseMLP.create((4, 8, 2), seed=0), np.ones((3, 4), np.float32), np.array([0, 1, 1])
    >>> evidence = sl.evolution.Evidence(model, sl.SoftmaxCrossEntropy(), X, y, np.arange(3))
    >>> [flow.dZ.shape for flow in evidence.flows]
    [(8, 3), (2, 3)]
    """

    def __init__(
        self,
        model: SparseMLP,
        loss: Loss,
        X: NDArray[np.floating] | sparse.csr_array,
        targets: NDArray[np.generic],
        samples: NDArray[np.int64],
        order: NDArray[np.int64] | None = None,
        epochs: int | None = None,
    ) -> None:
        check_model(model)
        self._arguments = model, loss, X, targets, samples
        self._order = samples if order is None else order
        self.memory: dict[str, Any] = {}
        self.epochs = epochs

    @cached_property
    def flows(self) -> list[Flow]:
        """The Flow of each layer; FloatingPointError where a number is not finite."""
        model, loss, X, targets, samples = self._arguments
        need = flow_items(model.sizes, len(samples), model.dtype.itemsize, by_entries(X, model.layers[0].topology))
        advise = lambda have: f"{int(len(samples) * have / sum(need.values()))} samples: a smaller batch_size, or fewer n_batches"
        require_memory(f"the gradients of {len(samples)} samples that a rule asks for, of {net_name(model.sizes)}", need, advise)
        flows = flows_of(model, loss, X, targets, samples)
        if not all(is_finite(part.data if sparse.issparse(part) else part) for flow in flows for part in flow):
            raise FloatingPointError(NOT_FINITE)
        return flows

    def of(self, layer: SparseLinear) -> Flow:
        """Return the Flow of one layer.

        Parameters
        ----------
        layer : SparseLinear
            A layer of the network.

        Returns
        -------
        Flow
            Its inputs and gradients.

        Raises
        ------
        ValueError
            If the layer is not one of the network's.
        """
        for flow, other in zip(self.flows, self._arguments[0].layers, strict=True):
            if other is layer:
                return flow
        checks.fail("layer", layer, "one of the layers of the model that is trained")

    def average(self, n_batches: int, decay: float = 1.0) -> "Evidence":
        """Return the evidence of several batches: its gradients are averages, in which the k-th batch has the weight decay^k.

        The batches are this one, k = 0, and those that follow it in the epoch; after the last sample of the epoch come the first
        ones, whose weights are added up. A dense momentum μ is such an average with decay μ, but of gradients at the weights of
        earlier steps; these are all at the present weights. Time and memory are those of `n_batches` batches, or of all samples.

        Parameters
        ----------
        n_batches : int
            Number of batches, >= 1.
        decay : float, default 1.0
            Factor from one batch to the next, in (0, 1].

        Returns
        -------
        Evidence
            The evidence of all these batches.

        Raises
        ------
        TypeError, ValueError
            If an argument is not such a number.
        """
        n_batches, decay = checks.integer("n_batches", n_batches), checks.fraction("decay", decay)
        model, loss, X, targets, samples = self._arguments
        size, order = len(samples), self._order
        start, n_all = int(np.flatnonzero(order == samples[0])[0]), n_batches * size
        weights = np.zeros(min(n_all, len(order)))
        for first in range(0, n_all, len(order)):  # the samples of the epoch come again
            again = decay ** (np.arange(first, min(first + len(order), n_all)) // size)
            weights[: len(again)] += again
        several = Evidence(model, loss, X, targets, order[(start + np.arange(len(weights))) % len(order)], order, self.epochs)
        several.memory = self.memory
        factors = (weights * (len(weights) / weights.sum())).astype(model.dtype)  # dZ is that of a mean over all
        for flow in several.flows:
            np.multiply(flow.dZ, factors, out=flow.dZ)
        return several

    def input_gradient(self) -> NDArray[np.floating]:
        """Compute the gradient of the loss with respect to the features of the batch.

        Returns
        -------
        ndarray
            Gradients (n_features, n), of the mean loss.

        Raises
        ------
        InsufficientMemoryError
            If there is no memory for them.
        """
        first, (X, dZ) = self._arguments[0].layers[0], self.flows[0]
        if sparse.issparse(X):
            what = f"gradients of {X.shape[1]} samples with respect to their {X.shape[0]} features"
            require_memory(what, {what: 2 * X.shape[0] * X.shape[1] * X.dtype.itemsize}, lambda have: "a smaller batch_size")
            X = X.toarray()
        return first.backward(X, dZ)[0]

    def loss_of(self, X: Any, y: Any) -> float:
        """Compute the mean loss of the network, without dropout, on other samples.

        Parameters
        ----------
        X : array_like or sparse matrix
            Features (n, features).
        y : array_like
            Labels or targets (n,) or (n, outputs), as for `sl.evaluate`.

        Returns
        -------
        float
            The mean loss.

        Raises
        ------
        TypeError, ValueError
            If X or y do not fit the network.
        FloatingPointError
            If the loss is not finite, which ends a training with a DivergedError.
        """
        model, loss, *_ = self._arguments
        targets = loss.targets(as_targets(y, model, loss), model.sizes[-1], model.dtype)
        X = as_features("X", X, model)
        with np.errstate(all="ignore"):
            value = float(select.scores(model, X, 1, loss, targets)[0])
        if not np.isfinite(value):
            raise FloatingPointError(NOT_FINITE)
        return value

    def gradient(self, layer: SparseLinear) -> NDArray[np.floating]:
        """Compute the gradient of the links of one layer.

        Parameters
        ----------
        layer : SparseLinear
            A layer of the network.

        Returns
        -------
        ndarray
            Gradients (nnz,).

        Raises
        ------
        ValueError
            If the layer is not one of the network's.
        FloatingPointError
            If a number is not finite, which ends a training with a DivergedError.
        """
        flow = self.of(layer)
        topology = layer.topology
        by_link = sparse.issparse(flow.X)
        gradient = flow.gradient_at(topology.rows, topology.indices) if by_link else layer.backward(flow.X, flow.dZ)[1]
        if not is_finite(gradient):
            raise FloatingPointError(NOT_FINITE)
        return gradient


def given(evidence: Evidence | None) -> Evidence:
    """The Evidence; TypeError where a rule that needs one is called without."""
    if evidence is None:
        checks.fail("evidence", None, "an Evidence: this rule needs the gradients of a batch", TypeError)
    return evidence


def flows_of(model, loss, X, targets, samples):
    """The Flow of each layer for a batch, also where numbers are not finite."""
    flows = LayerwiseEngine(model, loss, tile_width(len(samples)), 1).flows(X, targets, samples)
    return [Flow(*flow) for flow in flows]


def products(dZ, X, rows):
    """dZ[rows[k]] · X[k] of each row k of a CSR array X (k, n), summed over its entries: (k,) float64."""
    which = np.repeat(np.arange(len(rows)), np.diff(X.indptr))
    return np.bincount(which, dZ[rows[which], X.indices] * X.data, len(rows))


def is_finite(values):
    """Whether every number of an array is finite; a finite sum proves it."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
