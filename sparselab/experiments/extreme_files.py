"""Checkpoints of very large nets: refused beforehand where the disk is too small, written and read at its speed."""

import os
import shutil
from contextlib import nullcontext
from dataclasses import asdict

from ..checkpoints import checkpoint
from ..checkpoints.container import CheckpointError
from ..checkpoints.run_dir import RunDir
from ..nn import summary

RUN_ONLY = ("steps", "steps_after", "threads", "test", "learning_rate")  # of an Extreme: what another call may change


class Files:
    """The folder of a trial. folder: a path, or None: nothing is kept then. what: its Extreme."""

    def __init__(self, folder, what):
        self.folder = None if folder is None else RunDir(folder, keep=1)
        self.settings = {name: value for name, value in asdict(what).items() if name not in RUN_ONLY} | {
            "sizes": list(what.sizes)
        }

    def opened(self, n_bytes):
        """`with files.opened(n_bytes):` nobody else writes there. CheckpointError where so many bytes do not fit on the disk."""
        if self.folder is None:
            return nullcontext()
        place = os.path.abspath(self.folder.path)
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
        """The newest good Checkpoint there, or None; CheckpointError where it is of another net."""
        found = None if self.folder is None else self.folder.last_good(checkpoint.read)
        if found is None:
            return None
        path, saved = found
        theirs = saved.about.get("extreme", {})
        different = [name for name, value in self.settings.items() if theirs.get(name) != value]
        if different:
            name, was = different[0], theirs.get(different[0])
            raise CheckpointError(
                f"{path}: {name} = {self.settings[name]}: must be {was}, with which it was begun (or give another folder)"
            )
        return saved

    def save(self, model, state):
        """Write a checkpoint, remove the one before; returns its bytes."""
        path = self.folder.next_file(state.epoch, state.batch)
        checkpoint.save_checkpoint(model, state, path, about={"extreme": self.settings})
        self.folder.rotate()
        return os.path.getsize(path)


def expected_bytes(what):
    """About the bytes of a checkpoint: index, weight and velocity of each link; row pointer, bias and velocity of each neuron."""
    return int(12 * sum(what.expected_links) + 16 * sum(what.sizes[1:]))
