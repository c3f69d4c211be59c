"""Datasets of images: made of bytes, scaled pixel by pixel or by the numbers published for all pixels of a channel."""

import numpy as np

from .dataset import Dataset
from .scaling import check_scaling, scaled_by

PUBLISHED = "published"
MEAN_AND_DEVIATION = {  # of pixels in [0, 1], for all pixels or for those of each channel
    "mnist": (0.1307, 0.3081),
    "fashion_mnist": (0.2860, 0.3530),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


def image_set(X, y, X_test, y_test, *, pixels, standardise, **settings):
    """Return a Dataset of images (images, pixels) uint8, channels last, and of labels.

    standardise: "published": x / 255, minus the mean, divided by the deviation that `pixels` has in MEAN_AND_DEVIATION; or what
    Dataset.from_arrays accepts. settings: other arguments of Dataset.from_arrays.
    """
    check_scaling(standardise, PUBLISHED)
    if standardise == PUBLISHED:
        mean, deviation = (np.resize(255 * np.array(numbers), X.shape[1]) for numbers in MEAN_AND_DEVIATION[pixels])
        X, X_test = (scaled_by(part, mean, 1 / deviation, np.float32) for part in (X, X_test))
        standardise = False
    return Dataset.from_arrays(X, y, X_test, y_test, standardise=standardise, **settings)
