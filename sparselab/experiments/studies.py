"""Small studies for notebooks: each trains or measures and returns runs or a table, which `sparselab.figures` draws."""

from functools import partial

import numpy as np

from .. import parallel
from ..analysis import dense_baseline
from ..analysis.timing import least_seconds_of_blas
from ..checkpoints.records import History
from ..engines.base import DivergedError
from ..nn import footprint
from ..nn.mlp import SparseMLP
from ..nn.optimizers import MomentumSGD
from ..nn.summary import rows, training_bytes
from ..training.progress import bar
from ..utils import checks
from .config import ExperimentConfig
from .experiment import build
from .sweep import seeds_of


def compare(variants, *, seeds=1, data=None, progress=True, **settings):
    """{label: [History of each seed]} of runs that differ in a few settings, for `figures.learning_curves`.

    variants: {label: {field of ExperimentConfig: value}}. seeds: how many, or a list. settings: fields common to all runs.
    """
    seeds = seeds_of(seeds)
    checks.different_texts("variants", variants)
    configs = {label: ExperimentConfig(**settings | changes) for label, changes in variants.items()}
    runs = {label: [] for label in configs}
    with bar(total=len(configs) * len(seeds), unit="run", shown=progress) as shown:
        for label, config in configs.items():
            for seed in seeds:
                shown.set_description(str(label))
                runs[label].append(History(build(config.replace(seed=seed), data=data).train()))
                shown.update()
    return runs


def accuracies(runs, last=5):
    """A DataFrame: test accuracy of runs of `compare` (mean over the `last` epochs) as mean, lowest and highest of n seeds."""
    import pandas

    table = {}
    for label, seeds in runs.items():
        each = [np.mean([value for value in history["test_accuracy"][-last:] if value is not None]) for history in seeds]
        table[label] = {"mean": np.mean(each), "lowest": min(each), "highest": max(each), "n": len(each)}
    return pandas.DataFrame.from_dict(table, orient="index").round(4)


def first_and_last(runs, epochs=5):
    """A DataFrame with links, hidden neurons and seconds per epoch at the beginning and the end of each run of `compare`.

    Links and neurons: of the first and the last epoch, mean over seeds. Seconds: median over the first and the last `epochs`
    epochs of all seeds, without evaluation; faster: seconds at the beginning divided by those at the end.
    """
    import pandas

    table = {}
    for label, seeds in runs.items():
        first, last = ([record for history in seeds for record in part(history)] for part in (
            lambda history: history[:epochs], lambda history: history[-epochs:]))  # fmt: skip
        ends = {"first": [history[0] for history in seeds], "last": [history[-1] for history in seeds]}
        row = {f"links_{end}": round(np.mean([record.links for record in records])) for end, records in ends.items()}
        neurons = {end: np.mean([sum(record.active_neurons) for record in records]) for end, records in ends.items()}
        row |= {f"neurons_{end}": round(value) for end, value in neurons.items()}
        spent = [float(np.median([record.seconds for record in records])) for records in (first, last)]
        table[label] = row | {"seconds_first": spent[0], "seconds_last": spent[1], "faster": spent[0] / spent[1]}
    return pandas.DataFrame.from_dict(table, orient="index").round(3)


def average_and_workers(runs):
    """A DataFrame with the test accuracy of the averaged network of parallel runs and of the workers' networks.

    workers, best, worst: mean, highest and lowest accuracy of the workers' networks; gain: average minus workers, in points;
    all are means over n seeds.
    """
    import pandas

    table = {}
    for label, seeds in runs.items():
        ends = [history[-1] for history in seeds if history[-1].phase == "average"]
        own = [end.workers.accuracies for end in ends]
        if not ends or not all(own):
            continue
        row = {"average": [end.test_accuracy for end in ends], "workers": [np.mean(one) for one in own]}
        row = {name: np.mean(values) for name, values in row.items()}
        row |= {"best": np.mean([max(one) for one in own]), "worst": np.mean([min(one) for one in own])}
        table[label] = row | {"gain": 100 * (row["average"] - row["workers"]), "n": len(ends)}
    return pandas.DataFrame.from_dict(table, orient="index").round(4)


