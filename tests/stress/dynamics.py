"""What happens when numbers go wrong in training: found within the batch, nothing spoilt, nothing lost."""

import threading
import time
from fractions import Fraction
from itertools import islice, product
from statistics import median

import numpy as np
from models import ENGINES, SIZES, engine_is, fingerprint, from_masks, is_finite, rows

import sparselab as sl
from sparselab.checkpoints.state import BATCHES
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.kernels import elementwise
from sparselab.nn import activations, losses
from sparselab.topology.rewiring import rewire
from sparselab.training.loop import TrainingState

BATCH = 26  # 101 rows are three batches and a partial one


# numbers that are none, planted


PLANTS = ("a weight", "a bias", "a weight into a dead end", "a bias of a dead end", "an input", "an input of the last batch")
VALUES = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}


def net_with_dead_end(activation, layer, dropout=0.0):
    """A net in which the last neuron of hidden layer `layer` (from 0) has incoming links and no outgoing ones."""
    random = np.random.default_rng(layer)
    masks = [random.random((n_out, n_in)) < 0.6 for n_in, n_out in zip(SIZES, SIZES[1:], strict=False)]
    for mask in masks:
        mask[:, 0] = mask[0] = mask[-1] = True  # the first neuron of every layer is connected, the last has inputs
    if layer + 1 < len(masks):
        masks[layer + 1][:, -1] = False
    return from_masks(masks, activation=activation, dtype=np.float32, seed=layer, dropout=dropout)


def plant(model, X, order, what, value, layer):
    """Put one bad number there; the batch of the first epoch in which it must be found."""
    here = model.layers[layer]
    first, last = here.topology.indptr[0], here.topology.indptr[-2]
    if what.startswith("an input"):
        sample = order[-1] if "last" in what else order[0]
        X[sample, 3] = value
        return (len(order) - 1) // BATCH if "last" in what else 0
    if "weight" in what:
        here.w[last if "dead" in what else first] = value
    else:
        here.b[-1 if "dead" in what else 0] = value
    return 0


def planted(kind, activation, what, value, layer, dropout=0.0):
    """Whether a number planted after validation ends in DivergedError in its batch, the model at its last good step."""
    (X, y), optimizer = rows(), sl.MomentumSGD(0.01)
    model = net_with_dead_end(activation, layer, dropout)
    state = TrainingState.start(model, optimizer, 5)
    options = {"optimizer": optimizer, "batch_size": BATCH, "epochs": 1}
    with engine_is(kind):
        run = sl.steps(model, (X, y), state=state, **options)
        batch = plant(model, X, state.stream(BATCHES).permutation(len(y)), what, value, layer)
        before, seen = fingerprint(model), []
        try:
            for record in run:
                seen.append(getattr(record, "loss", np.nan))  # an EpochRecord has come too far
        except sl.DivergedError as error:
            if (error.epoch, error.batch) != (1, batch) or len(seen) != batch or not np.isfinite(seen).all():
                return False
            return fingerprint(model) == (before if batch == 0 else clean_weights(activation, layer, dropout, batch, options))
    return False


def clean_weights(activation, layer, dropout, n_steps, options):
    """Fingerprint of the same net after so many steps on good data."""
    model = net_with_dead_end(activation, layer, dropout)
    run = sl.steps(model, rows(), seed=5, **options)
    list(islice(run, n_steps))
    run.close()
    return fingerprint(model)


def planted_everywhere(values=("NaN",), layers=(0, 1, 2)):
    """(found, tried, those not found) over engines, activations, places and layers; a dead end is only in hidden layers."""
    combinations = [
        (kind, activation, what, value, layer)
        for kind, activation, what, value, layer in product(ENGINES, activations.NAMES, PLANTS, values, layers)
        if not ("dead end" in what and layer == len(SIZES) - 2) and not (what.startswith("an input") and layer)
    ]
    missed = [c for c in combinations if not planted(c[0], c[1], c[2], VALUES[c[3]], c[4])]
    return len(combinations) - len(missed), len(combinations), missed


# divergence at a known step


