"""The folder of a run: it numbers checkpoints, keeps the newest ones, and lets one process write at a time.

Files are numbered in the order of writing, so that finding the newest needs no clock: `000012-epoch4.npz`,
`000013-epoch4-batch20.npz`.
"""

import os
import re
import warnings
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from ..utils import checks
from .container import CheckpointError, UnfitError

LOST = "the folder was moved, deleted or replaced while this run saved into it"
_INHERITED = []  # locks of the process that this one is a forked copy of: letting one go here would unlock its folder
NAME = re.compile(r"(\d{6,12})-epoch\d+(-batch\d+)?\.npz")
TEMPORARY = re.compile(r"\.(\d{6,12}-epoch.+|best)\.npz\.\d+-[0-9a-f]{8}\.tmp")  # the names container.write gives


class RunDirBusyError(RuntimeError):
    """Another training saves into the same folder.

    Parameters
    ----------
    folder : str
        The folder.
    pid : int or None
        Process of the other training; None where it is not known yet.

    Examples
    --------
    >>> import sparselab as sl
    >>> str(sl.RunDirBusyError("runs/a", 4711))[:60]
    "checkpoint = 'runs/a': another training uses it (process 471"
    """

    def __init__(self, folder: str, pid: int | None) -> None:
        self.folder, self.pid = folder, pid
        super().__init__(
            f"checkpoint = {folder!r}: another training uses it (process {pid or 'unknown'}). Wait for it, stop it, or give "
            "another folder"
        )

    def __reduce__(self):
        return type(self), (self.folder, self.pid)


class RunDir:
    """The checkpoint files of one run in the folder `path`, which is made on first use; `keep`: how many files stay.

    The path is made absolute at once, so that a change of the working directory does not lead to another folder.
    """

    def __init__(self, path, keep=3):
        self.path, self.keep, self.damaged = checks.absolute("checkpoint", path, CheckpointError), keep, set()
        self.held = None  # file descriptor of the lock file while the folder is locked
        self.owner = None  # the process that has locked it
        self.locks = None  # (device, inode) of the lock file, also afterwards

    @contextmanager
    def locked(self):
        """Lock the folder: RunDirBusyError where another process has locked it, CheckpointError where it cannot be written.

        The operating system releases the lock when its process ends, however that happens, so there are no stale locks.
        """
        lock = None
        try:
            lock = self._lock()
            with suppress(OSError), open(self._file(".owner"), "w") as file:  # only for the message of RunDirBusyError
                file.write(str(os.getpid()))
            yield self
        finally:
            self._unlock(lock)

    def _lock(self):
        try:
            os.makedirs(self.path, exist_ok=True)
            lock = FileLock(self._file(".lock"), timeout=0, thread_local=False)
            lock.acquire()  # what fails after it lets `lock` go, which releases it
            self._remove_temporary_files()
            self.held, self.owner = os.open(self._file(".lock"), os.O_RDONLY), os.getpid()
            self.locks = file_id(os.fstat(self.held))
            return lock
        except Timeout:
            raise RunDirBusyError(self.path, _pid_in(self._file(".owner"))) from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"checkpoint = {self.path!r}: cannot be used as a folder for checkpoints ({error})") from error

    def _unlock(self, lock):
        inherited = self.is_inherited()
        if inherited:
            _INHERITED.append(lock)
        elif self.is_held():  # the folder of another run keeps its owner
            with suppress(OSError):
                os.unlink(self._file(".owner"))
        if self.held is not None:
            os.close(self.held)
            self.held = None
        if lock is not None and not inherited:
            lock.release()

    def is_inherited(self):
        """Whether another process has locked the folder, of which this one is a forked copy."""
        return self.held is not None and os.getpid() != self.owner

    def is_held(self):
        """Whether the folder that was locked is still at its path: neither moved nor deleted nor replaced.

        The open lock file tells, because its inode cannot belong to another file meanwhile.
        """
        try:
            return self.held is not None and os.path.samestat(os.fstat(self.held), os.stat(self._file(".lock")))
        except OSError:
            return False

    def check_held(self):
        """Raise CheckpointError unless this process holds the folder."""
        if self.is_inherited():
            raise CheckpointError(
                f"{self.path}: process {self.owner} saves into this folder, and process {os.getpid()} is a forked copy of it; "
                "save there, or begin a training in another folder here"
            )
        if not self.is_held():
            raise CheckpointError(f"{self.path}: {LOST}")

    def check_same(self):
        """Raise CheckpointError unless the folder is the one that was locked, also after it was released."""
        with suppress(OSError):
            if file_id(os.stat(self._file(".lock"))) == self.locks:
                return
        raise CheckpointError(f"{self.path}: {LOST}")

    def _file(self, name):
        return os.path.join(self.path, name)

    def _remove_temporary_files(self):
        """Call it with the lock held: then the process that wrote them has ended."""
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
        """Path of the next checkpoint."""
        files = self.files()
        number = 1 + (number_of(os.path.basename(files[0])) if files else 0)
        return self._file(f"{number:06d}-epoch{epoch}{f'-batch{batch}' if batch else ''}.npz")

    def rotate(self):
        """Remove all but the newest `keep` undamaged files. Call it after the newest is written."""
        good = [path for path in self.files() if path not in self.damaged][: self.keep]
        for path in self.files():
            if good and number_of(os.path.basename(path)) < number_of(os.path.basename(good[-1])):
                os.unlink(path)

    def last_good(self, read, candidates=None):
        """(path, read(path)) of the newest file that can be read, with a warning for each that cannot; None without one.

        candidates: what to read instead of the files, newest first.

        An undamaged file that cannot be used here (UnfitError) is an error: an older one could not be used either.
        """
        for path in self.files() if candidates is None else candidates:
            try:
                return path, read(path)
            except UnfitError:
                raise
            except CheckpointError as error:
                self.damaged.add(path)
                warnings.warn(f"{error}. It is passed over for the checkpoint before it", stacklevel=2)
        return None


def file_id(stat):
    """What tells a file from all others."""
    return stat.st_dev, stat.st_ino


def number_of(name):
    """The running number in a file's name."""
    return int(NAME.fullmatch(name)[1])


def _pid_in(path):
    with suppress(OSError, ValueError), open(path) as file:
        return int(file.read())
    return None
