"""Training as a generator: the caller pulls records, may look at the model between two of them, and may stop at any.

`steps` yields a StepRecord for every mini-batch (or for as many as fit in `pace` seconds) and an EpochRecord at the end of
each epoch; `train` yields only the latter. Closing the generator ends its threads and leaves the model usable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from .. import evolution
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.records import EpochRecord, StepRecord
from ..checkpoints.state import TrainingState
from ..datasets.coerce import as_dataset, as_features, as_targets, remember_classes, weighted
from ..datasets.weights import check_weights
from ..engines import select
from ..evolution.optimizing_rule import OptimizingRule
from ..nn import losses as loss_functions
from ..nn.mlp import check_model
from ..nn.optimizers import MomentumSGD, check_state
from ..utils import checks
from ..utils.forks import in_one_process
from ..utils.resources import cores
from .epoch_runner import EpochRunner

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..datasets.dataset import Dataset
    from ..nn.mlp import SparseMLP
    from ..nn.optimizers import Optimizer
    from ..nn.protocols import Loss


class LossAndAccuracy(NamedTuple):
    """A mean loss, and the share of correct labels, which is None for a regression."""

    loss: float
    accuracy: float | None


class Scores(LossAndAccuracy):
    """What `evaluate` returns: loss and accuracy, which unpack as two values, and beside them R² of a regression as `r2`."""

    r2: float | None = None

    def _replace(self, /, **changes: Any) -> Self:
        """The same with some of loss, accuracy and r2 changed."""
        r2 = changes.pop("r2", self.r2)
        changed = super()._replace(**changes)
        changed.r2 = r2
        return changed

    def _asdict(self) -> dict[str, Any]:
        """Loss, accuracy and r2."""
        return super()._asdict() | {"r2": self.r2}


def train(
    model: SparseMLP, data: Dataset | tuple[Any, ...], *, evaluate_every: int = 1, **options: Any
) -> Generator[EpochRecord, None, None]:  # fmt: skip
    """Train a net in place, epoch by epoch.

    A generator: nothing is trained until a record is asked for, and training stops where no more are.

    Parameters
    ----------
    model : SparseMLP
        The net.
    data : Dataset or tuple
        A Dataset, or (X, y) or (X, y, X_test, y_test); its labels become `model.classes`.
    evaluate_every : int, default 1
        Epochs between two evaluations on the test samples; 0 for none.
    **options
        As for `steps`, without `pace`.

    Yields
    ------
    EpochRecord
        After each epoch.

    Raises
    ------
    TypeError or ValueError
        As `steps` does, which also lists the other errors.

    References
    ----------
    S. Curci, D. C. Mocanu, M. Pechenizkiy, "Truly sparse neural networks at scale", 2021, arXiv:2102.01732, algorithm 1 with
    a single worker.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> X, y = [[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8
    >>> for record in sl.train(model, (X, y), rules=[sl.SET(0.3)], epochs=3, seed=0):
    ...     print(record.epoch, record.n_samples)
    1 16
    2 16
    3 16
    """
    with closing(steps(model, data, evaluate_every=evaluate_every, pace=0.1, **options)) as records:  # or Ctrl-C is lost in it
        for record in records:
            if record.__class__ is EpochRecord:  # no call, during which an interrupt could lose the record
                yield record


def steps(
    model: SparseMLP,
    data: Dataset | tuple[Any, ...],
    *,
    optimizer: Optimizer | None = None,
    rules: Callable[..., Any] | Sequence[Callable[..., Any]] = (),
    epochs: int = 10,
    batch_size: int = 128,
    seed: int | np.random.SeedSequence | np.random.Generator | None = None,
    threads: int | None = None,
    evaluate_every: int = 1,
    loss: str | type | Loss | None = None,
    pace: float = 0.0,
    state: TrainingState | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    keep: int = 3,
    resume: bool = True,
    config: Any = None,
    sample_weight: ArrayLike | None = None,
    class_weight: str | Mapping[Any, float] | None = None,
) -> Generator[StepRecord | EpochRecord, None, None]:
    """Train a net in place, one or several mini-batches at a time.

    Arguments are checked at once; after that nothing is trained until a record is asked for, and training stops where no more
    are.

    With `checkpoint`, a run is saved after each `every` epochs, at the end, and where it is closed or interrupted: by Ctrl-C, by
    SIGTERM on the command line, or by a handler of your own that raises KeyboardInterrupt or SystemExit. Where the folder has a
    run already (and `resume`), this call goes on with it: the model is loaded in place, the EpochRecords of its finished epochs
    come first (without `fan_in` and `fan_out`), then training goes on, so that records, weights and seeds are those of a run that
    was never interrupted. Stored are arguments, seeds, links, weights, biases and what the optimizer keeps for links and neurons;
    a plug-in that remembers something elsewhere is not resumed exactly. Other data, net, loss, dtype or (where it is given) seed
    are refused, as is another batch size in the middle of an epoch; a warning names other numbers of optimizer and rules and
    other versions. Where a checkpoint cannot be written there is a warning, and training goes on.

    Parameters
    ----------
    model : SparseMLP
        The net.
    data : Dataset or tuple
        A Dataset, or (X, y) or (X, y, X_test, y_test).
    optimizer : object, optional
        By default MomentumSGD(0.01, momentum=0.9).
    rules : rule or sequence of rules, default ()
        What changes the links, such as SET(0.3), called in order before every epoch but the first, or when their `timing` says;
        () keeps them.
    epochs : int, default 10
        Epochs to train; with `checkpoint`, epochs in all.
    batch_size : int, default 128
        Samples of a mini-batch. The last, smaller one is trained too; one larger than the data is all of the data.
    seed : int, SeedSequence or Generator, optional
        Seed of the order of samples, of dropout and of evolution; by default a new one from the operating system.
    threads : int, optional
        Threads that compute, by default all cores; results do not depend on their number.
    evaluate_every : int, default 1
        Epochs between two evaluations on the test samples; 0 for none.
    loss : str or object, optional
        By default "softmax_cross_entropy" for labels, "binary_cross_entropy" for several labels a sample (a sparse y), else
        "mean_squared_error". Of labels also "binary_cross_entropy" and "squared_hinge" (one against the rest), which take two
        labels with one output and y of 0 and 1 (n, outputs), dense or sparse, too; of numbers "mean_absolute_error", "huber",
        "poisson" and "quantile"; or an object such as HuberLoss(delta=0.5).
    pace : float, default 0.0
        Seconds of training between two StepRecords, at most 0.2 and at least one mini-batch.
    state : TrainingState, optional
        Where to go on from; it is changed in place.
    checkpoint : str or path-like, optional
        A folder for the checkpoints of this run.
    every : int, default 1
        Epochs between two checkpoints.
    keep : int, default 3
        Checkpoints that stay in the folder, the newest ones.
    resume : bool, default True
        Whether to go on with the run that is in the folder.
    config : object, optional
        Plain values to be stored in the checkpoints.
    sample_weight : array_like, optional
        A number >= 0 for each training sample, which counts as so many copies of it; see `Dataset.with_weights`.
    class_weight : {"balanced"} or dict, optional
        A number >= 0 for each label, or "balanced"; see `Dataset.with_weights`.

    Returns
    -------
    generator of StepRecord and EpochRecord
        A StepRecord after one or several mini-batches, an EpochRecord after each epoch.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, before anything is trained.
    InsufficientMemoryError
        Where memory does not suffice, before anything is allocated (see `estimate_memory`).
    DivergedError
        Where a loss, gradient or weight is not finite; the model stays as it was after its last good step.
    CheckpointError
        Where the folder cannot be used or holds another run.
    RunDirBusyError
        Where another training saves into the folder.
    RuntimeError
        Where a forked process goes on with a training that its parent has begun.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> X, y = [[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8
    >>> [type(record).__name__ for record in sl.steps(model, (X, y), epochs=1, batch_size=8, seed=0)]
    ['StepRecord', 'StepRecord', 'EpochRecord']
    """
    check_model(model)
    optimizer = check_optimizer(optimizer)
    rule_list = check_rules(rules, optimizer)
    epochs, batch_size = checks.integer("epochs", epochs, low=0), checks.integer("batch_size", batch_size)
    evaluate_every, pace = checks.integer("evaluate_every", evaluate_every, low=0), checks.non_negative("pace", pace)
    threads = cores() if threads is None else checks.integer("threads", threads)
    dataset = weighted(as_dataset(data, model, loss, new_classes=True), sample_weight, class_weight)
    run = EpochRunner.of(
        model, dataset, optimizer, rule_list, loss, batch_size=batch_size, threads=threads,
        evaluate_every=evaluate_every, pace=pace, has_state=state is not None,
    )  # fmt: skip
    goes_on = state is not None
    state = state if goes_on else TrainingState.start(model, optimizer, seed)
    if not isinstance(state, TrainingState):
        checks.fail("state", state, "a TrainingState", TypeError)
    check_position(state, optimizer, run)
    check_state(state.optimizer, model, optimizer)
    state.optimizer_kind = type(optimizer).__qualname__
    for layer in model.layers:
        layer.check()
    whole = epochs if checkpoint is not None else state.epoch + epochs
    run.epochs = whole
    for rule in rule_list:
        if not goes_on:
            evolution.timing_of(rule).check(whole, run.n_batches)
        if hasattr(rule, "prepare"):
            rule.prepare(model, whole)
    checkpointer = None if checkpoint is None else Checkpointer(checkpoint, every, keep, resume, seed, config)
    remember_classes(model, dataset)
    if checkpointer is None:
        return in_one_process(_steps(run, state, state.epoch + epochs))
    return in_one_process(_checkpointed_steps(run, state, checkpointer, epochs))


def _steps(run, state, last_epoch):
    """The records of all epochs up to `last_epoch`."""
    try:
        while state.epoch < last_epoch:
            yield from run.epoch(state)
    finally:
        run.close()


def _checkpointed_steps(run, state, checkpointer, epochs):
    """The same for a run that is saved into a folder, after the records of the epochs that the folder has already."""
    try:
        with checkpointer.open_run(run, state, epochs) as finished:
            yield from finished
            while state.epoch < epochs:
                yield from checkpointer.saving(run.epoch(state))
    finally:
        run.close()


def check_position(state, optimizer, run):
    """Refuse a state that another optimizer made, or that stands in the middle of an epoch of other batches or rows."""
    kind = type(optimizer).__qualname__
    if state.optimizer_kind not in ("", kind):
        checks.fail("optimizer", optimizer, f"a {state.optimizer_kind}, which made this state")
    of, now = state.totals.epoch_of, (run.n_samples, run.batch_size)
    if state.batch and of is not None and of != now:
        checks.fail("(samples, batch_size)", now, f"{of}, as in the epoch that the state is in the middle of")


def check_optimizer(optimizer):
    """The optimizer, by default MomentumSGD; TypeError for anything else."""
    if optimizer is None:
        return MomentumSGD()
    if isinstance(optimizer, type) or not all(callable(getattr(optimizer, name, None)) for name in ("init", "update", "rate")):
        checks.fail("optimizer", optimizer, "an object with init, update and rate, such as MomentumSGD", TypeError)
    return optimizer


def check_rules(rules, optimizer):
    """Rules as a list or tuple, also where one alone is given; TypeError for anything else, ValueError for one that is its own
    optimizer beside another one."""
    rules = (rules,) if callable(rules) and not isinstance(rules, type) else rules
    if not isinstance(rules, tuple | list) or not all(callable(rule) and not isinstance(rule, type) for rule in rules):
        checks.fail("rules", rules, "a list of rules, such as [SET(0.3)]", TypeError)
    for i, rule in enumerate(rules):
        if isinstance(rule, OptimizingRule) and rule != optimizer:
            checks.fail(f"rules[{i}]", rule, "the optimizer, too: optimizer=rule, rules=[rule]")
    return rules


def evaluate(
    model: SparseMLP,
    X: Any,
    y: ArrayLike,
    *,
    loss: str | type | Loss | None = None,
    threads: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> Scores:
    """Compute loss and accuracy of a net on some samples, without dropout.

    Parameters
    ----------
    model : SparseMLP
        The net.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    y : array_like of shape (n,) or (n, outputs)
        Labels, which are those of `model.classes`; or the numbers of the outputs, such as a Dataset's `y_test`, where no label is
        another such number (else `data.decode(data.y_test)`); or the numbers of a regression.
    loss : str or object, optional
        By default "softmax_cross_entropy" for labels, "binary_cross_entropy" for a sparse y, else "mean_squared_error".
    threads : int, optional
        Threads that compute, by default all cores.
    sample_weight : array_like, optional
        A number >= 0 for each sample in all means.

    Returns
    -------
    Scores
        A named tuple (loss, accuracy) with an attribute `r2`; accuracy is None for a regression, r2 for a classification.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> X, y = [[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8
    >>> 0 <= sl.evaluate(model, X, y).accuracy <= 1
    True
    """
    check_model(model)
    wanted = as_targets(y, model, loss)
    loss_function = loss_functions.get(loss, default=loss_functions.usual(wanted))
    targets = loss_function.targets(wanted, model.sizes[-1], model.dtype)
    weights = None if sample_weight is None else check_weights(sample_weight, len(targets))
    X = as_features("X", X, model)
    threads = cores() if threads is None else checks.integer("threads", threads)
    with checks.usual_errors():
        value, accuracy, r2 = select.scores(model, X, threads, loss_function, targets, weights)
    found = Scores(value, accuracy)
    found.r2 = r2
    return found


def predict(model: SparseMLP, X: Any, *, threads: int | None = None) -> NDArray[Any]:
    """Compute the outputs of a net for some samples, without dropout.

    Parameters
    ----------
    model : SparseMLP
        The net.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    threads : int, optional
        Threads that compute, by default all cores; results do not depend on their number.

    Returns
    -------
    ndarray of shape (n, outputs)
        Outputs of the last layer (logits), in the dtype of the net.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 3), epsilon=2, seed=0)
    >>> sl.predict(model, [[0.0, 1.0], [1.0, 0.0]]).shape
    (2, 3)
    """
    check_model(model)
    X = as_features("X", X, model)
    threads = cores() if threads is None else checks.integer("threads", threads)
    with checks.usual_errors():
        return select.outputs(model, X, threads)


def predict_topk(
    model: SparseMLP, X: Any, k: int, *, threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[Any]]:  # fmt: skip
    """Find the k largest outputs of a net for each sample, without dropout.

    Outputs are computed in tiles of at most 64 samples, of which only the k best stay: n x outputs are never stored.

    Parameters
    ----------
    model : SparseMLP
        The net.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    k : int
        Number of outputs, at most all.
    threads : int, optional
        Threads that compute, by default all cores; results do not depend on their number.

    Returns
    -------
    labels : ndarray of int64
        Numbers of the outputs (n, k), the largest first; among equals the lower number.
    scores : ndarray
        These outputs (n, k), logits in the dtype of the net.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 30), epsilon=2, seed=0)
    >>> labels, scores = sl.predict_topk(model, [[0.0, 1.0], [1.0, 0.0]], 3)
    >>> labels.shape, bool((scores[:, 0] >= scores[:, 2]).all())
    ((2, 3), True)
    """
    check_model(model)
    X = as_features("X", X, model)
    k = checks.integer("k", k, high=model.sizes[-1])
    threads = cores() if threads is None else checks.integer("threads", threads)
    with checks.usual_errors():
        return select.best_outputs(model, X, threads, k)
