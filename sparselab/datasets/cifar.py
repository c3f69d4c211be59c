"""Reads CIFAR-10's python batches, which are pickles, without executing code from them.

The three numpy names that a batch needs are replaced by classes that only store bytes and shape; any other name is an error. So a
malicious file cannot run code, whether or not its checksum was verified.
"""

import math
import pickle
import tarfile

import numpy as np

from ..utils.checks import fail
from .archives import files_in
from .formats import BROKEN, refuse

TRAIN = [f"data_batch_{i}" for i in range(1, 6)]
TEST = ["test_batch"]
META = "batches.meta"


def read_cifar10(path, n_pixels=3072):
    """Read cifar-10-python.tar.gz: (X, y, X_test, y_test, class names); X (images, 3072) uint8 has red, green and blue planes.

    The archive is not unpacked to disk. Raises ValueError naming what is missing or not allowed.
    """
    try:
        batches = _read_archive(path)
        train, test = ([batches[name] for name in names] for names in (TRAIN, TEST))
        names = np.array([name.decode() for name in batches[META][b"label_names"]])
        return *_join(train, n_pixels), *_join(test, n_pixels), names
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError, AttributeError, *BROKEN) as error:
        reason = f"{type(error).__name__}: {str(error)[:160]}"
        refuse(path, f"the archive of CIFAR-10's python batches ({reason})")


def _read_archive(path):
    """Return {name: batch} of the known members."""
    named = ((name.rpartition("/")[2], file) for name, file in files_in(path))
    return {name: load_batch(file) for name, file in named if name in (*TRAIN, *TEST, META)}


def _join(batches, n_pixels):
    """Concatenate batches: images (images, n_pixels) uint8 and labels (images,) int64."""
    y = np.array([label for batch in batches for label in batch[b"labels"]], dtype=np.int64)
    X = np.concatenate([batch[b"data"].array() for batch in batches])
    if X.shape != (len(y), n_pixels):
        fail("shape", X.shape, f"{n_pixels} bytes an image and one label each, and there are {len(y)} labels")
    return X, y


def load_batch(file):
    """Return the dictionary of a batch; ValueError for a pickle that contains more than arrays of bytes."""
    try:
        return _Unpickler(file, encoding="bytes").load()
    except Exception as error:  # a malicious file can raise anything
        raise ValueError(f"not a batch of CIFAR-10: {error}") from None


class _Array:
    """Replaces numpy.ndarray in a pickle: stores bytes and shape."""

    def __init__(self, *_):
        self.shape, self.raw = (0,), b""

    def __setstate__(self, state):
        _, self.shape, kind, _, self.raw = state
        if not isinstance(self.raw, bytes) or kind.name not in ("u1", b"u1") or math.prod(self.shape) != len(self.raw):
            raise pickle.UnpicklingError(f"arrays of bytes only, not {kind.name!r} {self.shape!r}")

    def array(self):
        """Return the uint8 array."""
        return np.frombuffer(self.raw, np.uint8).reshape(self.shape)


class _Kind:
    """Replaces numpy.dtype in a pickle: stores the name."""

    def __init__(self, name, *_):
        self.name = name

    def __setstate__(self, state):
        """Ignore byte order and the like, which do not matter for single bytes."""


class _Unpickler(pickle.Unpickler):
    """An unpickler that accepts three names of numpy and no others."""

    names = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Kind,
    }

    def find_class(self, module, name):
        if (module, name) not in self.names:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return self.names[module, name]
