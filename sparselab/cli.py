"""The command line: `train`, `demo`, `extreme`, `notebooks`, `warm` and `info`. Options come from ExperimentConfig's metadata."""

import argparse
import dataclasses
import json
import os
import shlex
import sys
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from . import figures
from .analysis import dense_baseline
from .checkpoints import checkpoint, model_file
from .checkpoints.run_dir import RunDir, RunDirBusyError
from .engines.base import DivergedError
from .experiments import environment, extreme, warm
from .experiments.config import NUMBER_OR_NAME, PAPER, ExperimentConfig, number_or_name
from .experiments.experiment import build
from .kernels import cache
from .nn import summary
from .nn.footprint import InsufficientMemoryError
from .training.memory import BATCH, lean_plan
from .training.progress import watch
from .utils import checks, files, notebooks
from .utils.interrupts import Terminated, defer_interrupts, sigterm_raises
from .utils.version import __version__


def main(arguments=None):
    """Run a command; returns the exit code. Bad input is one line on stderr and exit code 2."""
    with any_console():
        return run(parser().parse_args(arguments))


@contextmanager
def any_console():
    """A console that is not UTF-8 shows "?" for ε inside the `with`; afterwards the caller's streams are as before."""
    streams = [(stream, stream.errors) for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
    try:
        for stream, _ in streams:
            stream.reconfigure(errors="replace")
        yield
    finally:
        for stream, errors in streams:
            with suppress(ValueError):  # closed meanwhile
                stream.reconfigure(errors=errors)


def run(options):
    """Run the command of parsed options; returns the exit code."""
    try:
        with sigterm_raises(), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"sparselab: {message}", file=sys.stderr)
            return options.run(options)
    except (ValueError, TypeError, OSError, DivergedError, RunDirBusyError, InsufficientMemoryError) as error:
        print(f"sparselab: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print("sparselab: terminated", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("sparselab: interrupted", file=sys.stderr)
        return 130


class Parser(argparse.ArgumentParser):
    """Writes errors on one line, shortened if a value is long."""

    def error(self, message):
        self.exit(2, f"sparselab: {message[:400]}\n")


def path_of(text):
    """A Path from the text of an option; "" (a shell variable that is not set) would be the working directory."""
    try:
        return Path(checks.path("path", text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parser():
    """The argument parser."""
    top = Parser(prog="python -m sparselab", description="Truly sparse neural networks.")
    top.add_argument("--version", action="version", version=f"sparselab {__version__}")
    commands = top.add_subparsers(required=True, metavar="command")
    train = commands.add_parser("train", help="train a net and print one line an epoch", argument_default=argparse.SUPPRESS)
    first = train.add_mutually_exclusive_group()
    first.add_argument("--paper", choices=list(PAPER), help="start from the paper's settings of a dataset")
    first.add_argument("--config", type=path_of, help="start from a JSON file of a config")
    add_fields(train)
    train.add_argument("--json", type=path_of, help="write config, environment, costs and history to this file")
    train.add_argument("--save", type=path_of, help="write the trained model to this .npz file")
    text = "save the run in this folder; a run that is there is resumed with its settings and the given ones (--epochs: in all)"
    train.add_argument("--checkpoint", type=path_of, metavar="FOLDER", help=text)
    train.add_argument("--every", type=int, metavar="N", help="epochs between two checkpoints (default 1)")
    train.add_argument("--keep", type=int, metavar="N", help="number of checkpoints to keep (default 3)")
    train.add_argument("--no-resume", action="store_false", dest="resume", help="start a new run, even if the folder holds one")
    train.set_defaults(run=run_train)
    demo = commands.add_parser("demo", help="train on embedded data, compare with a dense network, write figures to a folder")
    demo.add_argument("--out", type=path_of, default=Path("out"), help="folder of the figures (default out)")
    demo.add_argument("--epochs", type=int, default=10, help="epochs (default 10)")
    demo.set_defaults(run=run_demo)
    large = commands.add_parser("extreme", help="measure a very large network: plan, initialisation, steps, evolution")
    add_extreme(large)
    copied = commands.add_parser("notebooks", help="copy the notebooks into a folder, to open them in JupyterLab")
    copied.add_argument("folder", type=path_of, metavar="DIR", help="folder of the copies; made if it does not exist")
    copied.set_defaults(run=run_notebooks)
    commands.add_parser("warm", help="compile kernels ahead of the first training").set_defaults(run=run_warm)
    commands.add_parser("info", help="versions, cores, memory, threading layer, caches").set_defaults(run=run_info)
    return top


def add_extreme(command):
    """One option for each field of Extreme."""
    for one in dataclasses.fields(extreme.Extreme):
        if one.init:
            kind = int if one.type == (int | None) else float
            command.add_argument(f"--{one.name.replace('_', '-')}", type=kind, default=one.default, metavar=one.name.upper())
    command.add_argument("--json", type=path_of, help="write all measurements to this file")
    command.add_argument(
        "--checkpoint", type=path_of, metavar="FOLDER", help="folder to save each epoch in; a run there is resumed"
    )
    command.set_defaults(run=run_extreme)


def add_fields(command):
    """One option for each field of ExperimentConfig."""
    for one in dataclasses.fields(ExperimentConfig):
        flag, m = f"--{one.name.replace('_', '-')}", one.metadata
        text = f"{m['help']} (default {one.default})".replace("%", "%%")
        if one.type is bool:
            command.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif one.type is tuple:
            command.add_argument(flag, type=int, nargs="*", metavar="N", help=text)
        else:
            kind = number_or_name if one.type == NUMBER_OR_NAME else one.type
            command.add_argument(flag, type=kind, metavar=one.name.upper(), help=text)


def config_of(options):
    """The config of a paper preset, a file or the run folder's checkpoint (the first that is given), changed by options."""
    given = vars(options)
    config = ExperimentConfig.paper(given["paper"]) if "paper" in given else ExperimentConfig()
    if "config" in given:
        config = ExperimentConfig.from_json(text_of(given["config"]))
    elif "paper" not in given and given.get("resume", True) and "checkpoint" in given and RunDir(given["checkpoint"]).files():
        config = ExperimentConfig.stored(checkpoint.load_checkpoint(given["checkpoint"]).about.get("config") or {})
    names = [one.name for one in dataclasses.fields(ExperimentConfig)]
    return config.replace(**{name: given[name] for name in names if name in given})


def text_of(path):
    """The text of the file that --config names."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or NUL in the name
        checks.fail("--config", str(path), f"a JSON file that can be read ({str(error)[:120]})")


def check_writable(option, path):
    """ValueError before the training starts if its result could not be written."""
    try:
        good = path.name and "\0" not in path.name and not path.is_dir() and os.access(path.absolute().parent, os.W_OK | os.X_OK)
        locked = good and path.exists() and not (path.stat().st_mode & 0o222 and os.access(path, os.W_OK))
    except (OSError, ValueError):
        good = False
    if not good:
        checks.fail(option, str(path), "the name of a file in an existing folder that can be written to")
    if locked:
        checks.fail(option, str(path), "a file that may be replaced (it is read-only)")


def write_json(path, values):
    """Write plain values to a file; a signal that comes meanwhile waits, so that the file is whole."""
    content = json.dumps(values, indent=1).encode()
    with defer_interrupts:
        files.write_whole(path, content)


def make_folder(option, path):
    """Make a folder for results before the work begins; ValueError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        good = os.access(path, os.W_OK | os.X_OK)
    except (OSError, ValueError):
        good = False
    if not good:
        checks.fail(option, str(path), "a folder that can be made and written to")


def run_train(options):
    """Train as the config says; optionally write the result."""
    given = vars(options)
    for name in {"json", "save"} & given.keys():
        check_writable(f"--{name}", given[name])
    if "save" in given:
        model = Path(model_file.with_suffix(given["save"]))
        check_writable("--save", model)
        if "json" in given and os.path.realpath(given["json"]) == os.path.realpath(model):
            checks.fail("--json", str(given["json"]), "another file than that of --save")
    for name in ("every", "keep"):
        if name in given:  # also without --checkpoint, where nothing else looks at it
            checks.integer(f"--{name}", given[name])
    experiment = build(config_of(options))
    kept = {name: given[name] for name in ("checkpoint", "every", "keep", "resume") if name in given}
    history = show_run(experiment, **kept)
    if "save" in given:
        print(f"model: {model_file.save(experiment.model, given['save'])}")
    table = costs(experiment, history)
    if "json" in given:
        write_json(given["json"], result(experiment, history, table))
    print(costs_table(table))
    return 0


def show_run(experiment, **options):
    """Train (with `options` of sparselab.train) and print a line for each epoch; returns the History."""
    print(experiment.model.summary())
    if (plan := lean_plan(experiment.model)) is not None:
        print(f"memory plan, in training with {BATCH} samples a step: {plan}")
    print(f"data: {experiment.data!r}")
    start = time.perf_counter()
    history = watch(experiment.train(**options), epochs=experiment.config.epochs)
    print(f"{len(history)} epochs in {time.perf_counter() - start:.1f} s")
    return history


def costs(experiment, history):
    """Links, bytes and seconds of the run, and of the dense network, whose seconds are measured over a few mini-batches."""
    model, config, data = experiment.model, experiment.config, experiment.data
    ours = median(record.seconds for record in (history[2:] or history[-1:]))  # the first two load compiled code
    other = dense_baseline.measure(model.sizes, data.n_train, min(config.batch_size, data.n_train))
    total = summary.rows(model)[-1]
    return {
        "links": [total["links"], total["dense_links"]],
        "training_bytes": [total["training_bytes"], other.n_bytes],
        "seconds_per_epoch": [ours, other.seconds],
        "dense_batches_timed": other.n_batches,
    }


def costs_table(table):
    """The numbers of `costs` as text."""
    (links, dense_links), (n_bytes, dense_bytes), (seconds, dense_seconds) = (
        table[key] for key in ("links", "training_bytes", "seconds_per_epoch")
    )
    lines = [f"{'':>22} {'truly sparse':>14} {'dense':>14} {'ratio':>8}"]
    ratio = f"{dense_links / links:>7.1f}x" if links else f"{'—':>8}"
    lines.append(f"{'links':>22} {links:>14,} {dense_links:>14,} {ratio}")
    lines.append(
        f"{'bytes in training':>22} {summary.size(n_bytes):>14} {summary.size(dense_bytes):>14} {dense_bytes / n_bytes:>7.1f}x"
    )
    if dense_seconds is None:
        lines.append(f"{'seconds per epoch':>22} {seconds:>14.3f} {'too large to build':>23}")
    else:
        lines.append(f"{'seconds per epoch':>22} {seconds:>14.3f} {dense_seconds:>14.3f} {dense_seconds / seconds:>7.1f}x")
    timed = f"{table['dense_batches_timed']} mini-batches timed, the fastest counts"
    lines.append(f"(dense: NumPy on this machine's BLAS, {timed}; no dropout, no evolution)")
    return "\n".join(lines)


def result(experiment, history, table):
    """Config, environment, costs and history of a run as plain values."""
    return {
        "config": dataclasses.asdict(experiment.config),
        "environment": environment.describe(),
        "source": experiment.data.source,
        "costs": table,
        "history": json.loads(history.to_json()),
    }


def run_extreme(options):
    """Measure a very large network."""
    names = [one.name for one in dataclasses.fields(extreme.Extreme) if one.init]
    whole = lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
    kinds = {one.name: one.type for one in dataclasses.fields(extreme.Extreme)}
    values = {name: whole(getattr(options, name)) if kinds[name] is int else getattr(options, name) for name in names}
    what = extreme.Extreme(**values)
    if options.json:
        check_writable("--json", options.json)
    print(what.estimate, flush=True)
    found = extreme.run(what, checkpoint=options.checkpoint)
    print(extreme.text(found))
    if options.json:
        write_json(options.json, found)
    return 0


def run_demo(options):
    """Train on embedded data, compare with a dense network, and save figures."""
    config = ExperimentConfig(epochs=options.epochs)
    make_folder("--out", options.out)
    experiment = build(config)
    history = show_run(experiment)
    print(costs_table(costs(experiment, history)))
    model, data = experiment.model, experiment.data
    made = {
        "learning_curves": figures.learning_curves({"SET + All-ReLU": history}, dataset=data),
        "input_map": figures.input_maps(history, data.image_shape, epochs=(1, options.epochs)),
        "connectivity": figures.connectivity(model),
        "degrees": figures.degree_histograms(model),
        "links_and_neurons": figures.links_and_neurons(history),
        "memory": figures.memory(model),
        "phases": figures.phases(history),
    }
    for name, figure in made.items():
        paths = figures.save_figure(figure, options.out / name)
        print("figure:", ", ".join(str(path) for path in paths))
    return 0


def run_notebooks(options):
    """Copy the notebooks and say how to open them."""
    paths = notebooks.copy(options.folder)
    print(f"{len(paths)} notebooks copied to {options.folder}. To open the first one:\n")
    print(shlex.join([sys.executable, "-m", "jupyter", "lab", str(paths[0])]))
    return 0


def run_warm(options):
    """Fill the cache of compiled kernels."""
    n = warm.warm(progress=sys.stderr.isatty())
    print(f"{n} new files of compiled code in {cache.FOLDER}; {len(warm.kernel_files())} in all")
    return 0


def run_info(options):
    """Print what `environment.describe` finds."""
    for name, value in environment.describe().items():
        shown = summary.size(value) if name.startswith("memory") and value else value
        print(f"{name:>18}  {shown}")
    return 0