def diverges_at(kind, step, threads=1):
    """Whether NaN written into the weights after `step` steps is found in the next one, with all records and weights kept."""
    model, seen = sl.SparseMLP.create(SIZES, density=0.5, seed=1), []
    with engine_is(kind):
        run = sl.steps(model, rows(), batch_size=BATCH, epochs=5, seed=5, threads=threads, rules=[sl.SET(0.3)])
        try:
            for record in run:
                seen.append(record)
                if sum(isinstance(r, sl.StepRecord) for r in seen) == step and isinstance(record, sl.StepRecord):
                    model.layers[1].b[0] = np.nan
                    before = fingerprint(model)
        except sl.DivergedError as error:
            # a mark set after the last batch of an epoch is found before the rules of the next epoch touch the net
            found = (error.epoch - 1) * 4 + error.batch
            return (
                found == step
                and error.layer == 2
                and fingerprint(model) == before
                and np.isfinite([r.loss for r in seen if isinstance(r, sl.StepRecord)]).all()
            )
    return False


def overflows(
    rates=(1e3, 1e4, 1e5, 1e6),
    losses_=("softmax_cross_entropy", "mean_squared_error"),
    sizes=(SIZES, (20, *[30] * 13, 4)),
):
    """(runs that ended with finite weights, runs) at absurd learning rates: no update overflows unnoticed, not even the last."""
    good, tried = 0, 0
    for kind, rate, loss, widths, n_epochs in product(ENGINES, rates, losses_, sizes, (1, 2, 3)):
        model = sl.SparseMLP.create(widths, density=0.5, activation="identity", seed=1)
        X, y = rows()
        noticed = False
        with engine_is(kind), np.errstate(all="ignore"):
            try:
                optimizer = sl.MomentumSGD(rate, momentum=0.99)
                list(sl.train(model, (1000 * X, y), optimizer=optimizer, loss=loss, epochs=n_epochs, seed=0))
            except sl.DivergedError:
                noticed = True
        tried += 1
        good += noticed or is_finite(model)
    return good, tried


# errors from outside


class Breaks(Exception):
    """What the harness raises."""


def broken_runs():
    """{who raises: whether the error came through, the threads went, and the net can be used and trained on}."""

    def late(value):
        def raise_late(*arguments):
            if arguments[0] >= 1:
                raise Breaks
            return value

        return raise_late

    class BreakingLoss(sl.SoftmaxCrossEntropy):
        code, n_calls = None, 0

        def on_tile(self, *arguments):
            self.n_calls += 1
            if self.n_calls > 6:
                raise Breaks
            return super().on_tile(*arguments)

    class BreakingActivation:
        n_calls = 0

        def forward(self, Z):
            self.n_calls += 1
            if self.n_calls > 6:
                raise Breaks
            return Z

        def gradient(self, Z):
            return np.ones_like(Z)

    runs = {
        "consumer": {},
        "rule": {"rules": [late(None)]},
        "criterion": {"rules": [sl.PruneRegrow(0.3, lambda *_: (_ for _ in ()).throw(Breaks()))]},
        "schedule": {"optimizer": sl.MomentumSGD(late(0.01))},
        "zeta": {"rules": [sl.SET(late(0.3))]},
        "loss": {"loss": BreakingLoss()},
        "activation": {"activation": BreakingActivation()},
    }
    return {who: survives(who, **options) for who, options in runs.items()}


def survives(who, activation="all_relu", **options):
    model, data = sl.SparseMLP.create(SIZES, density=0.5, activation=activation, seed=1), rows()
    n_threads = threading.active_count()
    try:
        for record in sl.train(model, data, epochs=4, batch_size=BATCH, seed=0, threads=2, **options):
            if who == "consumer" and record.epoch == 2:
                raise Breaks
    except Breaks:
        pass
    else:
        return False
    if threading.active_count() != n_threads or not is_finite(model):
        return False
    model.activation = activations.AllReLU()
    return np.isfinite([record.train_loss for record in sl.train(model, data, epochs=1, seed=0)]).all()


# layers with holes


