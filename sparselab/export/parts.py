"""Shared by all formats: links and biases are checked, cast and put together to a net."""

from contextlib import contextmanager

import numpy as np

from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP
from ..nn.shapes import DTYPES, check_dtype
from ..topology.topology import Topology
from ..utils import checks
from ..utils.csr import check_finite, check_kind

PIECE = 2**20  # entries of a dense matrix that are examined at a time


def check_tolerance(tolerance):
    """The tolerance, a number of at least 0."""
    return checks.non_negative("tolerance", tolerance)


@contextmanager
def named_error(name):
    """Put the name of a layer in front of TypeErrors and ValueErrors inside the `with`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{name}: {error}") from error


def paired(name, matrices, biases):
    """(matrices, biases), lists of the same length, from two lists or from one of pairs; a bias may be None."""
    if not isinstance(matrices, list | tuple) or not matrices:
        checks.fail(name, matrices, "a list of at least one matrix, or of pairs (W, b)", TypeError)
    if biases is None:
        pairs = [part if isinstance(part, tuple) and len(part) == 2 else (part, None) for part in matrices]
        return [W for W, _ in pairs], [b for _, b in pairs]
    if not isinstance(biases, list | tuple):
        checks.fail("biases", biases, "None or a list of vectors, one a layer", TypeError)
    if len(biases) != len(matrices):
        raise ValueError(f"len(biases) = {len(biases)}: must be {len(matrices)}, one a layer")
    return list(matrices), list(biases)


def net_of(name, links, biases, dtype, **options):
    """A SparseMLP of [(topology, w)] and [b or None], copied and cast. name: of the argument; options: of SparseMLP."""
    biases = [bias_of(f"biases[{i}]", b, topology.n_out) for i, (b, (topology, _)) in enumerate(zip(biases, links, strict=True))]
    given = [w for _, w in links] + [b for b in biases if b is not None]
    dtype = common_dtype(given) if dtype is None else check_dtype(dtype)
    layers = []
    for i, ((topology, w), b) in enumerate(zip(links, biases, strict=True)):
        b = np.zeros(topology.n_out, dtype) if b is None else cast(f"biases[{i}]", b, dtype)
        layers.append(SparseLinear(topology, cast_links(f"{name}[{i}]", topology, w, dtype), b))
    return SparseMLP(layers, **options)


def bias_of(name, b, n_out):
    """(n_out,) numbers, or None."""
    if b is None:
        return None
    b = np.asarray(b)
    check_kind(f"{name}.dtype", b.dtype)
    if b.shape != (n_out,):
        checks.fail(f"{name}.shape", b.shape, f"({n_out},), as many as the layer has outputs")
    return b


def common_dtype(arrays):
    """float32 where it holds all the arrays' numbers exactly, else float64."""
    found = np.result_type(np.float32, *(array.dtype for array in arrays))
    return found if found in DTYPES else checks.fail("dtype", found, 'given: dtype="float32" or "float64"', TypeError)


def cast(name, values, dtype):
    """A copy as `dtype`; ValueError naming the place of a number that is not finite then."""
    with np.errstate(over="ignore"):
        result = np.array(values, dtype)
    check_finite(result, values, name)
    return result


def cast_links(name, topology, w, dtype):
    """The same for values of links; the place is (output, input)."""
    with np.errstate(over="ignore"):
        result = np.array(w, dtype)
    if not checks.all_finite(result):
        slot = int(np.argmin(np.isfinite(result)))
        place = f"{name}[{topology.rows[slot]}, {topology.indices[slot]}]"
        checks.fail(place, float(w[slot]), f"a finite {np.dtype(dtype)} number")
    return result


def links_over(W, tolerance, mask=None):
    """(topology, w) of the entries of a dense W (n_out, n_in) with |w| > tolerance, or where `mask` is not 0 if there is one.

    With a mask, a tolerance above 0 still excludes entries up to it. W is examined in pieces: nothing as large is allocated.
    """
    n_out, n_in = W.shape
    step, counts, columns, values = max(1, PIECE // n_in), [np.zeros(1, np.int64)], [], []
    for start in range(0, n_out, step):
        piece = W[start : start + step]
        over = (
            ~(np.abs(piece.astype(np.float64)) <= tolerance) if mask is None or tolerance else True
        )  # NaN counts as a link, and is refused later
        keep = over if mask is None else over & (mask[start : start + step] != 0)
        counts.append(keep.sum(axis=1))
        columns.append(np.nonzero(keep)[1].astype(np.int32))
        values.append(piece[keep])
    return Topology(n_out, n_in, np.cumsum(np.concatenate(counts)), np.concatenate(columns)), np.concatenate(values)
