"""Single passes over a topology's links: validation, transposition, compaction, counting, strength."""

from .settings import jit

# what `first_fault` found
FINE, BAD_START, DECREASING, OUT_OF_RANGE, UNSORTED = range(5)


@jit
def first_fault(indptr, indices, n_in):
    """(kind, row, slot) of the first broken law of a CSR topology, rows sorted and unique; lengths were checked before."""
    if indptr[0] != 0:
        return BAD_START, 0, 0
    for j in range(indptr.shape[0] - 1):
        if indptr[j + 1] < indptr[j] or indptr[j + 1] > indices.shape[0]:
            return DECREASING, j, 0
        previous = -1
        for k in range(indptr[j], indptr[j + 1]):
            if indices[k] < 0 or indices[k] >= n_in:
                return OUT_OF_RANGE, j, k
            if indices[k] <= previous:
                return UNSORTED, j, k
            previous = indices[k]
    return FINE, 0, 0


@jit
def count_columns(indices, counts):
    """counts[i] += number of links from input i."""
    for k in range(indices.shape[0]):
        counts[indices[k]] += 1


@jit
def transpose(indptr, indices, indptr_t, rows_t, slots_t):
    """The same links by input: a counting sort. indptr_t (n_in + 1,) holds column counts in [1:] on entry."""
    for i in range(indptr_t.shape[0] - 1):
        indptr_t[i + 1] += indptr_t[i]
    for j in range(indptr.shape[0] - 1):
        for k in range(indptr[j], indptr[j + 1]):
            place = indptr_t[indices[k]]
            rows_t[place], slots_t[place] = j, k
            indptr_t[indices[k]] = place + 1
    for i in range(indptr_t.shape[0] - 1, 0, -1):
        indptr_t[i] = indptr_t[i - 1]
    indptr_t[0] = 0


@jit
def compact(indptr, indices, keep, new_indptr, new_indices, origin):
    """The links with keep[k], in order; origin[new slot] = old slot."""
    place = 0
    new_indptr[0] = 0
    for j in range(indptr.shape[0] - 1):
        for k in range(indptr[j], indptr[j + 1]):
            if keep[k]:
                new_indices[place], origin[place] = indices[k], k
                place += 1
        new_indptr[j + 1] = place


@jit
def row_of_links(indptr, rows):
    """rows[k] = the output neuron of link k."""
    for j in range(indptr.shape[0] - 1):
        for k in range(indptr[j], indptr[j + 1]):
            rows[k] = j


@jit
def strength(indptr, w, out):
    """out[j] = Σ |w| over the incoming links of neuron j."""
    for j in range(indptr.shape[0] - 1):
        sum_ = 0.0
        for k in range(indptr[j], indptr[j + 1]):
            sum_ += abs(w[k])
        out[j] = sum_


@jit
def carry(values, origin, fill, out):
    """out[new slot] = values[old slot], or `fill` for a new link."""
    for k in range(origin.shape[0]):
        out[k] = values[origin[k]] if origin[k] >= 0 else fill


@jit
def keep_above(w, low, high, ties_low, ties_high, keep):
    """SET's cut: drop negative links in (low, 0) and positive ones in (0, high); of those equal to a threshold drop the first
    `ties` in slot order."""
    for k in range(w.shape[0]):
        value = w[k]
        drop = low < value < 0 or 0 < value < high
        if value == low and value < 0 and ties_low > 0:
            drop, ties_low = True, ties_low - 1
        if value == high and value > 0 and ties_high > 0:
            drop, ties_high = True, ties_high - 1
        keep[k] = not drop