def empty_lines(n, seed=0):
    """(nets whose values and gradients are those of dense arithmetic, nets) with empty rows, columns and layers; float64."""
    random, good = np.random.default_rng(seed), 0
    for _ in range(n):
        sizes = random.integers(1, 7, 4)
        masks = [
            random.random((n_out, n_in)) < random.choice([0, 0.2, 0.7, 1]) for n_in, n_out in zip(sizes, sizes[1:], strict=False)
        ]
        for mask in masks:
            mask[random.random(len(mask)) < 0.3] = False
            mask[:, random.random(mask.shape[1]) < 0.3] = False
        good += as_dense(from_masks(masks, seed=int(random.integers(2**31))), random)
    return good, n


def as_dense(model, random):
    """Whether one batch through the sparse net equals the same in numpy with dense matrices."""
    n = 9
    X, targets = random.standard_normal((n, model.sizes[0])), random.standard_normal((n, model.sizes[-1]))
    loss = losses.MeanSquaredError()
    _, _, dw, db = LayerwiseEngine(model, loss, 8, 1).batch_gradient(X, targets, np.arange(n), None)
    matrices = [layer.to_scipy().toarray() for layer in model.layers]
    slopes = [f.slopes for f in model.hidden]
    Y, inputs, kinks = X.T, [], []
    for l, (W, layer) in enumerate(zip(matrices, model.layers, strict=True)):
        inputs.append(Y)
        Z = W @ Y + layer.b[:, None]
        left, right = slopes[l] if l < len(slopes) else (1.0, 1.0)
        kinks.append(np.where(Z > 0, right, left))
        Y = Z * kinks[-1]
    close = np.allclose(sl.predict(model, X), Y.T, rtol=1e-11, atol=1e-12)
    dZ = (Y - targets.T) / n
    for l in reversed(range(len(matrices))):
        topology = model.layers[l].topology
        close &= np.allclose(dw[l], (dZ @ inputs[l].T)[topology.rows, topology.indices], rtol=1e-10, atol=1e-12)
        close &= np.allclose(db[l], dZ.sum(axis=1), rtol=1e-10, atol=1e-12)
        if l:
            dZ = (matrices[l].T @ dZ) * kinks[l - 1]
    return bool(close)


def emptied_and_regrown(kind):
    """Whether a net that loses all links in epoch 2 gives its biases, and learns again after links are grown in epoch 4."""

    def rule(epoch, model, state, evidence, rng):
        if epoch == 1:
            return [rewire(layer.topology, np.zeros(layer.topology.nnz, bool)) for layer in model.layers]
        if epoch == 3:
            return [
                rewire(layer.topology, np.zeros(0, bool), layer.topology.n_out * 5, rng=rng) for layer in model.layers[:-1]
            ] + [rewire(model.layers[-1].topology, np.zeros(0, bool), 40, rng=rng)]
        return [None] * len(model.layers)

    model, (X, y) = sl.SparseMLP.create(SIZES, density=0.5, seed=1), rows()
    with engine_is(kind):
        records = []
        for record in sl.train(
            model, (X, y), rules=[rule, sl.SET(0.3)], epochs=40, batch_size=BATCH, optimizer=sl.MomentumSGD(0.05), seed=0
        ):
            records.append(record)
            if record.epoch == 2 and not (
                record.nnz == (0, 0, 0) and np.array_equal(sl.predict(model, X), np.tile(model.layers[-1].b, (len(X), 1)))
            ):
                return False
    return (
        records[2].nnz == (0, 0, 0)
        and records[-1].train_loss < 0.8 * records[2].train_loss
        and np.isfinite([r.train_loss for r in records]).all()
    )


# accuracy of the loss, and speed of tiny numbers


def softmax_error(n=200, largest=1e4, seed=0):
    """Worst error of the softmax loss against exact sums, relative to the loss or 1, by dtype; logits to ±`largest`."""
    random, worst = np.random.default_rng(seed), {}
    for dtype in (np.float32, np.float64):
        errors = []
        for _ in range(n):
            scale = 10 ** random.uniform(-2, np.log10(largest))
            Z = np.clip(random.standard_normal((5, 1)) * scale, -largest, largest).astype(dtype)
            label = int(random.integers(5))
            ours, _ = elementwise.softmax_loss(Z, np.array([label]), np.array([0]), 0, 1, dtype(1), np.empty_like(Z))
            whole, _ = losses.SoftmaxCrossEntropy().of(Z.T, np.array([label]))
            right = exact_loss(Z[:, 0], label)
            errors += [abs(value - right) / max(1, right) for value in (ours, whole)]
        worst[np.dtype(dtype).name] = max(errors)
    return worst


