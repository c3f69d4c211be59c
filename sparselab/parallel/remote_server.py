"""The server on a worker of a Dask cluster, where workers cannot connect to the driver: its state comes here with each record.

What a server that was lost had not sent yet is done again by another one.
"""

from contextlib import suppress
from dataclasses import fields

import cloudpickle

from ..checkpoints.records import EpochRecord
from ..utils.interrupts import defer_interrupts
from ..utils.version import __version__
from .supervisor import WorkerLostError

START_UP = 60  # seconds that a server may take to be there
CLOSING = 5  # seconds that it may take to end


class RemoteServer:
    """What the driver asks for the records of a run: a Dask actor.

    content: of `cloudpickle`, the run, its state and what else `work` needs to give the records, which may be StepRecords, too.
    """

    def __init__(self, content, version, work):
        from distributed import get_client

        if version != __version__:
            raise RuntimeError(f"sparselab is {__version__} on a worker and {version} here: install the same everywhere")
        self.run, self.state, *more = cloudpickle.loads(content)
        self.given, self.records = 0, work(self.run, self.state, get_client(), *more)

    def next(self, given):
        """The next record with the net and the state after it, as bytes; None at the end. given: records so far."""
        if given != self.given:
            raise OSError("this server was begun anew")
        self.given += 1
        for record in self.records:
            return cloudpickle.dumps((record, self.run.model.snapshot(), self.state))
        return None

    def end(self):
        """Close what it has opened."""
        self.records.close()


def records_from_afar(run, state, client, work, more, max_restarts):
    """The records of a run whose server lives on a worker of this client's cluster; its model and state are those of there.

    work: function (run, state, client, *more) that gives the records there.
    """
    epoch, restarts, actor = state.epoch, 0, None

    def take(content):
        """The record in what a server has sent; the model and the state become those after it."""
        record, parameters, now = cloudpickle.loads(content)
        with defer_interrupts:
            run.model.take_over(parameters.layers(copy=False), "server", parameters.neurons)
            for field in fields(state):
                setattr(state, field.name, getattr(now, field.name))
        return record

    whole = cloudpickle.dumps((None, run.model.snapshot(), state))  # the end of the last epoch: there another server begins
    try:
        while True:
            try:
                with client.as_current():  # which actors look for
                    if actor is None:
                        future, given = begin(client, cloudpickle.dumps((run, state, *more)), work), 0
                        actor = future.result(START_UP)  # it lives as long as its Future
                    content = actor.next(given).result()
            except OSError as error:
                end(actor, client)  # it may live on where only an answer was lost
                actor, restarts = None, restarts + 1
                take(whole)
                if restarts > max_restarts:
                    raise WorkerLostError(f"the server was lost {restarts} times: {error}") from error
                continue
            if content is None:
                return
            given += 1
            record = take(content)
            if record.epoch > epoch:  # not those that a server after a loss gives again
                if isinstance(record, EpochRecord):
                    epoch, restarts, whole = record.epoch, 0, content
                yield record
    finally:
        end(actor, client)


def begin(client, content, work):
    """Dask's Future of a RemoteServer on a worker of the cluster."""
    content = client.scatter([content], hash=False)[0]
    return client.submit(RemoteServer, content, __version__, work, actor=True, pure=False)


def end(actor, client):
    """Let a server, if there is one, close what it has opened, if it still can."""
    if actor is not None:
        with suppress(Exception), client.as_current():
            actor.end().result(CLOSING)
