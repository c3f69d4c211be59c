"""A dataset: training rows, test rows, and where they come from.

`source` appears in titles and result tables, so that artificial data is never mistaken for the paper's.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import IO, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from ..utils.checks import choice, fail, flag, integer
from ..utils.checks import path as checked_path
from . import readers
from .augmentation import Augmentation, check_augmentation
from .scaling import by_one_number, check_scaling, warn_of_lost_digits
from .scaling import standardise as scale
from .splits import rows_of_fraction, split_rows
from .targets import as_classes
from .validation import (
    as_numbers,
    check_dtype,
    check_features,
    check_form,
    check_image,
    check_same_columns,
    check_same_kind,
    check_shape,
    check_targets,
    is_wide,
    share_memory,
    sparse_values,
)  # fmt: skip
from .weights import check_weights, weights_of_classes

SOURCES = ("embedded", "official", "system", "local", "stand-in", "synthetic", "arrays")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test data in the form that training reads.

    Use `from_arrays`, `from_csv`, `from_npz` or `sparselab.datasets.load`, which validate and convert the data, rather than this
    constructor, which does not.

    Parameters
    ----------
    X_train : ndarray or scipy.sparse.csr_array
        Features (samples, features), float32 or float64: a C-contiguous array, or a sorted CSR without duplicates.
    y_train : ndarray
        Codes (samples,) int64 of the classes; or the numbers (samples, outputs) of a regression, or 0 and 1 for several labels a
        sample, which may be a csr_array.
    X_test, y_test : optional
        The same of the test rows, or both None.
    source : str, default "arrays"
        Where the data comes from: "embedded", "official", "system", "local", "stand-in", "synthetic" or "arrays".
    name : str, default "arrays"
        Name of the dataset.
    classes : ndarray, optional
        The labels, so that the label of code i is classes[i]; None for a regression.
    image_shape : tuple of int, optional
        (height, width) or (height, width, channels) where a row is an image.
    factor : float, default 1.0
        What sparse features were multiplied by to be standardised; new rows for a net that is trained on this dataset must be
        multiplied by it, too.
    augmentation : Augmentation, optional
        How the images of the training rows are changed at random when they are trained on, see `with_augmentation`.
    weights : ndarray, optional
        Weights (samples,) of the training rows, see `with_weights`.
    weights_test : ndarray, optional
        Weights of the test rows in evaluations.
    label_names : ndarray, optional
        Names (labels,) of the columns of y where a row may have several labels.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not have this form or do not fit together.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.Dataset.from_arrays([[0, 1], [1, 0], [1, 1]], ["cat", "dog", "cat"])
    >>> data.n_features, data.n_classes, data.y_train.tolist()
    (2, 2, [0, 1, 0])
    """

    X_train: NDArray[np.floating] | sparse.csr_array
    y_train: NDArray[Any]
    X_test: NDArray[np.floating] | sparse.csr_array | None = None
    y_test: NDArray[Any] | None = None
    source: str = "arrays"
    name: str = "arrays"
    classes: NDArray[Any] | None = None
    image_shape: tuple[int, ...] | None = None
    factor: float = 1.0
    augmentation: Augmentation | None = None
    weights: NDArray[np.float64] | None = None
    weights_test: NDArray[np.float64] | None = None
    label_names: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        choice("source", self.source, SOURCES)
        if (self.X_test is None) != (self.y_test is None):
            fail("X_test" if self.X_test is None else "y_test", None, "given, or both X_test and y_test left out")
        check_form(self.X_train, self.y_train, "train")
        if self.X_test is not None:
            check_form(self.X_test, self.y_test, "test")
        if self.X_test is not None and self.X_test.shape[1] != self.n_features:
            fail("X_test.shape[1]", self.X_test.shape[1], f"{self.n_features}, as many features as X has")
        if self.image_shape is not None:
            check_image(self.image_shape, self.n_features)
        if self.augmentation is not None:
            check_augmentation(self.augmentation, self.X_train)
        for name, weights, n in (("weights", self.weights, self.n_train), ("weights_test", self.weights_test, self.n_test)):
            if weights is not None:
                check_weights(weights, n, name)
        if self.label_names is not None and (self.classes is not None or len(self.label_names) != self.n_outputs):
            fail("label_names", self.label_names, "one name for each column of y, which has no classes")

    @property
    def n_features(self) -> int:
        """Number of features: columns of X."""
        return self.X_train.shape[1]

    @property
    def n_train(self) -> int:
        """Number of training rows."""
        return self.X_train.shape[0]

    @property
    def n_test(self) -> int:
        """Number of test rows; 0 without a test part."""
        return 0 if self.X_test is None else self.X_test.shape[0]

    @property
    def is_sparse(self) -> bool:
        """Whether X is a CSR matrix."""
        return sparse.issparse(self.X_train)

    @property
    def task(self) -> str:
        """What the targets are for: "classification" or "regression"."""
        return "regression" if self.classes is None else "classification"

    @property
    def has_labels(self) -> bool:
        """Whether a sample may have several labels: whether y is a csr_array."""
        return sparse.issparse(self.y_train)

    @property
    def n_classes(self) -> int | None:
        """Number of classes; None for a regression."""
        return None if self.classes is None else len(self.classes)

    @property
    def n_outputs(self) -> int:
        """Width that the last layer of a network needs."""
        return self.n_classes or self.y_train.shape[1]

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        y: ArrayLike,
        X_test: Any = None,
        y_test: Any = None,
        *,
        task: str = "classification",
        standardise: bool | str = False,
        name: str = "arrays",
        source: str = "arrays",
        image_shape: tuple[int, ...] | list[int] | None = None,
        dtype: DTypeLike = np.float32,
        overwrite: bool = False,
        classes: NDArray[Any] | None = None,
    ) -> Self:
        """Make a dataset of arrays; every value is validated.

        Arrays are shared with the caller if they have the right form already (dtype, C-contiguous and aligned; CSR also sorted
        and without duplicates) and are not standardised: do not change them while the dataset is in use.

        Parameters
        ----------
        X : array_like, data frame or scipy.sparse matrix
            Features (samples, features): real numbers of any dtype and memory layout.
        y : array_like
            Labels (samples,): strings, bools or whole numbers. For a regression numbers (samples,) or (samples, outputs). For
            several labels a sample, whatever the task, a sparse matrix (samples, labels) of 0 and 1.
        X_test, y_test : optional
            The same of the test rows.
        task : {"classification", "regression"}, default "classification"
            What the targets are for.
        standardise : bool or "auto", default False
            True: features are scaled by mean and standard deviation of the training rows; those of a sparse matrix are only
            divided by the standard deviation, so that it stays sparse. False: they are taken as they are. "auto": True for dense
            features; sparse ones, such as TF-IDF of words, are all multiplied by one number, `factor`, which gives the training
            rows a length of 10 (root of the mean square), because dividing by deviations inflates rare features.
        name : str, default "arrays"
            Name of the dataset.
        source : str, default "arrays"
            Where the data comes from, see Dataset.
        image_shape : tuple of int, optional
            (height, width) or (height, width, channels) where a row is an image.
        dtype : {"float32", "float64"}, default float32
            Type of the features.
        overwrite : bool, default False
            Whether standardisation may write into the caller's arrays, which saves a copy.
        classes : ndarray, optional
            The labels of a classification in the order of their codes, some of which may not occur in y; by default those that
            occur, sorted.

        Returns
        -------
        Dataset
            The dataset.

        Raises
        ------
        TypeError, ValueError
            If an argument or a value of an array is not allowed.
        """
        check_scaling(standardise)
        check_same_columns(X, X_test)
        X, overwrite = sparse_values(X, "X"), flag("overwrite", overwrite)
        if classes is not None:
            classes = as_classes(classes, np.size(classes))
        common = isinstance(standardise, str) and sparse.issparse(X)
        checked = partial(_checked, dtype=dtype, standardise=bool(standardise), keep=standardise and not (overwrite or common))
        X_train = checked(X, "X")
        y_train, classes = check_targets(y, X_train.shape[0], task=task, dtype=dtype, classes=classes)
        if X_test is not None:
            X_test = check_same_kind(checked(X_test, "X_test"), X_train)
            X_test = X_test.copy() if standardise and share_memory(X_train, X_test) else X_test  # not to scale rows twice
            if y_test is not None:
                y_test, _ = check_targets(y_test, X_test.shape[0], "y_test", task=task, classes=classes, dtype=dtype)
        image_shape = tuple(image_shape) if isinstance(image_shape, list) else image_shape
        made = cls(X_train, y_train, X_test, y_test, source, name, classes, image_shape)
        if not standardise:
            return made
        if common:
            X_train, X_test, factor = by_one_number(X_train, X_test, dtype)
            return replace(made, X_train=X_train, X_test=X_test, factor=factor)
        X_train, X_test = scale(X_train, X_test, dtype)  # in place where the arrays have this dtype and are not the caller's
        return replace(made, X_train=X_train, X_test=X_test)

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str] | IO[Any],
        *,
        target: int | str | Sequence[int | str] | None = None,
        test_fraction: float = 0.2,
        seed: int = 0,
        standardise: bool | str = "auto",
        task: str = "classification",
        columns: Sequence[int | str] | None = None,
        missing: str | None = None,
        separator: str | None = None,
        header: bool | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
        image_shape: tuple[int, ...] | list[int] | None = None,
    ) -> Self:
        """Read a file; its extension says what it is.

        Text tables end in .csv, .tsv, .tab, .txt, .data or .dat; a first line `sep=;`, as for Excel, tells the separator, and
        comments, lines that begin with # or %, are left out (between rows with a warning). Other files end in .arff, .svmlight
        (.libsvm, .svm; read as CSR), .mat (MATLAB 5 to 7) or .npz; .gz, .bz2 or .xz may follow. An .npz or .mat holds X_train and
        y_train, and possibly X_test and y_test; or X and y, which are split. Usual other names of these arrays are known, such as
        x_train or labels. Pickled objects are not loaded.

        Parameters
        ----------
        path : path-like or open file
            The file; an open one needs a `name`.
        target : int, str or sequence of them, optional
            Position or name of the target's column in a table, by default the last one; or those of several targets of a
            regression.
        test_fraction : float, default 0.2
            Share of rows for the test part, in (0, 1), or 0 for no test part; not used where the file has a test part.
        seed : int, default 0
            Source of randomness of the split.
        standardise : bool or "auto", default "auto"
            Whether features are scaled by mean and standard deviation of the training rows. "auto": True for dense features;
            sparse ones are multiplied by one number (see `from_arrays`).
        task : {"classification", "regression"}, default "classification"
            What the target is for.
        columns : sequence of int or str, optional
            Positions or names of the columns of a table that are features; by default all but the target, and but a first column
            without a name (an index; there is a warning).
        missing : {"refuse", "drop"}, optional
            What happens to rows of a table with missing cells, which are empty or one of ?, NA, N/A, NaN, null, None. By default
            they are refused.
        separator : str, optional
            Character between the cells of a text table, or r"\\s+" for white space; found if it is not given.
        header : bool, optional
            Whether the first line of a text table names its columns; found if it is not given: a line without numbers does, and
            one with text above numbers (with a warning). It may leave out the first column, the names of rows, as R does.
        decimal : {".", ","}, optional
            Decimal mark of a text table; found if it is not given. There is a warning where commas may part thousands.
        encoding : str, optional
            Encoding of a text table; by default UTF-8.
        image_shape : tuple of int, optional
            (height, width) or (height, width, channels) where a row is an image; by default that of arrays of images.

        Returns
        -------
        Dataset
            The dataset, named after the file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError, ValueError
            If an argument, a cell (the message names line and column) or an array of the file is not allowed.

        Examples
        --------
        >>> import io
        >>> import sparselab as sl
        >>> file = io.StringIO("size;price;bought\\n1,5;2;yes\\n2,5;3;no\\n3,5;1;no\\n0,5;1;yes\\n")
        >>> file.name = "shop.csv"
        >>> sl.datasets.Dataset.from_file(file, test_fraction=0.5).n_features
        2
        """
        options = {
            "target": target, "columns": columns, "missing": missing, "separator": separator, "header": header,
            "decimal": decimal, "encoding": encoding,
        }  # fmt: skip
        return cls._read(path, None, options, test_fraction, seed, standardise, task, image_shape)

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str] | IO[Any],
        target: int | str = -1,
        test_fraction: float = 0.2,
        seed: int = 0,
        standardise: bool | str = True,
        *,
        task: str = "classification",
        separator: str | None = None,
        **options: Any,
    ) -> Self:
        """Read a text table with any extension; see `from_file`, which has the same arguments.

        Parameters
        ----------
        path : path-like or open file
            The file.
        target : int or str, default -1
            Position or name of the target's column; by default the last one.
        test_fraction : float, default 0.2
            Share of rows for the test part, in (0, 1), or 0 for no test part.
        seed : int, default 0
            Source of randomness of the split.
        standardise : bool or "auto", default True
            Whether features are scaled by mean and standard deviation of the training rows, which "auto" does, too.
        task : {"classification", "regression"}, default "classification"
            What the target is for.
        separator : str, optional
            Character between cells; found if it is not given.
        **options
            Also header, columns, decimal, missing and encoding, as for `from_file`.

        Returns
        -------
        Dataset
            The dataset, named after the file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError, ValueError
            If an argument or a cell is not allowed; the message names line and column.
        """
        options |= {"target": target, "separator": separator}
        return cls._read(path, ".csv", options, test_fraction, seed, standardise, task)

    @classmethod
    def from_npz(
        cls,
        path: str | PathLike[str] | IO[Any],
        *,
        test_fraction: float = 0.2,
        seed: int = 0,
        standardise: bool | str = True,
        task: str = "classification",
        image_shape: tuple[int, ...] | list[int] | None = None,
    ) -> Self:
        """Read an .npz file with any extension; see `from_file`, which has the same arguments.

        Parameters
        ----------
        path : path-like or open file
            A file with the arrays X_train and y_train, and possibly X_test and y_test; or with X and y, which are split.
        test_fraction : float, default 0.2
            Share of rows for the test part where the file has X and y, in (0, 1), or 0 for no test part.
        seed : int, default 0
            Source of randomness of the split.
        standardise : bool or "auto", default True
            Whether features are scaled by mean and standard deviation of the training rows, which "auto" does, too.
        task : {"classification", "regression"}, default "classification"
            What the targets are for.
        image_shape : tuple of int, optional
            (height, width) or (height, width, channels) where a row is an image; by default that of arrays of images.

        Returns
        -------
        Dataset
            The dataset, named after the file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError, ValueError
            If an argument, or an array of the file, is not allowed.
        """
        return cls._read(path, ".npz", {}, test_fraction, seed, standardise, task, image_shape)

    @classmethod
    def _read(cls, path, kind, options, test_fraction, seed, standardise, task, image_shape=None):
        """The dataset in a file of this kind; None: that of its extension."""
        check_scaling(standardise)
        path = path if hasattr(path, "read") else checked_path("path", path)
        arrays, has_test = readers.read(path, kind, **options)
        shape = np.shape(arrays[0])
        if len(shape) in (3, 4):  # images
            image_shape = shape[1:] if image_shape is None else image_shape
            arrays[::2] = [None if X is None else X.reshape(len(X), -1) for X in arrays[::2]]
        settings = {"task": task, "name": readers.stem(path), "source": "local", "image_shape": image_shape}
        if has_test:
            return cls.from_arrays(*arrays, standardise=standardise, overwrite=True, **settings)
        X, y = arrays
        if task == "regression" and getattr(y, "dtype", np.dtype("i")).kind == "O":
            with suppress(ValueError):  # numbers that were kept as text, because they could be labels
                y = y.astype(np.float64)
        X = check_features(X, dtype=np.float64) if sparse.issparse(X) else as_numbers(X, "X")
        settings |= {"standardise": standardise, "overwrite": True}
        if test_fraction == 0 and not isinstance(test_fraction, bool):
            return cls.from_arrays(X, y, **settings)
        check_shape(X.shape, "X")
        targets, classes = check_targets(y, X.shape[0], task=task)
        n_test = rows_of_fraction("test_fraction", test_fraction, X.shape[0])
        first, second = split_rows(None if classes is None else targets, X.shape[0], n_test, seed, "rows of test_fraction")
        return cls.from_arrays(X[first], y[first], X[second], y[second], classes=classes, **settings)

    def split_validation(self, fraction: float = 0.1, seed: int = 0) -> Self:
        """Split the training part into a training and a validation part.

        Parameters
        ----------
        fraction : float, default 0.1
            Share of the training rows for validation, in (0, 1); stratified for a classification.
        seed : int, default 0
            Source of randomness of the split.

        Returns
        -------
        Dataset
            A dataset with the validation rows as its test part; the real test part is not in it. Standardised features keep
            their scale, which is that of the whole training part.

        Raises
        ------
        TypeError, ValueError
            If the fraction is not allowed or leaves a class without training rows.
        """
        n_validation = rows_of_fraction("fraction", fraction, self.n_train)
        codes = None if self.classes is None else self.y_train
        first, second = split_rows(codes, self.n_train, n_validation, seed, "rows of fraction")
        return self.divided(first, second)

    def divided(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> Self:
        """Take some training rows as training part and others as test part.

        Parameters
        ----------
        first, second : ndarray of int
            Numbers of the rows of both parts.

        Returns
        -------
        Dataset
            A dataset with copies of these rows, and their weights.
        """
        X, y, w = self.X_train, self.y_train, self.weights
        rows = {"X_train": X[first], "y_train": y[first], "X_test": X[second], "y_test": y[second]}
        weights = None if w is None else w[first], None if w is None or not w[second].any() else w[second]
        return replace(self, **rows, weights=weights[0], weights_test=weights[1])

    def head(self, n_train: int, n_test: int | None = None) -> Self:
        """Take the first rows.

        Parameters
        ----------
        n_train : int
            Largest number of training rows, >= 1.
        n_test : int, optional
            Largest number of test rows, >= 1; by default `n_train`.

        Returns
        -------
        Dataset
            A dataset of views of these rows.

        Raises
        ------
        TypeError, ValueError
            If an argument is not such a number.
        """
        n_train = integer("n_train", n_train)
        n_test = n_train if n_test is None else integer("n_test", n_test)
        cut: dict[str, Any] = {"X_train": self.X_train[:n_train], "y_train": self.y_train[:n_train]}
        if self.X_test is not None and self.y_test is not None:
            cut |= {"X_test": self.X_test[:n_test], "y_test": self.y_test[:n_test]}
        if self.weights_test is not None:
            cut["weights_test"] = self.weights_test[:n_test]
        if self.weights is not None:
            cut["weights"] = self.weights[:n_train]
        return replace(self, **cut)

    def with_weights(self, sample_weight: ArrayLike | None = None, class_weight: str | Mapping[Any, float] | None = None) -> Self:
        """Let the training rows count more or less.

        A weight counts as so many copies of the row: the mean loss of a step over all rows is Σ w l / Σ w. Weights are divided by
        their mean over all training rows, and a mini-batch of n rows has the loss Σ w l / n, of which the expectation is that of
        all rows. The accuracy of training, evaluation on the test rows and the choice of mini-batches are without weights; only
        rows that `split_validation` makes test rows keep theirs.

        Parameters
        ----------
        sample_weight : array_like, optional
            A number >= 0 for each training row, not 0 for all.
        class_weight : {"balanced"} or dict, optional
            A number >= 0 for each label, 1 for those left out; "balanced": rows / (classes · rows of the class), where a row
            with a weight is so many rows. It is multiplied by `sample_weight`.

        Returns
        -------
        Dataset
            The same rows with these weights in place of earlier ones; without any if both are None.

        Raises
        ------
        TypeError, ValueError
            If a weight is not allowed, or a key is no class.

        Examples
        --------
        >>> import sparselab as sl
        >>> data = sl.datasets.Dataset.from_arrays([[0, 1], [1, 0], [1, 1]], ["cat", "dog", "cat"])
        >>> data.with_weights(class_weight={"dog": 2}).weights.tolist()
        [1.0, 2.0, 1.0]
        """
        weights = None if sample_weight is None else check_weights(sample_weight, self.n_train)
        if class_weight is not None:
            of_classes = weights_of_classes(class_weight, self.y_train, self.classes, weights)
            weights = check_weights(of_classes if weights is None else of_classes * weights, self.n_train, "class_weight")
        return replace(self, weights=weights)

    def with_augmentation(self, augmentation: Augmentation | None) -> Self:
        """Change the training rows, such as images, at random whenever they are trained on, without more memory.

        Parameters
        ----------
        augmentation : Augmentation or None
            What is changed, and by how much; None: nothing.

        Returns
        -------
        Dataset
            The same rows. `train`, `steps`, `train_parallel` and everything that calls them train on changed rows; evaluation
            and the rules' evidence are without changes.

        Raises
        ------
        TypeError, ValueError
            If it is no Augmentation, if the features are sparse, or if the rows are no images of its shape.

        Examples
        --------
        >>> import sparselab as sl
        >>> data = sl.datasets.load("fashion_mnist_small", standardise="published")
        >>> data = data.with_augmentation(sl.datasets.Augmentation(pad_crop=2, flip=True))
        >>> model = sl.SparseMLP.create((784, 100, 10), seed=0)
        >>> [record.epoch for record in sl.train(model, data, epochs=2, seed=0)]
        [1, 2]
        """
        if augmentation is not None:
            if not isinstance(augmentation, Augmentation):
                fail(
                    "augmentation",
                    augmentation,
                    "an Augmentation, such as Augmentation(pad_crop=4, flip=True), or None",
                    TypeError,
                )
            if augmentation.shape is None:
                augmentation = replace(augmentation, shape=self.image_shape)
        return replace(self, augmentation=augmentation)

    def with_class_names(self, names: Sequence[str] | NDArray[Any]) -> Self:
        """Replace the labels by names.

        Parameters
        ----------
        names : array_like
            A name for each class, in the order of the labels; they must differ.

        Returns
        -------
        Dataset
            The same rows with these classes.

        Raises
        ------
        ValueError
            If the number of names is not that of the classes, or two are equal.
        """
        if self.classes is None or len(names) != len(self.classes):
            fail("names", names, f"{self.n_classes} names, one for each of the classes {self.classes}")
        return replace(self, classes=as_classes(names, len(names), "names"))

    def decode(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Convert codes to labels.

        Parameters
        ----------
        codes : ndarray of int
            Codes in [0, n_classes).

        Returns
        -------
        ndarray
            The labels; for a regression `codes` itself.
        """
        return codes if self.classes is None else self.classes[codes]

    def __repr__(self) -> str:
        kind = "CSR" if self.is_sparse else "dense"
        target = f"{self.n_classes} classes" if self.classes is not None else f"{self.n_outputs} outputs"
        size = f"{self.n_train} + {self.n_test} x {self.n_features} {kind} {self.X_train.dtype}"
        return f"Dataset({self.name!r}, {size}, {target}, source={self.source!r})"


def _checked(X, name, *, dtype, standardise, keep):
    """Validated features; those to be standardised stay float64 where float32 could lose digits. keep: X is not written to."""
    check_dtype(dtype)
    X = sparse_values(X, name)
    values = X if sparse.issparse(X) else as_numbers(X, name)
    if not is_wide(values):
        return check_features(values, name, dtype=dtype, copy=keep)
    working = np.dtype(np.float64 if standardise else dtype)
    checked = check_features(values, name, dtype=working, copy=keep and working == dtype)  # else scaled into new arrays
    if values.dtype != working and values.dtype.itemsize >= working.itemsize:
        warn_of_lost_digits(values.tocsr() if sparse.issparse(values) else values, name, working)
    return checked
