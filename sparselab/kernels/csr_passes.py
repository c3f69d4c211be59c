"""Passes over the links of a CSR topology: validation, transposition, compaction, merging, counting, strength."""

from .settings import jit

BLOCK = 16  # inputs are sorted in blocks of 2^16, whose counters fit the second-level cache

# kinds of faults that `first_fault` reports
FINE, BAD_START, DECREASING, OUT_OF_RANGE, UNSORTED = range(5)


@jit
def first_fault(indptr, indices, n_in):
    """(kind, row, slot) of the first fault of a CSR topology with sorted rows without duplicates; lengths were checked before."""
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
def block_begins(indices, begins):
    """begins (blocks + 1,) = where the links from each block of 2^BLOCK inputs begin once they are sorted by block."""
    begins[:] = 0
    for k in range(indices.shape[0]):
        begins[(indices[k] >> BLOCK) + 1] += 1
    for block in range(begins.shape[0] - 1):
        begins[block + 1] += begins[block]


@jit
def transpose(indptr, indices, begins, indptr_t, rows_t, slots_t, inputs, rows, slots):
    """Sort the links by input, then by row: a radix sort, first by block of inputs, then within each block.

    So no pass accesses memory at random beyond a cache, as one counting sort over millions of inputs would. begins: from
    `block_begins`, overwritten. indptr_t (n_in + 1,): 0 on entry. Scratch: inputs (nnz,) uint16, the input within its block;
    rows, slots (links of the fullest block,) int32.
    """
    n_in = indptr_t.shape[0] - 1
    for j in range(indptr.shape[0] - 1):
        for k in range(indptr[j], indptr[j + 1]):
            block = indices[k] >> BLOCK
            place = begins[block]
            begins[block] = place + 1
            rows_t[place], slots_t[place], inputs[place] = j, k, indices[k] & ((1 << BLOCK) - 1)
    begin = 0
    for block in range(begins.shape[0] - 1):
        end, first = begins[block], (block << BLOCK) + 1  # indptr_t[first + i]: where input i's next link goes
        for k in range(begin, end):
            indptr_t[first + inputs[k]] += 1
            rows[k - begin], slots[k - begin] = rows_t[k], slots_t[k]
        place = begin
        for i in range(first, min(n_in, (block + 1) << BLOCK) + 1):
            count = indptr_t[i]
            indptr_t[i] = place
            place += count
        for k in range(begin, end):
            place = indptr_t[first + inputs[k]]
            indptr_t[first + inputs[k]] = place + 1
            rows_t[place], slots_t[place] = rows[k - begin], slots[k - begin]
        begin = end


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
def matches(indptr_a, indices_a, indptr_b, indices_b, origin):
    """origin[k] = the slot in `a` of the link in slot k of `b`, or −1; two topologies of one shape."""
    for j in range(indptr_b.shape[0] - 1):
        a = indptr_a[j]
        for k in range(indptr_b[j], indptr_b[j + 1]):
            while a < indptr_a[j + 1] and indices_a[a] < indices_b[k]:
                a += 1
            origin[k] = a if a < indptr_a[j + 1] and indices_a[a] == indices_b[k] else -1


@jit
def union(indptr_a, indices_a, indptr_b, indices_b, indptr, indices, origin_a, origin_b):
    """The links of `a` or `b`; origin_*[slot] = slot in `a` or `b`, or −1.

    `indices` and both origins have room for the links of both; the union has indptr[-1] links.
    """
    place = 0
    indptr[0] = 0
    for j in range(indptr.shape[0] - 1):
        a, b = indptr_a[j], indptr_b[j]
        end_a, end_b = indptr_a[j + 1], indptr_b[j + 1]
        while a < end_a or b < end_b:
            in_a = a < end_a and (b == end_b or indices_a[a] <= indices_b[b])
            in_b = b < end_b and (a == end_a or indices_b[b] <= indices_a[a])
            indices[place] = indices_a[a] if in_a else indices_b[b]
            origin_a[place], origin_b[place] = a if in_a else -1, b if in_b else -1
            a, b, place = a + in_a, b + in_b, place + 1
        indptr[j + 1] = place


@jit
def row_of_links(indptr, rows):
    """rows[k] = the output neuron of link k."""
    for j in range(indptr.shape[0] - 1):
        for k in range(indptr[j], indptr[j + 1]):
            rows[k] = j


@jit
def any_marked(indptr, indices, marks, out):
    """out[j] = whether any input of neuron j is marked."""
    for j in range(indptr.shape[0] - 1):
        out[j] = False
        for k in range(indptr[j], indptr[j + 1]):
            if marks[indices[k]]:
                out[j] = True
                break


@jit
def strength(indptr, w, out):
    """out[j] = Σ |w| over the incoming links of neuron j."""
    for j in range(indptr.shape[0] - 1):
        sum_ = 0.0
        for k in range(indptr[j], indptr[j + 1]):
            sum_ += abs(w[k])
        out[j] = sum_


@jit
def strength_out(indices, w, out):
    """out[i] += |w| of each link from input i; out is float64."""
    for k in range(indices.shape[0]):
        out[indices[k]] += abs(w[k])


@jit
def carry(values, origin, fill, out):
    """out[new slot] = values[old slot], or `fill` for a new link."""
    for k in range(origin.shape[0]):
        out[k] = values[origin[k]] if origin[k] >= 0 else fill


@jit
def keep_above(w, low, high, ties_low, ties_high, keep):
    """keep[k] = False for the links that SET prunes: those in (low, 0) or (0, high), and of the links that are equal to low or
    high the first ties_low or ties_high in slot order."""
    for k in range(w.shape[0]):
        value = w[k]
        drop = low < value < 0 or 0 < value < high
        if value == low and value < 0 and ties_low > 0:
            drop, ties_low = True, ties_low - 1
        if value == high and value > 0 and ties_high > 0:
            drop, ties_high = True, ties_high - 1
        keep[k] = not drop
