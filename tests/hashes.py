"""Small trainings whose results must never change, each with every argument given, so that no default decides.

HASHES maps a name to a function that trains and returns the sha256 of all that training has changed. Only the public API is
used, so that the same file runs on every version. The data are whole numbers divided by powers of two: nothing here asks libm.
"""

import hashlib
import itertools
import json
import tempfile
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.sparse

import sparselab as sl
from sparselab import parallel

SIZES = (20, 33, 18, 4)
FEATURES, CLASSES, N_TRAIN, N_TEST = 20, 4, 101, 30  # 101 samples leave a partial batch of every size used here
COLUMNS = (
    "epoch", "phase", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "nnz", "pruned", "grown", "active_neurons",
    "learning_rate", "n_samples", "neurons_pruned", "staleness",
)  # fmt: skip


@dataclass
class Outcome:
    """What a training leaves behind: the net, the optimizer's state (None where it is not at hand) and the EpochRecords."""

    model: object
    optimizer: object = None
    records: tuple = ()


def digest_of(arrays):
    """sha256 of dtypes, shapes and bytes, in order."""
    found = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        found.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def fingerprint(model, optimizer=None):
    """The digest of a net's links, weights, biases and neurons that are left, and of the optimizer's vectors."""
    arrays = []
    for number, layer in enumerate(model.layers):
        arrays += [layer.topology.indptr, layer.topology.indices, layer.w, layer.b, model.neurons.ids(number + 1)]
        arrays += [*optimizer[number].links, *optimizer[number].neurons] if optimizer else []
    return digest_of(arrays)


def plain_records(records):
    """EpochRecords as JSON gives them back, without times."""
    rows = [{name: getattr(record, name) for name in COLUMNS} for record in records]
    return json.loads(json.dumps(rows, default=lambda value: value.item()))


# data


def eighths(rng, shape, dtype):
    """Numbers in [-2, 2] that float32 holds exactly."""
    return (rng.integers(-16, 17, shape) / 8).astype(dtype)


def labelled(dtype=np.float32, sparse=False):
    """(X, y, X_test, y_test): the label says which of four groups of features has the largest sum."""
    X = eighths(np.random.default_rng(11), (N_TRAIN + N_TEST, FEATURES), dtype)
    y = X.reshape(len(X), CLASSES, -1).sum(axis=2).argmax(axis=1).astype(np.int64)
    if sparse:
        X = scipy.sparse.csr_array(np.where(abs(X) > 1, X, dtype(0)))
    return X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:]


def regression():
    """A Dataset whose targets are four sums of features."""
    X = eighths(np.random.default_rng(12), (N_TRAIN + N_TEST, FEATURES), np.float32)
    y = X.reshape(len(X), CLASSES, -1).sum(axis=2) / 8
    return sl.datasets.Dataset.from_arrays(
        X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:], task="regression", standardise=False, name="sums", source="arrays",
        image_shape=None, dtype=np.float32, overwrite=False,
    )  # fmt: skip


# nets, optimizers, rules


def net(sizes=SIZES, **changes):
    """A net with every argument of SparseMLP.create."""
    options = {
        "epsilon": 20, "density": 0.4, "activation": sl.AllReLU(alpha=0.6), "initializer": sl.HeUniform(fan="width"),
        "dropout": 0.0, "seed": 1, "dtype": np.float32, "exact": False, "min_fan_in": 0,
    }  # fmt: skip
    return sl.SparseMLP.create(sizes, **options | changes)


def momentum_sgd(**changes):
    """MomentumSGD with every argument."""
    options = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0, "nesterov": False, "decay_biases": True}
    return sl.MomentumSGD(**options | changes)


def set_rule(zeta=0.3):
    """SET with every argument."""
    return sl.SET(
        zeta=zeta, criterion=sl.criteria.magnitude_within_sign, regrowth=sl.regrowths.uniform, new_values="initializer"
    )  # fmt: skip


def pruning(**changes):
    """ImportancePruning with every argument: from the second epoch to the fourth, 60 % of the neurons go."""
    options = {
        "amount": 0.6, "start": 2, "stop": 4, "every": 1, "mode": "shrink", "percentile": 20.0,
        "importance": sl.importances.incoming, "min_neurons": 2, "ramp": "cubic", "fold": "bias",
    }  # fmt: skip
    return sl.ImportancePruning(**options | changes)


# ways to train


def train_options(**changes):
    """Every argument of train but `optimizer` and `state`."""
    options = {
        "rules": [], "epochs": 4, "batch_size": 32, "seed": 5, "threads": 2, "evaluate_every": 1,
        "loss": sl.SoftmaxCrossEntropy(), "checkpoint": None, "every": 1, "keep": 3, "resume": True, "config": None,
    }  # fmt: skip
    return options | changes


