"""Datasets that need no network: two real ones that are part of the package, and two that are computed from a seed."""

import math
import shutil
from importlib import resources
from pathlib import Path

import numpy as np

from ..utils.checks import fail, integer, positive, shown
from .dataset import Dataset
from .images import image_set
from .splits import rows_of_fraction, split_rows

CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SMALL_FILE = resources.files(f"{__package__}.data") / "fashion_mnist_small.npz"


def digits(*, standardise=True):
    """scikit-learn's handwritten digits of 8 x 8 pixels with 17 grey levels: 1,437 + 360, always the same stratified split."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    first, second = split_rows(y, len(y), 360, seed=0)
    settings = {"name": "digits", "source": "embedded", "image_shape": (8, 8), "standardise": standardise}
    return Dataset.from_arrays(X[first], y[first], X[second], y[second], **settings)


def fashion_mnist_small(*, standardise=True):
    """A subset of FashionMNIST, 5,000 + 1,000 images of 28 x 28 pixels in 0..255, ten classes of equal size."""
    with SMALL_FILE.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        X, y, X_test, y_test = (file[key] for key in ("X_train", "y_train", "X_test", "y_test"))
    settings = {"name": "fashion_mnist_small", "source": "embedded", "image_shape": (28, 28), "standardise": standardise}
    return image_set(X, y, X_test, y_test, pixels="fashion_mnist", **settings).with_class_names(CLOTHES)


def madelon_like(*, standardise=True, seed=0):
    """Artificial data from Guyon's generator with Madelon's settings: 2,000 + 600 rows, 500 features of which 20 are relevant.

    5 features are informative, 15 are linear combinations of these and 480 are noise; 16 clusters a class, 1 % of the labels are
    flipped. `madelon_like_relevant(seed)` tells which 20 are relevant.
    """
    from sklearn.datasets import make_classification

    X, y = make_classification(
        n_samples=2600,
        n_features=500,
        n_informative=5,
        n_redundant=15,
        n_clusters_per_class=16,
        class_sep=2,
        flip_y=0.01,
        shuffle=False,
        random_state=seed,
    )
    X = X[:, _columns(seed)].astype(np.float32)
    first, second = split_rows(y, len(y), 600, seed)
    settings = {"name": "madelon_like", "source": "synthetic", "standardise": standardise}
    return Dataset.from_arrays(X[first], y[first], X[second], y[second], **settings)


def madelon_like_relevant(seed=0):
    """Return the relevant columns of `madelon_like`: 5 informative ones and 15 linear combinations of these."""
    place = np.argsort(_columns(seed))
    return place[:5], place[5:20]


def _columns(seed):
    return np.random.default_rng(seed).permutation(500)


def extreme(n_features=65_536, n_samples=1_000, seed=0, *, separation=4.0, test_fraction=0.2, standardise=True, file=None):
    """Artificial data of two classes with any number of features, in a single float32 array (n_samples, n_features).

    Features are standard normal noise. Every 64th feature (from a random start) is shifted by the class, so that the class means
    are 2 * `separation` standard deviations apart. The first rows are the same for any `n_samples`. With the default arguments
    the array has 262 MB.

    file: path of a .npy file for the array, which is written row by row and memory-mapped, so that it may be larger than memory.
    ValueError if the disk has too little space, before anything is written.
    """
    n_features, n_samples = integer("n_features", n_features, low=2), integer("n_samples", n_samples, low=10)
    n_test = rows_of_fraction("test_fraction", test_fraction, n_samples)
    noise, signs, start = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3))
    y = signs.integers(0, 2, n_samples)
    X = np.empty((n_samples, n_features), dtype=np.float32) if file is None else on_disk(file, (n_samples, n_features))
    informative = slice(int(start.integers(min(64, n_features))), None, 64)
    shift = positive("separation", separation) / np.sqrt(len(range(n_features)[informative]))
    for row, label in zip(X, y, strict=True):
        noise.standard_normal(out=row, dtype=np.float32)
        row[informative] += shift if label else -shift
    settings = {"name": "extreme", "source": "synthetic", "standardise": standardise, "overwrite": True}
    return Dataset.from_arrays(X[:-n_test], y[:-n_test], X[-n_test:], y[-n_test:], **settings)


def on_disk(path, shape):
    """Create a .npy file with a float32 array of this shape and map it into memory for writing."""
    path, need = Path(path), 4 * math.prod(shape)
    if not path.parent.is_dir():
        fail("file", path, "in a folder that exists")
    free = shutil.disk_usage(path.parent).free
    if need > free:  # the file is sparse: on a full disk the first write would kill the process
        raise ValueError(f"file = {shown(path)}: {need:,} bytes are needed, {free:,} are free on that disk")
    return np.lib.format.open_memmap(path, "w+", np.float32, shape)
