"""A run in words: the status line, the text of a panel without a screen, and everything about a run as plain values."""

import dataclasses
import json

from ..experiments import environment
from .plans import in_local_phase


def status_line(run):
    """What the status line says after the state."""
    config, record = run.now, run.history[-1] if run.history else None
    if run.state == "ready":
        return "· press Start"
    if run.state == "preparing":
        return (
            "· loading data"
            if run.compiling is None
            else "· compiling kernel {} of {}, once for this machine".format(*run.compiling)
        )
    local = in_local_phase(run)  # then no StepRecords come
    latest = record if local or run.last is None else run.last  # a saved run that was opened has no steps
    where = f"epoch {latest.epoch if latest else 0} of {config.epochs}"
    if run.state == "paused" and latest and latest is run.last:
        where += f", {batch_of(run.last, record)}"
    parts = [where]
    if run.state in ("running", "paused") and local:
        parts.append("each worker trains its own net, their average comes at the end")
    elif run.state in ("running", "paused") and run.last:
        parts += [f"loss {run.last.loss:.3f}", f"learning rate {run.last.learning_rate:.3g}"]
    if record and record.test_accuracy is not None:
        labels = run.experiment is not None and run.experiment.data.has_labels
        parts.append(f"{'all labels right in' if labels else 'test accuracy'} {record.test_accuracy:.1%}")
    if record and record.test_r2 is not None:
        parts.append(f"test R² {record.test_r2:.3f}")
    if run.state in ("stopped", "finished") and record:
        parts.append(f"{sum(r.seconds for r in run.history):.1f} s of training")
    if run.twin is not None and run.twin.error:
        parts.append(f"no dense twin: {run.twin.error[0]}")
    if run.changes:
        parts.append("steered by hand: the preset alone does not reproduce it")
    return "· " + " · ".join(parts)


def batch_of(last, record):
    """Where in its epoch a run waits, so that each step is seen; last, record: its latest StepRecord, and EpochRecord or None."""
    return "at its end" if record and record.epoch >= last.epoch else f"after mini-batch {last.step + 1}"


def panel_text(panel):
    """A TrainingPanel as lines of text."""
    run, model, data = panel.current, panel.model, panel.view_model.data
    lines = [f"TrainingPanel: {run.state} {status_line(run)}"]
    if data is not None:
        lines.append(f"  data: {data!r}")
    if model is not None:
        links = f"{model.n_links:,} links of {model.n_dense:,} ({model.density:.1%})"
        lines.append(f"  net: {'-'.join(map(str, model.sizes))}, {links}")
    lines.append(f"  views: {', '.join(view.title for view in panel.views.values())}")
    lines.append("  In JupyterLab this is a panel with buttons; in code: panel.start(), panel.stop(), panel.run().")
    lines.append("  After a reload of the page run its cell again: it finds the training that is under way.")
    return "\n".join(lines + ([f"  {run.error[0]}"] if run.error else []))


def plain_values(view_model, costs):
    """Config, live changes, data, environment, costs (sparse, dense) and history of the current run."""
    run, data = view_model.current, view_model.data
    return {
        "config": dataclasses.asdict(run.config),
        "changes": [list(change) for change in run.changes],
        "state": run.state,
        "data": None if data is None else {"name": data.name, "source": data.source},
        "environment": environment.describe(),
        "costs": None if costs is None else {"sparse": costs[0], "dense": costs[1]},
        "history": json.loads(run.history.to_json()),
    }
