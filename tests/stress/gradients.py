"""Every gradient is the slope of the loss: float64, central differences, every link, bias and trained value, all combinations."""

from itertools import product

import numpy as np

from sparselab.nn import activations, losses
from sparselab.testing import H, gradient_errors, kink_distances, net_from_masks

MOST = 1e-7  # ‖g − n‖ / (‖g‖ + ‖n‖)
KEY = np.uint64(2**63 + 12345)
N = 11


class Swish:
    """A plug-in activation with the two methods and nothing else."""

    def forward(self, Z):
        return Z / (1 + np.exp(-Z))

    def gradient(self, Z):
        s = 1 / (1 + np.exp(-Z))
        return s + Z * s * (1 - s)


def log_cosh(values):
    """log cosh, which itself does not overflow."""
    return np.logaddexp(values, -values) - np.log(2)


class LogCosh:
    """A plug-in loss: Σ log cosh(z − t)."""

    code = None

    def targets(self, y, n_out, dtype):
        return losses.MeanSquaredError().targets(y, n_out, dtype)

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        difference = Z[:, :count] - targets[samples[first : first + count]].T
        dZ[:, :count], dZ[:, count:] = np.tanh(difference) * scale, 0
        return float(log_cosh(difference).sum()), 0

    def of(self, Z, targets):
        return float(log_cosh(Z - targets).sum(axis=1).mean()), None


ACTIVATIONS = {name: kind() for name, kind in activations.NAMES.items()}
ACTIVATIONS |= {"fixed_slopes": activations.FixedSlopes(-1.5, 2.0), "plug-in": Swish()}
LOSSES = {name: kind() for name, kind in losses.NAMES.items()} | {"plug-in": LogCosh()}
PATTERNS = ("dense", "sparse", "holes", "an empty layer", "no link at all")
DROPOUTS = (0.0, 0.3, 0.9)


def masks(kind):
    """Links of a 6-7-5-7-3 net."""
    random = np.random.default_rng(7)
    shapes = [(7, 6), (5, 7), (7, 5), (3, 7)]
    made = [np.ones(s, bool) if kind == "dense" else random.random(s) < 0.5 for s in shapes]
    if kind == "holes":
        made[0][2] = made[1][3] = made[3][1] = False  # neurons without incoming links
        made[0][:, 4] = made[1][:, 0] = made[2][:, 1] = False  # without outgoing ones
    if kind == "an empty layer":
        made[1][:] = False
    if kind == "no link at all":
        made = [mask & False for mask in made]
    return made


def targets_for(loss, n=N):
    """Labels for cross-entropy, 0 and 1 or counts for what needs them, numbers for the others; three outputs."""
    y, numbers = np.random.default_rng(3).integers(0, 3, n), np.random.default_rng(4).standard_normal((n, 3))
    made = {"SoftmaxCrossEntropy": y, "BinaryCrossEntropy": numbers > 0, "SquaredHinge": numbers > 0, "PoissonLoss": abs(numbers)}
    return loss.targets(made.get(type(loss).__name__, numbers), 3, np.float64)


def away_from_kinks(make, loss, key, n=N):
    """(model, X) in which no pre-activation is so close to 0 that the difference quotient could step over it."""
    for seed in range(200):
        model, X = make(seed), np.random.default_rng(seed).standard_normal((n, 6))
        if kink_distances(model, X, targets_for(loss, n), loss, key).min() > 10 * H:
            return model, X
    raise AssertionError("no draw without a kink nearby")


def worst(activation, loss, pattern, dropout, n_seeds=1):
    """The largest relative error of a combination of names."""
    loss, key = LOSSES[loss], KEY if dropout else None
    found = 0.0
    for first in range(n_seeds):

        def make(seed, first=first):
            model = net_from_masks(masks(pattern), activation=ACTIVATIONS[activation], seed=1000 * first + seed, dropout=dropout)
            if type(loss).__name__ == "PoissonLoss":  # its exponential is too steep for difference quotients elsewhere
                for layer in model.layers:
                    layer.w *= 0.1
            return model

        found = max(found, *gradient_errors(*away_from_kinks(make, loss, key), targets_for(loss), loss, key).values())
    return found


def combinations():
    """Every (activation, loss, pattern, dropout)."""
    return list(product(ACTIVATIONS, LOSSES, PATTERNS, DROPOUTS))


def test_gradients_are_slopes(stress):
    chosen = combinations()[:: 1 if stress.full else 5]
    errors = {one: worst(*one) for one in chosen}
    at = max(errors, key=errors.get)
    figure = f"{errors[at]:.1e} ({', '.join(map(str, at))}; {len(chosen)} combinations)"
    promise = "gradient against central differences, float64: worst relative error"
    stress.row(promise, figure, f"<= {MOST:g}", errors[at] <= MOST)