def exact_loss(logits, label):
    """−log softmax, the differences of logits exact, the rest in 50 digits."""
    from decimal import Decimal, localcontext

    exact = [Fraction(float(z)) for z in logits]
    top = max(exact)
    with localcontext() as context:
        context.prec = 50
        decimal = lambda value: Decimal(value.numerator) / Decimal(value.denominator)
        total = sum(decimal(z - top).exp() for z in exact)
        return float(total.ln() + decimal(top - exact[label]))


DENORMAL = {"weights": (1e-39, 1.0), "inputs": (1.0, 1e-39), "products": (1e-20, 1e-20)}  # factors of weights and inputs


def denormal_ratio(n_epochs=60, repeats=5):
    """Seconds of steps with denormal weights, inputs or products over those of ordinary ones: the worst median of pairs."""
    ratios = {
        what: median(seconds_of_steps(*factors, n_epochs) / seconds_of_steps(1.0, 1.0, n_epochs) for _ in range(repeats))
        for what, factors in DENORMAL.items()
    }
    return max(ratios.values())


def seconds_of_steps(weights, inputs, n_epochs):
    """Seconds of training on one thread with scaled weights and inputs, at a rate that changes nothing."""
    model, (X, y) = sl.SparseMLP.create((200, 200, 200, 4), density=0.2, seed=0), rows(256, 200)
    for layer in model.layers:
        layer.w *= np.float32(weights)
    optimizer = sl.MomentumSGD(1e-30, momentum=0)
    run = sl.steps(
        model, (X * np.float32(inputs), y), batch_size=64, optimizer=optimizer, epochs=n_epochs, seed=0, threads=1, pace=10
    )
    next(run)
    start = time.perf_counter()
    for _ in run:
        pass
    return time.perf_counter() - start


def denormals_survive():
    """Whether this process still computes with denormal numbers: no library has switched on flush-to-zero."""
    sl.predict(sl.SparseMLP.create(SIZES, seed=0), rows()[0])
    small, tiny = np.array([1e-40], np.float32), np.array([1e-310])
    return bool((small * np.float32(0.5))[0] > 0 and (tiny * 0.5)[0] > 0)


# the promises


def test_bad_numbers_are_found(stress):
    found, tried, missed = planted_everywhere(tuple(VALUES) if stress.full else ("NaN",))
    stress.all("NaN and infinity in weight, bias or input: found in their batch, net unspoilt", found, tried)
    assert missed == []
    steps_ = range(1, 13) if stress.full else (1, 4, 5)
    known = [diverges_at(kind, step, threads) for kind in ENGINES for step in steps_ for threads in (1, 2)]
    stress.all("NaN after a known step: found in the next, records and net kept", sum(known), len(known))
    stress.all("absurd learning rates: no weight overflows unnoticed", *overflows())


def test_errors_come_through(stress):
    ends = broken_runs()
    promise = "error in consumer, rule, schedule, loss, activation: comes through, net usable"
    stress.all(promise, sum(ends.values()), len(ends))


def test_holes(stress):
    promise = "empty rows, columns, layers: values and gradients of dense arithmetic"
    stress.all(promise, *empty_lines(stress.count(1000, 50)))
    back = [emptied_and_regrown(kind) for kind in ENGINES]
    stress.all("all links pruned, later regrown: biases, then learning", sum(back), len(back))


def test_edges_of_arithmetic(stress):
    errors, ratio = softmax_error(stress.count(2000, 50)), denormal_ratio(repeats=5 if stress.full else 3)
    for dtype, goal in (("float32", 1e-6), ("float64", 1e-14)):
        promise = f"softmax loss at logits to ±1e4, worst relative error, {dtype}"
        stress.row(promise, f"{errors[dtype]:.1e}", f"<= {goal:.0e}", errors[dtype] <= goal)
    stress.row("seconds with denormal numbers over ordinary ones", f"{ratio:.2f}", "<= 3", ratio <= 3)
    kept = denormals_survive()
    stress.row("denormal numbers still computed with (no flush-to-zero left on)", kept, "True", kept)
