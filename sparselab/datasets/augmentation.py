"""Which random changes training rows get, and how large: flips, shifts, crops and rotations of images, and noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..utils.checks import as_array, fail, finite_float32, flag, fraction, integer, number
from .validation import check_image


@dataclass(frozen=True)
class Augmentation:
    """How the rows of a mini-batch, which are images unless there is noise only, are changed at random in training.

    Each image is mirrored, then turned around its middle, then moved, then gets noise. Pixels are interpolated between the four
    nearest ones (bilinear); without a rotation or shift they are copied. What happens to an image is a function of the seed, the
    epoch and the number of its row: results depend neither on threads nor on interruptions. Scaled values are moved as they are,
    which is the same as to scale changed images where all pixels of a channel have one scale, as with `standardise="published"`;
    with `standardise=True` each pixel has its own, and that of its neighbours is about the same. Evaluation and the evidence of
    rules are without changes.

    Parameters
    ----------
    shape : tuple of int, optional
        (height, width) or (height, width, channels): a row holds the image's rows from the top, in each its pixels from the left,
        in each its channels. By default the `image_shape` of the data set; not needed where there is noise only.
    pad_crop : int, default 0
        Images are moved by up to so many whole pixels down or up and left or right: the same as to cut them at random out of
        images with so many black pixels at each side.
    flip : bool, default False
        Whether half of the images are mirrored, left to right.
    rotation : float, default 0.0
        Largest angle in degrees, in [0, 180], of a turn to either side.
    shift : float, default 0.0
        Largest share of height and width, in [0, 1], by which images are moved to either side, not by whole pixels only.
    black : float or sequence of float, optional
        What appears where the image has moved away: a number, or one for each column. By default each column's smallest value
        among the training rows, which is a black pixel on the scale of that column.
    noise : float, default 0.0
        Standard deviation of the normal noise, drawn for each value by itself, that is added to the (scaled) values.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").with_augmentation(sl.datasets.Augmentation(pad_crop=1, rotation=10))
    >>> data.augmentation.shape
    (8, 8)
    """

    shape: tuple[int, ...] | None = None
    pad_crop: int = 0
    flip: bool = False
    rotation: float = 0.0
    shift: float = 0.0
    black: float | Sequence[float] | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.shape is not None:
            check_image(self.shape, None, "shape")
            object.__setattr__(self, "shape", tuple(map(int, self.shape)))
        plain = {
            "pad_crop": integer("pad_crop", self.pad_crop, low=0),
            "flip": flag("flip", self.flip),
            "rotation": number("rotation", self.rotation, "an angle in [0, 180]", low=0, high=180),
            "shift": fraction("shift", self.shift),
            "noise": finite_float32("noise", self.noise, low=0),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        if self.black is not None:
            black = as_array(self.black)
            if black.dtype.kind not in "iuf" or black.ndim > 1 or not np.isfinite(black).all():
                fail("black", self.black, "a number, or one for each column")
            object.__setattr__(self, "black", tuple(black.tolist()) if black.ndim else float(black))


def check_augmentation(augmentation, X):
    """Raise TypeError or ValueError unless the rows of X (samples, features) can be changed like this."""
    if sparse.issparse(X):
        fail("augmentation", augmentation, "None for sparse features: only dense rows are changed", TypeError)
    shape, n_features = augmentation.shape, X.shape[1]
    if shape is None and augmentation.noise and augmentation == Augmentation(noise=augmentation.noise):
        return
    if shape is None:
        fail("shape", None, "(height, width) or (height, width, channels), here or as image_shape of the data set")
    check_image(shape, n_features, "shape")
    if augmentation.pad_crop > min(shape[:2]):
        fail("pad_crop", augmentation.pad_crop, f"at most {min(shape[:2])}, the smaller side of an image")
    if isinstance(augmentation.black, tuple) and len(augmentation.black) != n_features:
        fail("black", augmentation.black, f"a number, or {n_features} of them, one for each column")
