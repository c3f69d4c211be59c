"""Workers of a Dask cluster, as their own process sees them: a long task that does what comes through its connection."""

import asyncio
import pickle
from dataclasses import replace

import cloudpickle
import numpy as np

from ...nn.mlp import Parameters
from ...nn.optimizers import LayerState
from ...utils.version import __version__
from ..core.worker import GradientUpdate
from .process_worker import WorkerTasks, attempt
from .team import Team

CONNECT = 20  # seconds that the driver has to answer
NEIGHBOUR, PATIENCE = 5, 30  # seconds that another worker has to answer, and to send its sum


def attend(driver, token, secret, number, version, samples):
    """Connect to the driver and do its tasks, one after the other, until it closes the connection."""
    from distributed import get_worker, secede

    if version != __version__:
        raise RuntimeError(f"sparselab is {__version__} on a worker and {version} here: install the same everywhere")
    worker = get_worker()
    secede()  # the thread pool has room for others' tasks
    spec, X, targets = samples
    tasks = Tasks(number, spec, X, targets, Peers(secret, worker.security))
    asyncio.run(serve(driver, [token, worker.address], worker.security, tasks))


async def serve(driver, greeting, security, tasks):
    """The same, in an event loop of the task's own thread, which does nothing else while the worker computes."""
    from distributed.comm import CommClosedError, connect

    comm = await connect(driver, timeout=CONNECT, **security.get_connection_args("worker"))
    try:
        await comm.write([*greeting, await tasks.peers.listen(driver)])
        while True:
            name, arguments = decoded(*await comm.read())
            answer = attempt(lambda: getattr(tasks, name)(*arguments))  # noqa: B023 (called at once)
            if asyncio.iscoroutine(answer[1]):
                answer = (await asyncio.gather(answer[1], return_exceptions=True))[0]
                answer = not isinstance(answer, BaseException), answer
            try:
                message = encoded(answer, pickle.dumps if isinstance(answer[1], GradientUpdate) else cloudpickle.dumps)
            except Exception as error:
                text = f"the answer cannot be sent ({type(error).__name__}: {error})"
                message = encoded((False, RuntimeError(text)))
            await comm.write(message)
    except CommClosedError:
        return
    finally:
        tasks.close()
        comm.abort()


class Peers:
    """The other workers of a run, which get from this one what it has summed. Who does not know the secret is sent away."""

    def __init__(self, secret, security):
        self.secret, self.security, self.listener, self.comms = secret, security, None, {}
        self.attempt = self.total = self.summed = None

    async def listen(self, driver):
        """Listen on the way to the driver, and give the address. What comes from others is not unpickled."""
        from distributed.comm import get_local_address_for, listen

        self.summed, place = asyncio.Condition(), get_local_address_for(driver)
        self.listener = listen(place, self.answer, deserialize=False, **self.security.get_listen_args("worker"))
        await self.listener.start()
        return self.listener.contact_address

    async def answer(self, comm):
        """Send another worker the sums of the attempts that it names, each as soon as it is there."""
        try:
            while True:
                secret, attempt = await comm.read()
                if secret != self.secret:
                    return
                async with self.summed:
                    await self.summed.wait_for(lambda: self.attempt == attempt)  # noqa: B023 (waited for at once)
                await comm.write(encoded(self.total))
        except Exception:  # it is gone, or a stranger
            return
        finally:
            comm.abort()

    async def sum(self, attempt, vector, addresses):
        """The sum of this vector and those of the peers at these addresses, one after the other."""
        total = None
        try:
            if vector is None:
                raise LookupError("this worker has no gradient")
            for address in addresses:
                vector = vector + await self._ask(address, attempt)
            total = vector
        finally:
            async with self.summed:
                self.attempt, self.total = attempt, total
                self.summed.notify_all()
        return total

    async def _ask(self, address, attempt):
        from distributed.comm import connect

        comm = self.comms.pop(address, None)
        if comm is None:
            comm = await connect(address, timeout=NEIGHBOUR, **self.security.get_connection_args("worker"))
        try:
            await comm.write([self.secret, attempt])
            total = decoded(*await asyncio.wait_for(comm.read(), PATIENCE))
        except BaseException:
            comm.abort()
            raise
        self.comms[address] = comm
        if total is None:
            raise ConnectionError(f"{address} could not add up its part")
        return total

    def close(self):
        """Close the connections."""
        if self.listener is not None:
            self.listener.stop()
        for comm in self.comms.values():
            comm.abort()


