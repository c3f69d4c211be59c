"""Search for good settings: a grid, random draws, or successive halving, by the score on a part of the training samples."""

import math
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import datasets
from ..checkpoints.records import History
from ..datasets import Dataset
from ..datasets.coerce import given_dataset
from ..datasets.splits import rows_of_fraction, split_rows
from ..utils import checks
from ..utils.resources import cores, jobs
from .config import ExperimentConfig, data_options
from .experiment import build
from .random_search import random_configs
from .sweep import BACKENDS, FIELDS, Sweep, SweepRun, configs_of, finished, is_values

METHODS = ("halving", "random", "grid")


class Tuning(Sweep):
    """
    The result of `tune`: a Sweep whose runs may have ended after some of their epochs.

    Parameters
    ----------
    runs : list of SweepRun
        The runs, in the order in which they were drawn. Their test scores are those on the validation samples.

    Examples
    --------
    >>> import sparselab as sl
    >>> found = sl.tune({"zeta": [0.1, 0.3]}, method="grid", dataset="digits", hidden=(20,), epochs=1, progress=False)
    >>> found.best.zeta in (0.1, 0.3)
    True
    """

    @property
    def best(self) -> ExperimentConfig:
        """The config with the best score among those trained longest; ValueError where all runs failed."""
        good = [run for run in self.runs if run.history and not run.error]
        if not good:
            raise ValueError(f"all runs failed, the first one with: {self.runs[0].error}")
        longest = max(len(run.history) for run in good)
        return max((run for run in good if len(run.history) == longest), key=score_of).config


