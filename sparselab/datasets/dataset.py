"""One dataset: training rows, test rows, and where they come from.

`source` travels with the numbers into titles and result rows, so that a stand-in is never sold as the paper's data.
"""

import math
import numbers
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from ..utils.checks import choice, fail, flag, integer
from . import readers
from .scaling import standardise as scale
from .splits import rows_of_fraction, split_rows
from .validation import check_features, check_targets

SOURCES = ("embedded", "official", "system", "local", "stand-in", "synthetic", "arrays")


@dataclass(frozen=True, eq=False)
class Dataset:
    """X (samples, features): float32 C-contiguous array or sorted csr_array; y: int64 codes (samples,) of `classes`.

    For a regression `classes` is None and y is float32 (samples, outputs). X_test and y_test may both be None.
    `image_shape` is (height, width) or (height, width, channels) of one row, or None. Made by the gate: use
    `from_arrays`, `from_csv`, `from_npz` or `sparselab.datasets.load`, not the constructor.
    """

    X_train: np.ndarray | sparse.csr_array
    y_train: np.ndarray
    X_test: np.ndarray | sparse.csr_array | None = None
    y_test: np.ndarray | None = None
    source: str = "arrays"
    name: str = "arrays"
    classes: np.ndarray | None = None
    image_shape: tuple | None = None

    def __post_init__(self):
        choice("source", self.source, SOURCES)
        if (self.X_test is None) != (self.y_test is None):
            fail("X_test" if self.X_test is None else "y_test", None, "given, or both X_test and y_test left out")
        _check_gated(self.X_train, self.y_train, "train")
        if self.X_test is not None:
            _check_gated(self.X_test, self.y_test, "test")
        if self.X_test is not None and self.X_test.shape[1] != self.n_features:
            fail("X_test.shape[1]", self.X_test.shape[1], f"{self.n_features}, as many features as X has")
        if self.image_shape is not None:
            _check_image(self.image_shape, self.n_features)

    n_features = property(lambda self: self.X_train.shape[1], doc="Columns of X.")
    n_train = property(lambda self: self.X_train.shape[0], doc="Rows to train on.")
    n_test = property(lambda self: 0 if self.X_test is None else self.X_test.shape[0], doc="Rows to test on.")
    is_sparse = property(lambda self: sparse.issparse(self.X_train), doc="Whether X is a CSR matrix.")
    task = property(lambda self: "regression" if self.classes is None else "classification", doc="What y is for.")
    n_classes = property(lambda self: None if self.classes is None else len(self.classes), doc="None: regression.")
    n_outputs = property(lambda self: self.n_classes or self.y_train.shape[1], doc="Width of a net's last layer.")

    @classmethod
    def from_arrays(
        cls,
        X,
        y,
        X_test=None,
        y_test=None,
        *,
        task="classification",
        standardise=False,
        name="arrays",
        source="arrays",
        image_shape=None,
        dtype=np.float32,
        overwrite=False,
    ):
        """A dataset of anything array-like, scipy.sparse or pandas; every value passes the gate.

        The arrays are shared with the caller only where they are float32, C-contiguous and aligned already (CSR:
        sorted and without duplicates too) and not standardised: then do not change them while the dataset is in use.
        `standardise` takes the training mean and deviation (CSR: deviation only, which keeps the zeros);
        `overwrite=True` lets it work inside the caller's arrays instead of a copy.
        Raises ValueError or TypeError naming the argument, the value and what is allowed.
        """
        standardise, overwrite = flag("standardise", standardise), flag("overwrite", overwrite)
        keep = standardise and not overwrite
        X_train = check_features(X, dtype=dtype, copy=keep)
        y_train, classes = check_targets(y, X_train.shape[0], task=task, dtype=dtype)
        if X_test is not None:
            X_test = _same_kind(check_features(X_test, "X_test", dtype=dtype, copy=keep), X_train)
            if y_test is not None:
                y_test, _ = check_targets(y_test, X_test.shape[0], "y_test", task=task, classes=classes, dtype=dtype)
        image_shape = tuple(image_shape) if isinstance(image_shape, list) else image_shape
        made = cls(X_train, y_train, X_test, y_test, source, name, classes, image_shape)
        return made._standardised() if standardise else made

    @classmethod
    def from_csv(cls, path, target=-1, test_fraction=0.2, seed=0, standardise=True, *, task="classification", separator=","):
        """A table of numbers with one column to predict, `target` by name or position (-1: the last); UTF-8.

        The first line is the header unless one of its cells is a number. `test_fraction` 0: no test part.
        """
        X, y = readers.read_csv(path, target, separator)
        whole = cls.from_arrays(X, y, task=task, name=readers.stem(path), source="local")
        return whole._with_test(test_fraction, seed, standardise)

    @classmethod
    def from_npz(cls, path, *, test_fraction=0.2, seed=0, standardise=True, task="classification", image_shape=None):
        """An .npz with X_train, y_train (X_test, y_test), or with X, y, then cut by `test_fraction`; no pickles."""
        arrays, is_cut = readers.read_npz(path)
        settings = {"task": task, "name": readers.stem(path), "source": "local", "image_shape": image_shape}
        if is_cut:
            return cls.from_arrays(*arrays, standardise=standardise, overwrite=True, **settings)
        return cls.from_arrays(*arrays, **settings)._with_test(test_fraction, seed, standardise)

    def split_validation(self, fraction=0.1, seed=0):
        """A new dataset whose test part is cut from the training part (stratified); the real test part is not in it.

        A standardised dataset keeps its scale: mean and deviation are those of the whole training part.
        """
        n_validation = rows_of_fraction("fraction", fraction, self.n_train)
        codes = None if self.classes is None else self.y_train
        first, second = split_rows(codes, self.n_train, n_validation, seed)
        X, y = self.X_train, self.y_train
        return replace(self, X_train=X[first], y_train=y[first], X_test=X[second], y_test=y[second])

    def head(self, n_train, n_test=None):
        """At most the first `n_train` and `n_test` (None: as many) rows, as views."""
        n_train = integer("n_train", n_train)
        n_test = n_train if n_test is None else integer("n_test", n_test)
        cut = {"X_train": self.X_train[:n_train], "y_train": self.y_train[:n_train]}
        if self.X_test is not None:
            cut |= {"X_test": self.X_test[:n_test], "y_test": self.y_test[:n_test]}
        return replace(self, **cut)

    def with_class_names(self, names):
        """The same rows with names in place of the sorted labels, as for pictures labelled 0..9."""
        if self.classes is None or len(names) != len(self.classes):
            fail("names", names, f"{self.n_classes} names, one for each of the classes {self.classes}")
        return replace(self, classes=np.asarray(names))

    def decode(self, codes):
        """Codes 0..k-1 -> the user's own labels; a regression's numbers pass through."""
        return codes if self.classes is None else self.classes[codes]

    def __repr__(self):
        kind = "CSR" if self.is_sparse else "dense"
        target = f"{self.n_classes} classes" if self.classes is not None else f"{self.n_outputs} outputs"
        size = f"{self.n_train} + {self.n_test} x {self.n_features} {kind} {self.X_train.dtype}"
        return f"Dataset({self.name!r}, {size}, {target}, source={self.source!r})"

    def _with_test(self, test_fraction, seed, standardise):
        no_test = test_fraction == 0 and not isinstance(test_fraction, bool)
        made = self if no_test else self.split_validation(test_fraction, seed)
        return made._standardised() if standardise else made

    def _standardised(self):
        """Itself, scaled IN PLACE: only for arrays that belong to nobody else."""
        scale(self.X_train, self.X_test)
        return self


