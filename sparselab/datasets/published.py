"""The published datasets as functions: each finds its files, reads them and makes a Dataset of the numbers."""

from dataclasses import replace

import numpy as np

from ..utils.checks import integer
from . import sources
from .archives import read_houses, read_newsgroups
from .cifar import read_cifar10
from .dataset import Dataset
from .embedded import CLOTHES
from .formats import idx_digest, read_higgs, read_idx, read_numbers, read_openml_images, read_series_matrix, refuse
from .images import image_set
from .mulan import entries_digest, read_mulan
from .splits import rows_of_fraction, split_rows

MNIST_ROWS = 60_000  # of the training part, which come first in OpenML's table
LEUKEMIA_TEST_SHARE = 1 / 3  # 699 of the 2,096 patients
CALIFORNIA_TEST_SHARE = 1 / 5
ENTRIES = {  # entries_digest of X, Y, X_test, Y_test
    "bibtex": "99e15235b1af9a175657a71ad02dbfba5a0e0b20e8fd19e3572a9655c92bebf3",
    "delicious": "536fad2fdd10d6de717a9fd5854053a9055ceb2f0520f052a126043051ee3e27",
}


def mnist(*, standardise=True, progress=True):
    """MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels in 0..255."""
    if path := sources.own_table(sources.MNIST):
        parts, origin = _of_openml(path, sources.MNIST, MNIST_ROWS), "local"
    else:
        paths, origin = sources.obtain(sources.MNIST, progress=progress)
        parts = map(read_idx, paths)
    return _gray("mnist", parts, origin, standardise)


def fashion_mnist(*, standardise=True, progress=True):
    """FashionMNIST: 60,000 + 10,000 images of clothes of 28 x 28 pixels in 0..255, ten classes."""
    paths, origin = sources.obtain(sources.FASHION_MNIST, progress=progress)
    return _gray("fashion_mnist", map(read_idx, paths), origin, standardise).with_class_names(CLOTHES)


def madelon(*, standardise=True, progress=True):
    """Madelon of the NIPS 2003 challenge: 2,000 training and 600 validation rows, 500 features, two classes."""
    paths, origin = sources.obtain(sources.MADELON, progress=progress)
    X, y, X_test, y_test = (read_numbers(path, n) for path, n in zip(paths, (500, 1, 500, 1), strict=True))
    settings = {"name": "madelon", "source": origin, "standardise": standardise}
    return Dataset.from_arrays(X, y.ravel(), X_test, y_test.ravel(), **settings)


def higgs(*, n_train=105_000, n_test=50_000, standardise=True, progress=True):
    """HIGGS: the first `n_train` and the next `n_test` of 11 million collisions, 28 features, two classes.

    The defaults are those of the paper; its authors also use 1,050,000 and 500,000 rows. The file has 2.8 GB and is read only
    as far as needed.
    """
    n_train, n_test = integer("n_train", n_train), integer("n_test", n_test)
    (path,), origin = sources.obtain(sources.HIGGS, progress=progress)
    X, y = read_higgs(path, n_train + n_test)
    settings = {"name": "higgs", "source": origin, "standardise": standardise, "overwrite": True}
    return Dataset.from_arrays(X[:n_train], y[:n_train], X[n_train:], y[n_train:], **settings)


def cifar10(*, standardise=True, progress=True):
    """CIFAR-10: 50,000 + 10,000 colour images of 32 x 32 pixels, ten classes; a row is (32, 32, 3) in 0..255, flattened."""
    (path,), origin = sources.obtain(sources.CIFAR10, progress=progress)
    X, y, X_test, y_test, names = read_cifar10(path)
    settings = {"name": "cifar10", "source": origin, "image_shape": (32, 32, 3), "standardise": standardise}
    return image_set(_by_pixel(X), y, _by_pixel(X_test), y_test, pixels="cifar10", **settings).with_class_names(names)


