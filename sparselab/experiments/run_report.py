"""One saved run as an HTML file that needs nothing else: scores, curves, settings, machine."""

import os
from base64 import b64encode
from dataclasses import asdict
from html import escape
from pathlib import Path

from .. import figures
from ..utils import checks, files
from .config import ExperimentConfig
from .run_labels import value
from .run_notes import LONGEST
from .run_store import RunStore

STYLE = """body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #FFF; }
table { border-collapse: collapse; } td, th { padding: 2px 14px 2px 0; text-align: left; border-bottom: 1px solid #DDD; }
img { max-width: 100%; } pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #F4F4F4; padding: 8px; }"""


def run_report(run: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """
    Write one saved run as an HTML file that can be sent by itself.

    Parameters
    ----------
    run : str or path
        Folder of the run, such as "runs/0001-digits".
    path : str or path, optional
        Where to write; by default report.html in the folder of the run. An existing file is replaced.

    Returns
    -------
    pathlib.Path
        The file: scores, curves against epochs and seconds, links, the settings and which of them are no defaults, changes
        made by hand, the preset that repeats the run, and the machine.

    Raises
    ------
    TypeError
        If an argument is no path.
    ValueError
        If the folder holds no run, or one that cannot be read.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import sparselab as sl
    >>> config = sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=1, threads=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = sl.widgets.Workbench(config, folder=folder).train.run()
    ...     sl.run_report(f"{folder}/0001-digits").name
    'report.html'
    """
    folder = Path(checks.absolute("run", checks.path("run", run)))
    path = folder / "report.html" if path is None else Path(checks.path("path", path))
    text = report_text(RunStore(folder.parent).open(folder.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, text.encode())
    return path


def report_text(kept):
    """The HTML text of a KeptRun."""
    default = asdict(ExperimentConfig())
    settings = [
        (name, value(one), "" if one == default[name] else "not the default") for name, one in asdict(kept.config).items()
    ]
    head = [
        ("state", kept.state),
        ("name", kept.label),
        *((name, getattr(kept, name)) for name in LONGEST if getattr(kept, name)),
        ("started", kept.started),
        ("data", kept.own_data or kept.config.dataset),
    ]
    head += [(name, text) for name, text in scores(kept.history)] + ([("error", kept.error)] if kept.error else [])
    parts = [
        f"<h1>Run {escape(kept.name)}</h1>", table(head), *pictures(kept.history), "<h2>Settings</h2>", table(settings),
        *(["<h2>Changed by hand while it ran</h2>", table(kept.changes, ("epoch", "field", "value"))] if kept.changes else []),
        "<h2>Preset</h2><p>This text in ExperimentConfig.from_json, or in the field of a panel, repeats the run.</p>",
        f"<pre>{escape(kept.config.to_json())}</pre>", "<h2>Machine</h2>", table(kept.environment.items()),
    ]  # fmt: skip
    title = f"<meta charset='utf-8'><title>{escape(kept.name)}</title><style>{STYLE}</style>"
    return f"<!DOCTYPE html><html lang='en'><head>{title}</head><body>{''.join(parts)}</body></html>\n"


def scores(history):
    """(name, text) of what is known after the last epoch."""
    if not history:
        return [("epochs", "0")]
    last = history[-1]
    known = {
        "test accuracy": last.test_accuracy,
        "test R²": last.test_r2,
        "test loss": last.test_loss,
        "train loss": last.train_loss,
    }
    seconds = sum(record.seconds for record in history)
    return [
        ("epochs", f"{last.epoch:,}"), *((name, f"{one:.4g}") for name, one in known.items() if one is not None),
        ("links", f"{last.links:,}"), ("training time", f"{seconds:.1f} s, without evaluation"),
    ]  # fmt: skip


def pictures(history):
    """Figures of a run as HTML, each with what it shows."""
    if not history:
        return []
    made = {
        "Loss and score by epoch": figures.learning_curves(history),
        "The same against seconds of training": figures.learning_curves(history, x="seconds"),
        "Links and neurons": figures.links_and_neurons(history),
    }
    data = {title: b64encode(figures.png_bytes(figure)).decode() for title, figure in made.items()}
    return [f"<h2>{title}</h2><img alt='{title}' src='data:image/png;base64,{png}'>" for title, png in data.items()]


def table(rows, head=()):
    """An HTML table of rows of values."""
    line = lambda row, tag: "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row) + "</tr>"
    return f"<table>{line(head, 'th') if head else ''}{''.join(line(row, 'td') for row in rows)}</table>"
