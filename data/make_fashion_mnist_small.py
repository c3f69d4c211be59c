"""Makes the embedded fashion_mnist_small.npz from the complete FashionMNIST: run `python data/make_fashion_mnist_small.py`.

500 + 100 pictures of each of the ten classes, drawn with a fixed seed from the training and the test part, shuffled,
as bytes. The same numpy gives the same arrays, the same zlib the same file.
"""

from pathlib import Path

import numpy as np

from sparselab.datasets import sources
from sparselab.datasets.formats import read_idx

TARGET = Path(__file__).parents[1] / "sparselab/datasets/data/fashion_mnist_small.npz"
SEED = 20_170_825  # the day FashionMNIST was published
PER_CLASS_TRAIN, PER_CLASS_TEST = 500, 100


def balanced(y, per_class, generator):
    """Row numbers of `per_class` rows of every class, shuffled."""
    rows = [generator.choice(np.flatnonzero(y == label), per_class, replace=False) for label in np.unique(y)]
    return generator.permutation(np.concatenate(rows))


def cut():
    """Return the four arrays of the small set, images as (rows, 784) uint8, labels uint8."""
    paths, _ = sources.obtain(sources.FASHION_MNIST)
    X, y, X_test, y_test = map(read_idx, paths)
    generator = np.random.default_rng(SEED)
    train, test = balanced(y, PER_CLASS_TRAIN, generator), balanced(y_test, PER_CLASS_TEST, generator)
    return {
        "X_train": X[train].reshape(len(train), -1),
        "y_train": y[train],
        "X_test": X_test[test].reshape(len(test), -1),
        "y_test": y_test[test],
    }


if __name__ == "__main__":
    np.savez_compressed(TARGET, **cut())
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
