"""What hypothesis draws: small topologies with everything that is odd about big ones, and values with ties and zeros."""

import naive
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparselab.topology.topology import Topology


def topology_of(mask):
    """The links of a bool matrix (n_out, n_in)."""
    mask = np.asarray(mask, bool)
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
    return Topology(*mask.shape, indptr, np.nonzero(mask)[1].astype(np.int32))


def mask_of(topology):
    """(n_out, n_in) bool, without asking the topology."""
    mask = np.zeros((topology.n_out, topology.n_in), bool)
    for j in range(topology.n_out):
        mask[j, topology.indices[topology.indptr[j] : topology.indptr[j + 1]]] = True
    return mask


def places_of(topology):
    """[(row, column)] of every link, in slot order."""
    return [tuple(map(int, place)) for place in np.argwhere(mask_of(topology))]


def lawful(topology):
    """Every law of the class docstring, looked at without the package."""
    t = topology
    assert (t.indptr.dtype, t.indices.dtype) == (np.int64, np.int32)
    assert not naive.faults(t.n_out, t.n_in, t.indptr.tolist(), t.indices.tolist())
    assert t.nnz == len(t.indices) == t.indptr[-1]
    return True


@st.composite
def masks(draw, max_out=8, max_in=8):
    """Bool matrices: any pattern, often with empty and full rows and columns."""
    shape = draw(st.integers(1, max_out)), draw(st.integers(1, max_in))
    mask = draw(hnp.arrays(bool, shape, elements=st.booleans()))
    for axis in (0, 1):
        for kind in (False, True):
            if draw(st.integers(0, 3)) == 0:
                line = draw(st.integers(0, shape[axis] - 1))
                mask[(line, slice(None)) if axis == 0 else (slice(None), line)] = kind
    return mask


topologies = masks().map(topology_of)

# few different values, so that ties are common; both zeros
weights = st.sampled_from([-2.0, -1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 1.0, 2.0])
shares = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), st.floats(0, 1))
seeds = st.integers(0, 2**32 - 1)


def values_for(n):
    return hnp.arrays(np.float32, n, elements=weights)


@st.composite
def weighted_topologies(draw):
    """(topology, w, velocity)."""
    topology = draw(topologies)
    return topology, draw(values_for(topology.nnz)), draw(values_for(topology.nnz))


@st.composite
def rewirings(draw):
    """(topology, keep, n_new, seed) that `rewire` accepts."""
    topology = draw(topologies)
    keep = draw(hnp.arrays(bool, topology.nnz, elements=st.booleans()))
    free = topology.n_out * topology.n_in - int(keep.sum())
    return topology, keep, draw(st.one_of(st.just(free), st.integers(0, free))), draw(seeds)
