"""SRigL: structured RigL, in which all active neurons of a layer have the same number of incoming links."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring
from ..utils import checks
from ..utils.largest import Largest
from . import criteria, regrowths
from .evidence import Evidence, given
from .prune_regrow import PruneRegrow, at, moved


@dataclass(frozen=True)
class SRigL(PruneRegrow):
    """Structured RigL: links move to large gradients, and every neuron keeps the same fan-in or loses all of its links.

    Salient are the links with the largest |w|, all but a share ζ, and as many positions with the largest |gradient|. A neuron
    with fewer than γ k salient positions (at least one), k being the fan-in, loses all links and may get them again later; the
    last layer keeps all neurons. The links of the layer are then divided equally among the other neurons: each keeps its largest
    weights and grows where its gradients are largest. Gradients are computed in blocks of rows, as by `regrowths.ExactGradient`.
    The number of links stays, less what does not divide, which counts at the next event; what other rules remove is lost. A layer
    with fewer links than neurons to divide them among stays as it is.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that may be replaced, in [0, 1], or a function of the epoch.
    criterion, regrowth : optional
        Parts of the method, which have no other value.
    new_values, same_place, layers, every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        See PruneRegrow; `same_place`, `density` and `extra` have no other value.
    min_salient : float, default 0.3
        The share γ, in [0, 1].
    block : int, default 4,194,304
        Gradients that are computed at a time, or those of one row, >= 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Lasby et al. (2023), "Dynamic Sparse Training with Structured Sparsity", arXiv 2305.02299, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0)
    >>> _ = list(sl.train(model, (X, y), epochs=3, rules=[sl.SRigL(0.3)], seed=0))
    >>> len(set(model.layers[0].topology.fan_in.tolist()) - {0})
    1
    """

    criterion: criteria.Criterion = criteria.magnitude
    regrowth: regrowths.Regrowth = regrowths.ExactGradient()
    same_place: str = "kept"
    min_salient: float = 0.3
    block: int = 2**22

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("criterion", "regrowth", "same_place", "density", "extra"):
            if getattr(self, name) != getattr(SRigL, name):
                checks.fail(name, getattr(self, name), f"{getattr(SRigL, name)!r}, which is a part of SRigL")
        checks.fraction("min_salient", self.min_salient)
        checks.integer("block", self.block)

    def by_layer(
        self,
        epoch: float,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> Iterator[Rewiring | None]:
        """Compute the change of one layer after the other.

        Parameters
        ----------
        epoch : int or float
            Number of finished epochs.
        model : SparseMLP
            The network. The caller may replace a layer before it asks for the change of the next one.
        state : list of LayerState or None
            The optimizer's state of each layer; not used.
        evidence : Evidence
            Activations and gradients of a batch.
        rng : numpy.random.Generator
            Source of randomness of new values.

        Yields
        ------
        Rewiring or None
            The change of a layer; None for no change.
        """
        zeta, chosen = checks.fraction("zeta", at(self.zeta, epoch)), self._chosen(len(model.layers))
        evidence = given(evidence)
        missing = evidence.memory.setdefault("missing", [0] * len(model.layers))  # links of each layer that did not divide
        evidence, last = self._averaged(evidence), len(model.layers) - 1
        for index, layer in enumerate(model.layers):
            if index not in chosen or zeta == 0 or layer.topology.density == 1:
                yield None
            else:
                links = layer.topology.nnz + missing[index]
                change = self._fan_in_change(layer, evidence.of(layer), zeta, links, ablates=index < last)
                if change is None:
                    yield None
                    continue
                rewiring = moved(layer.topology, *change, "kept")
                missing[index] = links - rewiring.topology.nnz
                yield self._with_values(rewiring, layer, evidence, rng)

    def _fan_in_change(self, layer, flow, zeta, links, *, ablates):
        """(keep, rows, columns) of a layer that has to have `links` links; ablates: whether neurons may lose all of them.

        None where there is not a link for each neuron.
        """
        topology, size = layer.topology, np.abs(layer.w)
        n_out, n_in = topology.shape
        keep, active = criteria.all_but_lowest(size, zeta), np.ones(n_out, bool)
        if ablates:
            best = Largest(int(zeta * topology.nnz))
            for begin, gradients in self._gradients(flow):
                best.offer(gradients.ravel(), begin * n_in)
            survivors = topology.rows[keep].astype(np.int64) * n_in + topology.indices[keep]
            salient = np.bincount(np.union1d(survivors, best.places()) // n_in, minlength=n_out)
            fan_in = topology.nnz // max(1, int(np.count_nonzero(topology.fan_in)))
            active = salient >= max(1, int(self.min_salient * fan_in))
            active[np.argmax(salient)] = True
        fan_in = min(n_in, links // int(np.count_nonzero(active)))
        if not fan_in:
            return None
        keep &= active[topology.rows] & (rank_in_row(topology, np.where(keep, size, -1)) < fan_in)
        return keep, *self._grown(topology, keep, np.where(active, fan_in, 0), flow)

    def _gradients(self, flow):
        """(first row, |gradients| of all positions in a block of rows) of each block."""
        n_rows = max(1, self.block // flow.X.shape[0])
        for begin in range(0, len(flow.dZ), n_rows):
            yield begin, np.abs(flow.dZ[begin : begin + n_rows] @ flow.X.T)

    def _grown(self, topology, keep, wanted, flow):
        """(rows, columns) where the gradients of each row are largest, so that it has as many links as wanted."""
        kept_rows, kept_columns = topology.rows[keep], topology.indices[keep]
        missing, found = wanted - np.bincount(kept_rows, minlength=topology.n_out), [np.zeros((2, 0), np.int64)]
        for begin, gradients in self._gradients(flow):
            inside = (kept_rows >= begin) & (kept_rows < begin + len(gradients))
            gradients[kept_rows[inside] - begin, kept_columns[inside]] = -1
            for row, n in enumerate(missing[begin : begin + len(gradients)]):
                columns = np.argsort(-gradients[row], kind="stable")[:n] if n else np.zeros(0, np.int64)
                found.append(np.stack([np.full(n, begin + row), columns]))
        return np.concatenate(found, axis=1)


def rank_in_row(topology, values):
    """The rank of each link's value among those of its row, 0 for the largest; among equals the first one."""
    order = np.lexsort((-values, topology.rows))
    rank = np.empty(topology.nnz, np.int64)
    rank[order] = np.arange(topology.nnz) - topology.indptr[topology.rows[order]]
    return rank
