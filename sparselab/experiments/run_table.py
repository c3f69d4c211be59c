"""The saved runs of a folder as a table, over seeds, and as histories that figures draw."""

import json
import os
from contextlib import suppress
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING

from ..checkpoints.records import History
from ..utils import checks
from .config import ExperimentConfig
from .run_labels import differing, labels
from .run_notes import LONGEST
from .run_store import ABOUT, RunStore, config_in, read_about

if TYPE_CHECKING:
    import pandas

SCORES = ("accuracy", "r2", "loss")  # what runs are compared by: the first one that is known
FIRST = ("state", "label", "group", "tags", "data", "seed", "epochs_done", *SCORES, "links", "seconds")
LAST = ("started", "notes", "error")
RENAMED = {"epochs": "epochs_wanted", "loss": "loss_function"}  # settings that would look like results, or take their column


def runs(folder: str | os.PathLike[str] = "runs", *, over_seeds: bool = False) -> "pandas.DataFrame":
    """
    Read the runs that the workbench or a `RunStore` has saved in a folder.

    Parameters
    ----------
    folder : str or path, default "runs"
        The folder of the runs.
    over_seeds : bool, default False
        Whether runs that differ in their seed only become one row with the mean and the band of their score. Only finished runs
        count that were not steered by hand, of equal ones the latest.

    Returns
    -------
    pandas.DataFrame
        A row for each run, named by its folder, oldest first: state, label, group, tags, data, seed, finished epochs, scores of
        the last epoch (accuracy, R², loss), links, seconds of training, the settings in which the runs differ (of these `epochs`
        as "epochs_wanted" and `loss` as "loss_function"), started, notes, error; runs that cannot be read have the state
        "damaged". Over seeds: the settings that differ, which score, its mean, standard deviation (n − 1), lowest and highest
        value, n, mean links and seconds.

    Raises
    ------
    TypeError
        If `folder` is no path, or `over_seeds` no bool.
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> import sparselab as sl
    >>> config = sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=1, threads=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = sl.widgets.Workbench(config, folder=folder).train.run()
    ...     table = sl.runs(folder)
    >>> table[["state", "data", "epochs_done"]].to_dict("index")
    {'0001-digits': {'state': 'finished', 'data': 'digits', 'epochs_done': 1}}
    """
    import pandas

    checks.flag("over_seeds", over_seeds)
    store = store_of(folder)
    if over_seeds:
        return seeds_table(store)
    rows = [row_of(store, row) for row in reversed(store.rows())]
    configs = [row.pop("config") for row in rows]
    for name in differing([asdict(config) for config in configs if config]):
        if name not in ("seed", "dataset"):
            for row, config in zip(rows, configs, strict=True):
                row[RENAMED.get(name, name)] = getattr(config, name, None)
    table = pandas.DataFrame(rows, columns=None if rows else ["run", *FIRST, *LAST]).set_index("run")
    return table[[name for name in table if name not in LAST] + [*LAST]]


def run_histories(folder: str | os.PathLike[str] = "runs") -> dict[str, list[History]]:
    """
    Read the histories of the finished runs in a folder, those that differ in their seed only together.

    `figures.learning_curves` draws their means with bands.

    Parameters
    ----------
    folder : str or path, default "runs"
        The folder of the runs.

    Returns
    -------
    dict of str to list of History
        ``{the settings in which the runs differ: histories, one for each seed}``; steered runs are left out.

    Raises
    ------
    TypeError
        If `folder` is no path.
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> import sparselab as sl
    >>> config = sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=1, threads=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = sl.widgets.Workbench(config, folder=folder).train.run()
    ...     found = sl.run_histories(folder)
    >>> found == {"this run": [history]}
    True
    """
    groups = groups_of(store_of(folder))
    return dict(zip(names_of(groups), ([run.history for run in group] for group in groups), strict=True))


def store_of(folder):
    """The RunStore of a folder that exists."""
    store = RunStore(folder)
    if not store.folder.is_dir():
        raise FileNotFoundError(f"folder = {str(store.folder)!r}: must be an existing folder")
    return store


def row_of(store, row):
    """A row of the table from one of a RunStore, with the config, or None, as "config"."""
    empty = dict.fromkeys(FIRST) | dict.fromkeys(LAST, "") | {"error": row.get("error", ""), "config": None}
    found = {"run": row["name"]} | empty | {"state": row["state"]}
    if row["state"] == "damaged":
        return found
    try:
        about = read_about(store.path(row["name"]) / ABOUT)
        config = config_in(about, ABOUT)
    except ValueError as error:
        return found | {"state": "damaged", "error": str(error)}
    found |= {name: row.get(name) for name in (*SCORES, *LONGEST, "label", "links", "seconds")}
    done = int(row["epochs"].split("/")[0])
    return found | {
        "data": row["dataset"], "seed": config.seed, "epochs_done": done, "started": about.get("started", ""), "config": config
    }  # fmt: skip


def groups_of(store):
    """Lists of finished KeptRuns that differ in their seed only, in the order of their first ones."""
    runs = []
    for row in reversed(store.rows()):
        if row["state"] == "finished":
            with suppress(OSError, ValueError):  # its records are damaged
                runs.append(store.open(row["name"]))
    return grouped(runs)


def grouped(runs):
    """Lists of the KeptRuns with records, and without changes by hand, that differ in their seed only."""
    found = {}
    for run in runs:
        if run.history and not run.changes:
            key = json.dumps([run.own_data, asdict(run.config) | {"seed": None}])
            found.setdefault(key, {})[run.config.seed] = run  # of equal runs the latest
    return [list(seeds.values()) for seeds in found.values()]


def names_of(groups):
    """For each group the settings in which it differs from the others."""
    return labels([
        SimpleNamespace(config=without_seed(group[0].config), changes=(), own_data=group[0].own_data) for group in groups
    ])  # fmt: skip


def without_seed(config):
    """A config with the default seed."""
    return config.replace(seed=ExperimentConfig().seed)


def seeds_table(store):
    """The table over seeds."""
    import pandas

    groups = groups_of(store)
    settings = [asdict(without_seed(group[0].config)) for group in groups]
    rows = []
    for group, chosen in zip(groups, settings, strict=True):
        last = [run.history[-1] for run in group]
        score = next((name for name in SCORES if getattr(last[0], f"test_{name}") is not None), "train_loss")
        values = pandas.Series([getattr(one, f"test_{score}" if score in SCORES else score) for one in last], dtype=float)
        seconds = [sum(record.seconds for record in run.history) for run in group]
        rows.append({
            **{name: chosen[name] for name in differing(settings)}, "score": score, "mean": values.mean(),
            "deviation": values.std(), "lowest": values.min(), "highest": values.max(), "n": len(group),
            "links": sum(one.links for one in last) / len(last), "seconds": sum(seconds) / len(seconds),
        })  # fmt: skip
    return pandas.DataFrame(rows, index=pandas.Index(names_of(groups), name="settings"))
