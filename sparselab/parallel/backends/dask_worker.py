"""Workers of a Dask cluster, as their own process sees them: a long task that does what comes through its connection."""

import asyncio
import pickle
from dataclasses import replace

import cloudpickle
import numpy as np

from ...nn.mlp import Parameters
from ...utils.version import __version__
from ..core.worker import Snapshot
from .process_worker import WorkerTasks, attempt

CONNECT = 20  # seconds that the driver has to answer


def attend(driver, token, number, version, samples):
    """Connect to the driver and do its tasks, one after the other, until it closes the connection."""
    from distributed import get_worker, secede

    if version != __version__:
        raise RuntimeError(f"sparselab is {__version__} on a worker and {version} here: install the same everywhere")
    worker = get_worker()
    secede()  # the thread pool has room for others' tasks
    spec, X, targets = samples
    asyncio.run(serve(driver, [token, worker.address], worker.security, Tasks(number, spec, X, targets)))


async def serve(driver, greeting, security, tasks):
    """The same, in an event loop of the task's own thread, which does nothing else while the worker computes."""
    from distributed.comm import CommClosedError, connect

    comm = await connect(driver, timeout=CONNECT, **security.get_connection_args("worker"))
    try:
        await comm.write(greeting)
        while True:
            name, arguments = decoded(*await comm.read())
            answer = attempt(lambda: getattr(tasks, name)(*arguments))  # noqa: B023 (called at once)
            try:
                message = encoded(answer)
            except Exception as error:
                text = f"the answer cannot be sent ({type(error).__name__}: {error})"
                message = encoded((False, RuntimeError(text)))
            await comm.write(message)
    except CommClosedError:
        return
    finally:
        comm.abort()


class Tasks(WorkerTasks):
    """What a worker of a cluster can be asked for."""

    def gradient(self, version, generation, links, values, round_):
        """The GradientUpdate of a round; its dw is the vector of all gradients, and db their lengths.

        links: (topologies, neurons), or None where they are those of the task before; values: weights, then biases.
        """
        if links is not None:
            self.topologies, self.neurons = links
        n, worker = len(self.topologies), self.take_worker()
        parts = split(values, [*(one.nnz for one in self.topologies), *(one.n_out for one in self.topologies)])
        parameters = Parameters(self.topologies, tuple(parts[:n]), tuple(parts[n:]), self.neurons)
        worker.load(Snapshot(version, generation, parameters))
        update = worker.gradient(round_)
        if not update.failed:
            gradients = [*update.dw, *update.db]
            update = replace(update, dw=np.concatenate(gradients), db=[len(one) for one in gradients])
        self.worker = worker
        return update

    def local(self, parameters, kept, epoch):
        """The LocalEpoch of the worker."""
        worker = self.take_worker()
        result = worker.local(parameters, kept, epoch)
        self.worker = worker
        return result


# for both sides


def encoded(message):
    """The message for a connection: its pickle, then its arrays, which are not copied."""
    from distributed.protocol import to_serialize

    buffers = []
    head = cloudpickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    return [head, *(to_serialize(one.raw()) for one in buffers)]


def decoded(head, *buffers):
    """The message that was encoded."""
    return pickle.loads(head, buffers=buffers)


def split(vector, lengths):
    """Views of consecutive parts of a vector."""
    ends = np.cumsum(lengths)
    return [vector[end - length : end] for end, length in zip(ends, lengths, strict=True)]
