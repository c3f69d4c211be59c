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
    if n_samples and not found.any():
        checks.fail(name, weights, "not zero for all samples")
    return found


def weights_of_classes(class_weight, codes, classes):
    """The weight of each sample's class, (n,) float64.

    class_weight: "balanced", n / (classes that occur · samples of the class), or a dict {label: weight}, 1 for labels left out.
    classes: the labels, by code; None for a regression, which is refused.
    """
    if classes is None:
        checks.fail("class_weight", class_weight, "None where the targets are no classes")
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(codes, minlength=len(classes))
        return (len(codes) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[codes]
    if not isinstance(class_weight, Mapping):
        kind = ValueError if isinstance(class_weight, str) else TypeError
        checks.fail("class_weight", class_weight, '"balanced" or a dict of the weight of each label', kind)
    of_code, code_of = np.ones(len(classes)), {label: code for code, label in enumerate(np.asarray(classes).tolist())}
    for label, weight in class_weight.items():
        if label not in code_of:
            checks.fail("class_weight", label, f"a dict whose keys are classes, {checks.shown(np.asarray(classes).tolist())}")
        of_code[code_of[label]] = checks.non_negative(f"class_weight[{label!r}]", weight)
    return of_code[codes]
