"""Model files, the same as `sl.save` and `sl.load` write and read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..checkpoints.model_file import load, save

if TYPE_CHECKING:
    from ..nn.mlp import SparseMLP


def to_npz(model: SparseMLP, path: str | os.PathLike[str]) -> str:
    """Write a net to a file, as `sl.save` does.

    The file is an uncompressed .npz that needs nothing but NumPy. For layer 0, 1, … it holds, as 1-D arrays,

        "0.indptr"   (n_out + 1,) int64    links of neuron j are the slots indptr[j] … indptr[j + 1]
        "0.indices"  (nnz,) int32          the input of each link
        "0.w"        (nnz,)                the value of each link, float32 or float64
        "0.b"        (n_out,)              biases

    for activations with k trained values also "0.values" (k · n_out,), the first value of all neurons first; after neuron pruning
    "0.neurons" (n_out,) int64, the original ids of the neurons that are left; and "header", JSON as uint8: under "model" the
    widths ("sizes", "original_sizes"), "nnz", "dtype", "dropout", "activation" and "initializer", "classes" where the outputs
    stand for labels other than their numbers, and "values" where there are any: k of each layer. With scipy, the outputs of the
    first layer are

        file = np.load(path)
        sizes = json.loads(bytes(file["header"]))["model"]["sizes"]
        W = scipy.sparse.csr_array((file["0.w"], file["0.indices"], file["0.indptr"]), shape=(sizes[1], sizes[0]))
        Z = (W @ X.T).T + file["0.b"]

    Parameters
    ----------
    model : SparseMLP
        The net.
    path : str or path-like
        The file; ".npz" is added where it is missing.

    Returns
    -------
    str
        The path that was written.

    Raises
    ------
    OSError or ValueError
        As `sl.save` does.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sl.export.to_npz(model, os.path.join(folder, "net"))
    ...     again = sl.export.from_npz(path)
    >>> again.n_links == model.n_links
    True
    """
    return save(model, path)


def from_npz(path: str | os.PathLike[str]) -> SparseMLP:
    """Read a net from a file of `to_npz` or `sl.save`, bit for bit, as `sl.load` does.

    Arrays of an .npz that another program wrote have no digest and are refused: read them with NumPy and use `from_scipy`.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    SparseMLP
        The net.

    Raises
    ------
    FileNotFoundError or CheckpointError
        As `sl.load` does.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sl.export.to_npz(sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0), os.path.join(folder, "net"))
    ...     sl.export.from_npz(path).sizes
    (4, 8, 3)
    """
    return load(path)
