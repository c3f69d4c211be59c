"""The best of a stream that does not fit into memory."""

import numpy as np


class Largest:
    """The k largest numbers >= 0 of a stream, and where they were; among equals the first ones. Memory is O(k + a piece)."""

    def __init__(self, k):
        self.k, self.numbers, self.places = k, np.zeros(0), np.zeros(0, np.int64)

    def offer(self, numbers, start):
        """The next piece of the stream, which begins at place `start`."""
        least = self.numbers[-1] if self.k and len(self.numbers) == self.k else -np.inf
        if len(numbers) > self.k > 0:  # a partition is quicker than to sort all
            least = max(least, np.nextafter(np.partition(numbers, -self.k)[-self.k], -np.inf))
        found = np.flatnonzero((numbers > least) & (numbers >= 0))
        numbers, places = np.append(self.numbers, numbers[found]), np.append(self.places, found + start)
        first = np.lexsort((places, -numbers))[: self.k]
        self.numbers, self.places = numbers[first], places[first]
