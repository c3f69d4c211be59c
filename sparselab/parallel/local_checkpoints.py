"""Checkpoints of the local phase: a file a worker and epoch, complete epochs only, beside those of the run.

The first phase is kept like any other run (resuming.Keeper): its net and velocity are the server's.
"""

import os
import re
import warnings
from contextlib import suppress

from ..checkpoints.checkpoint import read, save_checkpoint
from ..checkpoints.container import CheckpointError
from ..checkpoints.state import TrainingState

NAME = re.compile(r"local-epoch(\d+)-worker(\d+)\.npz")


class LocalCheckpoints:
    """`local-epoch<e>-worker<k>.npz` in `folder` (None: nothing is kept) for workers 0 … n − 1."""

    def __init__(self, folder, n):
        self.folder, self.n = folder, n

    def save(self, nets, optimizers, seeds, epoch, history):
        """Write the nets after `epoch` epochs, then remove those of earlier ones; what cannot be written is warned of."""
        if self.folder is None:
            return
        try:
            for number, (net, optimizer) in enumerate(zip(nets, optimizers, strict=True)):
                save_checkpoint(net, TrainingState(optimizer, seeds, epoch), self._path(epoch, number), history)
        except CheckpointError as error:
            warnings.warn(f"{error}. The checkpoint before it stays; training goes on", stacklevel=2)
            return
        self.clear(before=epoch)

    def load(self, model):
        """(epoch, [Checkpoint of each worker]) of the last epoch that all have, or None. model: has the net's plug-ins."""
        for epoch in sorted({epoch for epoch, _, _ in self._files()}, reverse=True):
            try:
                return epoch, [read(self._path(epoch, number), model) for number in range(self.n)]
            except FileNotFoundError:
                continue  # killed between two workers' files
            except CheckpointError as error:
                warnings.warn(f"{error}. It is passed over for the checkpoint before it", stacklevel=2)
        return None

    def clear(self, before=None):
        """Remove the files (of epochs before `before`)."""
        for epoch, _, path in self._files():
            if before is None or epoch < before:
                with suppress(OSError):
                    os.unlink(path)

    def _path(self, epoch, number):
        return os.path.join(self.folder, f"local-epoch{epoch}-worker{number}.npz")

    def _files(self):
        names = os.listdir(self.folder) if self.folder is not None and os.path.isdir(self.folder) else []
        found = ((NAME.fullmatch(name), name) for name in names)
        return [(int(match[1]), int(match[2]), os.path.join(self.folder, name)) for match, name in found if match]
