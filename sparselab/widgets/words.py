"""A run in words: the status line, the text of a panel without a screen, everything about a run as plain values."""

import dataclasses
import json

from ..experiments import environment
from . import teamwork


def percent(share):
    """A share as text."""
    return f"{share:.1%}"


def progress(run):
    """What stands in the status line."""
    config, last, record = run.now, run.last, run.history[-1] if run.history else None
    if run.state == "ready":
        return "· press Start"
    if run.state == "preparing":
        return "· loading data, compiling kernels (seconds on the very first run)"
    alone = teamwork.alone(run)  # then no StepRecords come
    seen = record if alone else last
    parts = [f"epoch {seen.epoch if seen else 0} of {config.epochs}"]
    if run.state in ("running", "paused") and alone:
        parts.append("each worker alone, the average comes at the end")
    elif run.state in ("running", "paused") and last:
        parts += [f"loss {last.loss:.3f}", f"learning rate {last.learning_rate:.3g}"]
    if record and record.test_accuracy is not None:
        parts.append(f"test accuracy {percent(record.test_accuracy)}")
    if run.state in ("stopped", "finished") and record:
        parts.append(f"{sum(r.seconds for r in run.history):.1f} s of training")
    if run.changes:
        parts.append("steered: the preset alone does not tell")
    return "· " + " · ".join(parts)


def text(panel):
    """The panel as lines of text."""
    run, model, data = panel.current, panel.model, panel.subject.data
    lines = [f"TrainingPanel: {run.state} {progress(run)}"]
    if data is not None:
        lines.append(f"  data: {data!r}")
    if model is not None:
        share = f"{model.n_links:,} links of {model.n_dense:,} ({percent(model.density)})"
        lines.append(f"  net: {'-'.join(map(str, model.sizes))}, {share}")
    lines.append(f"  views: {', '.join(view.title for view in panel.views.values())}")
    lines.append("  In JupyterLab this is a panel with buttons; in code: panel.start(), panel.stop(), panel.run().")
    return "\n".join(lines + ([f"  {run.error[0]}"] if run.error else []))


def result(subject, costs):
    """Config, live changes, data, environment, costs (ours, dense) and history of the current run."""
    run, data = subject.current, subject.data
    return {
        "config": dataclasses.asdict(run.config),
        "changes": [list(change) for change in run.changes],
        "state": run.state,
        "data": None if data is None else {"name": data.name, "source": data.source},
        "environment": environment.describe(),
        "costs": None if costs is None else {"sparse": costs[0], "dense": costs[1]},
        "history": json.loads(run.history.to_json()),
    }
