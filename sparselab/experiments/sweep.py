"""Many runs: configs × seeds through joblib, and tables of what they found. A run that fails does not stop the others."""

import itertools
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ..checkpoints.records import History
from ..datasets import Dataset
from ..datasets.coerce import given_dataset
from ..utils import checks
from ..utils.resources import cores, jobs
from .config import ExperimentConfig
from .experiment import build

if TYPE_CHECKING:
    import pandas

BACKENDS = ("loky", "threading")
FIELDS = tuple(one.name for one in fields(ExperimentConfig))
DIED = "the process of this run died"


@dataclass
class SweepRun:
    """A run of a sweep: label, seed, config, records of its finished epochs, and the error that ended it ("" for none)."""

    label: str
    seed: int
    config: ExperimentConfig
    history: History = field(default_factory=History)
    error: str = ""


class Sweep:
    """
    The result of `sweep`.

    Parameters
    ----------
    runs : list of SweepRun
        The runs, in the order of configs and seeds.

    Examples
    --------
    >>> from sparselab.experiments.sweep import Sweep
    >>> Sweep([]).histories
    {}
    """

    def __init__(self, runs: list[SweepRun]):
        self.runs = runs

    @property
    def frame(self) -> "pandas.DataFrame":
        """A row for each run: label, seed, accuracy, loss, R² (test, last epoch), links, seconds of training, error."""
        import pandas

        columns = ["label", "seed", "accuracy", "loss", "r2", "links", "seconds", "error"]
        return pandas.DataFrame([row_of(run) for run in self.runs], columns=columns)

    @property
    def score(self) -> str:
        """What the runs are compared by: the accuracy, for regressions R², or the loss where there is neither."""
        frame = self.frame
        good = frame[frame["error"] == ""]
        return next((name for name in ("accuracy", "r2") if good[name].notna().any()), "loss" if len(good) else "accuracy")

    @property
    def table(self) -> "pandas.DataFrame":
        """A row for each label: mean, standard deviation (n − 1), lowest and highest `score` of n runs, mean links and seconds,
        number of failed runs."""
        import pandas

        frame = self.frame
        good = frame[frame["error"] == ""]
        score = self.score
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
    def histories(self) -> dict[str, list[History]]:
        """{label: [History of each run that did not fail]}, which `figures.learning_curves` draws."""
        found = {}
        for run in self.runs:
            if not run.error:
                found.setdefault(run.label, []).append(run.history)
        return found

    def __repr__(self):
        return f"Sweep of {len(self.runs)} runs, {sum(bool(run.error) for run in self.runs)} failed\n{self.table}"

    def _repr_html_(self):
        return self.table.to_html()


