"""How many machines of a cluster pay: a model, with costs that are measured on one thread of this machine.

`python -m benchmarks.machines [--quick] [--threads 8]`

For three nets of the paper, links of 1 and 10 Gbit/s at the server, and what is sent. Measured are the seconds of a gradient, of
a push and pull between threads, and of the server's work on a push of a team: merging it, and bringing all into the form in which
it is sent, and back. By these `Costs.of_team` and `saturation` say how long a team is away, and for how many the server has time.
"""

import argparse
import time

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table
from sparselab.parallel import Network, calibrate, saturation
from sparselab.parallel.backends import dask_worker
from sparselab.parallel.core.worker import GradientUpdate
from sparselab.parallel.server_phase import FEW_STEPS, WAY

NETS = ("fashion_mnist", "higgs", "cifar10")
FEATURES = {"fashion_mnist": (784, 10), "higgs": (28, 2), "cifar10": (3072, 10)}
LINKS = (1, 10)  # Gbit/s
LATENCY = 5e-4  # seconds a message: assumed, of a network within a room, and of the two interpreters
SENT = ("all", "bfloat16", "top-k 0.01")
COLUMNS = ("net", "Gbit/s", "sent", "MB a push", "steps", "server ms", "one machine", "machines", "speed-up")


def net_of(name, hidden=None):
    """(a net of the paper, data of its shape, mini-batch)."""
    config, (n_in, n_out) = sl.ExperimentConfig.paper(name), FEATURES[name]
    sizes, random = (n_in, *(hidden or config.hidden), n_out), np.random.default_rng(0)
    model = sl.SparseMLP.create(sizes, epsilon=config.epsilon, activation=sl.AllReLU(config.alpha), dropout=0.3, seed=0)
    X = random.standard_normal((48 * config.batch_size, n_in), dtype=np.float32)
    return model, (X, np.arange(len(X)) % n_out), config.batch_size


def median(function, repeats=9):
    """Seconds that a call takes."""
    spent = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function()
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent))


def work_of_server(model, sent):
    """(seconds, bytes there and back) of a push of a team: the server's part."""
    server = sl.ParameterServer(model.copy())
    layers = server.model.layers
    vectors = [layer.w for layer in layers], [layer.b for layer in layers]
    update = GradientUpdate(0, 0, 0, 0, [0.0], 0, 1, *([v * np.float32(0.01) for v in part] for part in vectors), False)
    n, topologies = sum(len(v) for part in vectors for v in part), [layer.topology for layer in layers]
    whole = dask_worker.flat(update.dw, update.db, None)
    share = float(sent.split()[1]) if sent.startswith("top-k") else None
    small = dask_worker.rounded if sent == "bfloat16" else lambda vector: vector
    back = dask_worker.largest(whole, n, share) if share else small(whole)

    def work():
        small(dask_worker.flat(*vectors, None))
        dask_worker.filled(dask_worker.restored(back, whole.dtype), topologies, None)
        server.merge(update)

    there = small(whole).nbytes
    return median(work), there + (sum(part.nbytes for part in back[:3]) if share else back.nbytes)


def rows_of(name, threads, hidden=None):
    """The rows of a net."""
    model, data, batch_size = net_of(name, hidden)
    costs = calibrate(model, data, batch_size)
    compute, alone = costs.compute, costs.compute + costs.push  # of one thread without workers: it copies no net
    for sent in SENT:
        work, n_bytes = work_of_server(model, sent)
        for link in LINKS:
            network = Network(LATENCY, link * 1e9 / 8, shared=True)
            way = work + 2 * sum(network.parts(n_bytes / 2)) + compute / 2
            steps = int(np.clip(np.ceil(way / (WAY * compute)), 1, max(1, FEW_STEPS // threads)))  # as "auto" chooses them
            team, each = costs.of_team(threads, steps, work), threads * steps
            machines = saturation(team, network, n_bytes, each)
            busy = work + n_bytes / network.bandwidth
            yield {
                "net": name, "Gbit/s": link, "sent": sent, "threads": threads, "MB a push": n_bytes / 1e6, "steps": steps,
                "server ms": 1e3 * busy, "one machine": each * alone / (busy * machines), "machines": machines,
                "speed-up": each * alone / busy,
            }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small nets")
    parser.add_argument("--threads", type=int, default=8, help="threads of a machine")
    arguments, rows = parser.parse_args(), []
    for name in tqdm(NETS, unit="net"):
        for row in rows_of(name, arguments.threads, (100, 100) if arguments.quick else None):
            rows.append(row)
            emit("machines", [row], key=("net", "Gbit/s", "sent", "threads"), show=False)
    print(table(rows, COLUMNS))


if __name__ == "__main__":
    main()
