"""Many runs at once: configs × seeds through joblib, a table of mean and deviation, and no run that takes the others down."""

import itertools
import sys
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, fields

import numpy as np
from tqdm import tqdm

from ..checkpoints.records import History
from ..utils import checks
from ..utils.resources import cores, jobs
from .config import ExperimentConfig
from .experiment import build

BACKENDS = ("loky", "threading")
FIELDS = tuple(one.name for one in fields(ExperimentConfig))
DIED = "the process of this run died"


def sweep(configs, seeds=1, *, n_jobs=1, backend="loky", data=None, progress=True, **settings):
    """Train every config with every seed; returns a Sweep. The results do not depend on n_jobs and backend.

    configs: {label: ExperimentConfig or {field: value}}, a list of these, or a grid {field: [values]}, of which all combinations
    are run. seeds: how many (from 0), or a list. n_jobs: runs at the same time, -1: all cores; a run has cores / n_jobs threads
    unless its config says how many. backend: "loky" (processes) or "threading" for the runs (that of a run's own workers is a
    field of its config). data: a Dataset for all runs; by default each loads what its config names. settings: fields of
    ExperimentConfig common to all runs, such as epochs.

    A run that fails is a row with its error; the others go on. Raises TypeError or ValueError naming label, field, seed or
    argument before any run starts. Histories are without fan_in and fan_out.
    """
    configs, seeds = configs_of(configs, settings), seeds_of(seeds)
    n_jobs = jobs("n_jobs", n_jobs)
    checks.choice("backend", backend, BACKENDS)
    checks.flag("progress", progress)
    threads = max(1, cores() // n_jobs)
    runs = [SweepRun(label, seed, config.replace(seed=seed)) for label, config in configs.items() for seed in seeds]
    with tqdm(total=len(runs), disable=not progress, file=sys.stdout, leave=False, unit="run") as bar:
        for number, outcome in finished(trained, [(run.config, data, threads) for run in runs], n_jobs, backend):
            runs[number].history, runs[number].error = outcome
            bar.set_description(str(runs[number].label)[:40])
            bar.update()
    return Sweep(runs)


@dataclass
class SweepRun:
    """One run: label, seed, config, the records of its finished epochs, and the error that ended it ("" if none did)."""

    label: str
    seed: int
    config: ExperimentConfig
    history: History = field(default_factory=History)
    error: str = ""


class Sweep:
    """What `sweep` found: runs, a list of Run in the order of configs and seeds; `frame`, `table`, `histories`."""

    def __init__(self, runs):
        self.runs = runs

    @property
    def frame(self):
        """A DataFrame, one row a run: label, seed, accuracy, loss (test, last epoch), links, seconds of training, error."""
        import pandas

        columns = ["label", "seed", "accuracy", "loss", "links", "seconds", "error"]
        return pandas.DataFrame([row_of(run) for run in self.runs], columns=columns)

    @property
    def table(self):
        """A DataFrame, one row a label: mean, deviation (n − 1), lowest, highest accuracy of n runs (the loss where there is
        no accuracy), mean links and seconds, and how many failed."""
        import pandas

        frame = self.frame
        good = frame[frame["error"] == ""]
        score = "accuracy" if good["accuracy"].notna().any() or not len(good) else "loss"
        table = {}
        for label in dict.fromkeys(frame["label"]):
            here = good[good["label"] == label]
            values = here[score].astype(float)
            means = {name: here[name].astype(float).mean() for name in ("links", "seconds")}
            table[label] = {
                "score": score, "mean": values.mean(), "deviation": values.std(), "lowest": values.min(), "highest": values.max(),
                "n": len(here), "failed": int((frame["label"] == label).sum() - len(here)), **means,
            }  # fmt: skip
        return pandas.DataFrame.from_dict(table, orient="index")

    @property
    def histories(self):
        """{label: [History of each run that did not fail]}: what `figures.learning_curves` draws."""
        found = {}
        for run in self.runs:
            if not run.error:
                found.setdefault(run.label, []).append(run.history)
        return found

    def __repr__(self):
        return f"Sweep of {len(self.runs)} runs, {sum(bool(run.error) for run in self.runs)} failed\n{self.table}"

    def _repr_html_(self):
        return self.table.to_html()


def configs_of(configs, settings):
    """{label: ExperimentConfig} of what `sweep` takes."""
    for name in settings:
        checks.choice("field", name, FIELDS)
    if isinstance(configs, dict) and configs and all(is_values(values) for values in configs.values()):
        configs = grid(configs)
    elif isinstance(configs, list | tuple):
        configs = {str(number): config for number, config in enumerate(configs)}
    if not isinstance(configs, dict):
        checks.fail("configs", configs, "{label: config}, a list of configs, or a grid {field: [values]}", TypeError)
    if not configs:
        checks.fail("configs", configs, "at least one config")
    return {str(label): config_of(label, config, settings) for label, config in configs.items()}


def is_values(values):
    """Whether these are the values of a field in a grid."""
    return isinstance(values, list | range | np.ndarray)


def grid(values):
    """{label: changes} of all combinations."""
    for name, choices in values.items():
        checks.choice("field", name, FIELDS)
        if not len(choices):
            checks.fail(f"configs[{name!r}]", choices, "at least one value")
    columns = [[value.item() if isinstance(value, np.generic) else value for value in choices] for choices in values.values()]
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*columns)]
    return {", ".join(f"{name}={value}" for name, value in one.items()): one for one in combinations}


