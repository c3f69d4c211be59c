"""Workers of a Dask cluster: one of this machine by name, or any other by the address of its scheduler.

A local cluster listens on loopback only, with TLS. Samples are sent once and kept by every worker; snapshots and gradients
are sent by value, so on slow links a larger `steps_per_push` helps.
"""

import logging
import os
import queue
import signal
import threading
import uuid
from concurrent.futures import Future
from contextlib import suppress

from ...utils import checks
from ...utils.interrupts import defer_interrupts
from .base import THREADS, first_of, outcome, packed, without_interrupts
from .executor import forget, gradient_task, local_task, owned

CONNECT = 10  # seconds that a scheduler has to answer
START_UP = 60  # seconds that workers have to come
CLOSING = 5  # seconds that a cluster of this machine has to end by itself


class Cluster:
    """The backend "dask". address: None for a cluster of this machine, or "tcp://host:port" or "tls://…" of a scheduler (then
    Dask's configuration decides whether the connection is encrypted), or a distributed.Client."""

    name = "dask"

    def __init__(self, address=None):
        self.address, self.client, self.cluster = address, None, None
        self.data, self.under_way, self.avoided = None, {}, set()  # under_way: number -> (our Future, Dask's)

    def open(self, spec, X, targets):
        """Connect or start, and send the samples to every worker."""
        self.n_workers, self.done = spec.n_workers, queue.SimpleQueue()
        self.samples = packed(spec), X, targets
        self._connect()
        self._send()

    def gradient(self, number, snapshot, round_):
        """Send the snapshot and start the round."""
        return self._start(gradient_task, number, owned(snapshot), round_)

    def local(self, number, parameters, kept, epoch):
        """Start an epoch of a worker on its own."""
        return self._start(local_task, number, parameters, kept, epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        return first_of(self.done, timeout)

    def result(self, future):
        """The task's result, or its exception."""
        return outcome(future)

    def restart(self, numbers):
        """New workers for these. A process that hangs is killed if it is ours, else it gets no more tasks; samples that were lost
        with their processes are sent again. ConnectionError where the scheduler is gone."""
        self._check_scheduler()
        pairs = [self.under_way[number] for number in numbers if number in self.under_way]
        hanging = [remote for future, remote in pairs if not future.done()]
        if hanging:
            self._give_up(hanging)
        self._send()
        return numbers

    def close(self):
        """Forget the samples everywhere; end what was started here."""
        with defer_interrupts:  # a second Ctrl-C must not leave processes behind
            client, cluster = self.client, self.cluster
            under_way, self.under_way, self.data, self.samples = self.under_way, {}, None, None
            self.cluster = None
            if client is None and cluster is None:  # closed already, or never opened
                return
            if client is not None and cluster is None and client.status == "running":
                with suppress(Exception):  # only a courtesy to a cluster that lives on
                    self._clear_up(client, under_way)
            if cluster is not None:
                kill(cluster)
            self.client, client = None, None if client is self.address else client
            ending = threading.Thread(target=end, args=(client, cluster), daemon=True)  # it may wait for processes that are gone
            ending.start()
            ending.join(CLOSING)

    def _clear_up(self, client, under_way):
        """Leave nothing of this training in a cluster that is not ours."""
        from distributed import fire_and_forget

        client.cancel([remote for future, remote in under_way.values() if not future.done()])
        for address in self._usable() or client.nthreads():
            fire_and_forget(client.submit(forget, self.key, workers=[address], pure=False))

    def _connect(self):
        distributed = imported()
        address = self.address
        if address is None:
            import multiprocessing.resource_tracker

            if multiprocessing.current_process().daemon:
                allowed = '"processes" or "threads" in a worker of multiprocessing.Pool, which may not start Dask\'s'
                checks.fail("backend", self.name, allowed)
            multiprocessing.resource_tracker.ensure_running()  # its start would unblock the signal
            with defer_interrupts, without_interrupts():  # the threads and processes that start here
                address = self.cluster = distributed.LocalCluster(
                    n_workers=self.n_workers, threads_per_worker=1, processes=True, host="127.0.0.1",
                    dashboard_address="127.0.0.1:0", security=True, silence_logs=logging.CRITICAL, env=THREADS,
                )  # fmt: skip
        if isinstance(address, distributed.Client):
            self.client = address
        else:
            try:
                self.client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
            except OSError as error:
                raise ValueError(
                    f"backend = {checks.shown(address)}: must be the address of a scheduler that answers ({error})"
                ) from None
        self.client.wait_for_workers(1 if self.cluster is None else self.n_workers, timeout=START_UP)

    def _check_scheduler(self):
        if self.client is None or self.client.status != "running":
            raise ConnectionError("the scheduler is gone")

    def _give_up(self, tasks):
        """Cancel these tasks, and find the workers that hang at them: they are killed, or avoided."""
        keys = {remote.key for remote in tasks}
        processing = self.client.sync(self.client.scheduler.processing, workers=None, callback_timeout=CONNECT)
        hanging = {address for address, theirs in processing.items() if set(theirs) & keys}
        self.client.cancel(tasks)
        if self.cluster is None:
            others = set(processing) - self.avoided - hanging  # where there are none, those avoided before may do better
            self.avoided = self.avoided | hanging if others else hanging
            return
        for nanny in self.cluster.workers.values():
            if nanny.worker_address in hanging:
                with suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGKILL)

    def _send(self):
        """The samples to all workers; a new key, so that they make their workers anew."""
        self.key = uuid.uuid4().hex
        if self.data is None or self.data.status != "finished":
            usable = self._usable()
            self.data = self.client.scatter([self.samples], workers=usable, broadcast=True, hash=False, timeout=START_UP)[0]

    def _usable(self):
        """Addresses of the workers that do not hang, or None for all."""
        if not self.avoided:
            return None
        usable = [address for address in self.client.nthreads() if address not in self.avoided]
        if not usable:  # then it was not they that were slow
            self.avoided.clear()
        return usable or None

    def _start(self, task, number, *arguments):
        future = Future()
        try:
            self._check_scheduler()
            remote = self.client.submit(task, self.key, self.data, number, *arguments, pure=False, workers=self._usable())
        except Exception as error:
            future.set_exception(error)
            self.done.put(future)
            return future
        self.under_way[number] = future, remote  # Dask forgets a task to which there is no reference
        remote.add_done_callback(lambda remote: hand_over(remote, future, self.done))
        return future


def hand_over(remote, future, done):
    """The outcome of Dask's future becomes that of ours."""
    try:
        future.set_result(remote.result(timeout=START_UP))
    except BaseException as error:
        future.set_exception(error)
    done.put(future)


def imported():
    """distributed, or an ImportError that says how to get it."""
    try:
        import distributed
    except ImportError:
        raise ImportError(
            "backend='dask' needs the package distributed: install the extra, pip install -e '.[cluster]'"
        ) from None
    return distributed


def end(*things):
    """Close those that are there."""
    for one in things:
        if one is not None:
            with suppress(Exception):
                one.close(CLOSING)


def kill(cluster):
    """End the processes of a cluster of this machine: asking them takes seconds where one hangs."""
    for nanny in list(cluster.workers.values()):
        nanny.auto_restart = False
        if nanny.pid:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)
