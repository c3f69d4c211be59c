"""Threads for one-off passes over many links: making, rewiring and transposing topologies."""

from concurrent.futures import ThreadPoolExecutor

from .resources import cores

WORTH_SHARING = 10**6  # links from which it pays to start threads


def in_parts(function, n, work):
    """function(begin, end) over [0, n) cut into a part a core, or in one where `work` (links) is little.

    Whatever it computes must not depend on the cuts. The functions are compiled code without the interpreter's lock.
    """
    parts = cores() if work >= WORTH_SHARING else 1
    cuts = [n * part // parts for part in range(parts + 1)]
    if parts == 1:
        function(0, n)
        return
    with ThreadPoolExecutor(parts - 1, "sparselab") as pool:
        others = [pool.submit(function, *pair) for pair in zip(cuts[1:], cuts[2:])]
        function(*cuts[:2])
    for other in others:
        other.result()
