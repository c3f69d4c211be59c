"""Weights of samples: given one by one, or by class."""

from collections.abc import Mapping

import numpy as np

from ..utils import checks
from .targets import as_labels


def check_weights(weights, n_samples, name="sample_weight"):
    """Weights as float64 (n_samples,); TypeError or ValueError unless they are finite numbers >= 0 and not all 0."""
    found = as_labels(weights, name)
    if found.dtype.kind not in "biuf":
        checks.fail(name, weights, f"{n_samples} numbers >= 0, one for each sample", TypeError)
    if found.shape != (n_samples,):
        checks.fail(f"{name}.shape", found.shape, f"({n_samples},), one number >= 0 for each sample")
    found = np.ascontiguousarray(found, np.float64)
    wrong = ~((found >= 0) & (found < np.inf))
    if wrong.any():
        i = int(np.argmax(wrong))
        checks.fail(f"{name}[{i}]", found[i].item(), "a finite number >= 0")
    with np.errstate(over="ignore"):
        total = found.sum()
    if total == np.inf:
        checks.fail(name, weights, "numbers whose sum is finite")
    if n_samples and not found.any():
        checks.fail(name, weights, "not zero for all samples")
    return found


def weights_of_classes(class_weight, codes, classes, sample_weight=None):
    """The weight of each sample's class, (n,) float64.

    class_weight: "balanced", n / (classes that occur · samples of the class), or a dict {label: weight}, 1 for labels left out.
    classes: the labels, by code; None for a regression, which is refused. sample_weight: so many samples each one is, for
    "balanced".
    """
    if classes is None:
        checks.fail("class_weight", class_weight, "None where the targets are no classes")
    if isinstance(class_weight, str) and class_weight == "balanced":
        return balanced(np.bincount(codes, sample_weight, minlength=len(classes)))[codes]
    return given(class_weight, np.asarray(classes).tolist())[codes]


def weights_of_labels(class_weight, counts, n_samples):
    """(weights of not having a label, weights of having it), each (labels,) float64, where a sample may have several labels.

    class_weight: "balanced", each label as two classes by itself, or a dict {label: weight of having it}, 1 for labels left out.
    counts: how many of the n_samples have each label; a sample with a weight is so many.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        without, having = balanced(np.stack([n_samples - counts, counts], axis=1)).T
        return without, having
    having = given(class_weight, list(range(len(counts))))
    if not having.any():
        checks.fail("class_weight", class_weight, "not 0 for all labels")
    return np.ones(len(counts)), having


def balanced(counts):
    """n / (classes that occur · samples of the class) by the counts (…, classes); 1 for classes that do not occur."""
    occurring = np.count_nonzero(counts, axis=-1, keepdims=True)
    return np.where(counts > 0, counts.sum(axis=-1, keepdims=True) / (occurring * np.where(counts > 0, counts, 1)), 1.0)


def given(class_weight, labels):
    """The weight of each label in a dict, 1 for those left out; TypeError or ValueError unless it is a dict of such weights."""
    if not isinstance(class_weight, Mapping):
        kind = ValueError if isinstance(class_weight, str) else TypeError
        checks.fail("class_weight", class_weight, '"balanced" or a dict of the weight of each label', kind)
    found, place = np.ones(len(labels)), {label: i for i, label in enumerate(labels)}
    for label, weight in class_weight.items():
        if label not in place:
            checks.fail("class_weight", label, f"a dict whose keys are classes, {checks.shown(labels)}")
        found[place[label]] = checks.non_negative(f"class_weight[{label!r}]", weight)
    return found
