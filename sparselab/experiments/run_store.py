"""Runs as folders: `run.json` (settings, state, machine), `history.jsonl` (a line for each epoch), notes, and checkpoints.

Files are replaced atomically or appended to, so that a run can be read even if its process was killed. A run that cannot be read
is a row with the reason and does not affect the others.
"""

import json
import os
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from ..checkpoints.records import History
from ..checkpoints.run_dir import LOST, RunDir, RunDirBusyError
from ..utils import checks, files
from . import environment
from .config import ExperimentConfig
from .deleted_runs import DeletedRuns
from .run_notes import read_notes, write_notes

ABOUT, RECORDS = "run.json", "history.jsonl"
_OURS = set()  # folders that this process trains into; trying their locks could make a starting run fail
NAME = re.compile(r"\d{4,}-[\w-]+")
ENDED = ("stopped", "finished", "failed", "interrupted")


@dataclass
class KeptRun:
    """A run read from its folder; its state is "interrupted" if its process ended without writing how."""

    name: str
    folder: Path
    config: ExperimentConfig
    own_data: str = ""
    label: str = ""
    group: str = ""
    tags: str = ""
    notes: str = ""
    state: str = "interrupted"
    changes: list = field(default_factory=list)
    error: str = ""
    started: str = ""
    history: History = field(default_factory=History)
    environment: dict = field(default_factory=dict)


class RunStore:
    """The runs in `folder`, which is created with the first of them.

    own_data: name of the data that are trained on in place of the data set of each config; "" for none.
    """

    def __init__(self, folder="runs", own_data=""):
        self.folder, self.own_data = Path(checks.absolute("folder", checks.path("folder", folder))), own_data
        self.deleted = DeletedRuns(self.folder)

    def new(self, config, label="", group=""):
        """A RunLogger for a run of this config in a new folder; safe if other processes create runs at the same time."""
        stem = re.sub(r"\W+", "-", self.own_data or Path(config.dataset).stem)[:24]
        about = described(config, label, self.own_data)  # first: a folder without a description is a damaged run
        self.folder.mkdir(parents=True, exist_ok=True)
        taken = [*self.names(), *self.deleted.names]
        number = 1 + max((int(name.split("-")[0]) for name in taken), default=0)
        while True:
            path = self.folder / f"{number:04d}-{stem}"
            try:
                path.mkdir()
                break
            except FileExistsError:
                number += 1
        try:
            logger = RunLogger(path, about)
            if group:
                write_notes(path, {"group": group})
        except BaseException:
            _OURS.discard(str(path))
            shutil.rmtree(path, ignore_errors=True)
            raise
        return logger

    def resume(self, name):
        """A RunLogger that continues a run; RunDirBusyError if a training writes to it, ValueError if it has finished."""
        path = self.path(name)
        about = read_about(path / ABOUT)
        if about.get("state") == "finished":
            raise ValueError(f"run {name}: has finished its epochs; Open it, and Start with other settings, or Run again")
        if str(path) in _OURS:
            raise RunDirBusyError(str(path), os.getpid())
        with RunDir(path).locked():
            return RunLogger(path, about)

    def names(self):
        """Names of all runs, oldest first."""
        return [path.name for path in self._folders()]

    def open(self, name):
        """The KeptRun of this name; FileNotFoundError or ValueError names the file and what is wrong with it."""
        path = self.path(name)
        about, history = read_about(path / ABOUT), read_records(path / RECORDS)
        config = config_in(about, path / ABOUT)
        state = about.get("state", "")
        state = state if state in ENDED else "running" if busy(path) else "interrupted"
        texts = {key: str(about.get(key, "")) for key in ("own_data", "label", "error", "started")}
        changes, machine = about.get("changes", []), about.get("environment", {})
        if not (isinstance(machine, dict) and isinstance(changes, list) and all(isinstance(one, list) for one in changes)):
            raise ValueError(f"{path / ABOUT}: its changes or its environment are not those of a run")
        more = {"changes": [*map(tuple, changes)], "history": history, "environment": machine}
        return KeptRun(name, path, config, state=state, **more, **texts, **read_notes(path))

    def check_same_data(self, run):
        """ValueError for a KeptRun that was trained on data given by hand, unless they are given here, too (or the reverse)."""
        if run.own_data != self.own_data:
            wanted = f"data={run.own_data}" if run.own_data else f"the data set {run.config.dataset!r}"
            given = f"data={self.own_data}" if self.own_data else "no data of its own"
            raise ValueError(f"run {run.name}: was trained on {wanted}, but this page has {given}; make a page with those data")

    def rows(self):
        """One dict for each run, newest first; one that cannot be read has state "damaged" and the reason in `error`."""
        return [self._row(name) for name in reversed(self.names())]

    def annotate(self, name, **changes):
        """Change group, tags or notes of a run."""
        write_notes(self.path(name), changes)

    def same_but_seed(self, name):
        """Names of the finished runs that differ from this one in the seed at most, and were not changed by hand."""
        key = lambda about, path: (about.get("own_data", ""), config_in(about, path).replace(seed=0))
        path = self.path(name) / ABOUT
        wanted, found = key(read_about(path), path), []
        for one in self.names():
            path = self.folder / one / ABOUT
            with suppress(ValueError):  # a damaged run
                about = read_about(path)
                if about.get("state") == "finished" and not about.get("changes") and key(about, path) == wanted:
                    found.append(one)
        return found

    def delete(self, *names):
        """Move runs aside, until another deletion or the end of this process; RunDirBusyError while a training writes to one."""
        paths = [self.path(name) for name in dict.fromkeys(names)]
        for path in paths:
            if str(path) in _OURS:
                raise RunDirBusyError(str(path), os.getpid())
            with RunDir(path).locked():
                pass
        self.deleted.move(paths)

    def path(self, name):
        """The folder of a run; ValueError for an unknown name."""
        if name not in self.names():
            checks.fail("run", name, f"one of the runs in {str(self.folder)!r}")
        return self.folder / name

    def _folders(self):
        try:
            found = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]
            return sorted(found, key=lambda path: (int(path.name.split("-")[0]), path.name))
        except OSError:  # no folder yet, or not a folder, which the first run reports
            return []

    def _row(self, name):
        try:
            about = read_about(self.path(name) / ABOUT)
            if about.get("state") in ENDED and "last" in about:  # no need to read its history
                run, found = about, about["last"]
            else:
                kept = self.open(name)
                run, found = vars(kept), last_of(kept.history)
            settings = run["config"] if isinstance(run["config"], dict) else asdict(run["config"])
            told = {"name": name, "dataset": run.get("own_data") or settings["dataset"]}
            told |= {key: run[key] for key in ("label", "state", "error")} | read_notes(self.folder / name)
            return found | told | {"epochs": f"{found['epochs']}/{settings['epochs']}"}
        except Exception as error:  # the files may hold anything
            return {"name": name, "state": "damaged", "error": str(error)}