def parallel_options(**changes):
    """Every argument of train_parallel."""
    options = {
        "backend": "serial", "n_jobs": 2, "async_fraction": 0.5, "synchronous": True, "optimizer": momentum_sgd(),
        "rules": [set_rule()], "epochs": 4, "batch_size": 16, "seed": 5, "loss": sl.SoftmaxCrossEntropy(), "evaluate_every": 1,
        "steps_per_push": 1, "max_staleness": None, "damping": 0.0, "schedule": (), "task_timeout": 300.0, "max_restarts": 3,
        "checkpoint": None, "every": 1, "keep": 3, "resume": True, "config": None, "pace": None,
    }  # fmt: skip
    return options | changes


def trained(model, data, optimizer=None, **changes):
    """The Outcome of sl.train."""
    optimizer = momentum_sgd() if optimizer is None else optimizer
    options = train_options(**changes)
    state = sl.TrainingState.start(model, optimizer, options["seed"])
    records = list(sl.train(model, data, optimizer=optimizer, state=state, **options))
    return Outcome(model, state.optimizer, records)


def trained_in_parallel(model, data, **changes):
    """The Outcome of sl.train_parallel."""
    return Outcome(model, None, list(sl.train_parallel(model, data, **parallel_options(**changes))))


# the trainings


def static():
    """Fused float32, the links stay."""
    return trained(net(), labelled())


def set_and_dropout():
    """SET and dropout; the net's size is given by epsilon."""
    return trained(net(density=None, epsilon=4, dropout=0.3), labelled(), rules=[set_rule()], threads=1)


def importance_pruning():
    """Neurons go, folded into biases, and SET goes on with those that are left."""
    return trained(net(dropout=0.1), labelled(), rules=[pruning(), set_rule()], epochs=6)


def emptied_neurons():
    """Neurons lose their incoming links, others grow new ones; min_fan_in, exact numbers of links and another initializer."""
    model = net(
        density=0.15, exact=True, min_fan_in=2, activation=sl.LeakyReLU(alpha=0.25), initializer=sl.XavierUniform(fan="links")
    )  # fmt: skip
    regrowing = sl.PruneRegrow(
        zeta=0.25, criterion=sl.criteria.random, regrowth=sl.regrowths.keep_fan_in, new_values="initializer"
    )
    emptying = pruning(mode="links", importance=sl.importances.product, fold="mean", percentile=25.0)
    return trained(model, labelled(), rules=[emptying, regrowing], epochs=5, evaluate_every=2)


def layerwise_tanh():
    """Layer by layer in float64 with Tanh; neurons go and leave their means."""
    model = net(dtype=np.float64, activation=sl.Tanh(), dropout=0.2)
    rules = [pruning(fold="mean", ramp="linear", importance=sl.importances.outgoing), set_rule(0.2)]
    return trained(model, labelled(np.float64), rules=rules, epochs=5)


def squared_error():
    """A regression."""
    model = net(activation=sl.ReLU())
    return trained(model, regression(), momentum_sgd(learning_rate=0.01), loss=sl.MeanSquaredError(), rules=[set_rule()])


def gradient_regrowth():
    """Nesterov, weight decay without biases and a schedule; links go by sensitivity and grow by gradient until epoch 4."""
    rate = sl.schedules.WarmUp(after=sl.schedules.Step(rate=0.0625, every=2, factor=0.5), epochs=2)
    optimizer = momentum_sgd(learning_rate=rate, nesterov=True, weight_decay=2.0**-10, decay_biases=False)
    regrowth = type(sl.regrowths.gradient)(candidates=5)
    zeta = sl.schedules.Until(before=0.3, stop=4)
    rule = sl.PruneRegrow(zeta=zeta, criterion=sl.criteria.sensitivity, regrowth=regrowth, new_values="initializer")
    return trained(net(), labelled(), optimizer, rules=[rule], epochs=6)


def csr_with_partial_batch():
    """CSR input, links that go by their velocity, one thread."""
    rule = sl.PruneRegrow(zeta=0.3, criterion=sl.criteria.momentum, regrowth=sl.regrowths.uniform, new_values="initializer")
    return trained(net(), labelled(sparse=True), rules=[rule], batch_size=24, threads=1)


class Ramp:
    """A plug-in activation: z / 2 below 0, z² / 4 + z / 2 above it."""

    def forward(self, Z):
        return np.where(Z > 0, Z * Z * Z.dtype.type(0.25), Z.dtype.type(0)) + Z * Z.dtype.type(0.5)

    def gradient(self, Z):
        return np.where(Z > 0, Z * Z.dtype.type(0.5), Z.dtype.type(0)) + Z.dtype.type(0.5)


