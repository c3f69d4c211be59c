"""Checks for rules, activations and losses of your own: each is compared with something slow and obvious.

A check returns nothing, or raises an AssertionError that says what is wrong and where. Nothing in the package imports this
module.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .datasets.coerce import as_features
from .engines.layerwise import LayerwiseEngine
from .evolution.apply import apply
from .evolution.evidence import Evidence
from .evolution.evolving import Rule, plain
from .nn import losses
from .nn.linear import SparseLinear
from .nn.mlp import SparseMLP, check_model
from .nn.optimizers import MomentumSGD, update_layers
from .nn.protocols import Activation, Loss
from .topology.rewiring import Rewiring
from .topology.topology import Topology
from .utils import checks

__all__ = ["check_gradients", "check_rule", "gradient_errors", "links", "links_after", "net_from_masks"]

H = 1e-5  # half the step of a difference quotient
ROUNDING = 4 * np.finfo(np.float64).eps / H  # of a difference quotient, for a loss of 1
BATCH, BATCHES = 8, 3  # samples of the nets in which rules are checked


def net_from_masks(
    masks: Sequence[ArrayLike],
    activation: str | type | Activation = "all_relu",
    *,
    dtype: DTypeLike = "float64",
    seed: int = 0,
    **options: Any,
) -> SparseMLP:
    """Make a net with links at given places, and normal weights and biases.

    Parameters
    ----------
    masks : sequence of array_like of bool
        For each layer where it has links, (n_out, n_in).
    activation : str, type or Activation, default "all_relu"
        The activation of the hidden layers; see SparseMLP.
    dtype : data type, default "float64"
        Of weights and biases.
    seed : int, default 0
        Seed of weights and biases.
    **options : Any
        Further arguments of SparseMLP.

    Returns
    -------
    SparseMLP
        The net.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, or the layers do not fit together.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.testing.net_from_masks([[[1, 0, 1], [0, 0, 0]], [[1, 1]]]).nnz
    (2, 2)
    """
    random, layers = np.random.default_rng(checks.integer("seed", seed, low=0)), []
    for number, given in enumerate(masks):
        mask = checks.as_array(given)
        if mask.ndim != 2:
            checks.fail(f"masks[{number}]", given, "a bool array of shape (n_out, n_in)")
        mask = mask.astype(bool)
        topology = Topology.from_links(*mask.shape, *np.nonzero(mask))
        values = (random.standard_normal(n).astype(dtype) for n in (topology.nnz, len(mask)))
        layers.append(SparseLinear(topology, *values))
    return SparseMLP(layers, activation, **options)


def links(layer: SparseLinear, values: ArrayLike | None = None) -> dict[tuple[int, int], float]:
    """List the links of a layer, read from its arrays one by one.

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    values : array_like, optional
        A number for each link, (nnz,); by default the weights.

    Returns
    -------
    dict
        {(row, column): number}, in the order of the links.

    Raises
    ------
    AssertionError
        If a row has its links out of order, twice or out of range, or the arrays do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.from_links(2, 3, [0, 1], [2, 0]), np.array([0.5, -1.0]), np.zeros(2))
    >>> sl.testing.links(layer)
    {(0, 2): 0.5, (1, 0): -1.0}
    """
    found = _places(layer.topology)
    values = np.asarray(layer.w if values is None else values).tolist()
    if len(values) != len(found):
        raise AssertionError(f"{len(values)} numbers for {len(found)} links")
    return dict(zip(found, values))


def links_after(layer: SparseLinear, rewiring: Rewiring | None) -> dict[tuple[int, int], float | None]:
    """List the links that a layer must have after an event, computed one by one: the twin of `sl.evolution.apply`.

    Parameters
    ----------
    layer : SparseLinear
        The layer before the event.
    rewiring : Rewiring or None
        Its change.

    Returns
    -------
    dict
        {(row, column): weight}; None for a new link without a value in the rewiring, for which the initializer draws one.

    Raises
    ------
    AssertionError
        If a link that is kept stands at another place than before, or the new topology is not in order.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.from_links(2, 3, [0, 1], [2, 0]), np.array([0.5, -1.0]), np.zeros(2))
    >>> first = sl.rewire(layer.topology, np.array([True, False]))
    >>> sl.testing.links_after(layer, first)
    {(0, 2): 0.5}
    """
    before = links(layer)
    if rewiring is None:
        return dict(before)
    old, found = list(before), {}
    values = iter([] if rewiring.new_values is None else rewiring.new_values.tolist())
    for place, origin in zip(_places(rewiring.topology), rewiring.origin.tolist(), strict=True):
        if origin < 0:
            found[place] = next(values, None)
            continue
        row, column = (n if ids is None else int(ids[n]) for n, ids in zip(place, (rewiring.rows, rewiring.cols), strict=True))
        if old[origin] != (row, column):
            raise AssertionError(f"link (row, column) = {place} has the origin {origin}, which was at {old[origin]}")
        found[place] = before[row, column]
    return found


def _places(topology):
    """[(row, column)] of the links; AssertionError unless each row has them in ascending order, and inside."""
    indptr, indices = topology.indptr.tolist(), topology.indices.tolist()
    if len(indptr) != topology.n_out + 1 or indptr[0] != 0 or indptr[-1] != len(indices) or sorted(indptr) != indptr:
        raise AssertionError(f"row pointers of {topology.n_out} rows and {len(indices)} links must rise from 0 to their number")
    for row, (first, stop) in enumerate(zip(indptr, indptr[1:])):
        columns = indices[first:stop]
        if columns != sorted(set(columns)) or not all(0 <= column < topology.n_in for column in columns):
            raise AssertionError(f"row {row} has the columns {columns}: must be ascending, each once, in [0, {topology.n_in})")
    return [(row, column) for row in range(topology.n_out) for column in indices[indptr[row] : indptr[row + 1]]]


# rules


def check_rule(rule: Rule, model: SparseMLP | None = None, *, epochs: int = 4, seed: int = 0) -> None:
    """Check that a rule keeps the laws of rules, in small nets, among them some with hardly any links.

    The nets have 9 inputs and 4 outputs and are trained for two steps before each event. The laws: the rule changes the net and
    the optimizer's state through its Rewirings only, which fit the net; a link that is kept keeps place, weight and the
    optimizer's vectors, bit for bit; no link comes twice; numbers stay finite; what is remembered can be saved in a checkpoint;
    and the same seed gives the same links, also in a second run with the same rule.

    Parameters
    ----------
    rule : callable
        The rule: (epoch, model, state, evidence, rng) -> a Rewiring or None for each layer. If it has a method `update`, it is
        the optimizer, too, as DeepR.
    model : SparseMLP, optional
        A net to check it in, in place of the small ones; the net itself is not changed.
    epochs : int, default 4
        Epochs of a run; there is an event before each but the first.
    seed : int, default 0
        Seed of nets, samples and the rule's generator.

    Raises
    ------
    AssertionError
        If a law is broken or the rule ends with an error; it says in which net and at which event.
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.testing import check_rule
    >>> check_rule(sl.SET(0.3))
    >>> def weaken(epoch, model, state, evidence, rng):
    ...     model.layers[0].w *= 0.5
    ...     return [None] * len(model.layers)
    >>> check_rule(weaken)
    Traceback (most recent call last):
    AssertionError: a usual net, event before epoch 2: the rule changed weights of layer 1 itself; it must return Rewirings
    """
    if not callable(rule) or isinstance(rule, type):
        checks.fail("rule", rule, "a function (epoch, model, state, evidence, rng)", TypeError)
    epochs, seed = checks.integer("epochs", epochs, low=2), checks.integer("seed", seed, low=0)
    if model is not None:
        check_model(model)
    for name, net in ({"the model": model} if model is not None else _odd_nets(seed)).items():
        first, again = (_events(rule, net.copy(), name, epochs, seed) for _ in range(2))
        if first != again:
            raise AssertionError(
                f"{name}: a second run with the same seed has other links; a rule draws from `rng` alone, and what it remembers "
                "belongs into evidence.memory"
            )


def _odd_nets(seed):
    """{name: net} with what makes rules fail."""
    random, sizes = np.random.default_rng(seed), (9, 12, 10, 4)
    shapes = list(zip(sizes[1:], sizes, strict=False))
    usual = [random.random(shape) < 0.4 for shape in shapes]
    holes = [mask.copy() for mask in usual]
    holes[0][1::2] = holes[1][:, ::3] = False
    single = [np.arange(mask.size).reshape(mask.shape) == mask.size // 2 for mask in usual]
    patterns = {
        "a usual net": usual,
        "a net of dense layers": [np.ones(shape, bool) for shape in shapes],
        "a net with neurons without links": holes,
        "a net with one link a layer": single,
        "a net whose second layer has no links": [usual[0], usual[1] & False, usual[2]],
    }
    return {name: net_from_masks(masks, dtype="float32", seed=seed) for name, masks in patterns.items()}


def _events(rule, model, name, epochs, seed):
    """Run the events of a training and check each; a list of the links after each of them."""
    random, rng = np.random.default_rng(seed), np.random.default_rng(seed)
    n, (n_in, *_, n_out) = BATCH * BATCHES, model.sizes
    X, y = random.standard_normal((n, n_in)).astype(model.dtype), np.arange(n) % n_out
    loss = losses.SoftmaxCrossEntropy()
    targets, order = loss.targets(y, n_out, model.dtype), np.arange(n)
    optimizer = rule if hasattr(rule, "update") else MomentumSGD(0.01)
    state, memory, course = optimizer.init(model), {}, []
    if hasattr(rule, "prepare"):
        _attempt(f"{name}, prepare", lambda: rule.prepare(model, epochs))
    for epoch in range(1, epochs):
        where = f"{name}, event before epoch {epoch + 1}"
        for batch in order.reshape(BATCHES, BATCH)[1:]:
            engine = LayerwiseEngine(model, loss, BATCH, 1)
            _, _, dw, db = engine.batch_gradient(X, targets, batch, None)
            update_layers(optimizer, model, state, dw, db, optimizer.rate(epoch), engine.gradients[0].dv)
        evidence = Evidence(model, loss, X, targets, order[:BATCH], order, epochs)
        evidence.memory = memory
        _event(rule, epoch, model, state, evidence, rng, where)
        memory = _attempt(where, lambda evidence=evidence: plain(evidence.memory, "evidence.memory"))
        course.append([links(layer) for layer in model.layers])
    return course


def _event(rule, epoch, model, state, evidence, rng, where):
    """One event: the rule changes nothing itself, and the net afterwards is what its Rewirings say."""
    copies = {what: array.copy() for what, array in _arrays(model, state).items()}
    rewirings = _attempt(where, lambda: rule(epoch, model, state, evidence, rng))
    for what, array in _arrays(model, state).items():
        if not np.array_equal(array, copies[what], equal_nan=True):
            raise AssertionError(f"{where}: the rule changed {what} itself; it must return Rewirings")
    layers = [SparseLinear(layer.topology, layer.w, layer.b, layer.values) for layer in model.layers]
    vectors = [list(one.links) for one in state]
    _attempt(where, lambda: apply(rewirings, model, state, rng))
    for number, (old, layer, rewiring) in enumerate(zip(layers, model.layers, rewirings, strict=True), 1):
        found = _attempt(f"{where}, layer {number}", lambda layer=layer: links(layer))
        wanted = _attempt(f"{where}, layer {number}", lambda old=old, rewiring=rewiring: links_after(old, rewiring))
        drawn = {place for place, value in wanted.items() if value is None}
        same = wanted.keys() == found.keys() and all(found[place] == wanted[place] for place in wanted.keys() - drawn)
        if not same or not np.isfinite(layer.w).all():
            raise AssertionError(f"{where}: links of layer {number} are {_short(found)}, must be {_short(wanted)}")
        if rewiring is not None:
            kept = rewiring.origin >= 0
            for vector, was in zip(state[number - 1].links, vectors[number - 1], strict=True):
                if not np.array_equal(vector[kept], was[rewiring.origin[kept]]):
                    raise AssertionError(f"{where}: a vector of the optimizer's state has left its links in layer {number}")


def _attempt(where, call):
    """What a call returns; AssertionError with the place for any error."""
    try:
        return call()
    except Exception as error:
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        raise AssertionError(f"{where}: {kind}{error}") from error


def _arrays(model, state):
    """{what it is: array} of all that an event may change."""
    found = {}
    for number, (layer, one) in enumerate(zip(model.layers, state, strict=True), 1):
        arrays = {"weights": layer.w, "biases": layer.b, "columns": layer.topology.indices, "row pointers": layer.topology.indptr}
        arrays["trained values"] = layer.values
        arrays |= {f"vector {k} of the optimizer's state": vector for k, vector in enumerate([*one.links, *one.neurons])}
        found |= {f"{what} of layer {number}": array for what, array in arrays.items()}
    return found


def _short(found):
    """The beginning of a dict as text."""
    text = str(found)
    return text if len(text) <= 200 else f"{text[:200]}…"


# gradients


def check_gradients(
    model: SparseMLP, X: ArrayLike, y: ArrayLike, loss: str | type | Loss | None = None, *, most: float = 1e-7
) -> None:
    """Check that the gradients of a net are the slopes of its loss, by central differences at every link, bias and trained value.

    Samples for which a hidden neuron stands next to a kink of its activation are left out.

    Parameters
    ----------
    model : SparseMLP
        A small net in float64, with the activation to check; it is not changed.
    X : array_like
        Samples (n, n_in).
    y : array_like
        Their labels or targets, as for `sl.train`.
    loss : str, type, Loss or None, default None
        The loss; None is the usual one for y.
    most : float, default 1e-7
        Largest relative error ‖g − n‖ / (‖g‖ + ‖n‖) of gradients g and difference quotients n.

    Raises
    ------
    AssertionError
        If an error is larger; it names the layer and what belongs to it.
    TypeError, ValueError
        If an argument is not valid, or every sample is next to a kink.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> class Swish:
    ...     def forward(self, Z): return Z / (1 + np.exp(-Z))
    ...     def gradient(self, Z): return 1 / (1 + np.exp(-Z))  # a term is missing
    >>> model = sl.testing.net_from_masks([np.ones((3, 4)), np.ones((2, 3))], Swish())
    >>> X, y = np.random.default_rng(0).standard_normal((5, 4)), [0, 1, 1, 0, 1]
    >>> sl.testing.check_gradients(model, X, y)
    Traceback (most recent call last):
    AssertionError: weights of layer 1: relative error ... of the gradient, must be at most 1e-07
    """
    X, y, most = _features(model, X), checks.as_array(y), checks.non_negative("most", most)
    loss = losses.get(loss, losses.usual(y))
    targets = loss.targets(y, model.sizes[-1], model.dtype)
    checks.one_for_each_row(targets, len(X))
    far = kink_distances(model, X, targets, loss) > 10 * H
    if not far.any():
        checks.fail("X", X, "samples of which at least one leaves every hidden neuron away from the kinks of its activation")
    for what, error in gradient_errors(model.copy(), X[far], targets[far], loss).items():
        if not error <= most:
            raise AssertionError(f"{what}: relative error {error:.1e} of the gradient, must be at most {most:g}")


def gradient_errors(
    model: SparseMLP, X: NDArray[np.float64], targets: NDArray[Any], loss: Loss, key: np.uint64 | None = None
) -> dict[str, float]:
    """Compute the relative errors of a net's gradients against central differences, less what rounding alone does to these.

    Parameters
    ----------
    model : SparseMLP
        A net in float64, whose weights are moved and set back.
    X : ndarray
        Samples (n, n_in).
    targets : ndarray
        What `loss.targets` returns for them.
    loss : Loss
        The loss.
    key : numpy.uint64, optional
        Key of the dropout of the step; by default there is none.

    Returns
    -------
    dict
        {"weights of layer 1": error, …}: ‖g − n‖ / (‖g‖ + ‖n‖) of the gradient g and the difference quotients n.

    Raises
    ------
    TypeError, ValueError
        If model or samples are not valid, or there are more or fewer targets than samples.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model, loss = sl.testing.net_from_masks([np.eye(3), np.ones((2, 3))], "tanh"), sl.SoftmaxCrossEntropy()
    >>> X, targets = np.random.default_rng(0).standard_normal((5, 3)), loss.targets([0, 1, 1, 0, 1], 2, np.float64)
    >>> max(sl.testing.gradient_errors(model, X, targets, loss).values()) < 1e-7
    True
    """
    X = _features(model, X)
    checks.one_for_each_row(targets, len(X))
    if isinstance(loss, tuple(losses.NAMES.values())):  # whose kernels do not look
        targets = loss.targets(targets, model.sizes[-1], model.dtype)
    engine, samples = LayerwiseEngine(model, loss, 8, 1), np.random.default_rng(0).permutation(len(X))
    value: Callable[[], float] = lambda: engine.batch_gradient(X, targets, samples, key)[0] / len(X)
    _, _, dw, db = engine.batch_gradient(X, targets, samples, key)
    gradients = {}
    for number, (layer, *own, dv) in enumerate(zip(model.layers, dw, db, engine.gradients[0].dv, strict=True), 1):
        for what, array, gradient in zip(("weights", "biases"), (layer.w, layer.b), own, strict=True):
            gradients[f"{what} of layer {number}"] = array, gradient.copy()
        for k, (row, gradient) in enumerate(zip(layer.values, dv, strict=True), 1):
            gradients[f"trained value {k} of layer {number}"] = row, gradient.copy()
    return {what: _relative_error(value, array, gradient) for what, (array, gradient) in gradients.items()}


def _features(model, X):
    """Checked samples for a net in float64."""
    check_model(model)
    if model.dtype != np.float64:
        checks.fail("model.dtype", model.dtype, 'float64, as SparseMLP.create(…, dtype="float64") makes it')
    return as_features("X", checks.as_array(X), model)


def _relative_error(value, array, gradient):
    """‖g − n‖ / (‖g‖ + ‖n‖) of one array's gradient; its elements are moved one by one."""
    numeric = np.empty_like(array)
    for k, old in enumerate(array.tolist()):
        array[k] = old + H
        up = value()
        array[k] = old - H
        numeric[k] = (up - value()) / (2 * H)
        array[k] = old
    rounding = ROUNDING * max(1.0, abs(value())) * np.sqrt(len(array))
    difference, size = np.linalg.norm(gradient - numeric), np.linalg.norm(gradient) + np.linalg.norm(numeric)
    return 0.0 if difference <= rounding else float((difference - rounding) / size)


def kink_distances(model, X, targets, loss, key=None):
    """The smallest |pre-activation| of a hidden neuron for each sample, 0 where a slope jumps nearby; (n,)."""
    watch, n = [], len(X)
    LayerwiseEngine(model, loss, 8, 1).batch_gradient(X, targets, np.arange(n), key, watch=watch)
    found = np.full(n, np.inf)
    for number, (layer, f) in enumerate(zip(model.layers[:-1], model.hidden, strict=True)):
        inputs = np.concatenate([tile[number][0] for tile in watch], axis=1)[:, :n]  # the engine's own, with its dropout
        Z = layer.to_scipy() @ inputs + layer.b[:, None]
        jumps = (abs(f.gradient(Z + 10 * H) - f.gradient(Z - 10 * H)) > 1e-2).any(axis=0)
        found = np.minimum(found, np.where(jumps, 0.0, abs(Z).min(axis=0)))
    return found
