"""Workers of a Dask cluster: one of this machine by name, or any other by the address of its scheduler.

A local cluster listens on loopback only, with TLS. Samples are sent once and kept by every worker; snapshots and gradients
travel by value, so on slow links `steps_per_push` is the knob to turn.
"""

import logging
import queue
import uuid
from concurrent.futures import Future

from .. import checks
from .processes import THREADS, packed
from .tasks import Worker

CONNECT = 10  # seconds that a scheduler has to answer
START_UP = 60  # seconds that workers have to come


class Cluster:
    """The backend "dask". address: None for a cluster of this machine, or "tcp://host:port" or "tls://…" of a scheduler (then
    what encrypts the connection is up to Dask's configuration), or a distributed.Client."""

    name = "dask"

    def __init__(self, address=None):
        self.address, self.client, self.cluster = address, None, None

    def open(self, job, X, targets):
        """Connect or start, and send the samples to every worker."""
        self.job, self.X, self.targets = job, X, targets
        self.packed, self.done = packed(job), queue.SimpleQueue()
        self._connect()
        self._send()

    def gradient(self, number, snapshot, round_):
        """Send the snapshot and start the round."""
        return self._start(gradient_task, number, owned(snapshot), round_)

    def local(self, number, parameters, optimizer, epoch):
        """Start an epoch of a worker on its own."""
        return self._start(local_task, number, parameters, optimizer, epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        try:
            return self.done.get(timeout=timeout)
        except queue.Empty:
            return None

    def result(self, future):
        """The task's result, or its exception."""
        return future.result()

    def restart(self):
        """A new local cluster; with a cluster of somebody else, the samples are sent again."""
        if self.cluster is not None:
            self._disconnect()
            self._connect()
        self._send()

    def close(self):
        """Forget the samples everywhere; end what was started here."""
        self._disconnect()
        self.X = self.targets = None

    def _connect(self):
        distributed = imported()
        address = self.address
        if address is None:
            self.cluster = distributed.LocalCluster(
                n_workers=self.job.n_workers, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", security=True, silence_logs=logging.CRITICAL, env=THREADS,
            )  # fmt: skip
            address = self.cluster
        if isinstance(address, distributed.Client):
            self.client = address
        else:
            try:
                self.client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
            except OSError as error:
                raise ValueError(
                    f"backend = {checks.shown(address)}: must be the address of a scheduler that answers ({error})"
                ) from None
        self.client.wait_for_workers(1 if self.cluster is None else self.job.n_workers, timeout=START_UP)

    def _disconnect(self):
        client, cluster = self.client, self.cluster
        self.client = self.cluster = self.data = None
        if client is not None and client is not self.address:
            client.close()
        if cluster is not None:
            cluster.close()

    def _send(self):
        self.key = uuid.uuid4().hex
        self.data = self.client.scatter([(self.packed, self.X, self.targets)], broadcast=True, hash=False)[0]

    def _start(self, task, number, *arguments):
        mine = Future()
        theirs = self.client.submit(task, self.key, self.data, number, *arguments, pure=False)
        theirs.add_done_callback(lambda theirs: hand_over(theirs, mine, self.done))
        mine.theirs = theirs  # Dask forgets a task that nobody holds
        return mine


def hand_over(theirs, mine, done):
    """The outcome of Dask's future becomes that of ours."""
    try:
        mine.set_result(theirs.result(timeout=START_UP))
    except BaseException as error:
        mine.set_exception(error if isinstance(error, Exception) else RuntimeError(f"the task was given up: {error!r}"))
    done.put(mine)


def imported():
    """distributed, or an ImportError that says how to get it."""
    try:
        import distributed
    except ImportError:
        raise ImportError(
            "backend='dask' needs the package distributed: install the extra, pip install -e '.[cluster]'"
        ) from None
    return distributed


def owned(snapshot):
    """A snapshot with arrays of its own: Dask may look at them after the server has gone on."""
    from ..mlp import Parameters
    from .tasks import Snapshot

    p = snapshot.parameters
    copies = [tuple(array.copy() for array in arrays) for arrays in (p.weights, p.biases)]
    return Snapshot(snapshot.version, snapshot.generation, Parameters(p.topologies, *copies, p.neurons))


# in the worker's process

_HERE = {}


def worker(key, data, number):
    """The Worker of a training, made on first use in this process; those of earlier trainings are let go."""
    import pickle

    if key not in _HERE:
        _HERE.clear()
        _HERE[key] = {}
    if number not in _HERE[key]:
        job, X, targets = data
        _HERE[key][number] = Worker(pickle.loads(job), number, X, targets)
    return _HERE[key][number]


def gradient_task(key, data, number, snapshot, round_):
    """The Push of a round, with arrays of its own."""
    me = worker(key, data, number)
    me.load(snapshot)
    push = me.gradient(round_)
    if not push.failed:
        push.dw, push.db = [a.copy() for a in push.dw], [a.copy() for a in push.db]
    return push


def local_task(key, data, number, parameters, optimizer, epoch):
    """The LocalEpoch of a worker."""
    return worker(key, data, number).local(parameters, optimizer, epoch)
