"""Workers of a Dask cluster: one of this machine by name, or any other by the address of its scheduler.

Dask keeps the samples and places one long task a worker, which connects to this process (see `dask_worker` for the other side).
Snapshots and gradients go over that connection, which is of Dask's transport and has the cluster's security settings. They are
values only; links go to a worker once after each evolution. A local cluster listens on loopback only, with TLS.
"""

import asyncio
import logging
import os
import pickle
import queue
import signal
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import BrokenExecutor, Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial

import cloudpickle

from ...utils import checks
from ...utils.interrupts import defer_interrupts
from ...utils.version import __version__
from ..core.worker import GradientUpdate, partners, summed
from .base import THREADS, first_of, outcome, packed, without_interrupts
from .dask_worker import attend, decoded, encoded, filled, flat, hollow, restored, rounded

CONNECT = 10  # seconds that a scheduler has to answer
START_UP = 60  # seconds that workers have to come
CLOSING = 5  # seconds that a cluster of this machine has to end by itself
SMALL = 2**22  # bytes of a net whose updates hold up Dask's event loop for less than a millisecond
# A cluster of this machine: the memory of messages is kept for the next ones, and nothing looks at what workers do.
OWN = {f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_THRESHOLD_": 2**25 for name in ("TRIM", "MMAP")}
OWN |= {"distributed.worker.profile.enabled": False}


class Cluster:
    """The backend "dask". address: None for a cluster of this machine, or "tcp://host:port" or "tls://…" of a scheduler (then
    Dask's configuration decides whether the connection is encrypted), or a distributed.Client.

    compression: "bfloat16" halves what is sent: parameters arrive rounded, too. "top-k" sends of each gradient the entries of
    largest magnitude only, `share` of all, in (0, 1] (Stich, Cordonnier, Jaggi 2018, "Sparsified SGD with memory"). What a
    gradient loses by either, its worker adds to its next one. Default: nothing is lost.

    server: "driver", this process, or "worker", one of the cluster, which the others can connect to where they cannot connect to
    this process. Its net comes here with each record; if it is lost, another one goes on from there.
    """

    name = "dask"

    def __init__(self, address=None, compression=None, share=0.01, server="driver"):
        if compression is not None:
            checks.choice("compression", compression, ["bfloat16", "top-k"])
        share = checks.number("share", share, "a number in (0, 1]", low=0, high=1, open_low=True)
        self.share, self.server = share if compression == "top-k" else None, checks.choice("server", server, ["driver", "worker"])
        self.options = {"compression": compression, "share": share}  # of a server elsewhere
        self.compression = f"top-k {share:g}" if self.share else compression  # for the records
        self.address, self.client, self.cluster, self.listener = address, None, None, None
        self.data, self.lines, self.teams, self.avoided, self.serving = None, {}, {}, set(), set()
        self.secret, self.attempt, self.can_meet, self.receive = uuid.uuid4().hex, 0, True, None

    def open(self, spec, X, targets):
        """Connect or start, send the samples to every worker, and wait until all workers have connected to this process."""
        self.done, self.samples = queue.SimpleQueue(), (packed(spec), X, targets)
        self.connect(spec.n_workers)
        self.client.sync(self._listen, next(iter(self._usable())), callback_timeout=CONNECT)
        self._place(range(self.n_workers))
        for line in self.lines.values():
            try:
                line.connected.result(START_UP)
            except Exception as error:
                raise ValueError(
                    f"backend = {checks.shown(self.address or self.name)}: must have workers with sparselab {__version__} that "
                    f"can connect to this process at {self.listener.contact_address} ({error or type(error).__name__})"
                ) from error
        self.teams = self._teams()

    def deliver_to(self, receive):
        """Answers of small nets are offered to this function first, in the thread of Dask's event loop: to wake another thread
        takes longer than to handle them. It must not wait for what that loop does."""
        self.receive = partial(receive, wait=False)

    def gradient(self, number, snapshot, round_):
        """Send the snapshot, without its links where the worker has them, and start the round."""
        p, line = snapshot.parameters, self.lines[number]
        has_links = line.generation == snapshot.generation
        goes_on = round_ == line.next_round
        links, state = None if has_links else (p.topologies, p.neurons), None if has_links and goes_on else snapshot.optimizer
        line.generation, line.topologies = snapshot.generation, p.topologies
        line.next_round = None if snapshot.warm_up else round_ + 1
        values = flat(p.weights, p.biases, state)
        values = rounded(values) if self.compression == "bfloat16" else values
        head = replace(snapshot, parameters=None, optimizer=hollow(state))
        numbers = () if snapshot.rates is None else self.teams[number]
        return self._start(line, "gradient", head, links, values, p.weights[0].dtype, round_, numbers, self.share)

    def local(self, number, parameters, kept, epoch):
        """Start an epoch of a worker on its own."""
        return self._start(self.lines[number], "local", parameters, kept, epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        return first_of(self.done, timeout)

    def result(self, future):
        """The task's result, or its exception."""
        answer = outcome(future)
        if isinstance(answer, GradientUpdate) and not answer.failed and answer.dw is not None:
            (dw, db), state = filled(restored(*answer.dw), self.lines[answer.number].topologies, answer.optimizer)
            return replace(answer, dw=list(dw), db=list(db), optimizer=state)
        return answer

    def sum_kept(self):
        """(workers that were lost, dw, db): the sums of the gradients that all workers have kept, or None where some were lost.

        Each worker gets from its partners what they have summed. Where workers cannot reach each other, all is summed here.
        """
        lines, n = [self.lines[number] for number in range(self.n_workers)], self.n_workers
        self.attempt += 1
        futures = []
        for line in lines:
            peers = [lines[one].peer for one in partners(line.number, n)] if self.can_meet else []
            futures.append(self._start(line, "sum_kept", self.attempt, peers, line.number == 0 or not self.can_meet))
        done, _ = wait(futures, START_UP)
        lost = [line.number for line, one in zip(lines, futures, strict=True) if one not in done]
        if not lost and any(one.exception() for one in futures):
            limit = time.monotonic() + CLOSING
            while not (lost := [line.number for line in lines if line.error]) and time.monotonic() < limit:
                time.sleep(0.01)  # it may be known a little later that a connection is closed
            if not lost and self.can_meet:
                self.can_meet = False
                return self.sum_kept()
            lost = lost or [line.number for line, one in zip(lines, futures, strict=True) if one.exception()]
        if lost:
            return lost, None, None
        total = summed([one.result() for one in futures[: 1 if self.can_meet else n]])
        (dw, db), _ = filled(total, lines[0].topologies, None)
        return [], dw, db

    def restart(self, numbers):
        """New long tasks for these workers. A process that hangs is killed if it is ours, else it gets no more tasks; samples
        that were lost with their processes are sent again. ConnectionError where the scheduler is gone."""
        self._check_scheduler()
        lines = [self.lines.pop(number) for number in numbers if number in self.lines]
        self._give_up({line.address for line in lines if line.future is not None})
        self.client.loop.add_callback(lambda: [line.serving.cancel() for line in lines if line.serving])
        self.client.cancel([line.remote for line in lines])
        self._place(numbers)
        return numbers

    def close(self):
        """Forget the samples everywhere; end what was started here."""
        with defer_interrupts:  # a second Ctrl-C must not leave processes behind
            client, cluster = self.client, self.cluster
            lines, self.lines, self.data, self.samples = self.lines, {}, None, None
            self.cluster = None
            if client is None and cluster is None:  # closed already, or never opened
                return
            if client is not None and client.status == "running":
                with suppress(Exception):  # a cluster that lives on shall have nothing left of this
                    client.sync(self._hang_up, callback_timeout=CLOSING)
                    client.cancel([line.remote for line in lines.values()])
            processes = []
            for nanny in [] if cluster is None else [*cluster.workers.values()]:
                nanny.close_gracefully()  # else it starts another worker in the place of one that has ended
                processes.append(nanny.process)
            if processes:  # Dask would tell of each connection that ends so, also after the cluster's own end
                logging.getLogger("distributed.batched").setLevel(logging.WARNING)
            kill(processes)
            self.client, client = None, None if client is self.address else client
            ending = threading.Thread(target=end, args=(client, cluster, processes), daemon=True)  # it may wait for what is gone
            ending.start()
            ending.join(CLOSING)

    def connect(self, n_workers):
        """The client of the cluster, which is started here if there is no address."""
        distributed = imported()
        address, self.n_workers = self.address, n_workers
        if address is None:
            import multiprocessing.resource_tracker

            if multiprocessing.current_process().daemon:
                allowed = '"processes" or "threads" in a worker of multiprocessing.Pool, which may not start Dask\'s'
                checks.fail("backend", self.name, allowed)
            multiprocessing.resource_tracker.ensure_running()  # its start would unblock the signal
            import dask

            with dask.config.set(OWN), defer_interrupts, without_interrupts():  # the threads and processes that start here
                address = self.cluster = distributed.LocalCluster(
                    n_workers=self.n_workers, threads_per_worker=1, processes=True, host="127.0.0.1",
                    dashboard_address="127.0.0.1:0", security=True, silence_logs=logging.CRITICAL, env=THREADS,
                )  # fmt: skip
        if isinstance(address, distributed.Client):
            self.client = address
        else:
            try:
                self.client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
            except (OSError, TypeError, ValueError) as error:  # TypeError: tls:// without certificates
                raise ValueError(
                    f"backend = {checks.shown(address)}: must be the address of a scheduler that answers, to the certificates "
                    f"of Dask's configuration where it is tls:// ({error})"
                ) from None
        self.client.wait_for_workers(1 if self.cluster is None else self.n_workers, timeout=START_UP)
        return self.client

    def _check_scheduler(self):
        if self.client is None or self.client.status != "running":
            raise ConnectionError("the scheduler is gone")

    async def _listen(self, worker):
        """Let workers connect, on the way to a Dask worker with this address. What others send is not unpickled."""
        from distributed.comm import get_local_address_for, listen

        place, security = get_local_address_for(worker), self.client.security.get_listen_args("client")
        self.listener = listen(place, self._serve, deserialize=False, **security)
        await self.listener.start()

    async def _hang_up(self):
        """Close the connections, by which the long tasks end."""
        if self.listener is not None:
            self.listener.stop()
        for task in self.serving:
            task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, comm):
        """What is done with a connection: the tasks of its worker are sent, one after the other, and their answers taken."""
        task, line = asyncio.current_task(), None
        self.serving.add(task)
        try:
            token, address, peer = await comm.read()
            line = next((one for one in [*self.lines.values()] if one.token == token and one.serving is None), None)
            if line is None:  # of a worker that was given up, or a stranger
                return
            line.serving, line.address, line.peer, comm.deserialize = task, address, peer, True
            line.connected.set_result(None)
            while True:
                await comm.write(await line.tasks.get())
                message = await comm.read()
                try:
                    answer = decoded(*message)
                except Exception as error:  # what was sent cannot be read
                    answer = False, error
                line.finish(*answer)
        except (Exception, asyncio.CancelledError) as error:
            if line is not None:
                line.fail(BrokenExecutor(f"the connection to worker {line.number} was lost ({type(error).__name__})"))
        finally:
            self.serving.discard(task)
            comm.abort()

    def _place(self, numbers):
        """Start the long tasks of these workers, each where the fewest are for a thread."""
        self._send()
        for number in numbers:
            usable, load = self._usable(), Counter(line.address for line in [*self.lines.values()])
            address = min(usable, key=lambda one: (load[one] + 1) / usable[one], default=None)  # noqa: B023 (called at once)
            line = self.lines[number] = Line(number, address, self.done)
            line.remote = self.client.submit(
                attend, self.listener.contact_address, line.token, self.secret, number, __version__, self.data,
                workers=address and [address], allow_other_workers=address is not None, pure=False,
            )  # fmt: skip
            line.remote.add_done_callback(lambda remote, line=line, loop=self.client.loop: ended(line, remote, loop))

    def _teams(self):
        """{number: workers} of the teams, each of the workers at a Dask worker of several threads, by the number of the first."""
        threads, found = self.client.nthreads(), {}
        for number, line in sorted(self.lines.items()):
            found.setdefault(line.address if threads.get(line.address, 1) > 1 else number, []).append(number)
        return {team[0]: team for team in found.values()}

    def _send(self):
        """The samples to all workers, where they are not in the cluster. Some may be dying just now."""
        limit = time.monotonic() + START_UP
        while self.data is None or self.data.status != "finished":
            self._check_scheduler()
            place = {"workers": self._usable() or None, "broadcast": True, "hash": False, "timeout": START_UP}
            try:
                self.data = self.client.scatter([self.samples], **place)[0]
            except OSError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)

    def _usable(self):
        """{address: threads} of the workers that do not hang."""
        threads = self.client.nthreads()
        usable = {address: n for address, n in threads.items() if address not in self.avoided}
        if not usable:  # then it was not they that were slow
            self.avoided.clear()
        return usable or threads

    def _give_up(self, hanging):
        """Kill the workers that hang, by address, or avoid them."""
        if not hanging:
            return
        others = set(self.client.nthreads()) - self.avoided - hanging  # where there are none, those avoided before may do better
        self.avoided = self.avoided | hanging if others else hanging
        if self.cluster is not None:
            kill(nanny for nanny in self.cluster.workers.values() if nanny.worker_address in hanging)

    def _start(self, line, name, *arguments):
        future = Future()
        try:
            self._check_scheduler()
            dumps, receive = cloudpickle.dumps, None
            if name == "gradient":
                snapshot, _, values, *_ = arguments
                dumps = pickle.dumps
                receive = None if snapshot.kept or values.nbytes > SMALL else self.receive
            self.client.loop.add_callback(line.start, future, encoded((name, arguments), dumps), receive)
        except Exception as error:
            future.set_exception(error)
            self.done.put(future)
        return future


