"""Colour scales of the pictures: hexadecimal colours at equal distances, between which values are interpolated."""

import numpy as np

VIRIDIS = "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725".split()
BLUES = "f7fbff deebf7 c6dbef 9ecae1 6baed6 4292c6 2171b5 08519c 08306b".split()


def rgb(stops, shares):
    """Array (..., 3) of uint8: the colours of shares in [0, 1] on a scale."""
    known = np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in stops], float)
    places = np.clip(shares, 0, 1) * (len(stops) - 1)
    return np.stack([np.interp(places, np.arange(len(stops)), known[:, i]) for i in range(3)], axis=-1).round().astype(np.uint8)
