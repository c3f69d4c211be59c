"""Counts a layer's links in a coarse grid, to draw millions of links without a dense matrix."""

from .settings import jit


@jit
def links_per_bin(indptr, indices, height, width, out):
    """out[r, c] += links from inputs [c·width, (c + 1)·width) to outputs [r·height, (r + 1)·height); out is int64."""
    for j in range(indptr.shape[0] - 1):
        r = j // height
        for k in range(indptr[j], indptr[j + 1]):
            out[r, indices[k] // width] += 1