def config_of(label, config, settings):
    """The config of a label; its errors name the label."""
    where = f"configs[{label!r}]"
    if not isinstance(config, dict | ExperimentConfig):
        checks.fail(where, config, "an ExperimentConfig or {field: value}", TypeError)
    try:
        if isinstance(config, ExperimentConfig):
            return config.replace(**settings)
        return ExperimentConfig().replace(**settings | config)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def seeds_of(seeds):
    """The seeds as a list of different whole numbers."""
    if np.isscalar(seeds):
        return list(range(checks.integer("seeds", seeds)))
    if not isinstance(seeds, list | tuple | range | np.ndarray) or not len(seeds):
        checks.fail("seeds", seeds, "a whole number >= 1 or a list of seeds", TypeError)
    found = [checks.integer(f"seeds[{i}]", seed, low=0) for i, seed in enumerate(seeds)]
    if len(set(found)) < len(found):
        checks.fail("seeds", seeds, "different numbers")
    return found


def finished(function, tasks, n_jobs, backend):
    """(number, function(*task)) as they are finished. A task whose process dies gives DIED; the others are done again."""
    from joblib import Parallel, delayed

    left = dict(enumerate(tasks))
    try:
        workers = Parallel(n_jobs=n_jobs, backend=backend, return_as="generator_unordered")
        for number, outcome in workers(delayed(numbered)(number, function, task) for number, task in enumerate(tasks)):
            del left[number]
            yield number, outcome
    except BrokenExecutor:
        yield from alone(function, left)


def alone(function, tasks):
    """The tasks one after the other, each in a process of its own, so that we know whose it is that dies."""
    from loky import ProcessPoolExecutor

    for number, task in tasks.items():
        with ProcessPoolExecutor(1) as pool:
            try:
                outcome = pool.submit(numbered, number, function, task).result()
            except BrokenExecutor as error:
                outcome = number, (History(), f"{type(error).__name__}: {DIED}")
        yield outcome


def numbered(number, function, task):
    """The result with the number of its task."""
    return number, function(*task)


def trained(config, data, threads):
    """(History, error) of a run."""
    history = History()
    try:
        options = {} if config.workers else {"threads": config.threads or threads}  # a worker has one thread
        for record in build(config, data=data).train(**options):
            history.append(record.without_degrees())
    except Exception as error:
        return history, f"{type(error).__name__}: {error}"
    return history, ""


def row_of(run):
    """The row of a run; what an epoch without scores lacks is taken from the last one that has them."""
    row = {"label": run.label, "seed": run.seed, "accuracy": np.nan, "loss": np.nan, "links": np.nan, "seconds": np.nan}
    scored = [record for record in run.history if record.test_loss is not None]
    if scored:
        row["loss"] = scored[-1].test_loss
        row["accuracy"] = np.nan if scored[-1].test_accuracy is None else scored[-1].test_accuracy
    if run.history:
        row["links"], row["seconds"] = run.history[-1].links, sum(record.seconds for record in run.history)
    return row | {"error": run.error}
