"""When a rule is called: every so many epochs or steps, up to some epoch, before an update or in place of it."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..utils import checks


@dataclass(frozen=True)
class Timing:
    """When the events of a rule take place: the steps before which it is called.

    A rule says so with an attribute `timing`; one without is called before every epoch except the first. No event takes place
    before the first step of a training.

    Parameters
    ----------
    every : int or str, default 1
        Distance of two events: a number of epochs, >= 1, or a text such as "2 epochs" or "100 steps".
    until : float, optional
        Epoch from which on there are no more events, > 0; by default they go on to the end of the training.
    replaces_update : bool, default False
        Whether an event that changes something takes the place of a step: its mini-batch gives the gradients of the event and is
        not trained on.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import sparselab as sl
    >>> timing = sl.evolution.Timing("100 steps", until=2)
    >>> [timing.is_due(epoch=0, batch=batch, n_batches=300) for batch in (0, 50, 100)]
    [False, False, True]
    """

    every: int | str = 1
    until: float | None = None
    replaces_update: bool = False

    def __post_init__(self) -> None:
        interval(self.every)
        if self.until is not None:
            checks.positive("until", self.until)
        checks.flag("replaces_update", self.replaces_update)

    @property
    def in_steps(self) -> bool:
        """Whether `every` counts steps."""
        return interval(self.every)[1]

    def is_due(self, epoch: int, batch: int, n_batches: int) -> bool:
        """Tell whether there is an event before a step.

        Parameters
        ----------
        epoch : int
            Number of finished epochs.
        batch : int
            Number of finished mini-batches of the current epoch.
        n_batches : int
            Mini-batches of an epoch.

        Returns
        -------
        bool
            Whether there is one.
        """
        (n, in_steps), step = interval(self.every), epoch * n_batches + batch
        if step == 0 or (self.until is not None and step >= self.until * n_batches):
            return False
        return step % n == 0 if in_steps else batch == 0 and epoch % n == 0

    def next_batch(self, epoch: int, batch: int, n_batches: int) -> int:
        """Find the next event within an epoch.

        Parameters
        ----------
        epoch : int
            Number of finished epochs.
        batch : int
            Number of finished mini-batches of the current epoch.
        n_batches : int
            Mini-batches of an epoch.

        Returns
        -------
        int
            The first mini-batch after `batch` with an event before it; `n_batches` if there is none.
        """
        n, in_steps = interval(self.every)
        begin = epoch * n_batches
        step = ((begin + batch) // n + 1) * n
        if not in_steps or (self.until is not None and step >= self.until * n_batches):
            return n_batches
        return min(step - begin, n_batches)

    def check(self, epochs: int, n_batches: int | None = None) -> None:
        """Check that a training has events, and updates between them.

        Parameters
        ----------
        epochs : int
            Epochs of the training.
        n_batches : int, optional
            Mini-batches of an epoch; without them only epochs are checked.

        Raises
        ------
        ValueError
            If all events are after the end, if they end later than the training, or if they replace every update of an epoch.
        """
        n, in_steps = interval(self.every)
        if self.until is not None and self.until > epochs > 0:
            checks.fail("until", self.until, f"at most {epochs}, the epochs of this training")
        if not in_steps and n >= max(2, epochs) and epochs > 0:
            checks.fail("every", self.every, f"less than {epochs}, the epochs of this training")
        if n_batches is None:
            return
        steps = math.ceil((epochs if self.until is None else self.until) * n_batches)
        if in_steps and n >= steps > 0:
            checks.fail("every", self.every, f"less than the {steps} steps in which there are events")
        if self.replaces_update and (n if in_steps else n * n_batches) < 2:
            checks.fail("replaces_update", True, f"False where an event comes at every step (every = {self.every!r})")


def interval(every: int | str, name: str = "every") -> tuple[int, bool]:
    """Read the distance of two events.

    Parameters
    ----------
    every : int or str
        A number of epochs, or a text such as "2 epochs" or "100 steps".
    name : str, default "every"
        Name of the argument in an error message.

    Returns
    -------
    n : int
        How many, >= 1.
    in_steps : bool
        Whether steps are counted, and not epochs.

    Raises
    ------
    TypeError, ValueError
        If `every` is none of these.

    Examples
    --------
    >>> from sparselab.evolution import timing
    >>> timing.interval(2), timing.interval("1 epoch"), timing.interval("100 steps")
    ((2, False), (1, False), (100, True))
    """
    if isinstance(every, str):
        found = re.fullmatch(r"\s*([1-9][0-9]{0,14})\s+(epoch|step)s?\s*", every)
        if not found:
            checks.fail(name, every, 'a number of epochs, or a text such as "2 epochs" or "100 steps"')
        return int(found[1]), found[2] == "step"
    return checks.integer(name, every), False


EACH_EPOCH = Timing()


def timing_of(rule: Callable[..., Any]) -> Timing:
    """Return the timing of a rule.

    Parameters
    ----------
    rule : callable
        A rule.

    Returns
    -------
    Timing
        Its attribute `timing`; without one, each epoch.

    Raises
    ------
    TypeError
        If the attribute is no Timing.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.timing_of(sl.SET(0.3, every="100 steps")).every
    '100 steps'
    """
    timing = getattr(rule, "timing", EACH_EPOCH)
    if not isinstance(timing, Timing):
        checks.fail(f"{checks.shown(rule)}.timing", timing, "a Timing", TypeError)
    return timing


def due(rules: Sequence[Callable[..., Any]], epoch: int, batch: int, n_batches: int) -> list[int]:
    """Find the rules that are called before a step.

    Parameters
    ----------
    rules : list of callable
        The rules.
    epoch, batch, n_batches : int
        As for `Timing.is_due`.

    Returns
    -------
    list of int
        Their numbers in the list.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.timing.due([sl.SET(0.3), sl.SET(0.3, every=2)], 1, 0, 300)
    [0]
    """
    return [number for number, rule in enumerate(rules) if timing_of(rule).is_due(epoch, batch, n_batches)]


def next_batch(rules: Sequence[Callable[..., Any]], epoch: int, batch: int, n_batches: int) -> int:
    """Find the next event of any rule within an epoch: the least of what `Timing.next_batch` returns for each.

    Parameters
    ----------
    rules : list of callable
        The rules.
    epoch, batch, n_batches : int
        As for `Timing.next_batch`.

    Returns
    -------
    int
        The first mini-batch after `batch` with an event before it; `n_batches` if there is none.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.timing.next_batch([sl.SET(0.3), sl.SET(0.3, every="100 steps")], 0, 0, 300)
    100
    """
    return min((timing_of(rule).next_batch(epoch, batch, n_batches) for rule in rules), default=n_batches)


def check_between_epochs(rules: Sequence[Callable[..., Any]], epochs: int) -> None:
    """Check that all events of rules are between epochs, for trainings whose workers have no step in common.

    Parameters
    ----------
    rules : list of callable
        The rules.
    epochs : int
        Epochs of the training.

    Raises
    ------
    ValueError
        If events of a rule are within epochs, if they take the place of updates, or as for `Timing.check`.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.timing.check_between_epochs([sl.SET(0.3, every=2)], 10)
    """
    for number, rule in enumerate(rules):
        timing = timing_of(rule)
        if timing.in_steps or timing.replaces_update:
            allowed = "in epochs and without replaces_update in parallel training, whose workers have no step in common"
            checks.fail(f"rules[{number}].timing", timing, allowed)
        timing.check(epochs)
