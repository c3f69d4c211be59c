"""Short labels for runs in one figure: only the settings in which they differ."""

import dataclasses
from pathlib import Path

from .config import FIELDS

LONGEST = 36  # letters of a label that every figure shows
# How a file is read does not tell runs apart that were trained on different data.
OF_FILES = {name for name, one in FIELDS.items() if one.metadata["group"] == "data" and name != "dataset"}


def labels(runs):
    """A short, unique label for each run."""
    if len(runs) < 2:
        return ["this run" + changed(run) for run in runs]
    settings = [dataclasses.asdict(run.config) for run in runs]
    data = [getattr(run, "own_data", "") for run in runs]
    if len(set(data)) > 1:  # data given by hand have a name of their own, in place of the dataset in the config
        settings = [{"data": own or s["dataset"]} | s | {"dataset": ""} for own, s in zip(data, settings, strict=True)]
    names = differing(settings)
    names = [name for name in names if name not in OF_FILES or not {"data", "dataset"} & {*names}]
    texts = [", ".join(f"{name} = {short(name, s[name])}" for name in names) or "same" for s in settings]
    texts = [text + changed(run) for text, run in zip(texts, runs, strict=True)]
    seen = [text[:LONGEST] for text in texts]
    return [f"run {i}: {text}" if seen.count(text[:LONGEST]) > 1 else text for i, text in enumerate(texts, 1)]


def differing(settings):
    """Names of the settings that are not shown alike in all dicts."""
    return [name for name in (settings[0] if settings else ()) if len({value(one[name]) for one in settings}) > 1]


def short(name, setting):
    """`value`, of a file only its name."""
    return Path(setting).name if name in ("data", "dataset") else value(setting)


def value(setting):
    """The value of a setting as short text."""
    if isinstance(setting, tuple):
        return "-".join(map(str, setting))
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def changed(run):
    """A mark for runs whose settings were changed by hand during training, which their config does not show."""
    return " (steered)" if run.changes else ""