class Tasks(WorkerTasks):
    """What a worker of a cluster, or the first of a team, can be asked for.

    lost: what the gradients of now have lost by rounding.
    """

    lost, team, kept = 0.0, None, None

    def __init__(self, number, spec, X, targets, peers=None):
        super().__init__(number, spec, X, targets)
        self.peers = peers

    def gradient(self, snapshot, links, values, dtype, round_, numbers, share):
        """The GradientUpdate of a round; its dw is (the vector of all gradients, and of the optimizer's state, dtype).

        snapshot: without arrays (see `hollow`); links: (topologies, neurons), or None where they are those of the task before;
        values: its arrays in one vector of this dtype, or rounded: then the gradients are, too; numbers: of the team's workers,
        or (); share: of the gradients that are sent, the largest ones (None: all).
        """
        if links is not None:
            self.topologies, self.neurons = links
        if links is not None:
            self.lost = 0.0
        is_rounded, values = values.dtype != dtype, widened(values, dtype)
        (weights, biases), optimizer = filled(values, self.topologies, snapshot.optimizer)
        snapshot = replace(snapshot, parameters=Parameters(self.topologies, weights, biases, self.neurons), optimizer=optimizer)
        update = self._together(numbers, snapshot, round_) if len(numbers) > 1 else self._alone(snapshot, round_)
        if not update.failed:
            vector, n = flat(update.dw, update.db, update.optimizer), sum(map(len, weights + biases))
            if is_rounded or share:  # the state is not added up: it needs no correction
                vector[:n] += self.lost
                whole, vector = vector[:n], rounded(vector) if is_rounded else largest(vector, n, share)
                self.lost = 0.0 if snapshot.warm_up else whole - restored(vector, dtype)[:n]
            self.kept = vector if snapshot.kept else None
            sent = None if snapshot.kept else (vector, dtype)
            update = replace(update, dw=sent, db=None, optimizer=hollow(update.optimizer))
        return update

    async def sum_kept(self, attempt, addresses, is_wanted):
        """Add what the peers at these addresses have summed to the gradient that was kept; gives it where it is wanted."""
        total = await self.peers.sum(attempt, self.kept, addresses)
        return total if is_wanted else None

    def close(self):
        """End the threads of the team, and the connections to others."""
        if self.peers is not None:
            self.peers.close()
        self._end_team()

    def _end_team(self):
        team, self.team = self.team, None
        if team is not None:
            team.close()

    def _alone(self, snapshot, round_):
        worker = self.take_worker()
        if snapshot.rates is None:
            worker.load(snapshot)
            update = worker.gradient(round_)
        else:
            update = worker.advance(snapshot, round_)
        self.worker = worker
        return update

    def _together(self, numbers, snapshot, round_):
        """The update of the team, a new one after an error."""
        self.team = self.team or Team(self.spec, numbers, self.X, self.targets)
        update = None
        try:
            update = self.team.train(self.number, snapshot, round_)
        finally:
            if update is None or update.failed:
                self._end_team()
        return update

    def local(self, parameters, kept, epoch):
        """The LocalEpoch of the worker; a team is not needed any more."""
        self._end_team()
        worker = self.take_worker()
        result = worker.local(parameters, kept, epoch)
        self.worker = worker
        return result


# for both sides


def encoded(message, dumps=cloudpickle.dumps):
    """The message for a connection: its pickle, then its arrays, which are not copied.

    dumps: pickle's is several times as fast, for what is of this package only.
    """
    from distributed.protocol import to_serialize

    buffers = []
    head = dumps(message, protocol=5, buffer_callback=buffers.append)
    return [head, *(to_serialize(one.raw()) for one in buffers)]


def decoded(head, *buffers):
    """The message that was encoded."""
    return pickle.loads(head, buffers=buffers)


def flat(of_links, of_neurons, optimizer):
    """Vectors of each layer, and those of the optimizer's state (None: there is none), one behind the other: a copy."""
    return np.concatenate([*of_links, *of_neurons, *(v for s in optimizer or () for v in (*s.links, *s.neurons))])


def hollow(optimizer):
    """An optimizer's state with numbers of vectors in their place."""
    return optimizer and [LayerState(len(s.links), len(s.neurons), s.count) for s in optimizer]


def filled(vector, shapes, optimizer):
    """((vectors of links, of neurons), the optimizer's state) out of `flat` and `hollow`, as views; shapes: the topologies."""
    taken = 0

    def take(n):
        nonlocal taken
        taken += n
        return vector[taken - n : taken]

    arrays = tuple(take(one.nnz) for one in shapes), tuple(take(one.n_out) for one in shapes)
    states = [
        LayerState([take(one.nnz) for _ in range(s.links)], [take(one.n_out) for _ in range(s.neurons)], s.count)
        for one, s in zip(shapes, optimizer or ())
    ]
    return arrays, states or None


def rounded(vector):
    """The nearest numbers of bfloat16, as uint16: the upper halves of float32."""
    bits = vector.astype(np.float32, copy=False).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def largest(vector, n, share):
    """(places, values, all behind, n): this share of the first n entries of a vector, those of largest magnitude."""
    k = max(1, round(share * n))
    places = np.sort(np.argpartition(np.abs(vector[:n]), n - k)[n - k :]).astype(np.min_scalar_type(n))
    return places, vector[places], vector[n:], n


def restored(sent, dtype):
    """The vector of this dtype out of what was `rounded`, or of the `largest`, with 0 elsewhere; any other one as it is."""
    if not isinstance(sent, tuple):
        return widened(sent, dtype)
    places, values, behind, n = sent
    first = np.zeros(n, dtype)
    first[places] = values
    return np.append(first, behind)


def widened(vector, dtype):
    """What was rounded, as numbers of this dtype; a vector that has it already is the same."""
    return vector if vector.dtype == dtype else (vector.astype(np.uint32) << 16).view(np.float32).astype(dtype, copy=False)