def sweep(
    configs: Mapping[str, Any] | Sequence[Any], seeds: int | Sequence[int] = 1, *, n_jobs: int = 1, backend: str = "loky",
    data: Dataset | None = None, progress: bool = True, **settings: Any,
) -> Sweep:  # fmt: skip
    """
    Train every config with every seed.

    The results do not depend on `n_jobs` and `backend`. A run that fails is a row with its error; the others go on.

    Parameters
    ----------
    configs : dict or list
        ``{label: config}`` or a list of configs, where a config is an ExperimentConfig or ``{field: value}``; or a grid
        ``{field: [values]}``, of which all combinations are run.
    seeds : int or list of int, default 1
        How many seeds (from 0), or the seeds.
    n_jobs : int, default 1
        Runs at the same time; -1: as many as there are cores, -2: one fewer. A run has cores / n_jobs threads, unless its config
        says how many.
    backend : {"loky", "threading"}, default "loky"
        Where runs are executed: processes or threads. The backend of a run's own workers is a field of its config.
    data : Dataset, optional
        The data set of all runs; by default each run loads the one its config names.
    progress : bool, default True
        Show a progress bar.
    **settings : Any
        Fields of ExperimentConfig that all runs have in common, such as ``epochs=5``.

    Returns
    -------
    Sweep
        The runs, in the order of configs and seeds. Their records have no degrees.

    Raises
    ------
    TypeError
        If a config, a seed or an argument has the wrong type; no run has started then.
    ValueError
        If a field is unknown, a value is out of bounds, or labels are shown alike, such as 1 and "1"; no run has started then.

    Examples
    --------
    >>> import sparselab as sl
    >>> result = sl.sweep({"zeta": [0.1, 0.3]}, 2, dataset="digits", hidden=(20,), epochs=1, progress=False)
    >>> result.frame[["label", "seed"]].to_numpy().tolist()
    [['zeta=0.1', 0], ['zeta=0.1', 1], ['zeta=0.3', 0], ['zeta=0.3', 1]]
    """
    named, seeds, data = configs_of(configs, settings), seeds_of(seeds), given_dataset(data)
    n_jobs = jobs("n_jobs", n_jobs)
    checks.choice("backend", backend, BACKENDS)
    checks.flag("progress", progress)
    threads = max(1, cores() // n_jobs)
    runs = [SweepRun(label, seed, config.replace(seed=seed)) for label, config in named.items() for seed in seeds]
    with tqdm(total=len(runs), disable=not progress, file=sys.stdout, leave=False, unit="run") as bar:
        for number, outcome in finished(trained, [(run.config, data, threads) for run in runs], n_jobs, backend):
            runs[number].history, runs[number].error = outcome
            bar.set_description(str(runs[number].label)[:40])
            bar.update()
    return Sweep(runs)


def configs_of(configs, settings):
    """{label: ExperimentConfig} from the argument of `sweep`."""
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
    checks.different_texts("configs", configs)
    return {str(label): config_of(label, config, settings) for label, config in configs.items()}


def is_values(values):
    """Whether this is the list of a field's values in a grid."""
    return isinstance(values, list | range | np.ndarray)


def grid(values):
    """{label: {field: value}} of all combinations."""
    for name, choices in values.items():
        checks.choice("field", name, FIELDS)
        if not len(choices):
            checks.fail(f"configs[{name!r}]", choices, "at least one value")
        if len(set(map(str, choices))) < len(choices):
            checks.fail(f"configs[{name!r}]", choices, "values that differ")
    columns = [[value.item() if isinstance(value, np.generic) else value for value in choices] for choices in values.values()]
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*columns)]
    return {", ".join(f"{name}={value}" for name, value in one.items()): one for one in combinations}


def config_of(label, config, settings):
    """The ExperimentConfig of a label; errors name the label."""
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
    """The seeds as a list of distinct whole numbers."""
    if np.isscalar(seeds):
        return list(range(checks.integer("seeds", seeds)))
    if not isinstance(seeds, list | tuple | range | np.ndarray) or not np.ndim(seeds) or not len(seeds):
        checks.fail("seeds", seeds, "a whole number >= 1 or a list of seeds", TypeError)
    found = [checks.integer(f"seeds[{i}]", seed, low=0) for i, seed in enumerate(seeds)]
    if len(set(found)) < len(found):
        checks.fail("seeds", seeds, "different numbers")
    return found


def finished(function, tasks, n_jobs, backend):
    """Yield (number, function(*task)) in order of completion. If a process dies, unfinished tasks run again one by one."""
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
    """Run each task in a process of its own, one after the other, so that a death is charged to the right task (DIED)."""
    from loky import ProcessPoolExecutor

    for number, task in tasks.items():
        with ProcessPoolExecutor(1) as pool:
            try:
                outcome = pool.submit(numbered, number, function, task).result()
            except BrokenExecutor as error:
                outcome = number, (History(), f"{type(error).__name__}: {DIED}")
        yield outcome


def numbered(number, function, task):
    """(number of the task, its result)."""
    return number, function(*task)


def trained(config, data, threads):
    """Train one run: (History, error)."""
    history = History()
    try:
        options = {} if config.workers else {"threads": config.threads or threads}  # a worker has one thread
        for record in build(config, data=data).train(**options):
            history.append(record.without_degrees())
    except Exception as error:
        return history, f"{type(error).__name__}: {error}"
    return history, ""


def row_of(run):
    """The row of a run; scores are those of the last epoch that was evaluated."""
    row = {
        "label": run.label,
        "seed": run.seed,
        "accuracy": np.nan,
        "loss": np.nan,
        "r2": np.nan,
        "links": np.nan,
        "seconds": np.nan,
    }
    scored = [record for record in run.history if record.test_loss is not None]
    if scored:
        row["loss"] = scored[-1].test_loss
        row["r2"] = np.nan if scored[-1].test_r2 is None else scored[-1].test_r2
        row["accuracy"] = np.nan if scored[-1].test_accuracy is None else scored[-1].test_accuracy
    if run.history:
        row["links"], row["seconds"] = run.history[-1].links, sum(record.seconds for record in run.history)
    return row | {"error": run.error}