class Line:
    """The long task of a worker at the Dask worker with this address, and its connection to us. Only the thread of Dask's event
    loop changes it.

    peer: where the worker listens to others; remote: Dask's Future of the task; serving: our task that serves the connection;
    future: of what the worker does now; generation, topologies: the links that it has; next_round: the one that goes on from
    its last one.
    """

    def __init__(self, number, address, done):
        self.number, self.address, self.done, self.token, self.peer = number, address, done, uuid.uuid4().hex, None
        self.tasks, self.connected, self.error, self.receive = asyncio.Queue(), Future(), None, None
        self.remote = self.serving = self.future = self.generation = self.topologies = self.next_round = None

    def start(self, future, message, receive):
        """Have a task sent; `receive`: a function to which its answer is offered first, or None."""
        self.future, self.receive = future, receive
        if self.error is None:
            self.tasks.put_nowait(message)
        else:
            self.finish(False, self.error)

    def finish(self, good, answer):
        """The worker's answer, or its error."""
        future, self.future = self.future, None
        (future.set_result if good else future.set_exception)(answer)
        if not (good and self.receive is not None and self.receive(future)):
            self.done.put(future)

    def fail(self, error):
        """The worker is lost."""
        self.error = self.error or error
        if not self.connected.done():
            self.connected.set_exception(error)
        if self.future is not None:
            self.finish(False, error)


def ended(line, remote, loop):
    """Dask's Future of a long task is done: that is an error, unless the worker was given up."""
    try:
        text = str(remote.result(timeout=START_UP))
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
    loop.add_callback(line.fail, BrokenExecutor(f"the task of worker {line.number} ended: {text}"))


def imported():
    """distributed, or an ImportError that says how to get it."""
    try:
        import distributed
    except ImportError:
        raise ImportError(
            "backend='dask' needs the package distributed: install the extra, pip install -e '.[cluster]'"
        ) from None
    return distributed


def end(client, cluster, processes):
    """Close those that are there, and end the workers' processes that were just being started."""
    for one in (client, cluster):
        if one is not None:
            with suppress(Exception):
                one.close(CLOSING)
    kill(processes)


def kill(workers):
    """End the processes of these nannies of this machine, or WorkerProcesses: asking them takes seconds where one hangs."""
    for worker in list(workers):
        if worker is not None and worker.pid:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
