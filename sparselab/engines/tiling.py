"""How a mini-batch is cut into tiles and the tiles are shared out to threads."""

from ..kernels import WIDTHS

MAX_GROUPS = 8  # gradient buffers at most; a fixed number, so that sums do not depend on the number of threads
LARGE_TILE = 2**25  # bytes of a workspace beyond which a tile leaves the caches
WORTH_MEETING = 10**7  # links × columns from which it pays that threads share a tile and meet after each layer


def drop_threshold(dropout):
    """(threshold, scale): bytes below the threshold are dropped, the others scaled by 1 / the exact keep probability."""
    threshold = min(round(dropout * 256), 255)
    return threshold, 256 / (256 - threshold)


def shared_out(threads, shares, width, n_links, n_neurons):
    """(threads, together) for work of so many shares, tiles or groups of them; together they need one workspace, else one each.

    The threads take whole shares where there are enough, and go through each together where there are not, or where a tile is
    far larger than a cache, so that one workspace for all saves memory and costs no speed.
    """
    few = shares < threads and n_links * width >= WORTH_MEETING
    if threads > 1 and (few or 4 * n_neurons * width >= LARGE_TILE):
        return threads, True
    return max(1, min(threads, shares)), False


def tile_width(batch_size):
    """Columns of a tile for a batch: 64, or less for small batches, so that two cores find work where it pays."""
    if batch_size >= 2 * WIDTHS[-1]:
        return WIDTHS[-1]
    if batch_size > WIDTHS[-2]:
        return WIDTHS[-2]
    return next(width for width in WIDTHS if width >= batch_size)


def tiles_of(n_samples, width):
    """Number of tiles that hold n samples."""
    return -(-n_samples // width)


def groups_of(n_tiles):
    """How many gradient buffers a batch of n tiles is summed in."""
    return min(MAX_GROUPS, n_tiles)
