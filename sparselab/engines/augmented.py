"""Training rows that are changed at random, as images or by noise, whenever an engine gathers a mini-batch of them."""

import math

import numpy as np

from ..kernels import images


class AugmentedRows:
    """Training rows (n, features) that are changed when an engine gathers a mini-batch.

    X: the rows as they are. black, settings: what the kernels of `kernels.images` read.
    """

    def __init__(self, X, augmentation):
        height, width, channels = (*(augmentation.shape or (1, X.shape[1])), 1)[:3]  # without a shape there is noise only
        self.X, self.shape = X, X.shape
        black = X.min(axis=0) if augmentation.black is None else augmentation.black
        self.black = np.array(np.broadcast_to(np.asarray(black, X.dtype), X.shape[1]))
        whole = 0, height, width, channels, augmentation.pad_crop, augmentation.flip
        self.settings = np.array([*whole, *[0] * images.AMOUNTS], np.int64)
        self.amounts = self.settings[images.WHOLE :].view(np.float64)
        moves = augmentation.shift * height, augmentation.shift * width
        self.amounts[:] = math.radians(augmentation.rotation), *moves, augmentation.noise

    def gather(self, samples, first, count, out):
        """Fill a tile `out` (features, W) as `kernels.images.gather_images` does."""
        pixels = self.settings[images.HEIGHT] * self.settings[images.WIDTH]
        images.gather_images(self.X, self.black, self.settings, self.amounts, samples, first, count, out, 0, pixels)


def rows_of(X, augmentation):
    """What an engine trains on: X, or AugmentedRows."""
    return X if augmentation is None else AugmentedRows(X, augmentation)


def start_epoch(rows, key):
    """Let images, where rows are such, be changed as in the epoch with this key of dropout."""
    if isinstance(rows, AugmentedRows):
        rows.settings[images.KEY] = np.uint64(key).view(np.int64)
