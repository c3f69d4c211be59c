"""Pushes and pulls of a parameter server in compiled code: `push` applies a gradient, `take_turn` lets a worker push and pull.

Workers that push by themselves share an array of int64, the control words: a lock, whether they may push now, and what the
server knows. A worker that may not returns to Python with its gradient. Workers take turns one after the other
(asynchronous), or all meet and share one update (synchronous).
"""

import numpy as np
from numba import types

from .columns import FIELDS, N_OUT, NNZ, SETTINGS, B, W
from .native import caller, native
from .settings import jit
from .system import FOREVER, SPINS, acquire_until, array_at, atomic_add, atomic_load, give_way, now, release, vector
from .updating import apply_update, copy_values

# The control words. LOCK: 0, or its holder; OPEN: whether workers may push by themselves; SESSION: tasks given in an earlier one
# must go through Python; VERSION: of the server's net; LOGGED: turns since Python read the log; LIMIT: turns that may be logged;
# WAITING: workers that wait for the lock. RATES, FACTORS, LOG, LOSSES: where a learning rate, a factor of the velocity, a row and
# a loss for each turn are, in bytes from the control words. TOGETHER: workers that take a turn together, or 0; then a turn has
# a row and a loss for each worker, in their order. DWS, DBS: where the addresses of their gradients are; ARRIVED, UPDATED,
# COPIED: workers that wait for the others, have done their share, and have their copy; ROUNDS: such turns so far; SENT_BACK: how
# often the waiting was ended. APART: whether workers are processes, with the server's net twice in memory.
(
    LOCK, OPEN, SESSION, VERSION, LOGGED, LIMIT, WAITING, RATES, FACTORS, LOG, LOSSES, TOGETHER, DWS, DBS, ARRIVED, UPDATED,
    COPIED, ROUNDS, SENT_BACK, APART, WORDS,
) = range(21)  # fmt: skip
DRIVER = 2**20  # holder of the lock, beside workers 1, 2, …
# A worker's own words: its number, the version and the session of its net; in nanoseconds, when it has to return to Python, when
# its gradient began, and how long it waited for others.
NUMBER, MY_VERSION, MY_SESSION, UNTIL, BEGUN, WAITED, MINE = range(7)
# Columns of a row of the log; times in nanoseconds.
WORKER, STALENESS, REFUSED, SAMPLES, HITS, QUEUE, BEGIN, END, ROW = range(9)
# A server's settings, after the optimizer's.
DAMPING, MAX_STALENESS, SERVER_SETTINGS = range(SETTINGS, SETTINGS + 3)


@jit
def push_rate(rate, staleness, damping, max_staleness):
    """The learning rate of a push `staleness` updates behind, η / (1 + staleness)^damping; −1 where it is too stale."""
    return -1.0 if staleness > max_staleness else rate / (1 + staleness) ** damping


@jit
def push(part, parts, table, dw, db, groups, rate, factor, staleness, settings, source=None, copy=None):
    """This part's share of a push: the mean gradient of `groups` workers into the server's net; False where it is refused.

    The one update of parameter servers: Python, threads and processes call it. factor: multiplies the velocity before; source,
    copy: see `apply_update`.
    """
    rate = push_rate(rate, staleness, settings[DAMPING], settings[MAX_STALENESS])
    if rate < 0:
        return False
    apply_update(part, parts, table, dw, db, np.float32(rate), settings, 0, np.float32(groups), np.float32(factor), source, copy)
    return True


@jit
def take_turn(control, mine, server, table, dw, db, settings, loss, hits, n_samples):
    """One push and one pull of a worker; False where it may not push by itself: then nothing has been done.

    control: address of the control words; mine: the worker's own; server, table: addresses of the server's net and of the
    worker's; dw, db: of its gradient; loss: sum over its samples.

    A process may be killed during its turn. So its server has the net twice, one behind the other in the table: the newer one is
    only read, and the other one becomes the newer when LOGGED is increased, in one instruction. After an even number of turns
    the first is the newer one.
    """
    words = array_at(control, (WORDS,), np.int64)
    if words[TOGETHER]:
        return take_turn_together(control, mine, server, table, dw, db, settings, loss, hits, n_samples)
    ended = now()
    if ended > mine[UNTIL]:
        return False
    atomic_add(control + 8 * WAITING, 1)
    taken = acquire_until(control, mine[NUMBER] + 1, mine[UNTIL])
    mine[WAITED] += now() - ended
    if not taken:  # its holder may have been stopped: Python has to know
        atomic_add(control + 8 * WAITING, -1)
        return False
    queue = atomic_add(control + 8 * WAITING, -1) - 1
    allowed = words[OPEN] != 0 and words[SESSION] == mine[MY_SESSION] and words[LOGGED] < words[LIMIT]
    if allowed:
        turn, limit, n = words[LOGGED], words[LIMIT], table.shape[0]
        version, newer, older = words[VERSION], 0, 0
        if words[APART]:
            version, newer, older = version + turn, n * (turn % 2), n - n * (turn % 2)
        staleness, rate = version - mine[MY_VERSION], array_at(control + words[RATES], (limit,), np.float64)[turn]
        applied = push(
            0, 1, server[older : older + n], dw, db, 1, rate, 1.0, staleness, settings, server[newer : newer + n], table
        )
        if not applied:
            copy_net(server, table)
        elif not words[APART]:
            words[VERSION] += 1
        write_log(control, words, turn, limit, mine, staleness, not applied, n_samples, hits, queue, ended, loss)
        atomic_add(control + 8 * LOGGED, 1)
        mine[MY_VERSION], mine[BEGUN] = version + applied, now()
    release(control)
    return allowed