def described(config, label, own_data=""):
    """The first content of a `run.json`."""
    return {
        "label": label, "own_data": own_data, "started": datetime.now().isoformat(timespec="seconds"), "config": asdict(config),
        "environment": environment.describe(), "error": "", "changes": [],
    }  # fmt: skip


def last_of(history):
    """The columns of a run in tables: last scores, links, seconds."""
    found = {"epochs": len(history), "seconds": sum(record.seconds for record in history)}
    if history:
        last = history[-1]
        found |= {"accuracy": last.test_accuracy, "r2": last.test_r2, "loss": last.test_loss, "links": last.links}
    return found


class RunLogger:
    """Writes the records and the state of a run to its folder; `note(run)` is called after each record and change of state."""

    def __init__(self, folder, about):
        self.folder, self.about, self.written, self.state = Path(folder), about | {"key": uuid.uuid4().hex}, 0, ""
        try:
            self._write_state("preparing")
        except BaseException:
            _OURS.discard(str(self.folder))
            raise

    def continued(self):
        """A RunLogger for a training that goes on where this one stopped."""
        return RunLogger(self.folder, self.about)

    def note(self, run):
        """Append new records, and write the state if it has changed; OSError where the folder is another run's by now."""
        try:
            self._note(run)
        finally:
            if run.state in ENDED:  # a run whose end could not be written is "interrupted", and no longer in use
                _OURS.discard(str(self.folder))

    def _note(self, run):
        new_state = run.state != self.state and run.state in (*ENDED, "running")
        if new_state or self.written < len(run.history):
            self._check_own()
        if self.written < len(run.history):
            lines = [json.dumps(json.loads(History([record]).to_json())[0]) + "\n" for record in run.history[self.written :]]
            (files.append_whole if self.written else files.write_whole)(self.folder / RECORDS, "".join(lines).encode())
            self.written = len(run.history)
        if new_state:
            self._write_state(run.state, changes=run.changes, error=run.error[0] if run.error else "", last=last_of(run.history))

    def _check_own(self):
        """Raise OSError unless the folder holds the `run.json` that this logger has written."""
        try:
            own = read_about(self.folder / ABOUT).get("key") == self.about["key"]
        except ValueError:
            own = False
        if not own:
            _OURS.discard(str(self.folder))
            raise OSError(f"{self.folder}: {LOST}")

    def _write_state(self, state, **more):
        """Replace run.json atomically: a reader sees the old or the new content."""
        (_OURS.discard if state in ENDED else _OURS.add)(str(self.folder))
        self.state, self.about = state, self.about | {"state": state} | more
        files.write_whole(self.folder / ABOUT, json.dumps(self.about).encode())


def read_about(path):
    """The dict in a `run.json`."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(about, dict):
            raise ValueError("not a JSON object")
        return about
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as the description of a run ({error})") from None


def config_in(about, path):
    """The config in a `run.json`."""
    try:
        return ExperimentConfig.from_json(json.dumps(about.get("config")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: its settings are not those of a run ({error})") from None


def read_records(path):
    """The History in a `history.jsonl`; a last line without its end is ignored, because the process may have been killed."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return History()
    try:
        return History.from_json(f"[{','.join(line for line in lines[:-1] if line.strip())}]")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: cannot be read as the history of a run ({str(error)[:160]})") from None


def busy(folder):
    """Whether a training writes to this folder."""
    if str(folder) in _OURS:
        return True
    try:
        with RunDir(folder).locked():
            return False
    except RunDirBusyError:
        return True
