"""Workers that are threads serve themselves: a gradient goes into the server's net, and the new net out, in compiled code.

All stand at one gate, an array of int64 (WORDS): a lock, whether it is open, and what the server knows. Whoever finds it closed
goes back to Python with its gradient. One takes its turn after the other, or all take theirs together: then they wait for each
other, and share the update.
"""

import numpy as np
from numba import carray

from .columns import N_OUT, NNZ, B, W
from .settings import jit
from .system import SPINS, acquire, as_pointer, atomic_add, atomic_load, give_way, now, release
from .updating import ONE, apply_update, update_copy, vector

# words of a gate. lock: 0, or whose it is; era: whose tasks belong here; logged: turns since somebody looked, limit: how many
# there may be; rates, log, losses: where a learning rate, a row and a loss for each of them stand, in bytes from the gate;
# max_staleness: or -1. together: workers that take a turn together, or 0; then a turn has a row and a loss for each worker, in
# their order, factors: place of a factor of the velocity for each turn; dws, dbs: of the workers' tables of gradients, a row
# each; here, updated, gone: workers that wait, have done their share, and have their copy; rounds counts such turns, sent_back
# ends of the waiting; apart: whether workers are processes
(
    LOCK, OPEN, ERA, VERSION, LOGGED, LIMIT, WAITING, MAX_STALENESS, RATES, LOG, LOSSES, TOGETHER, FACTORS, DWS, DBS, HERE,
    UPDATED, GONE, ROUNDS, SENT_BACK, APART, WORDS,
) = range(22)  # fmt: skip
DRIVER = 2**20  # who has the lock, beside workers 1, 2, …
# words of a worker: its number, the version and the era of its net, nanoseconds when it goes back, when its gradient began, and
# nanoseconds that it waited for others
NUMBER, MY_VERSION, MY_ERA, UNTIL, BEGUN, WAITED, MINE = range(7)
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
    if words[TOGETHER]:
        return take_round(gate, mine, server, table, dw, db, settings, loss, hits, n_samples, clock)
    ended = now(clock)
    if ended > mine[UNTIL]:
        return False
    atomic_add(gate + 8 * WAITING, 1)
    acquire(gate, mine[NUMBER] + 1)
    mine[WAITED] += now(clock) - ended
    queue = atomic_add(gate + 8 * WAITING, -1) - 1
    may = words[OPEN] != 0 and words[ERA] == mine[MY_ERA] and words[LOGGED] < words[LIMIT]
    if may and words[APART]:
        update_apart(gate, words, mine, server, table, dw, db, settings, loss, hits, n_samples, queue, ended)
        mine[BEGUN] = now(clock)
    elif may:
        turn, staleness, n = words[LOGGED], words[VERSION] - mine[MY_VERSION], words[LIMIT]
        refused = words[MAX_STALENESS] >= 0 and staleness > words[MAX_STALENESS]
        if not refused:
            rate = carray(as_pointer(gate + words[RATES]), (n,), np.float64)[turn] / (1 + staleness) ** settings[DAMPING]
            apply_update(0, 1, server, dw, db, 1, np.float32(rate), settings, ONE, ONE)
            words[VERSION] += 1
        note(gate, words, turn, n, mine, staleness, refused, n_samples, hits, queue, ended, loss)
        words[LOGGED] += 1
        copy_net(server, table)
        mine[MY_VERSION], mine[BEGUN] = words[VERSION], now(clock)
    release(gate)
    return may


@jit
def note(gate, words, place, n, mine, staleness, refused, n_samples, hits, queue, ended, loss):
    """Write a row of the log, which has n, and its loss."""
    row = carray(as_pointer(gate + words[LOG]), (n, ROW), np.int64)[place]
    row[WHO], row[STALENESS], row[REFUSED], row[SAMPLES] = mine[NUMBER], staleness, refused, n_samples
    row[HITS], row[QUEUE], row[BEGIN], row[END] = hits, queue, mine[BEGUN], ended
    carray(as_pointer(gate + words[LOSSES]), (n,), np.float64)[place] = loss / n_samples * n_samples  # as it is told in Python


