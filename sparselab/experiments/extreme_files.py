"""Checkpoints of very large networks; a disk that is too small is reported before the training begins."""

import os
import shutil
from contextlib import nullcontext
from dataclasses import asdict

from ..checkpoints import checkpoint
from ..checkpoints.container import CheckpointError
from ..checkpoints.run_dir import RunDir
from ..nn import summary

RUN_ONLY = (
    "steps",
    "steps_after",
    "threads",
    "test",
    "learning_rate",
)  # may differ when a run is resumed


class Files:
    """The checkpoint folder of a run. folder: a path, or None to keep nothing; what: the Extreme of the run."""

    def __init__(self, folder, what):
        self.folder = None if folder is None else RunDir(folder, keep=1)
        self.settings = {name: value for name, value in asdict(what).items() if name not in RUN_ONLY} | {
            "sizes": list(what.sizes)
        }

    def locked(self, n_bytes):
        """Context in which the folder is locked; CheckpointError if the disk has less than `n_bytes` free."""
        if self.folder is None:
            return nullcontext()
        place = self.folder.path
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        free = shutil.disk_usage(place).free
        if free < n_bytes:
            raise CheckpointError(
                f"checkpoint = {self.folder.path!r}: a checkpoint of this net takes about {summary.size(n_bytes)}, "
                f"{summary.size(free)} are free on that disk"
            )
        return self.folder.locked()

    def load(self):
        """The newest readable Checkpoint, or None; CheckpointError if it is of another network."""
        found = None if self.folder is None else self.folder.last_good(checkpoint.read)
        if found is None:
            return None
        path, saved = found
        theirs = saved.about.get("extreme", {})
        different = [name for name, value in self.settings.items() if theirs.get(name) != value]
        if different:
            name, was = different[0], theirs.get(different[0])
            raise CheckpointError(
                f"{path}: {name} = {self.settings[name]}: must be {was}, as at the start of the run (or use another folder)"
            )
        return saved

    def save(self, model, state):
        """Write a checkpoint and remove the previous one; returns its size in bytes."""
        self.folder.check_held()
        path = self.folder.next_file(state.epoch, state.batch)
        checkpoint.save_checkpoint(model, state, path, about={"extreme": self.settings})
        self.folder.rotate()
        return os.path.getsize(path)


def expected_bytes(what):
    """Approximate bytes of a checkpoint: index, weight, velocity of each link; row pointer, bias, velocity of each neuron."""
    return int(12 * sum(what.expected_links) + 16 * sum(what.sizes[1:]))
