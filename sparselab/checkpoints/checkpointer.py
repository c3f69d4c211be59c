"""A run that is kept in a folder while it goes on, and brought back from there.

`Keeper` stands between the epochs of `training` and whoever pulls them: it saves before a record leaves, and when the run is
closed or interrupted between two records.
"""

import json
import warnings
from contextlib import contextmanager

from ..utils import checks
from ..utils.interrupts import defer_interrupts
from . import checkpoint
from .container import CheckpointError
from .records import EpochRecord, History
from .run_dir import RunDir

REFUSED = ("data", "net", "loss", "dtype", "activation", "parallel")  # with others this would be another run


class Checkpointer:
    """Saves into `folder` after each `every` epochs and keeps `keep` files; `resume`: whether to go on with what is there.

    seed: as given to the training, None where none was given and that in the folder counts. config: plain values to store.
    """

    def __init__(self, folder, every=1, keep=3, resume=True, seed=None, config=None):
        if not isinstance(folder, str | bytes) and not hasattr(folder, "__fspath__"):
            checks.fail("checkpoint", folder, "the path of a folder", TypeError)
        self.every, self.resume = checks.integer("every", every), checks.flag("resume", resume)
        self.folder = RunDir(folder, checks.integer("keep", keep))
        self.seed_given, self.config = seed is not None, plain_values(config)
        self.history, self.saved, self.warned = History(), None, set()

    @contextmanager
    def opened(self, run, state, epochs):
        """Lock the folder, bring its run back into `run.model` and `state`; gives the EpochRecords of its finished epochs."""
        with self.folder.locked():
            self.run, self.state, self.epochs, self.about = run, state, epochs, about(run, self.config)
            self._restore()
            if state.epoch > epochs:
                raise CheckpointError(
                    f"epochs = {epochs}: must be at least {state.epoch}, those that the run in {self.folder.path!r} has finished "
                    "(resume=False starts another one)"
                )
            self.saved, self.before = state.position, state.epoch - len(self.history)
            try:
                yield list(self.history)
            except (GeneratorExit, KeyboardInterrupt):  # whatever is raised, model and state belong together
                with defer_interrupts:
                    self.save()
                raise

    def watched(self, records):
        """The records of an epoch, which is saved before its own record leaves."""
        for record in records:
            if isinstance(record, EpochRecord):
                with defer_interrupts:
                    self.history.append(record.without_degrees())
                    if self.state.epoch % self.every == 0 or self.state.epoch == self.epochs:
                        self.save()
            yield record

    def save(self):
        """A new file, unless the newest one tells the same; one warning for each reason why that cannot be.

        Not either in the moment between the end of an epoch and its record.
        """
        state, path = self.state, self.folder.path
        if state.position == self.saved or self.before + len(self.history) != state.epoch:
            return
        order = checkpoint.order_digest(state, len(self.run.targets)) if state.batch else None
        try:
            path = self.folder.next_file(state.epoch, state.batch)
            checkpoint.write(self.run.model, state, path, self.history, self.about | {"order": order})
            self.saved = state.position
            self.folder.rotate()
        except (OSError, ValueError) as error:
            reason = checkpoint.reason(error, path)
            if str(getattr(error, "errno", error)) not in self.warned:
                warnings.warn(f"{path}: {reason}. The checkpoint before it stays; training goes on", stacklevel=2)
            self.warned.add(str(getattr(error, "errno", error)))

    def _restore(self):
        state, model = self.state, self.run.model
        found = self.folder.last_good(lambda path: checkpoint.read(path, model)) if self.resume else None
        if found is None:
            return
        path, saved = found
        self._compare(path, saved)
        checkpoint.put(saved.model, model)
        for name in ("optimizer", "seeds", "epoch", "batch", "totals", "evolved"):
            setattr(state, name, getattr(saved.state, name))
        self.history = saved.history

    def _compare(self, path, saved):
        """Refuse another run; say what is different in the same one."""
        old, new, state = dict(saved.about), dict(self.about), self.state
        if self.seed_given:
            old["seed"], new["seed"] = seed_of(saved.state), seed_of(state)
        if new["net"] == list(saved.model.sizes):  # the widths it was left with, after rules that change them
            self.about["net"] = new["net"] = old.get("net")
        vectors = lambda s: [[len(layer.links), len(layer.neurons)] for layer in s.optimizer]
        old["vectors of the optimizer"], new["vectors of the optimizer"] = vectors(saved.state), vectors(state)
        if saved.state.batch:
            new["order"] = checkpoint.order_digest(saved.state, len(self.run.targets))
        strict = [*REFUSED, "seed", "vectors of the optimizer", *(("batch_size", "order") if saved.state.batch else ())]
        changes = {name: (old.get(name), new.get(name)) for name in new if name != "config" and old.get(name) != new.get(name)}
        for name in filter(changes.get, strict):
            was, now = (checks.shown(value) for value in changes[name])
            raise CheckpointError(
                f"{path}: {name} = {now}: must be {was}, with which this run was started (give another folder, or "
                "resume=False to start anew)"
            )
        different = [text for name, pair in changes.items() for text in differences(name, *pair)]
        if different:
            warnings.warn(f"{path}: going on with other settings than before: {'; '.join(different)}", stacklevel=2)


def plain_values(config):
    """The config as JSON gives it back; TypeError where it cannot be stored."""
    try:
        return json.loads(json.dumps(config))
    except (TypeError, ValueError) as error:
        raise TypeError(f"config = {checks.shown(config)}: must be plain values, such as a dict of numbers ({error})") from None


def about(run, config):
    """What decides a run beside its seed, as plain values."""
    model = run.model
    return {
        "data": checkpoint.fingerprint(run.X, run.targets),
        "net": list(model.sizes),
        "loss": checkpoint.described(run.loss),
        "dtype": str(model.dtype),
        "activation": checkpoint.described(model.activation),
        "dropout": model.dropout,
        "initializer": checkpoint.described(model.initializer),
        "batch_size": run.batch_size,
        "optimizer": checkpoint.described(run.optimizer),
        "rules": checkpoint.described(run.rules),
        "evaluate_every": run.evaluate_every,
        "parallel": getattr(run, "parallel", None),
        "versions": checkpoint.versions(),
        "config": config,
    }


def seed_of(state):
    """Everything of a SeedSequence that its streams depend on, as plain values."""
    header = checkpoint.header_of(state)
    return [header["entropy"], header["spawn_key"], header["pool_size"]]


def differences(name, old, new):
    """ "name: old -> new" for each plain value that differs, down in dicts and lists of equal length."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [text for key in {**old, **new} for text in differences(f"{name}.{key}", old.get(key), new.get(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [text for i, pair in enumerate(zip(old, new, strict=True)) for text in differences(f"{name}[{i}]", *pair)]
    return [] if old == new else [f"{name} {checks.shown(old)} -> {checks.shown(new)}"]
