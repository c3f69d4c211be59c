"""How a mini-batch is cut into tiles, and how tiles or rows are shared out to threads."""

from bisect import bisect_left

from ..kernels import WIDTHS

MAX_GROUPS = 8  # most gradient buffers; fixed, so that sums do not depend on the number of threads
LARGE_TILE = 2**25  # bytes of a workspace from which a tile does not fit a cache
WORTH_MEETING = 10**7  # links × columns from which threads can share a tile and meet after each layer
WIDE, WIDER = 2**18, 8  # numbers of a tile from which it is wide, and how many times the one before it then must be smaller
ROW = 3  # links that cost as much as a row itself


def drop_threshold(dropout):
    """(threshold, scale): a random byte below the threshold drops a value; others are scaled by 1 / the exact chance to stay."""
    threshold = min(round(dropout * 256), 255)
    return threshold, 256 / (256 - threshold)


def shared_out(threads, shares, width, n_links, n_neurons):
    """(threads to use, together) for work in `shares`, which are tiles or groups of tiles.

    together: all threads go through each share, with one workspace for all. Otherwise each thread takes whole shares and has a
    workspace of its own. They work together where there are fewer shares than threads, or where a tile is far larger than a
    cache, so that one workspace saves memory and costs no speed.
    """
    few = shares < threads and n_links * width >= WORTH_MEETING
    if threads > 1 and (few or 4 * n_neurons * width >= LARGE_TILE):
        return threads, True
    return max(1, min(threads, shares)), False


def scatters(n_in, n_out, width):
    """Whether the backward pass of a layer goes by output, and so without a transposed index. Also for arrays of widths.

    It then reads the gradients of its many outputs once, in order, instead of those of each input's links anywhere in them; and
    adds to the gradients of its few inputs, which are in a cache.
    """
    return (n_out * width >= WIDE) & (n_out >= WIDER * n_in)


def tile_width(batch_size):
    """Columns of a tile for a batch: 64, or fewer for small batches, so that two cores have work where that is worth it."""
    if batch_size >= 2 * WIDTHS[-1]:
        return WIDTHS[-1]
    if batch_size > WIDTHS[-2]:
        return WIDTHS[-2]
    return next(width for width in WIDTHS if width >= batch_size)


def tiles_of(n_samples, width):
    """Number of tiles for n samples."""
    return -(-n_samples // width)


def groups_of(n_tiles):
    """Number of gradient buffers for a batch of n tiles."""
    return min(MAX_GROUPS, n_tiles)


def even_cuts(indptr, parts):
    """parts + 1 rows at which to cut a CSR topology into runs of about equal work."""
    n = len(indptr) - 1
    total = int(indptr[-1]) + ROW * n
    inner = [bisect_left(range(n), total * part / parts, key=lambda j: indptr[j] + ROW * j) for part in range(1, parts)]
    return [0, *inner, n]