def drop_weakest(epoch, model, state, evidence, rng):
    """A plug-in rule: each hidden layer loses its five weakest links and grows three elsewhere."""
    rewirings = []
    for layer in model.layers[:-1]:
        keep = np.ones(layer.topology.nnz, bool)
        keep[np.argsort(np.abs(layer.w), kind="stable")[:5]] = False
        rewirings.append(sl.rewire(layer.topology, keep, 3, rng=rng))
    return [*rewirings, None]


def plug_ins():
    """An activation and a rule of one's own."""
    return trained(net(activation=Ramp()), labelled(), rules=[drop_weakest])


def interrupted_and_resumed():
    """`set_and_dropout`, closed after two epochs, and gone on with by another net from its folder."""
    with tempfile.TemporaryDirectory() as folder:
        options = train_options(rules=[set_rule()], threads=1, checkpoint=folder)
        net_of = lambda seed: net(density=None, epsilon=4, dropout=0.3, seed=seed)
        stream = sl.train(net_of(1), labelled(), optimizer=momentum_sgd(), state=None, **options)
        list(itertools.islice(stream, 2))
        stream.close()
        return resumed(folder, net_of(2), options)


def resumed_within_an_epoch():
    """`importance_pruning`, closed in the middle of its fourth epoch, and gone on with."""
    with tempfile.TemporaryDirectory() as folder:
        options = train_options(rules=[pruning(), set_rule()], epochs=6, checkpoint=folder)
        stream = sl.steps(net(dropout=0.1), labelled(), optimizer=momentum_sgd(), state=None, pace=0.0, **options)
        list(itertools.islice(stream, 3 * 5 + 2))  # four mini-batches and the epoch's record make five
        stream.close()
        return resumed(folder, net(dropout=0.1, seed=2), options)


def resumed(folder, model, options):
    """The Outcome of going on with the run in `folder`."""
    records = list(sl.train(model, labelled(), optimizer=momentum_sgd(), state=None, **options))
    return Outcome(model, sl.load_checkpoint(folder).state.optimizer, records)


def parallel_synchronous():
    """WASSP-SGD with two workers in threads, then their local phase and the average."""
    return trained_in_parallel(net(dropout=0.3), labelled(), backend="threads")


SCHEDULE = (0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0)  # whose task is next: eight pushes, then four local epochs


def parallel_asynchronous():
    """WASAP-SGD in an order that is given: stale gradients, damped, two batches a push; then the local phase and the average."""
    return trained_in_parallel(
        net(dropout=0.3), labelled(), synchronous=False, schedule=SCHEDULE, steps_per_push=2, max_staleness=3, damping=0.5,
        optimizer=momentum_sgd(learning_rate=0.02, weight_decay=2.0**-10), rules=[pruning(start=1, stop=None), set_rule()],
    )  # fmt: skip


def simulated_workers():
    """Three simulated workers, one of them slow, one that fails: the order of their pushes follows from the times given."""
    costs = parallel.Costs(
        compute=0.5, push=0.125, pull=0.0625, evolve=0.25, begin=0.0, step=0.5, setup=0.0, average=0.25, another=0.0
    )  # fmt: skip
    names = (
        "async_fraction", "optimizer", "rules", "epochs", "batch_size", "seed", "loss", "evaluate_every", "steps_per_push",
        "max_staleness", "damping", "config",
    )  # fmt: skip
    options = {name: parallel_options()[name] for name in names}
    network = parallel.Network(latency=0.03125, bandwidth=2.0**20)
    model = net()
    stream = sl.simulate_parallel(
        model, labelled(), 3, compute=None, network=network, server=None, stragglers={1: 2.0}, failures=[(2, 3.0, 1.0)],
        costs=costs, synchronous=False, **options,
    )  # fmt: skip
    return Outcome(model, None, list(stream))


def experiment():
    """What build makes of a config in which every field is given."""
    run = sl.build(sl.ExperimentConfig(**SETTINGS), data=sl.datasets.Dataset.from_arrays(*labelled(), standardise=True))
    return Outcome(run.model, None, list(run.train()))


