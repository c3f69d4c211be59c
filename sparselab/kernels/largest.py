"""The k largest outputs of each sample of a tile."""

from .settings import jit

ROWS = 64  # outputs that are looked at for one sample before the next: a block of a tile stays in the first-level cache


@jit
def keep_best(Z, left, right, first, places, best):
    """places[first + c] and best[first + c] = the outputs with the k largest numbers in columns [left, right) of Z (outputs, W).

    k is the number of their columns, at most that of outputs. Largest first, among equals the lower output; NaN counts as lowest.
    """
    n, k = Z.shape[0], best.shape[1]
    for begin in range(0, n, ROWS):
        end = min(begin + ROWS, n)
        for c in range(left, right):
            row = first + c
            last = best[row, k - 1] if begin >= k else Z[0, c]
            for q in range(begin, end):
                z = Z[q, c]
                if q >= k and not (z > last or (last != last and z == z)):
                    continue
                place = min(q, k - 1)
                while place > 0:
                    before = best[row, place - 1]
                    if not (z > before or (before != before and z == z)):
                        break
                    best[row, place], places[row, place] = before, places[row, place - 1]
                    place -= 1
                best[row, place], places[row, place] = z, q
                last = best[row, k - 1]