def _check_gated(X, y, part):
    """The constructor's cheap look at whether X and y came through the gate."""
    is_csr = sparse.issparse(X) and X.format == "csr"
    is_dense = isinstance(X, np.ndarray) and X.ndim == 2 and X.flags.c_contiguous
    if not (is_csr or is_dense) or X.dtype not in (np.float32, np.float64):
        fail(f"X_{part}", type(X), "what the gate makes: use Dataset.from_arrays", TypeError)
    if len(y) != X.shape[0]:
        fail(f"len(y_{part})", len(y), f"{X.shape[0]}, one entry for each row of X_{part}")


def _check_image(shape, n_pixels):
    """(height, width) or (height, width, channels) of as many pixels as a row has features."""
    sides = list(shape) if isinstance(shape, tuple | list) else []
    whole = all(isinstance(side, numbers.Integral) and not isinstance(side, bool) and side > 0 for side in sides)
    if len(sides) not in (2, 3) or not whole or math.prod(sides) != n_pixels:
        fail("image_shape", shape, f"of {n_pixels} pixels, the features of a row: (height, width) or (height, width, channels)")


def _same_kind(X_test, X_train):
    kinds = ["sparse" if sparse.issparse(X) else "dense" for X in (X_test, X_train)]
    if kinds[0] != kinds[1]:
        fail("X_test", type(X_test), f"{kinds[1]} like X, not {kinds[0]}", TypeError)
    return X_test
