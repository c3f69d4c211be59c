"""Deleted runs, which can be brought back: they are moved aside, and removed at the next deletion or when the process ends.

The folder in which they lie is locked by its process. One without such a process is left from a process that was killed.
"""

import os
import shutil
import uuid
import weakref
from contextlib import ExitStack, suppress

from ..checkpoints.container import CheckpointError
from ..checkpoints.run_dir import RunDir, RunDirBusyError

PREFIX = ".deleted-"


class DeletedRuns:
    """The latest deletion in `folder`; names: of its runs."""

    def __init__(self, folder):
        self.folder, self.place, self.names, self.remove = folder, None, [], lambda: None

    def move(self, paths):
        """Move folders of runs here; those of the deletion before, and of processes that have ended, are removed for good."""
        self.remove()
        remove_left(self.folder)
        self.place, lock, self.names = self.folder / f"{PREFIX}{uuid.uuid4().hex}", ExitStack(), []
        lock.enter_context(RunDir(self.place).locked())
        self.remove = weakref.finalize(self, remove, self.place, lock, os.getpid())
        for path in paths:
            path.rename(self.place / path.name)
            self.names.append(path.name)

    def bring_back(self):
        """Move the runs back; returns their names. FileExistsError where a new run has such a name, OSError where one cannot be
        moved: those that are left can be brought back later."""
        for name in self.names:
            if (self.folder / name).exists():
                raise FileExistsError(f"{self.folder / name}: another run has this name; the deleted one stays deleted")
        back = []
        while self.names:  # where a rename fails, the others are still here and can be tried again
            (self.place / self.names[0]).rename(self.folder / self.names[0])
            back.append(self.names.pop(0))
        self.remove()
        return back


def remove(place, lock, process):
    """Remove a folder of deleted runs and let its lock go; a forked copy of the process that made it does neither."""
    if os.getpid() == process:
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):
            lock.close()


def remove_left(folder):
    """Remove deleted runs of processes that have ended."""
    for place in folder.glob(f"{PREFIX}*"):
        with suppress(RunDirBusyError, CheckpointError, OSError):
            with RunDir(place).locked():
                shutil.rmtree(place)