def epoch_seconds(runs):
    """A DataFrame with the median seconds of an epoch by phase, without evaluation and the first two epochs of each run."""
    import pandas

    table = {}
    for label, seeds in runs.items():
        records = [record for history in seeds for record in (history[2:] or history)]
        for phase in dict.fromkeys(record.phase for record in records):
            here = [record.seconds for record in records if record.phase == phase]
            table[label, phase] = {"seconds": np.median(here), "epochs": len(here)}
    return pandas.DataFrame.from_dict(table, orient="index").round(4)


def simulate(workers, *, data=None, damping=0.0, progress=True, **settings):
    """{"K workers": [History]} of `simulate_parallel` for each number K of workers: real gradients, simulated time, one seed.

    damping: see `ParameterServer`; settings: fields of ExperimentConfig common to all runs, including async_fraction and
    synchronous. All runs use the costs that `parallel.calibrate` measures once on this machine. A run that diverges, as late
    gradients can make it, has the epochs before, and a message is printed.
    """
    checks.different_texts("workers", workers)
    config, runs, costs = ExperimentConfig(**settings), {}, None
    with bar(total=len(workers), unit="run", shown=progress) as shown:
        for n in workers:
            experiment, history = build(config, data=data), History()
            if costs is None:
                costs = parallel.calibrate(experiment.model, experiment.data, config.batch_size, rules=experiment.rules)
            try:
                with np.errstate(invalid="ignore", over="ignore"):  # losses of nets that are about to diverge
                    for record in parallel.simulate_parallel(experiment, n_workers=n, costs=costs, damping=damping):
                        history.append(record)
            except DivergedError as error:
                shown.write(f"{n} workers: {str(error).split(':')[0]}")
            runs["1 worker" if n == 1 else f"{n} workers"] = [history]
            shown.update()
    return {label: seeds for label, seeds in runs.items() if seeds[0]}


def of_workers(runs):
    """A DataFrame with a row for each run of `simulate`.

    workers; epochs finished; accuracy after the last one; of the first phase: mean simulated seconds of an epoch, mean
    staleness, dropped gradient entries (%), share of the time in which the server was busy.
    """
    import pandas

    rows = []
    for history in (seed for seeds in runs.values() for seed in seeds):
        first = [record for record in history if record.workers.staleness]
        rows.append({
            "workers": history[-1].workers.n, "epochs": len(history), "accuracy": history[-1].test_accuracy,
            "seconds": mean_of([record.seconds for record in first]),
            "staleness": mean_of([value for record in first for value in record.workers.staleness]),
            "dropped": 100 * mean_of([record.workers.dropped for record in first]),
            "server_busy": mean_of([record.workers.server_utilisation for record in first]),
        })  # fmt: skip
    table = pandas.DataFrame(rows)
    return table.round({name: 6 if name == "seconds" else 4 for name in table})  # small nets need microseconds


def mean_of(values):
    """The mean; NaN for no values."""
    return float(np.mean(values)) if len(values) else float("nan")


def costs(model, history, batch_size, *, repeats=2):
    """(ours, dense): links, bytes in training and seconds per epoch of a run, and of the dense network with its original widths.

    Ours is the median epoch; dense the least of 2 · `repeats` mini-batches with one BLAS thread and as many with all of them, so
    that other programs cannot flatter the sparse net; None where the dense net is too large.
    """
    n_samples, total, sizes = history[-1].n_samples, rows(model)[-1], model.neurons.sizes
    batch_size = min(batch_size, n_samples)
    dense_seconds = dense_baseline.measure(sizes, n_samples, batch_size, batches=2 * repeats).seconds if repeats else None
    median = float(np.median([record.seconds for record in history[1:] or history]))
    ours = {"links": total["links"], "bytes": total["training_bytes"], "seconds": median}
    return ours, {"links": footprint.dense_links(sizes), "bytes": footprint.dense_bytes(sizes), "seconds": dense_seconds}


