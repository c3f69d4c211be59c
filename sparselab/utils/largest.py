"""The k best of a stream of numbers, in memory that does not grow with the stream; how many of the smallest are in each array."""

import numpy as np

STRIDE = 32  # of the sample
PIECE, DIGIT = 2**18, 16  # numbers looked at together; bits that one pass over all numbers finds


class Largest:
    """The k largest numbers of a stream, and where they were; among equals those at the first places.

    Numbers are collected and cut to k whenever 2k are there, so that time is O(stream) and memory O(k + a piece). −inf and NaN
    are left out. The result does not depend on the order of the stream.
    """

    def __init__(self, k):
        self.k, self._least, self._count = k, -np.inf, 0  # nothing below `_least` can be among the k largest
        self._pieces = []

    def offer(self, numbers, places):
        """The next piece of the stream. places: where the numbers are, or an int: at `places`, `places` + 1, …"""
        if not self.k:
            return
        if len(numbers) > 2 * self.k:
            self._least = max(self._least, self._bound(numbers))
        found = np.flatnonzero((numbers >= self._least) & (numbers > -np.inf))
        where = found + places if isinstance(places, int) else places[found]
        self._add(numbers[found], where)

    def _bound(self, numbers):
        """A number that at least k of many are not below, so that fewer have to be collected; −inf where none is found.

        The k-th largest is one, but a partition takes long; mostly one that a sample suggests is nearly as good.
        """
        sample = numbers[::STRIDE]
        m = int(1.5 * self.k / STRIDE) + 8
        if m < len(sample) // 4:
            guess = np.partition(sample, -m)[-m]
            if np.count_nonzero(numbers >= guess) >= self.k:
                return float(guess)
        best = np.partition(numbers, -self.k)[-self.k :]
        return -np.inf if np.isnan(best).any() else float(best[0])  # NaN is put above all numbers

    def merge(self, other):
        """Take over what another one has found, in another part of the stream."""
        for piece in other._pieces:
            self._add(*piece)

    def places(self):
        """The places of the k largest, or of all if there are fewer, largest first."""
        numbers, places = self._cut()
        return places[np.lexsort((places, -numbers))]

    def _add(self, numbers, places):
        self._pieces.append((numbers, places))
        self._count += len(numbers)
        if self._count > 2 * self.k:
            self._cut()

    def _cut(self):
        """The k largest, in no order, which take the place of what was collected."""
        numbers, places = np.zeros(0), np.zeros(0, np.int64)
        if self._pieces:
            numbers, places = (np.concatenate(parts) for parts in zip(*self._pieces, strict=True))
        if len(numbers) > self.k:
            least = np.partition(numbers, -self.k)[-self.k]
            above, equal = np.flatnonzero(numbers > least), np.flatnonzero(numbers == least)
            missing = self.k - len(above)
            if missing < len(equal):
                equal = equal[np.argpartition(places[equal], missing - 1)[:missing]]
            chosen = np.concatenate([above, equal])
            numbers, places, self._least = numbers[chosen], places[chosen], max(self._least, float(least))
        self._pieces, self._count = [(numbers, places)], len(numbers)
        return numbers, places


def counts_of_smallest(arrays, n):
    """(arrays,) int: how many of the n smallest |values| of several arrays are in each; of equal ones the first ones count.

    arrays: floats of one dtype, which are read in pieces, and not copied as a whole. n: in [0, Σ len(array)].
    """
    if not n:
        return np.zeros(len(arrays), int)
    limit = nth_smallest(arrays, n)
    pieces = lambda array: (np.abs(array[start : start + PIECE]) for start in range(0, len(array), PIECE))
    count = lambda holds: np.array([sum(int(np.count_nonzero(holds(piece))) for piece in pieces(array)) for array in arrays])
    below = count(lambda size: bits_of(size) < limit)
    up_to = np.cumsum(count(lambda size: bits_of(size) == limit)).clip(max=n - below.sum())
    return below + np.diff(up_to, prepend=0)


def nth_smallest(arrays, n):
    """The bits of the n-th smallest |value| of several arrays, n >= 1: digit by digit, from the highest one on."""
    width, found, left = 8 * arrays[0].itemsize, 0, n
    for shift in range(width - DIGIT, -1, -DIGIT):
        counts = np.zeros(2**DIGIT, np.int64)
        for array in arrays:
            for start in range(0, len(array), PIECE):
                bits = bits_of(np.abs(array[start : start + PIECE]))
                if shift + DIGIT < width:
                    bits = bits[bits >> (shift + DIGIT) == found]
                counts += np.bincount(((bits >> shift) & (2**DIGIT - 1)).astype(np.int64), minlength=2**DIGIT)
        up_to = np.cumsum(counts)
        digit = int(np.searchsorted(up_to, left))
        found, left = (found << DIGIT) | digit, left - int(up_to[digit] - counts[digit])
    return found


def bits_of(sizes):
    """Floats >= 0 as whole numbers of the same order; NaN is above all others."""
    return sizes.view(f"u{sizes.itemsize}")
