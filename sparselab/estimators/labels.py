"""Labels of any kind as the codes 0 … k−1 that the loss needs; `classes[codes]` are the labels again."""

import numpy as np

from ..datasets.targets import as_labels
from ..utils import checks


def classes_of(labels, name):
    """The distinct labels, sorted; ValueError where there are none."""
    labels = as_labels(labels, name)
    try:
        classes = np.unique(labels)
    except TypeError:
        checks.fail(name, labels.tolist(), "labels that can be sorted: all strings or all numbers", TypeError)
    if not len(classes):
        checks.fail(name, [], "labels of at least one class")
    return classes


def codes_of(labels, classes):
    """(n,) int64: the index of each label among the sorted classes; ValueError naming a label that is not among them."""
    try:
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        unseen = np.broadcast_to(classes[codes] != labels, len(labels))
    except TypeError:  # strings among numbers
        codes, unseen = np.zeros(len(labels), int), np.ones(len(labels), bool)
    if unseen.any():
        i = int(np.argmax(unseen))
        checks.fail(f"y[{i}]", labels[i : i + 1].tolist()[0], f"one of the classes {checks.shown(classes.tolist())}")
    return codes.astype(np.int64, copy=False)
