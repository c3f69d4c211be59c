"""Short labels for runs in one figure: only the settings in which they differ."""

import dataclasses


def labels(runs):
    """A short, unique label for each run."""
    if len(runs) < 2:
        return ["this run" + changed(run) for run in runs]
    settings = [dataclasses.asdict(run.config) for run in runs]
    names = [name for name in settings[0] if len({value(s[name]) for s in settings}) > 1]
    texts = [", ".join(f"{name} = {value(s[name])}" for name in names) or "same" for s in settings]
    texts = [text + changed(run) for text, run in zip(texts, runs, strict=True)]
    repeated = {text for text in texts if texts.count(text) > 1}
    return [f"{text} (run {i})" if text in repeated else text for i, text in enumerate(texts, 1)]


def value(setting):
    """The value of a setting as short text."""
    if isinstance(setting, tuple):
        return "-".join(map(str, setting))
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def changed(run):
    """A mark for runs whose settings were changed by hand during training, which their config does not show."""
    return " (steered)" if run.changes else ""
