"""A parallel for loop over rows, for single passes over many links such as growing them."""

from concurrent.futures import ThreadPoolExecutor

from .interrupts import defer_interrupts
from .resources import cores

WORTH_SHARING = 10**6  # links below which starting threads costs more than it saves


def in_parts(function, n, work):
    """Call function(begin, end) on parts of [0, n): one part for each core, or a single one if `work` (links) is small.

    The result must not depend on how the range is cut. The functions are compiled code that releases the GIL.
    """
    parts = cores() if work >= WORTH_SHARING else 1
    cuts = [n * part // parts for part in range(parts + 1)]
    if parts == 1:
        function(0, n)
        return
    with defer_interrupts, ThreadPoolExecutor(parts - 1, "sparselab") as pool:  # no thread outlives this call
        others = [pool.submit(function, *pair) for pair in zip(cuts[1:], cuts[2:])]
        function(*cuts[:2])
    for other in others:
        other.result()
