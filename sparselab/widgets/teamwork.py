"""What workers will do, said beside the controls of parallel training before anything runs, and where a run of theirs stands."""

COUNT = ("backend", "async_fraction", "synchronous")  # controls that count where there are workers
KEPT = "{} keep the learning rate and ζ of the start in their own epochs: what is moved reaches them in the first phase only."


def counting(controls):
    """{name: whether it counts with this number of workers}."""
    return dict.fromkeys(COUNT, controls["workers"].input.value > 0)


def split_of(config):
    """Epochs of the first phase."""
    return round(config.async_fraction * config.epochs)


def alone(run):
    """Whether the workers of a run are past the first phase: each has a net of its own, or the average is made."""
    history, config = run.history, run.config
    return bool(config.workers and history) and history[-1].epoch >= split_of(config)


def plan(config):
    """Some sentences: who does what in which epochs."""
    if not config.workers:
        threads = {0: "all cores", 1: "one thread"}.get(config.threads, f"{config.threads} threads")
        return f"One training without workers, on {threads}: what the others are compared with."
    split, n = split_of(config), config.epochs
    parts = []
    if split:
        how = "all wait for all (WASSP-SGD)" if config.synchronous else "nobody waits (WASAP-SGD)"
        parts.append(f"{epochs(1, split)}: one net, to which {people(config.workers)} {how_many(config)} gradients, and {how}.")
    if split < n:
        parts.append(f"{epochs(split + 1, n)}: each has a net of its own and its own part of the samples; then the average.")
    if config.backend != "threads" and split < n:
        parts.append(KEPT.format("Workers in other processes"))
    return " ".join(parts)


def how_many(config):
    """The verb."""
    return "sends" if config.workers == 1 else "send"


def people(n):
    """Workers, counted."""
    return "1 worker" if n == 1 else f"{n} workers"


def epochs(first, last):
    """Epochs, named."""
    return f"Epoch {first}" if first == last else f"Epochs {first}–{last}"
