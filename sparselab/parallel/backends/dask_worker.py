"""Workers of a Dask cluster, as their own process sees them: a long task that does what comes through its connection."""

import asyncio
import pickle
from dataclasses import replace

import cloudpickle
import numpy as np

from ...nn.mlp import Parameters
from ...utils.version import __version__
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
    """What a worker of a cluster can be asked for. lost: what the gradients of now have lost by rounding."""

    lost = 0.0

    def gradient(self, snapshot, links, values, dtype, round_):
        """The GradientUpdate of a round; its dw is (the vector of all gradients, their lengths, dtype).

        snapshot: without parameters; links: (topologies, neurons), or None where they are those of the task before; values:
        weights, then biases, of this dtype, or rounded: then the gradients are, too.
        """
        if links is not None:
            self.topologies, self.neurons = links
            self.lost = 0.0
        is_rounded, values = values.dtype != dtype, widened(values, dtype)
        n, worker = len(self.topologies), self.take_worker()
        parts = split(values, [*(one.nnz for one in self.topologies), *(one.n_out for one in self.topologies)])
        parameters = Parameters(self.topologies, tuple(parts[:n]), tuple(parts[n:]), self.neurons)
        worker.load(replace(snapshot, parameters=parameters))
        update = worker.gradient(round_)
        if not update.failed:
            vector, lengths = np.concatenate([*update.dw, *update.db]), [len(one) for one in (*update.dw, *update.db)]
            if is_rounded:
                whole = vector + self.lost
                vector = rounded(whole)
                self.lost = whole - widened(vector, dtype)
            update = replace(update, dw=(vector, lengths, dtype), db=None)
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


def rounded(vector):
    """The nearest numbers of bfloat16, as uint16: the upper halves of float32."""
    bits = vector.astype(np.float32, copy=False).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def widened(vector, dtype):
    """What was rounded, as numbers of this dtype; a vector that has it already is the same."""
    return vector if vector.dtype == dtype else (vector.astype(np.uint32) << 16).view(np.float32).astype(dtype, copy=False)
