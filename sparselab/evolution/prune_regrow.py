"""Prune a share of the links, grow as many elsewhere: the shape of SET and of most rules after it."""

from dataclasses import dataclass

import numpy as np

from ..topology.rewiring import check_free, grow, rewire
from ..utils import checks
from . import criteria, regrowths

SHAPES = {
    "criterion": "(layer, state, evidence, rng, zeta) -> scores or keep",
    "regrowth": "(layer, topology, n_new, evidence, rng) -> (rows, columns)",
}


@dataclass(frozen=True)
class PruneRegrow:
    """On every layer but the output one: the criterion says which links go, the regrowth where as many are grown.

    zeta: share replaced, in [0, 1], or a function epoch -> share (see schedules.py). criterion: a function
    of criteria.py, or your own; regrowth: of regrowths.py, or your own. Raises TypeError or ValueError naming the argument; a bad
    answer of a criterion or regrowth is a ValueError before anything is changed.
    """

    zeta: object = 0.3
    criterion: object = criteria.magnitude_within_sign
    regrowth: object = regrowths.uniform

    def __post_init__(self):
        if not callable(self.zeta):
            checks.fraction("zeta", self.zeta)
        for name, shape in SHAPES.items():
            plug_in = getattr(self, name)
            if not callable(plug_in) or isinstance(plug_in, type):
                checks.fail(name, plug_in, f"a function {shape}", TypeError)

    def __call__(self, epoch, model, state, evidence, rng):
        """A Rewiring for each layer; None for the output layer, for dense ones (nowhere to grow) and where zeta is 0."""
        return list(self.by_layer(epoch, model, state, evidence, rng))

    def by_layer(self, epoch, model, state, evidence, rng):
        """The same one after the other: the caller may replace a layer before it asks for the next one."""
        zeta = checks.fraction("zeta", self.zeta(epoch) if callable(self.zeta) else self.zeta)
        for index, layer in enumerate(model.layers):
            last = index + 1 == len(model.layers)
            yield None if last or zeta == 0 else self._rewire(layer, state[index] if state else None, evidence, rng, zeta)

    def _rewire(self, layer, state, evidence, rng, zeta):
        topology = layer.topology
        if topology.density == 1:
            return None
        keep = criteria.kept(self.criterion(layer, state, evidence, rng, zeta), topology.nnz, zeta)
        n_new = topology.nnz - int(np.count_nonzero(keep))
        if self.regrowth is regrowths.uniform or not n_new:  # uniform: the same links, in one pass
            return rewire(topology, keep, n_new, rng=rng)
        pruned = rewire(topology, keep)
        check_free(topology.shape, pruned.topology.nnz, n_new)
        rows, columns = self._answer(self.regrowth(layer, pruned.topology, n_new, evidence, rng), n_new)
        try:
            return pruned.then(grow(pruned.topology, rows, columns))
        except (TypeError, ValueError) as error:
            raise type(error)(f"regrowth: {error}") from error

    def _answer(self, answer, n_new):
        """(rows, columns) of a regrowth, as many as were asked for."""
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            checks.fail("regrowth's answer", answer, f"(rows, columns), {n_new} each: a place for each link that was pruned")
        return [checks.whole_array(f"regrowth's {name}", part, n_new) for name, part in zip(("rows", "columns"), answer)]


@dataclass(frozen=True)
class SET(PruneRegrow):
    """Sparse evolutionary training (Mocanu et al. 2018): PruneRegrow with SET's criterion, magnitude within each sign."""