def leukemia(*, seed=0, standardise=True, progress=True):
    """Leukemia (GSE13159): gene expression of 2,096 patients, 54,675 probes, 18 classes; 1,397 + 699 rows, split by `seed`."""
    (path,), origin = sources.obtain(sources.LEUKEMIA, progress=progress)
    X, labels = read_series_matrix(path)
    codes = np.unique(labels, return_inverse=True)[1]
    n_test = rows_of_fraction("test share", LEUKEMIA_TEST_SHARE, len(X))
    first, second = split_rows(codes, len(X), n_test, seed)
    settings = {"name": "leukemia", "source": origin, "standardise": standardise, "overwrite": True}
    return Dataset.from_arrays(X[first], labels[first], X[second], labels[second], **settings)


def bibtex(*, standardise=False, progress=True):
    """Bibtex: 4,880 + 2,515 references, 1,836 words as ones, 159 tags, of which several may apply; both sides CSR."""
    return _mulan(sources.BIBTEX, standardise, progress)


def delicious(*, standardise=False, progress=True):
    """Delicious: 12,920 + 3,185 web pages, 500 words as ones, 983 tags, of which several may apply; both sides CSR."""
    return _mulan(sources.DELICIOUS, standardise, progress)


def newsgroups20(*, standardise=False, progress=True):
    """20 Newsgroups by date: 11,314 + 7,532 messages with their headers, counts of 130,107 words as CSR, 20 groups."""
    (path,), origin = sources.obtain(sources.NEWSGROUPS, progress=progress)
    *parts, names = read_newsgroups(path)
    return Dataset.from_arrays(*parts, name="newsgroups20", source=origin, standardise=standardise).with_class_names(names)


def california(*, seed=0, standardise=True, progress=True):
    """California housing: median values, in 100,000 $, of 20,640 blocks of houses, 8 features; 16,512 + 4,128 rows, by `seed`."""
    (path,), origin = sources.obtain(sources.CALIFORNIA, progress=progress)
    X, y = read_houses(path)
    first, second = split_rows(None, len(X), rows_of_fraction("test share", CALIFORNIA_TEST_SHARE, len(X)), seed)
    settings = {"name": "california", "source": origin, "standardise": standardise, "task": "regression", "overwrite": True}
    return Dataset.from_arrays(X[first], y[first], X[second], y[second], **settings)


def _mulan(source, standardise, progress):
    """The Dataset of a multi-label set; ValueError unless its entries are the published ones."""
    paths, origin = sources.obtain(source, progress=progress)
    *parts, names = read_mulan(*paths)
    if entries_digest(*parts) != ENTRIES[source.name]:
        refuse(paths[0], f"the published rows of {source.name}, as the other files in this folder; remove them to fetch new ones")
    data = Dataset.from_arrays(*parts, name=source.name, source=origin, standardise=standardise)
    return replace(data, label_names=names)


def _of_openml(path, source, n_train):
    """The four parts in OpenML's table; ValueError unless they are what the published files hold, in this order."""
    X, y = read_openml_images(path, (28, 28))
    parts = X[:n_train], y[:n_train], X[n_train:], y[n_train:]
    if any(idx_digest(part) not in file.sha256 for part, file in zip(parts, source.files, strict=True)):
        refuse(path, f"the published images of {source.name} in their order, as OpenML's data set 554 has them")
    return parts


def _gray(name, parts, origin, standardise):
    """The Dataset of images and labels of the training part and of the test part."""
    X, y, X_test, y_test = parts
    settings = {"name": name, "source": origin, "image_shape": X.shape[1:], "standardise": standardise}
    return image_set(X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test, pixels=name, **settings)


def _by_pixel(X):
    """Convert rows of red, green and blue planes to rows of (height, width, channel), the order in which images are drawn."""
    return X.reshape(len(X), 3, -1).transpose(0, 2, 1).reshape(len(X), -1)
