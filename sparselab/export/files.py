"""The model file under the names of this room: there is one format, and it is a plain .npz."""

from ..checkpoints.model_file import load, save


def to_npz(model, path):
    """Write a net to `path` (.npz is added where missing); returns the path. The same as `sl.save`, errors too.

    The file is an uncompressed .npz that needs nothing but NumPy. For layer 0, 1, … it holds, as 1-D arrays,

        "0.indptr"   (n_out + 1,) int64    links of neuron j are the slots indptr[j] … indptr[j + 1]
        "0.indices"  (nnz,) int32          the input of each link
        "0.w"        (nnz,)                the value of each link, float32 or float64
        "0.b"        (n_out,)              biases

    where neurons went "0.neurons" (n_out,) int64, the original ids of those that are left, and "header", JSON as uint8: under
    "model" the widths ("sizes", "original_sizes"), "nnz", "dtype", "dropout", "activation" and "initializer".
    With scipy, the weights of a layer are

        file = np.load(path)
        sizes = json.loads(bytes(file["header"]))["model"]["sizes"]
        W = scipy.sparse.csr_array((file["0.w"], file["0.indices"], file["0.indptr"]), shape=(sizes[1], sizes[0]))
        Z = (W @ X.T).T + file["0.b"]
    """
    return save(model, path)


def from_npz(path):
    """The net in a file that `to_npz` or `sl.save` wrote, bit for bit. The same as `sl.load`, errors too.

    Arrays of an .npz written by hand have no digest and are refused: read them with NumPy and use `from_scipy`.
    """
    return load(path)
