"""Workers that are threads serve themselves: a gradient goes into the server's net, and the new net out, in compiled code.

All stand at one gate, an array of int64 (WORDS): a lock, whether it is open, and what the server knows. Whoever finds it closed
goes back to Python with its gradient. Nobody waits there longer than an update and a copy take.
"""

import numpy as np
from numba import carray

from .columns import N_OUT, NNZ, B, W
from .settings import jit
from .system import acquire, as_pointer, atomic_add, atomic_load, now, release
from .updating import apply_update

# words of a gate. era: whose tasks belong here; logged: turns since somebody looked, limit: how many there may be; left: pulls
# that may still begin; rates, log, losses: addresses of a learning rate, a row and a loss for each of them; max_staleness: or -1
LOCK, OPEN, ERA, VERSION, LOGGED, LIMIT, LEFT, WAITING, MAX_STALENESS, RATES, LOG, LOSSES, WORDS = range(13)
# words of a worker: its number, the version and the era of its net, nanoseconds when it goes back, and when its gradient began
NUMBER, MY_VERSION, MY_ERA, UNTIL, BEGUN, MINE = range(6)
# columns of a row of the log; times in nanoseconds
WHO, STALENESS, REFUSED, SAMPLES, HITS, QUEUE, BEGIN, END, ROW = range(9)
DAMPING = 4  # in a server's settings, after the optimizer's


@jit
def take_turn(gate, mine, server, table, dw, db, settings, loss, hits, n_samples, clock):
    """One push and one pull of a worker; False where it may not: then nothing has been done.

    mine: the worker's words; server, table: addresses of the server's net and of the worker's; dw, db: of its gradient; loss: Σ
    over its samples. clock: see system.now.
    """
    words = carray(as_pointer(gate), (WORDS,), np.int64)
    ended = now(clock)
    if atomic_load(gate + 8 * OPEN) == 0 or ended > mine[UNTIL]:
        return False
    atomic_add(gate + 8 * WAITING, 1)
    acquire(gate)
    queue = atomic_add(gate + 8 * WAITING, -1) - 1
    may = words[OPEN] != 0 and words[ERA] == mine[MY_ERA] and words[LOGGED] < words[LIMIT] and words[LEFT] > 0
    if may:
        turn, staleness, n = words[LOGGED], words[VERSION] - mine[MY_VERSION], words[LIMIT]
        refused = words[MAX_STALENESS] >= 0 and staleness > words[MAX_STALENESS]
        if not refused:
            rate = carray(as_pointer(words[RATES]), (n,), np.float64)[turn] / (1 + staleness) ** settings[DAMPING]
            apply_update(0, 1, server, dw, db, 1, np.float32(rate), settings)
            words[VERSION] += 1
        row = carray(as_pointer(words[LOG]), (n, ROW), np.int64)[turn]
        row[WHO], row[STALENESS], row[REFUSED], row[SAMPLES] = mine[NUMBER], staleness, refused, n_samples
        row[HITS], row[QUEUE], row[BEGIN], row[END] = hits, queue, mine[BEGUN], ended
        carray(as_pointer(words[LOSSES]), (n,), np.float64)[turn] = loss / n_samples * n_samples  # as it is told in Python
        words[LOGGED] += 1
        words[LEFT] -= 1
        copy_net(server, table)
        mine[MY_VERSION], mine[BEGUN] = words[VERSION], now(clock)
    release(gate)
    return may


@jit
def copy_net(source, target):
    """Weights and biases from the net of one table to that of another with the same links."""
    for l in range(source.shape[0]):
        for kind in range(2):
            n, field = (source[l, N_OUT], B) if kind else (source[l, NNZ], W)
            carray(as_pointer(target[l, field]), (n,), np.float32)[:] = carray(as_pointer(source[l, field]), (n,), np.float32)
