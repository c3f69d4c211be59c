"""The k best of a stream of numbers, and k drawn from one with weights: in memory that does not grow with the stream."""

import numpy as np

from ..kernels import link_scores


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
        if len(numbers) > 2 * self.k:  # a partition is quicker than to collect all
            best = np.partition(numbers, -self.k)[-self.k :]
            if not np.isnan(best).any():  # it puts NaN above all numbers
                self._least = max(self._least, float(best[0]))
        found = np.flatnonzero((numbers >= self._least) & (numbers > -np.inf))
        where = found + places if isinstance(places, int) else places[found]
        self._add(numbers[found], where)

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


def perturbed(scores, places, power, seed):
    """Random numbers of which the k largest are k places drawn one after the other without replacement, p ∝ score^power.

    They are functions of (seed, place) alone. −inf for a score of 0, which is never drawn. Scores are >= 0.
    """
    out = np.empty(len(scores))
    link_scores.perturb(seed, places, np.asarray(scores, float), float(power), out)
    return out


def drawn(scores, k, power, rng):
    """A bool array with k True, drawn without replacement, p ∝ score^power; scores of 0 only when no other is left, uniformly."""
    seed, places = rng.integers(2**64, dtype=np.uint64), np.arange(len(scores))
    chosen = np.zeros(len(scores), bool)
    for weights in (scores, np.equal(scores, 0)):
        best = Largest(k - int(np.count_nonzero(chosen)))
        best.offer(perturbed(weights, places, power, seed), 0)
        chosen[best.places()] = True
    return chosen
