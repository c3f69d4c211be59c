"""The least time of repeated calls: other programs on the machine can only add to it."""

import time

from threadpoolctl import threadpool_limits


def least_seconds(calls, repeats):
    """Seconds of the fastest of `repeats` runs of each call, a list.

    The calls take turns, so that a busy moment of the machine affects all of them alike.
    """
    least = [float("inf")] * len(calls)
    for _ in range(repeats):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            least[i] = min(least[i], time.perf_counter() - start)
    return least


def least_seconds_of_blas(call, repeats):
    """Seconds of the fastest run of a call, after a first one that is not timed, with one BLAS thread or with all of them."""
    least = []
    for threads in (1, None):
        with threadpool_limits(threads, "blas"):
            call()
            least += least_seconds([call], repeats)
    return min(least)
