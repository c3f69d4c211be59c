"""What a parallel epoch was like for its workers: the part of an EpochRecord that only parallel training has."""

from dataclasses import dataclass, field


@dataclass
class Workers:
    """How an epoch went for n workers.

    staleness: of each push; dropped: share of gradient entries that had no place any more; refused: pushes that were too stale;
    idle_seconds: in which workers did not compute (sum); restarts: of workers, so far; timeline: (worker, start, end) of each
    task in seconds from the start of training; accuracies: of each worker's own net in the local phase; queue: answers that
    still waited when one was served; steps_per_push: mini-batches of a push; compression: of what is sent.
    """

    n: int
    staleness: list = field(default_factory=list)
    dropped: float = 0.0
    refused: int = 0
    idle_seconds: float = 0.0
    restarts: int = 0
    timeline: list = field(default_factory=list)
    accuracies: tuple = ()
    queue: list = field(default_factory=list)
    steps_per_push: int = 1
    compression: str | None = None