@jit
def update_apart(gate, words, mine, server, table, dw, db, settings, loss, hits, n_samples, queue, ended):
    """The turn of a worker that may be killed in it: the server's net stands here twice, one behind the other in its table.

    The newer one is only read, the other one becomes the newest when the turn is counted, in one word; until then nothing has
    happened. An even number of turns: the first of the two is the newer one.
    """
    n, turn, limit = table.shape[0], words[LOGGED], words[LIMIT]
    staleness = words[VERSION] + turn - mine[MY_VERSION]
    rate = carray(as_pointer(gate + words[RATES]), (limit,), np.float64)[turn] / (1 + staleness) ** settings[DAMPING]
    first = n * (turn % 2)
    update_copy(server[first : first + n], server[n - first : 2 * n - first], table, dw, db, np.float32(rate), settings)
    note(gate, words, turn, limit, mine, staleness, 0, n_samples, hits, queue, ended, loss)
    mine[MY_VERSION] = words[VERSION] + turn + 1
    atomic_add(gate + 8 * LOGGED, 1)


@jit
def take_round(gate, mine, server, table, dw, db, settings, loss, hits, n_samples, clock):
    """The same of all workers together: the mean of their gradients is one update, of which each does its share.

    False where somebody is in Python, or about to go there: then nobody's gradient has been used. The lock is held from the
    arrival of the last one until all have their copy: no worker leaves, and nobody in Python looks at the net, in between.
    """
    words = carray(as_pointer(gate), (WORDS,), np.int64)
    n, me, ended = words[TOGETHER], mine[NUMBER], now(clock)
    if ended > mine[UNTIL]:
        return False
    acquire(gate, me + 1)
    if words[OPEN] == 0 or words[ERA] != mine[MY_ERA] or words[LOGGED] >= words[LIMIT]:
        release(gate)
        return False
    turn, round_, sent_back, limit = words[LOGGED], words[ROUNDS], words[SENT_BACK], words[LIMIT]
    note(gate, words, turn * n + me, limit * n, mine, 0, 0, n_samples, hits, 0, ended, loss)
    dws = carray(as_pointer(gate + words[DWS]), (n, server.shape[0]), np.int64)
    dbs = carray(as_pointer(gate + words[DBS]), (n, server.shape[0]), np.int64)
    dws[me], dbs[me] = dw[0], db[0]
    words[HERE] += 1
    if words[HERE] == n:
        words[HERE] = words[UPDATED] = words[GONE] = 0
        atomic_add(gate + 8 * ROUNDS, 1)
    else:
        release(gate)
        spins = 0
        while atomic_load(gate + 8 * ROUNDS) == round_:
            if atomic_load(gate + 8 * SENT_BACK) != sent_back:
                return False
            spins += 1
            if spins > SPINS:
                give_way()
    mine[WAITED] += now(clock) - ended
    rate = np.float32(carray(as_pointer(gate + words[RATES]), (limit,), np.float64)[turn])
    factor = np.float32(carray(as_pointer(gate + words[FACTORS]), (limit,), np.float64)[turn])
    apply_update(me, n, server, dws, dbs, n, rate, settings, np.float32(n), factor)
    atomic_add(gate + 8 * UPDATED, 1)
    spins = 0
    while atomic_load(gate + 8 * UPDATED) < n:
        spins += 1
        if spins > SPINS:
            give_way()
    copy_net(server, table)
    mine[MY_VERSION], mine[BEGUN] = words[VERSION] + 1, now(clock)
    if atomic_add(gate + 8 * GONE, 1) == n - 1:
        words[VERSION] += 1
        words[LOGGED] += 1
        release(gate)
    return True


@jit
def copy_net(source, target):
    """Weights and biases from the net of one table to that of another with the same links."""
    for l in range(source.shape[0]):
        for kind in range(2):
            n, field = (source[l, N_OUT], B) if kind else (source[l, NNZ], W)
            vector(target[l, field], n)[:] = vector(source[l, field], n)
