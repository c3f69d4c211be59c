"""Datasets by name: `load("fashion_mnist_small")`; your own with `Dataset.from_arrays`, `from_csv`, `from_npz`.

name                 rows            features  needs
fashion_mnist_small  5,000 + 1,000   784       nothing
digits               1,437 + 360     64        nothing
madelon_like         2,000 + 600     500       nothing (computed)
extreme              any             any       memory (computed)
fashion_mnist        60,000 + 10,000 784       Debian's package or a network
madelon              2,000 + 600     500       a network
higgs                11 million      28        a network, 2.8 GB
cifar10              50,000 + 10,000 3,072     a network
leukemia             1,397 + 699     54,675    a network
path/to/table.csv    any             any       the file: a table whose last column is the target, or an .npz of X and y
"""

from pathlib import PurePath

from ..utils.checks import choice, fail
from . import embedded, published
from .dataset import Dataset
from .download import DownloadError
from .folders import data_folder
from .validation import check_csr, check_features, check_targets

__all__ = [
    "Dataset",
    "DownloadError",
    "check_csr",
    "check_features",
    "check_name",
    "check_targets",
    "data_folder",
    "is_file",
    "load",
    "names",
    "register",
]

BUILT_IN = {
    "fashion_mnist_small": embedded.fashion_mnist_small,
    "digits": embedded.digits,
    "madelon_like": embedded.madelon_like,
    "extreme": embedded.extreme,
    "fashion_mnist": published.fashion_mnist,
    "madelon": published.madelon,
    "higgs": published.higgs,
    "cifar10": published.cifar10,
    "leukemia": published.leukemia,
}
FILES = {".csv": Dataset.from_csv, ".npz": Dataset.from_npz}
_registered = {}


def is_file(name):
    """Whether `name` is the path of a file of one's own, by its ending."""
    return isinstance(name, str) and name not in names() and PurePath(name).suffix.lower() in FILES


def check_name(name):
    """`name` if `load` knows it, or if it is the path of one's own .csv or .npz, which is not opened before `load`."""
    return name if is_file(name) else choice("dataset", name, names())


def names():
    """All names `load` knows, those that need nothing first."""
    return [*BUILT_IN, *_registered]


def load(name, **options):
    """The Dataset called `name`, or in the file of this path, standardised unless `standardise=False`.

    `options` are those of the dataset's function, as in load("higgs", n_train=1_050_000, n_test=500_000).
    Raises ValueError with the closest name, DownloadError if the files can neither be found nor fetched,
    FileNotFoundError or ValueError for a path whose file is missing or malformed.
    """
    if is_file(name):
        return FILES[PurePath(name).suffix.lower()](name, **options)
    function = (BUILT_IN | _registered)[choice("name", name, names())]
    dataset = function(**options)
    if not isinstance(dataset, Dataset):
        fail(f"{name}()", dataset, f"a Dataset, as Dataset.from_arrays makes it, not {type(dataset)}", TypeError)
    return dataset


def register(name, function):
    """Make `function(**options) -> Dataset` loadable as `name`; again under the same name replaces it.

    Raises ValueError for the name of a built-in dataset.
    """
    if not isinstance(name, str) or not name or name in BUILT_IN:
        fail("name", name, f"a new name, not one of {list(BUILT_IN)}")
    if not callable(function):
        fail("function", function, "a function returning a Dataset", TypeError)
    _registered[name] = function
    return function
