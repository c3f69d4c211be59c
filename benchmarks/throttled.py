"""Dask's workers behind slow lines: measured, beside what the simulator says.

`python -m benchmarks.throttled [--rates 100 1000] [--ways 0.1 5] [--batches 100] [--epochs 3]`: WASAP with two workers of a
cluster of this machine, 784-1000-1000-1000-10, ε = 20, batch 128, one gradient a push. Each worker's connection goes through a
relay of its own, which hands every byte on no faster than the rate, and after the way's time. The simulator gets that line as its
Network, and as times of computation those that tasks took without a relay. Median seconds of an epoch after the first.
"""

import argparse
import multiprocessing
import queue
import socket
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np

import sparselab as sl
from benchmarks.common import emit, table
from benchmarks.parallel import STANDARD, net
from sparselab.parallel import Costs, Network, simulate_parallel
from sparselab.parallel.backends import Cluster

BATCH, WORKERS = 128, 2
CHUNK = 2**15  # bytes that a relay hands on at once
GOAL = 0.2  # the simulator is off by less


def hand_on(source, target, network):
    """Bytes of one direction, each as late as the line makes it, until the source ends."""
    line, free = queue.SimpleQueue(), time.perf_counter()

    def send():
        while (due := line.get()) is not None:
            at, data = due
            time.sleep(max(0.0, at - time.perf_counter()))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with suppress(OSError):
        while data := source.recv(CHUNK):
            free = max(free, time.perf_counter()) + len(data) / network.bandwidth
            line.put((free + network.latency, data))
    line.put(None)


def relay(address, network, answer):
    """A process between workers and the server at this (host, port), which tells its own port."""
    server = socket.create_server(("127.0.0.1", 0))
    answer.send(server.getsockname()[1])
    while True:
        ends = server.accept()[0], socket.create_connection(address)
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in (ends, ends[::-1]):
            threading.Thread(target=hand_on, args=(*pair, network), daemon=True).start()


class Throttled(Cluster):
    """The backend "dask" whose workers reach the server through a relay."""

    def __init__(self, client, network):
        super().__init__(client)
        self.network, self.relay = network, None

    async def _listen(self, worker):
        await super()._listen(worker)
        if self.network is None:
            return
        host, port = self.listener.contact_address.removeprefix("tcp://").split(":")
        mine, theirs = multiprocessing.Pipe()
        self.relay = multiprocessing.Process(target=relay, args=((host, int(port)), self.network, theirs), daemon=True)
        self.relay.start()
        self.listener = SimpleNamespace(contact_address=f"tcp://127.0.0.1:{mine.recv()}", stop=self.listener.stop)

    def close(self):
        super().close()
        if self.relay is not None:
            self.relay.kill()


def measured(client, network, data, epochs):
    """(seconds of an epoch, seconds of each task)."""
    run = sl.train_parallel(
        net(STANDARD, 0), data, backend=Throttled(client, network), n_jobs=WORKERS, async_fraction=1.0, epochs=epochs + 1,
        batch_size=BATCH, evaluate_every=0, seed=0, rules=[],
    )  # fmt: skip
    records = list(run)[1:]
    tasks = [end - begun for record in records for _, begun, end in record.workers.timeline]
    return float(np.median([record.seconds for record in records])), np.array(tasks)


def simulated(network, tasks, data, epochs):
    """Seconds of an epoch."""
    run = simulate_parallel(
        net(STANDARD, 0), data, WORKERS, costs=Costs(tasks), network=network, async_fraction=1.0, epochs=epochs + 1,
        batch_size=BATCH, evaluate_every=0, seed=0, rules=[],
    )  # fmt: skip
    return float(np.median([record.seconds for record in run][1:]))


def main():
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", nargs="*", type=float, default=[100, 1000], help="Mbit a second")
    parser.add_argument("--ways", nargs="*", type=float, default=[0.1, 5], help="milliseconds a message")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    given, rows = parser.parse_args(), []
    random = np.random.default_rng(0)
    X = random.standard_normal((given.batches * BATCH, STANDARD[0]), dtype=np.float32)
    data, place = (X, np.arange(len(X)) % STANDARD[-1]), {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, **place) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        alone, tasks = measured(client, None, data, given.epochs)
        print(f"without a relay: {alone:.2f} s an epoch, tasks of {1e3 * np.median(tasks):.2f} ms", flush=True)
        for rate in given.rates:
            for way in given.ways:
                network = Network(way / 1e3, rate * 1e6 / 8)
                seconds, _ = measured(client, network, data, given.epochs)
                predicted = simulated(network, tasks, data, given.epochs)
                row = {"Mbit/s": rate, "ms a message": way, "measured s": seconds, "simulated s": predicted}
                rows.append(row | {"ratio": predicted / seconds})
                emit("throttled", rows[-1:], key=("Mbit/s", "ms a message"), show=False)
    print(table(rows, list(rows[0])))
    off = max(abs(row["ratio"] - 1) for row in rows)
    print(f"the simulator is off by at most {100 * off:.0f} % (goal: {100 * GOAL:.0f} %), {'met' if off <= GOAL else 'MISSED'}")


if __name__ == "__main__":
    main()