def tune(
    space: Mapping[str, Any], n: int = 16, *, method: str = "halving", factor: int = 3, min_epochs: int = 1,
    validation: float = 0.2, n_jobs: int = 1, backend: str = "loky", data: Dataset | None = None, seed: int = 0,
    progress: bool = True, **settings: Any,
) -> Tuning:  # fmt: skip
    """
    Search for good settings by the score on validation samples, which are cut off from the training samples.

    The test samples are not looked at. Results do not depend on `n_jobs` and `backend`.

    Parameters
    ----------
    space : dict
        ``{field: values}`` of ExperimentConfig: a list of values, or a range (low, high), from which values are drawn
        uniformly, in the logarithm for logarithmic fields. A grid takes lists only.
    n : int, default 16
        Number of random draws; a grid has all combinations.
    method : {"halving", "random", "grid"}, default "halving"
        Successive halving trains all draws for `min_epochs` epochs, then the best 1 / `factor` of them for `factor` times as
        many, and so on, up to the `epochs` of the settings; each goes on where it was. The others train every config to its end.
    factor : int, default 3
        Halving: how much longer fewer configs train, at least 2.
    min_epochs : int, default 1
        Halving: epochs of the first round.
    validation : float, default 0.2
        Share of the training samples for validation, in (0, 1).
    n_jobs : int, default 1
        Runs at the same time; -1: as many as there are cores.
    backend : {"loky", "threading"}, default "loky"
        Where runs are executed: processes or threads.
    data : Dataset, optional
        The data set; by default the one that the settings name.
    seed : int, default 0
        Seed of the draws and of the split; that of the runs is a field of the settings.
    progress : bool, default True
        Show a progress bar.
    **settings : Any
        Fields of ExperimentConfig that all runs have in common, such as ``epochs=27``.

    Returns
    -------
    Tuning
        The runs, as of `sweep`, and the best config.

    Raises
    ------
    TypeError
        If an argument has the wrong type; no run has started then.
    ValueError
        If a field is unknown or a value is out of bounds; no run has started then.

    References
    ----------
    K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016. ASHA
    (L. Li et al., MLSys 2020) does not wait for the end of a round; here it is waited for, so that results can be repeated.

    Examples
    --------
    >>> import sparselab as sl
    >>> space = {"learning_rate": (0.001, 0.1), "zeta": [0.1, 0.3]}
    >>> found = sl.tune(space, 4, factor=2, epochs=4, dataset="digits", hidden=(20,), progress=False)
    >>> sorted(len(run.history) for run in found.runs)
    [1, 1, 2, 4]
    """
    seed, n_jobs = checks.integer("seed", seed, low=0), jobs("n_jobs", n_jobs)
    configs = configs_to_try(space, n, checks.choice("method", method, METHODS), seed, settings)
    threads = max(1, cores() // n_jobs)
    checks.choice("backend", backend, BACKENDS)
    checks.flag("progress", progress)
    checks.number("validation", validation, "a fraction in (0, 1)", low=0, high=1, open_low=True, open_high=True)
    base = next(iter(configs.values()))
    ends = rounds(base.epochs, method, factor, min_epochs)
    if data is None and len({(one.dataset, repr(data_options(one))) for one in configs.values()}) > 1:
        checks.fail("space", space, "of fields that do not change the data set")
    data = datasets.load(base.dataset, **data_options(base)) if data is None else given_dataset(data)
    n_validation, codes = rows_of_fraction("validation", validation, data.n_train), None if data.classes is None else data.y_train
    data = data.divided(*split_rows(codes, data.n_train, n_validation, seed, "rows of validation"))
    runs = [SweepRun(label, config.seed, config) for label, config in configs.items()]
    with tempfile.TemporaryDirectory() as folder, tqdm(disable=not progress, file=sys.stdout, leave=False, unit="run") as bar:
        alive = list(range(len(runs)))
        for epochs in ends:
            tasks = [(runs[i].config, data, threads, Path(folder, str(i)), epochs) for i in alive]
            for number, outcome in finished(advanced, tasks, n_jobs, backend):
                run = runs[alive[number]]
                run.history, run.error = outcome
                bar.update()
            good = sorted((i for i in alive if not runs[i].error), key=lambda i: score_of(runs[i]), reverse=True)
            alive = good[: max(1, len(good) // factor)]  # none where all have failed
    return Tuning(runs)


def configs_to_try(space, n, method, seed, settings):
    """{label: ExperimentConfig}, all checked."""
    if not isinstance(space, dict) or not space:
        checks.fail("space", space, "a dict {field: values} with at least one field", TypeError)
    for name in settings:
        checks.choice("field", name, FIELDS)
    if "epochs" in space:
        checks.fail("space", space, "without epochs, which all runs have in common")
    for name, values in space.items():
        checks.choice("field", name, FIELDS)
        is_range = isinstance(values, tuple) and len(values) == 2 and method != "grid"
        if not is_range and not (is_values(values) and len(values)):
            wanted = "a list of values" if method == "grid" else "a list of values, or a range (low, high)"
            checks.fail(f"space[{name!r}]", values, wanted, TypeError)
    if method == "grid":
        return configs_of(space, settings)
    return random_configs(space, ExperimentConfig().replace(**settings), checks.integer("n", n), seed)


def rounds(epochs, method, factor, min_epochs):
    """Epochs in all after each round."""
    factor, least = checks.integer("factor", factor, low=2), checks.integer("min_epochs", min_epochs, high=epochs)
    found = [least] if method == "halving" else [epochs]
    while found[-1] < epochs:
        found.append(min(epochs, factor * found[-1]))
    return found


def advanced(config, data, threads, folder, epochs):
    """(History, error) of a run that was trained until it has so many epochs; it goes on with what is in its folder."""
    history = History()
    try:
        options = {"checkpoint": folder, "every": config.epochs, "keep": 1}
        options |= {} if config.workers else {"threads": config.threads or threads}  # a worker has one thread
        with closing(build(config, data=data).train(**options)) as records:  # what is closed is saved
            for record in records:
                history.append(record.without_degrees())
                if record.epoch >= epochs:
                    break
    except Exception as error:
        return history, f"{type(error).__name__}: {error}"
    return history, ""


def score_of(run):
    """The last score of a run on its test samples: accuracy, R², or the loss, negative; −∞ where it is no number."""
    last = run.history[-1]
    known = [last.test_accuracy, last.test_r2, None if last.test_loss is None else -last.test_loss]
    score = next((float(score) for score in known if score is not None), math.nan)
    return -math.inf if math.isnan(score) else score
