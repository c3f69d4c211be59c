"""Checkpoints of the local phase: the nets of all workers after an epoch, beside the run's own checkpoints.

The Checkpointer saves the run itself, one net a checkpoint, and brings it back; this saves n nets a checkpoint, and knows nothing
of runs. Files are written and read by the same code.
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
    """`local-epoch<e>-worker<k>.npz` in the run's folder, a RunDir, for workers 0 … n − 1; only epochs that all have count."""

    def __init__(self, folder, n_workers):
        self.folder, self.n_workers, self.warned = folder, n_workers, set()

    def save(self, nets, kept, seeds, epoch, history):
        """Write the nets after `epoch` epochs, then remove those of earlier ones; warn once for each reason why that fails.

        kept: what each worker keeps, (optimizer state, memory of the rules).
        """
        try:
            self.folder.check_held()
            for path, net, (optimizer, memory) in zip(self._paths(epoch), nets, kept, strict=True):
                save_checkpoint(net, TrainingState(optimizer, seeds, epoch, memory=memory), path, history)
        except CheckpointError as error:
            reason = str(error).replace(f"local-epoch{epoch}-", "")
            if reason not in self.warned:
                self.warned.add(reason)
                warnings.warn(f"{error}. The checkpoint before it stays; training goes on", stacklevel=2)
            return
        self.clear(before=epoch)

    def load(self, model):
        """(epoch, [Checkpoint of each worker]) of the last epoch that all have, or None. model: has the net's plug-ins."""
        files = self._files()
        whole = [epoch for epoch in sorted(set(files.values()), reverse=True) if files.keys() >= {*self._paths(epoch)}]
        return self.folder.last_good(lambda epoch: [read(path, model) for path in self._paths(epoch)], whole)

    def clear(self, before=float("inf")):
        """Remove the files of epochs before `before`; none in a folder that is another run's by now."""
        if not self.folder.is_held():
            return
        for path, epoch in self._files().items():
            if epoch < before:
                with suppress(OSError):
                    os.unlink(path)

    def _paths(self, epoch):
        return [os.path.join(self.folder.path, f"local-epoch{epoch}-worker{number}.npz") for number in range(self.n_workers)]

    def _files(self):
        """{path: epoch}."""
        names = os.listdir(self.folder.path) if os.path.isdir(self.folder.path) else []
        found = ((NAME.fullmatch(name), name) for name in names)
        return {os.path.join(self.folder.path, name): int(match[1]) for match, name in found if match}