@jit
def write_log(control, words, place, n, mine, staleness, refused, n_samples, hits, queue, ended, loss):
    """Write a row of the log, which has n, and its loss."""
    row = array_at(control + words[LOG], (n, ROW), np.int64)[place]
    row[WORKER], row[STALENESS], row[REFUSED], row[SAMPLES] = mine[NUMBER], staleness, refused, n_samples
    row[HITS], row[QUEUE], row[BEGIN], row[END] = hits, queue, mine[BEGUN], ended
    losses = array_at(control + words[LOSSES], (n,), np.float64)
    losses[place] = loss / n_samples * n_samples  # rounded as in Python, which sums means


@jit
def take_turn_together(control, mine, server, table, dw, db, settings, loss, hits, n_samples):
    """The same of all workers together: the mean of their gradients is one push, of which each does its share.

    False where a worker is in Python, or about to go there: then no gradient has been used. The lock is held from the arrival of
    the last worker until all have their copy: meanwhile no worker leaves, and Python does not look at the net.
    """
    words = array_at(control, (WORDS,), np.int64)
    n, me, ended = words[TOGETHER], mine[NUMBER], now()
    if ended > mine[UNTIL]:
        return False
    acquire_until(control, me + 1, FOREVER)
    if words[OPEN] == 0 or words[SESSION] != mine[MY_SESSION] or words[LOGGED] >= words[LIMIT]:
        release(control)
        return False
    turn, round_, sent_back, limit = words[LOGGED], words[ROUNDS], words[SENT_BACK], words[LIMIT]
    write_log(control, words, turn * n + me, limit * n, mine, 0, 0, n_samples, hits, 0, ended, loss)
    dws = array_at(control + words[DWS], (n, server.shape[0]), np.int64)
    dbs = array_at(control + words[DBS], (n, server.shape[0]), np.int64)
    for l in range(server.shape[0]):
        dws[me, l], dbs[me, l] = dw[0, l], db[0, l]
    words[ARRIVED] += 1
    if words[ARRIVED] == n:
        words[ARRIVED] = words[UPDATED] = words[COPIED] = 0
        atomic_add(control + 8 * ROUNDS, 1)
    else:
        release(control)
        spins = 0
        while atomic_load(control + 8 * ROUNDS) == round_:
            if atomic_load(control + 8 * SENT_BACK) != sent_back:
                return False
            spins += 1
            if spins > SPINS:
                give_way()
    mine[WAITED] += now() - ended
    rate = array_at(control + words[RATES], (limit,), np.float64)[turn]
    factor = array_at(control + words[FACTORS], (limit,), np.float64)[turn]
    push(me, n, server, dws, dbs, n, rate, factor, 0, settings)
    atomic_add(control + 8 * UPDATED, 1)
    spins = 0
    while atomic_load(control + 8 * UPDATED) < n:
        spins += 1
        if spins > SPINS:
            give_way()
    copy_net(server, table)
    mine[MY_VERSION], mine[BEGUN] = words[VERSION] + 1, now()
    if atomic_add(control + 8 * COPIED, 1) == n - 1:
        words[VERSION] += 1
        words[LOGGED] += 1
        release(control)
    return True


@jit
def copy_net(source, target):
    """Weights and biases from the net of one table to that of another with the same links."""
    for l in range(source.shape[0]):
        for kind in range(2):
            n, field = (source[l, N_OUT], B) if kind else (source[l, NNZ], W)
            copy_values(vector(source[l, field], n), vector(target[l, field], n), 0, n)


i = types.int64
TURN = i(i, i, i, i, i, i, i, i, types.float64, i, i)
call_turn = caller(TURN)


@native(TURN)
def turn(control, mine, server, n_layers, table, dw, db, settings, loss, hits, n_samples):
    """take_turn, for arrays given by address; dw, db: of one group of tiles."""
    rows, places = array_at(table, (n_layers, FIELDS), np.int64), (1, n_layers)
    n_nets = 2 if array_at(control, (WORDS,), np.int64)[APART] else 1
    return take_turn(
        control, array_at(mine, (MINE,), np.int64), array_at(server, (n_nets * n_layers, FIELDS), np.int64), rows,
        array_at(dw, places, np.int64), array_at(db, places, np.int64), array_at(settings, (SERVER_SETTINGS,), np.float64),
        loss, hits, n_samples,
    )  # fmt: skip
