"""Datasets by name, as in `load("fashion_mnist_small")`; your own with `Dataset.from_arrays` or `Dataset.from_file`.

name                 rows            features  needs
fashion_mnist_small  5,000 + 1,000   784       nothing
digits               1,437 + 360     64        nothing
madelon_like         2,000 + 600     500       nothing (computed)
extreme              any             any       memory (computed)
mnist                60,000 + 10,000 784       a network
fashion_mnist        60,000 + 10,000 784       Debian's package or a network
madelon              2,000 + 600     500       a network
higgs                11 million      28        a network, 2.8 GB
cifar10              50,000 + 10,000 3,072     a network
leukemia             1,397 + 699     54,675    a network
bibtex               4,880 + 2,515   1,836     a network; 159 labels, of which a row may have several
delicious            12,920 + 3,185  500       a network; 983 labels, of which a row may have several
newsgroups20         11,314 + 7,532  130,107   a network
california           16,512 + 4,128  8         a network; a regression
path/to/table.csv    any             any       the file, see `Dataset.from_file`

`many_labels` computes data of several labels a sample, with as many labels as wanted.
"""

from collections.abc import Callable
from os import PathLike
from typing import Any

from ..utils.checks import choice, fail
from . import embedded, published, readers
from .augmentation import Augmentation
from .dataset import Dataset
from .download import DownloadError
from .folders import data_folder
from .multilabel import many_labels
from .validation import check_csr, check_features, check_targets

__all__ = [
    "Augmentation",
    "Dataset",
    "DownloadError",
    "check_csr",
    "check_features",
    "check_name",
    "check_targets",
    "data_folder",
    "is_file",
    "load",
    "many_labels",
    "names",
    "register",
]

BUILT_IN = {
    "fashion_mnist_small": embedded.fashion_mnist_small,
    "digits": embedded.digits,
    "madelon_like": embedded.madelon_like,
    "extreme": embedded.extreme,
    "mnist": published.mnist,
    "fashion_mnist": published.fashion_mnist,
    "madelon": published.madelon,
    "higgs": published.higgs,
    "cifar10": published.cifar10,
    "leukemia": published.leukemia,
    "bibtex": published.bibtex,
    "delicious": published.delicious,
    "newsgroups20": published.newsgroups20,
    "california": published.california,
}
FILES = tuple(readers.READERS)  # extensions of data files; .gz, .bz2 or .xz may follow
_registered = {}


def is_file(name: object) -> bool:
    """Tell whether a name is the path of a data file, judged by its extension.

    Parameters
    ----------
    name : object
        A name of a dataset or a path.

    Returns
    -------
    bool
        Whether it ends like a data file (.csv, .npz, .arff, …, see `Dataset.from_file`) and is not the name of a dataset.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.datasets.is_file("table.csv"), sl.datasets.is_file("digits")
    (True, False)
    """
    return isinstance(name, str | PathLike) and name not in names() and readers.kind_of(name) is not None


def check_name(name: str) -> str:
    """Check that `load` accepts a name. A file is not opened.

    Parameters
    ----------
    name : str
        A name of a dataset, or the path of a data file.

    Returns
    -------
    str
        The name.

    Raises
    ------
    TypeError, ValueError
        If it is neither; the message suggests the closest name.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.datasets.check_name("digits")
    'digits'
    """
    return name if is_file(name) else choice("dataset", name, names())


def names() -> list[str]:
    """List all names that `load` accepts.

    Returns
    -------
    list of str
        The names; first those of datasets that need no download.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.datasets.names()[:2]
    ['fashion_mnist_small', 'digits']
    """
    return [*BUILT_IN, *_registered]


def load(name: str | PathLike[str], **options: Any) -> Dataset:
    """Load a dataset by name, or from a file.

    Parameters
    ----------
    name : str or path-like
        A name of a dataset, or the path of a data file.
    **options
        Options of this dataset, such as n_train=1_050_000 for "higgs"; for a file those of `Dataset.from_file`. All
        have standardise: by default True, each feature by mean and deviation of the training rows; False for none, which is the
        default of "bibtex", "delicious" and "newsgroups20", whose values are ones and counts; and for "mnist", "cifar10" and
        both "fashion_mnist" also "published", all pixels (of "cifar10": of a channel) by the usual two numbers, such as 0.1307
        and 0.3081 of MNIST's x / 255.

    Returns
    -------
    Dataset
        The data, by default standardised.

    Raises
    ------
    TypeError, ValueError
        If the name is unknown (the message suggests the closest one) or a file is malformed.
    DownloadError
        If the files are not on this machine and cannot be downloaded.
    FileNotFoundError
        If `name` is the path of a file that does not exist.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.datasets.load("digits")
    Dataset('digits', 1437 + 360 x 64 dense float32, 10 classes, source='embedded')
    """
    if is_file(name):
        return Dataset.from_file(name, **options)
    if isinstance(name, PathLike):
        fail("path", str(name), f"a data file: its name ends in one of {list(FILES)}, after which .gz, .bz2 or .xz may follow")
    function = (BUILT_IN | _registered)[choice("name", name, names())]
    dataset = function(**options)
    if not isinstance(dataset, Dataset):
        fail(f"{name}()", dataset, f"a Dataset, as Dataset.from_arrays returns it, not {type(dataset)}", TypeError)
    return dataset


def register(name: str, function: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Make your own dataset available to `load` by name.

    Parameters
    ----------
    name : str
        A new name, or one that was registered before.
    function : callable
        Returns the Dataset; its keyword arguments are the options of `load`.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    TypeError, ValueError
        If the name is that of a built-in dataset, or if `function` is not callable.

    Examples
    --------
    >>> import sparselab as sl
    >>> _ = sl.datasets.register("tiny", lambda: sl.datasets.Dataset.from_arrays([[0.0], [1.0]], ["a", "b"]))
    >>> sl.datasets.load("tiny").n_classes
    2
    """
    if not isinstance(name, str) or not name or name in BUILT_IN:
        fail("name", name, f"a new name, not one of {list(BUILT_IN)}")
    if not callable(function):
        fail("function", function, "a function returning a Dataset", TypeError)
    _registered[name] = function
    return function
