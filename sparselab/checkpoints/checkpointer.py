"""Saves a run into a folder between its steps, and restores the run that is there."""

import json
import warnings
from contextlib import contextmanager

from ..utils import checks
from ..utils.interrupts import defer_interrupts
from . import checkpoint, run_description
from .container import CheckpointError
from .records import EpochRecord, History
from .run_dir import LOST, RunDir

FIXED = (
    "data",
    "test",
    "augmentation",
    "net",
    "loss",
    "dtype",
    "activation",
    "parallel",
)  # a run with another one of these is another run


class Checkpointer:
    """Saves a run into `folder` after each `every` epochs and keeps the newest `keep` files.

    resume: whether to go on with the run that is there. seed: as given to the training; where it is None, the seed in the folder
    is used. config: plain values to be stored too. The folder may be a RunDir, for a caller that asks it whether it is held.
    """

    def __init__(self, folder, every=1, keep=3, resume=True, seed=None, config=None):
        self.every, self.resume = checks.integer("every", every), checks.flag("resume", resume)
        keep = checks.integer("keep", keep)
        try:
            self.folder = folder if isinstance(folder, RunDir) else RunDir(checks.path("checkpoint", folder))
        except ValueError as error:
            raise CheckpointError(str(error)) from None
        self.folder.keep = keep
        self.seed_given, self.config = seed is not None, plain_values(config)
        self.history, self.saved, self.warned = History(), None, set()

    @contextmanager
    def open_run(self, run, state, epochs):
        """Lock the folder and restore its run into `run.model` and `state`; gives the EpochRecords of its finished epochs.

        A run that is closed or interrupted inside the `with` is saved.
        """
        with self.folder.locked():
            self.run, self.state, self.epochs = run, state, epochs
            self.about = run_description.describe_run(run, self.config)
            self._restore()
            if state.epoch > epochs:
                raise CheckpointError(
                    f"epochs = {epochs}: must be at least {state.epoch}, those that the run in {self.folder.path!r} has finished "
                    "(resume=False starts another one)"
                )
            self.saved, self.before = state.position, state.epoch - len(self.history)
            try:
                yield list(self.history)
            except (GeneratorExit, KeyboardInterrupt, SystemExit):  # model and state are consistent at these
                with defer_interrupts:
                    self.save()
                raise

    def saving(self, records):
        """Pass on the records of an epoch, which is saved before its EpochRecord is yielded."""
        for record in records:
            if isinstance(record, EpochRecord):
                with defer_interrupts:
                    self.history.append(record.without_degrees())
                    if self.state.epoch % self.every == 0 or self.state.epoch == self.epochs:
                        self.save()
            elif not self.state.batch:  # of workers, in the middle of an epoch
                self.skip(self.state.position)
            yield record

    def skip(self, position):
        """Do not save while the state has this position."""
        self.saved = position

    def save(self):
        """Write a new file, unless the newest one has the same position; warn once for each reason why that fails.

        Between the end of an epoch and its record nothing is saved: the record would be missing from the history.
        """
        state, path = self.state, self.folder.path
        if self.folder.is_inherited():
            return
        if state.position == self.saved or self.before + len(self.history) != state.epoch:
            return
        if not self.folder.is_held():  # never into the folder of another run
            self._warn_once(LOST, f"{path}: {LOST}. Nothing more is saved; training goes on")
            return
        order = run_description.order_digest(state, len(self.run.targets)) if state.batch else None
        try:
            path = self.folder.next_file(state.epoch, state.batch)
            checkpoint.write(self.run.model, state, path, self.history, self.about | {"order": order})
            self.saved = state.position
            self.folder.rotate()
        except (OSError, ValueError) as error:
            reason = checkpoint.failure_reason(error, path)
            text = f"{path}: {reason}. The checkpoint before it stays; training goes on"
            self._warn_once(str(getattr(error, "errno", error)), text)

    def _warn_once(self, reason, text):
        """A warning, the first time that this reason occurs."""
        if reason not in self.warned:
            self.warned.add(reason)
            warnings.warn(text, stacklevel=3)

    def _restore(self):
        state, model = self.state, self.run.model
        found = self.folder.last_good(lambda path: checkpoint.read(path, model)) if self.resume else None
        if found is None:
            return
        path, saved = found
        self._compare(path, saved)
        checkpoint.load_into(model, saved.model)
        for name in ("optimizer", "seeds", "epoch", "batch", "totals", "evolved", "event", "memory"):
            setattr(state, name, getattr(saved.state, name))
        state.memory = run_description.memory_by_kind(saved.about.get("rules"), self.about["rules"], state.memory)
        self.history = saved.history

    def _compare(self, path, saved):
        """Refuse a checkpoint of another run; warn of settings that are different in the same run."""
        old, new, state = dict(saved.about), dict(self.about), self.state
        run, names = self.run, ("loss", "optimizer", "rules", "augmentation")
        for name, now in [*((name, getattr(run, name)) for name in names), ("activation", run.model.activation)]:
            if name in old:
                old[name] = run_description.with_first_values(old[name], now)
        if None in (old.get("test"), new["test"]):  # scores of one set only, which are not mixed
            new["test"] = old.get("test")
        if self.seed_given:
            old["seed"], new["seed"] = seed_of(saved.state), seed_of(state)
        if new["net"] == list(saved.model.sizes):  # after rules that change widths: the run began with old["net"]
            self.about["net"] = new["net"] = old.get("net")
        vectors = lambda s: [[len(layer.links), len(layer.neurons)] for layer in s.optimizer]
        old["vectors of the optimizer"], new["vectors of the optimizer"] = vectors(saved.state), vectors(state)
        for about in (old, new):  # a velocity with the learning rate inside is none without it
            about["kind of optimizer"] = run_description.kind_of(about.get("optimizer"))
        if saved.state.batch:
            new["order"] = run_description.order_digest(saved.state, len(self.run.targets))
        fixed = [
            *FIXED,
            "seed",
            "vectors of the optimizer",
            "kind of optimizer",
            *(("batch_size", "order") if saved.state.batch else ()),
        ]
        changes = {name: (old.get(name), new.get(name)) for name in new if name != "config" and old.get(name) != new.get(name)}
        for name in filter(changes.get, fixed):
            was, now = (checks.shown(value) for value in changes[name])
            raise CheckpointError(
                f"{path}: {name} = {now}: must be {was}, with which this run was started (give another folder, or "
                "resume=False to start a new run)"
            )
        different = [text for name, pair in changes.items() for text in run_description.differences(name, *pair)]
        if different:
            warnings.warn(f"{path}: going on with other settings than before: {'; '.join(different)}", stacklevel=2)


def plain_values(config):
    """The config as JSON gives it back; TypeError where it cannot be stored."""
    try:
        return json.loads(json.dumps(config))
    except (TypeError, ValueError) as error:
        raise TypeError(f"config = {checks.shown(config)}: must be plain values, such as a dict of numbers ({error})") from None


def seed_of(state):
    """Everything in a state's SeedSequence that its random streams depend on, as plain values."""
    header = checkpoint.state_header(state)
    return [header["entropy"], header["spawn_key"], header["pool_size"]]
