"""The data sets: of `sl.datasets.load`, or .npz files of a folder (`--npz`, or the environment variable PAPER_NPZ).

A file has x_train, y_train, x_test, y_test; or x, y and the row numbers train, test; a sparse x is stored as x_data, x_indices,
x_indptr, x_shape. CALLED says what a set is called in tables: a stand-in never has the name of the paper's data.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse

import sparselab as sl
from benchmarks import parallel
from benchmarks.both_ends import four, read

VARIABLE = "PAPER_NPZ"
AUGMENTED = "cifar10_jpeg_augmented"
CALLED = {
    "fashion_mnist": "FashionMNIST",
    "madelon": "Madelon",
    "higgs_35k": "HIGGS, 35,298 rows",
    "cifar10_jpeg": "CIFAR-10 JPEG",
    AUGMENTED: "CIFAR-10 JPEG, augmented",
    "tumor11": "11 tumours (stand-in for Leukemia)",
    "mll": "MLL (stand-in for Leukemia)",
    "digits": "digits",
    "mnist": "MNIST",
    "usps": "USPS",
    "isolet": "Isolet",
    "pcmac": "PCMAC",
    "basehock": "BASEHOCK",
    "arcene": "Arcene",
}
LOADED = ("fashion_mnist", "mnist", "digits")  # by `sl.datasets.load`; madelon, too, where the folder has no file of it
STAND_INS = ("tumor11", "mll", "cifar10_jpeg", AUGMENTED)


def folder():
    """The folder of the .npz files; FileNotFoundError where none is named."""
    named = os.environ.get(VARIABLE)
    if not named or not Path(named).is_dir():
        raise FileNotFoundError(f"{VARIABLE} = {named!r}: name the folder of the .npz files, there or with --npz")
    return Path(named)


def load(name, *, standardise=True):
    """The Dataset of a name of CALLED; features have the training rows' mean 0 and deviation 1 unless standardise=False."""
    if name in LOADED or (name == "madelon" and not os.environ.get(VARIABLE)):
        return sl.datasets.load(name, standardise=standardise)
    if name == "cifar10_jpeg":
        return parallel.cifar(folder() / "cifar10_jpeg.npz")
    if name == AUGMENTED:  # Curci et al. 2021: rotation 10 degrees, shift 10 %, horizontal flip
        changes = sl.datasets.Augmentation(shape=(32, 32, 3), rotation=10, shift=0.1, flip=True)
        return load("cifar10_jpeg").with_augmentation(changes)
    source = "stand-in" if name in STAND_INS else "local"
    parts = four(read(name, folder()))
    return sl.datasets.Dataset.from_arrays(*parts, name=name, source=source, standardise=standardise)


def digest(data):
    """The first 16 digits of the sha256 of a Dataset's arrays."""
    found = hashlib.sha256()
    for part in (data.X_train, data.y_train, data.X_test, data.y_test):
        for array in (part.data, part.indices, part.indptr) if scipy.sparse.issparse(part) else (part,):
            found.update(np.ascontiguousarray(array))
    return found.hexdigest()[:16]


def held_out(data, share, seed):
    """(Dataset without `share` of the training rows, X and labels of those rows); (data, None, None) for a share of 0."""
    if not share:
        return data, None, None
    parts = data.split_validation(share, seed=seed)
    rest = replace(parts, X_test=data.X_test, y_test=data.y_test)
    return rest, parts.X_test, parts.decode(parts.y_test)