SETTINGS = {
    "dataset": "digits", "hidden": (24, 16), "epsilon": 3.5, "activation": "all_negative", "alpha": 0.25,
    "initializer": "xavier_uniform", "fan": "links", "dropout": 0.25, "rule": "set", "zeta": 0.25, "zeta_schedule": "constant",
    "zeta_stop": 3, "criterion": "magnitude", "regrowth": "gradient", "new_values": "initializer",
    "pruning": "shrink", "pruning_amount": 0.5,
    "pruning_percentile": 30.0, "pruning_start": 1, "pruning_stop": 2, "pruning_every": 1, "importance": "product",
    "pruning_fold": "bias",
    "learning_rate": 0.0625, "momentum": 0.875, "weight_decay": 0.0009765625, "nesterov": True, "decay_biases": False,
    "schedule": "warm_up", "batch_size": 16, "epochs": 4, "seed": 3, "threads": 1, "workers": 2, "backend": "threads",
    "async_fraction": 0.75, "synchronous": True, "steps_per_push": 1, "topology": "er", "density": 0.0, "dense_last": False,
}  # fmt: skip


def classifier_settings(**changes):
    """Every argument of SparseMLPClassifier."""
    settings = {
        "hidden_layer_sizes": (24, 16), "epsilon": 4, "density": None, "activation": "all_relu", "alpha": 0.5,
        "initializer": "he_uniform", "dropout": 0.2, "zeta": 0.3, "rules": [set_rule()], "learning_rate": 0.05, "momentum": 0.9,
        "nesterov": True, "weight_decay": 0.0, "batch_size": "auto", "epochs": 4, "early_stopping": True,
        "validation_fraction": 0.2, "n_epochs_no_change": 3, "tol": 2.0**-13, "warm_start": False, "standardise": True,
        "random_state": 7, "verbose": False, "n_jobs": 1, "checkpoint": None, "augmentation": None, "topology": None,
    }  # fmt: skip
    return settings | changes


def classifier():
    """SparseMLPClassifier with early stopping, standardised data and labels that are words."""
    X, y, *_ = labelled()
    fitted = sl.SparseMLPClassifier(**classifier_settings()).fit(X, np.array(["low", "mid", "high", "top"])[y])
    return Outcome(fitted.model_, None, fitted.history_)


TRAININGS = {
    function.__name__: function
    for function in (
        static, set_and_dropout, importance_pruning, emptied_neurons, layerwise_tanh, squared_error, gradient_regrowth,
        csr_with_partial_batch, plug_ins, interrupted_and_resumed, resumed_within_an_epoch, parallel_synchronous,
        parallel_asynchronous, simulated_workers, experiment, classifier,
    )
}  # fmt: skip


@cache
def outcome(name):
    """The Outcome of a training, which is done once."""
    return TRAININGS[name]()


def hash_of(name):
    """A function that gives the hash of a training."""
    return lambda: fingerprint(outcome(name).model, outcome(name).optimizer)


# what is no training, but is computed too


def predictions():
    """Logits of dense and CSR samples."""
    model = outcome("set_and_dropout").model
    return digest_of([sl.predict(model, labelled(sparse=sparse)[2], threads=1) for sparse in (False, True)])


def pruned_after_training():
    """Widths, links and scores of a net that prune_curve has made smaller, and trained on."""
    table = sl.prune_curve(
        outcome("static").model, labelled(), amounts=(0.0, 0.5, 0.8), fine_tune_epochs=1, importance=sl.importances.incoming,
        min_neurons=2, optimizer=momentum_sgd(), batch_size=32, seed=0, threads=1, repeats=1, progress=False,
    )  # fmt: skip
    names = ["amount", "neurons", "links", "bytes", "loss", "accuracy", "tuned_loss", "tuned_accuracy"]
    return digest_of([table[names].to_numpy(np.float64), np.array(table["widths"].tolist())])


def selected_features():
    """The ranking of SparseFeatureSelector, of a net that is trained already."""
    selector = sl.SparseFeatureSelector(
        outcome("set_and_dropout").model, n_features_to_select=5, prefit=True, random_state=None, n_jobs=1
    )  # fmt: skip
    return digest_of([selector.fit().ranking_, selector.transform(labelled()[2])])


def average_of_two():
    """The average of two nets with other links."""
    models = [outcome("set_and_dropout").model, outcome("interrupted_and_resumed").model, net(density=None, epsilon=4, seed=9)]
    return fingerprint(sl.average(models, models[0].nnz))


def embedded_data():
    """The datasets that need no network."""
    data = [sl.datasets.load(name) for name in ("fashion_mnist_small", "digits", "madelon_like")]
    return digest_of(array for one in data for array in (one.X_train, one.y_train, one.X_test, one.y_test))


HASHES = {name: hash_of(name) for name in TRAININGS} | {
    function.__name__: function
    for function in (predictions, pruned_after_training, selected_features, average_of_two, embedded_data)
}
