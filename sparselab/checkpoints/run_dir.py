"""The folder of a run: numbered checkpoints, one process at a time, the newest N kept, what a killed writer left removed.

Files are numbered as they are written, so "newest" asks no clock: `000012-epoch4.npz`, `000013-epoch4-batch20.npz`.
"""

import os
import re
import warnings
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from .container import CheckpointError, UnfitError

NAME = re.compile(r"(\d{6,12})-epoch\d+(-batch\d+)?\.npz")
TEMPORARY = re.compile(r"\.(\d{6,12}-epoch.+|best)\.npz\.\d+-[0-9a-f]{8}\.tmp")  # the names container.write gives


class RunDirBusyError(RuntimeError):
    """Another training saves into the folder; `pid` is its process, None where it has not said yet."""

    def __init__(self, folder, pid):
        self.folder, self.pid = folder, pid
        super().__init__(
            f"checkpoint = {folder!r}: another training uses it (process {pid or 'unknown'}). Wait for it, stop it, or give "
            "another folder"
        )

    def __reduce__(self):
        return type(self), (self.folder, self.pid)


class RunDir:
    """Checkpoint files of one run in `path`, of which `keep` are kept. Made on first use."""

    def __init__(self, path, keep=3):
        self.path, self.keep, self.damaged = os.fsdecode(path), keep, set()

    @contextmanager
    def locked(self):
        """Nobody else may write here meanwhile: RunDirBusyError where somebody does, CheckpointError where nobody could.

        The lock is the system's and ends with its process, however that dies: there are no stale ones.
        """
        owner = self._file(".owner")
        try:
            os.makedirs(self.path, exist_ok=True)
            lock = FileLock(self._file(".lock"), timeout=0, thread_local=False)
            lock.acquire()
        except Timeout:
            raise RunDirBusyError(self.path, _pid_in(owner)) from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"checkpoint = {self.path!r}: cannot be used as a folder for checkpoints ({error})") from error
        try:
            with suppress(OSError), open(owner, "w") as file:  # for the message of others only
                file.write(str(os.getpid()))
            self._sweep()
            yield self
        finally:
            with suppress(OSError):
                os.unlink(owner)
            lock.release()

    def _file(self, name):
        return os.path.join(self.path, name)

    def _sweep(self):
        """Remove temporary files: we hold the lock, so whoever wrote them is gone."""
        for name in os.listdir(self.path):
            if TEMPORARY.fullmatch(name):
                with suppress(OSError):
                    os.unlink(self._file(name))

    def files(self):
        """Paths of the checkpoints, newest first; [] where there is no folder."""
        try:
            names = [name for name in os.listdir(self.path) if NAME.fullmatch(name)]
        except FileNotFoundError:
            return []
        return [self._file(name) for name in sorted(names, key=number_of, reverse=True)]

    def next_file(self, epoch, batch):
        """Where the next checkpoint goes."""
        files = self.files()
        number = 1 + (number_of(os.path.basename(files[0])) if files else 0)
        return self._file(f"{number:06d}-epoch{epoch}{f'-batch{batch}' if batch else ''}.npz")

    def rotate(self):
        """Remove all but the newest `keep` of those not known to be damaged. Call it when the newest is safely written."""
        good = [path for path in self.files() if path not in self.damaged][: self.keep]
        for path in self.files():
            if good and number_of(os.path.basename(path)) < number_of(os.path.basename(good[-1])):
                os.unlink(path)

    def last_good(self, read):
        """(path, read(path)) of the newest file that can be read, with a warning for each that cannot; None without one.

        A file that is whole but does not fit here (UnfitError) is an error: an older one would not fit either.
        """
        for path in self.files():
            try:
                return path, read(path)
            except UnfitError:
                raise
            except CheckpointError as error:
                self.damaged.add(path)
                warnings.warn(f"{error}. It is passed over for the checkpoint before it", stacklevel=2)
        return None


def number_of(name):
    """The running number in a file's name."""
    return int(NAME.fullmatch(name)[1])


def _pid_in(path):
    with suppress(OSError, ValueError), open(path) as file:
        return int(file.read())
    return None
