"""Simulated time: when each worker pulls, computes and pushes, and when the one server gets to it. Nothing is trained here."""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...utils import checks

TIMES = "seconds >= 0, an array of measured seconds, a frozen distribution of scipy.stats, or a function of a Generator"


@dataclass(frozen=True)
class Network:
    """The line between each worker and the server.

    Parameters
    ----------
    latency : float, default 0
        Seconds a message, at least 0.
    bandwidth : float, default inf
        Bytes a second, above 0.
    shared : bool, default False
        Whether all messages go through one line of the server, one after the other, as with machines whose server has one
        network card. Default: a line for each worker.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.parallel.Network(latency=0.5, bandwidth=1000.0).seconds(250)
    0.75
    """

    latency: float = 0.0
    bandwidth: float = float("inf")
    shared: bool = False

    def __post_init__(self) -> None:
        checks.non_negative("latency", self.latency)
        if self.bandwidth != float("inf"):
            checks.positive("bandwidth", self.bandwidth)
        checks.flag("shared", self.shared)

    def parts(self, n_bytes: float) -> tuple[float, float]:
        """Give the time that a message takes, in two parts.

        Parameters
        ----------
        n_bytes : float
            Its size.

        Returns
        -------
        tuple of float
            Seconds in which the server is busy with it, and those in which it is not.
        """
        seconds = self.seconds(n_bytes)
        return (seconds - self.latency, self.latency) if self.shared else (0.0, seconds)

    def seconds(self, n_bytes: float) -> float:
        """Give the time that a message takes.

        Parameters
        ----------
        n_bytes : float
            Its size.

        Returns
        -------
        float
            Seconds.
        """
        return self.latency + n_bytes / self.bandwidth


@dataclass(frozen=True)
class Failures:
    """Failures of every worker at random times.

    Parameters
    ----------
    mean : float
        Mean of the exponential times between them, in seconds; above 0.
    delay : float
        Seconds until the worker is back, at least 0.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.parallel.Failures(mean=3600.0, delay=60.0)
    Failures(mean=3600.0, delay=60.0)
    """

    mean: float
    delay: float

    def __post_init__(self) -> None:
        checks.positive("mean", self.mean)
        checks.non_negative("delay", self.delay)

    def of(self, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Draw the failures of one worker.

        Parameters
        ----------
        rng : numpy.random.Generator
            For the times.

        Yields
        ------
        tuple of float
            (at, delay) in seconds, ascending, without end.
        """
        at = 0.0
        while True:
            at += rng.exponential(self.mean)
            yield at, self.delay
            at += self.delay


class Times:
    """Seconds that something takes, one draw after the other; `spec`: see TIMES. TypeError or ValueError naming `name`."""

    def __init__(self, name, spec):
        self.name, self.spec, self.draw = name, spec, drawing(name, spec)

    def __call__(self, rng):
        """One draw, a finite number >= 0."""
        return checks.non_negative(self.name, self.draw(rng))

    def mean(self, draws=1000):
        """The mean: of distributions their own, of functions that of many draws."""
        if hasattr(self.spec, "rvs") and callable(getattr(self.spec, "mean", None)):
            return float(self.spec.mean())
        if hasattr(self.spec, "rvs") or callable(self.spec):
            rng = np.random.default_rng(0)
            return float(np.mean([self(rng) for _ in range(draws)]))
        return float(np.mean(self.spec))


def drawing(name, spec):
    """The function of a Generator behind a spec."""
    if hasattr(spec, "rvs"):
        return lambda rng: float(spec.rvs(random_state=rng))
    if callable(spec) and not isinstance(spec, type):
        return spec
    if np.isscalar(spec):
        seconds = checks.number(name, spec, TIMES, low=0)
        return lambda rng: seconds
    measured = checks.as_array(spec)
    if measured.ndim != 1 or measured.dtype.kind not in "iuf":
        checks.fail(name, spec, TIMES, TypeError)
    if not len(measured) or not np.isfinite(measured).all() or measured.min() < 0:
        checks.fail(name, spec, TIMES)
    return lambda rng: float(rng.choice(measured))


@dataclass
class Task:
    """A worker's task: computing from `begin` to `end`, at the server at `arrival`, served from `served` on.

    lost: the worker failed, and `arrival` is when it is back.
    """

    number: int
    begin: float
    end: float
    arrival: float
    lost: bool = False
    served: float | None = None


class EventQueue:
    """The server's time `now`, and the tasks under way: first come, first served, in the order of asking among equals.

    failures: for each worker an iterator of (at, delay), ascending; busy: seconds in which the server had something to do.
    """

    def __init__(self, failures):
        self.failures = [itertools.chain(iter(one), [(float("inf"), 0.0)]) for one in failures]
        self.failing = [next(one) for one in self.failures]
        self.now, self.busy, self.order, self.heap = 0.0, 0.0, itertools.count(), []

    def serve(self, seconds):
        """The server is busy for so long, from now on."""
        self._advance(self.now + seconds)
        self.busy += seconds

    def ask(self, number, serve, down, compute, up):
        """Give a worker a task now: seconds of the server for its snapshot, of the way there, of the work, of the way back."""
        while sum(self.failing[number]) <= self.now:  # failed and came back while it had no task
            self.failing[number] = next(self.failures[number])
        at, delay = self.failing[number]
        if at <= self.now:
            return self._wait(Task(number, self.now, self.now, at + delay, lost=True))
        self.serve(serve)
        begin = self.now + down
        task = Task(number, begin, begin + compute, begin + compute + up)
        if at < task.arrival:
            task = Task(number, min(begin, at), min(task.end, at), max(at + delay, self.now), lost=True)
        return self._wait(task)

    def next(self):
        """The Task that is served now; the clock goes on to its arrival, if the server was idle."""
        _, _, task = heapq.heappop(self.heap)
        task.served = max(self.now, task.arrival)
        self._advance(task.served)
        return task

    def _advance(self, now):
        if now == float("inf"):
            checks.fail("simulated time", now, "finite: what was given for computing, server or network takes too long")
        self.now = now

    def _wait(self, task):
        heapq.heappush(self.heap, (task.arrival, next(self.order), task))
        return task