def dense_inference(sizes, n_samples, *, repeats=3, limit=dense_baseline.LIMIT, seed=0):
    """Least seconds in which a dense network of these widths predicts n_samples; None if it needs more than `limit` bytes."""
    if footprint.dense_bytes(sizes, copies=1) > limit:
        return None
    rng = np.random.default_rng(seed)
    net, X = dense_baseline.DenseMLP(sizes, rng), rng.standard_normal((sizes[0], n_samples), dtype=np.float32)
    return least_seconds_of_blas(lambda: net.outputs(X), repeats)


def layer_costs(n_in, n_out, *, epsilon=None, density=None, batch_size=64, repeats=4, seed=0):
    """{"way", "links", "bytes", "forward", "step"}: arrays (4,) of one layer in four implementations; least seconds.

    dense: BLAS. mask: the same with a mask of zeros and ones. scipy: CSR. sparselab: this package.
    forward: W X + b; step: forward, backward (dX, dw, db) and momentum update. bytes: weights, velocity, gradient, indices, mask.
    """
    model = SparseMLP.create((n_in, n_out), epsilon=epsilon, density=density, seed=seed)
    rng = np.random.default_rng(seed)
    X, dZ = (rng.standard_normal((n, batch_size), dtype=np.float32) for n in (n_in, n_out))
    ways = {"dense": Dense(model), "mask": Masked(model), "scipy": Scipy(model), "sparselab": Ours(model)}
    table = {"way": list(ways), "links": [], "bytes": [], "forward": [], "step": []}
    for way in ways.values():
        table["links"].append(way.links)
        table["bytes"].append(way.n_bytes)
        table["forward"].append(least_seconds_of_blas(partial(way.forward, X), repeats))
        table["step"].append(least_seconds_of_blas(partial(way.step, X, dZ), repeats))
    return {name: np.array(values) for name, values in table.items()}


class Dense(dense_baseline.DenseLayer):
    """The layer as a dense matrix, without a mask."""

    def __init__(self, model):
        super().__init__(model.layers[0].to_scipy().toarray(), model.layers[0].b.copy())


class Masked(Dense):
    """A dense matrix times a mask, as most libraries simulate sparsity."""

    def __init__(self, model):
        super().__init__(model)
        self.mask = model.layers[0].topology.to_scipy(np.ones(model.n_links, np.float32)).toarray()
        self.product = np.zeros_like(self.W)
        self.n_bytes += self.mask.nbytes

    def weights(self):
        return np.multiply(self.W, self.mask, out=self.product)

    def gradient(self, X, dZ):
        dW = super().gradient(X, dZ)
        dW *= self.mask
        return dW


class Scipy(Dense):
    """scipy.sparse CSR; scipy has no product for the gradient of the links, so rows of X and dZ are gathered."""

    def __init__(self, model):
        layer = model.layers[0]
        self.matrix, self.b = layer.to_scipy(), layer.b.copy()
        self.rows, self.columns = layer.topology.rows, layer.topology.indices
        self.W, self.V, self.v = self.matrix.data, np.zeros_like(self.matrix.data), np.zeros_like(self.b)
        self.links = len(self.W)
        self.n_bytes = 3 * self.W.nbytes + self.rows.nbytes + self.columns.nbytes + self.matrix.indptr.nbytes

    def weights(self):
        return self.matrix

    def gradient(self, X, dZ):
        return np.einsum("kt,kt->k", dZ[self.rows], X[self.columns])


class Ours:
    """A SparseLinear with MomentumSGD."""

    def __init__(self, model):
        self.layer, self.optimizer = model.layers[0], MomentumSGD()
        self.state, self.links = self.optimizer.init(model)[0], model.n_links
        self.n_bytes = training_bytes(self.layer)
        self.layer.topology.transposed  # noqa: B018 (built once, kept by the topology)

    def forward(self, X):
        """Z (n_out, batch)."""
        return self.layer.forward(X)

    def step(self, X, dZ):
        """One training step; returns Z and dX."""
        Z, (dX, dw, db) = self.forward(X), self.layer.backward(X, dZ)
        self.optimizer.update(self.layer, self.state, dw, db, dense_baseline.RATE)
        return Z, dX
