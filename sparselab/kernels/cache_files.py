"""Files of compiled code, each verified by a checksum before it is loaded.

numba unpickles and links whatever it reads: a truncated file is an uncaught error, a flipped bit may crash the process. Here a
file begins with the SHA-256 of the rest, and its name is a hash of what it was compiled for. So no index is shared between
processes, and a damaged file is compiled again. A process that compiles a kernel has locked its file: others wait and load it.
"""

import contextlib
import hashlib
import os
import pickle
import sys

from filelock import FileLock, Timeout
from numba.core.caching import FunctionCache, IndexDataCacheFile

PATIENCE = 60  # seconds to wait for another process that compiles the same kernel: many times what one takes
DIGEST = hashlib.sha256().digest_size
_said = set()


def say_once(about, text):
    """Print one line to stderr, once per process for each value of `about`."""
    if about not in _said:
        _said.add(about)
        sys.stderr.write(f"sparselab: {text}\n")
        sys.stderr.flush()


def payload(path):
    """A file's content after its digest. ValueError where the digest does not match, FileNotFoundError without a file."""
    with open(path, "rb") as file:
        content = file.read()
    digest, rest = content[:DIGEST], memoryview(content)[DIGEST:]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError(f"{path}: the checksum does not fit")
    return rest


class CheckedFiles(IndexDataCacheFile):
    """One file per compiled signature: the digest, then numba's data as a pickle."""

    def path(self, key):
        """The file of a key (signature, processor, bytecode), whose repr is the same in every process."""
        name = hashlib.sha256(repr((self._source_stamp, key)).encode()).hexdigest()[:20]
        return os.path.join(self._cache_path, f"{self._index_name.removesuffix('.nbi')}.{name}.nbc")

    def flush(self):
        """Nothing to do: there is no index, and files are replaced when they are written."""

    def save(self, key, data):
        content = self._dump(data)
        with self._open_for_write(self.path(key)) as file:
            file.write(hashlib.sha256(content).digest() + content)

    def load(self, key):
        """The data saved for this key, or None. ValueError where the file is damaged."""
        try:
            return pickle.loads(payload(self.path(key)))
        except FileNotFoundError:
            return None


class CheckedCache(FunctionCache):
    """numba's cache of a function on top of CheckedFiles. After any error with a file the kernel is compiled."""

    def __init__(self, function):
        super().__init__(function)
        impl = self._impl
        self._cache_file = CheckedFiles(self._cache_path, impl.filename_base, impl.locator.get_source_stamp())

        self._locks = {}  # signature: lock of what this process is compiling

    def holds(self, sig, target_context):
        """Whether there is a file for this signature."""
        target_context.refresh()
        return os.path.exists(self._cache_file.path(self._index_key(sig, target_context.codegen())))

    def load_overload(self, sig, target_context):
        """Load compiled code from the cache, or return None: then the caller compiles, and others wait for it."""
        found = self._load_checked(sig, target_context)
        if found is None and sig not in self._locks and self._lock(sig, target_context):
            found = self._load_checked(sig, target_context)  # another process may have compiled it meanwhile
            if found is not None:
                self._unlock(sig)
        if found is None:
            say_once("compiling", "compiling kernels for this machine, once …")
        return found

    def save_overload(self, sig, data):
        """Save compiled code, if possible."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            say_once("writing", f"compiled kernels cannot be kept in {self._cache_path}: {error}")
        finally:
            self._unlock(sig)

    def _load_checked(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            say_once("reading", f"a file of compiled kernels is damaged, compiling again … ({error})")
            _said.add("compiling")
            return None

    def _lock(self, sig, target_context):
        """Wait until no other process compiles this signature; whether it is locked now."""
        lock = FileLock(self._cache_file.path(self._index_key(sig, target_context.codegen())) + ".lock", thread_local=False)
        try:
            self._impl.locator.ensure_cache_path()
            lock.acquire(PATIENCE)
        except (OSError, NotImplementedError, Timeout):  # a folder without locks, or a process that hangs
            return False
        self._locks[sig] = lock
        return True

    def _unlock(self, sig):
        lock = self._locks.pop(sig, None)
        if lock is not None:
            with contextlib.suppress(OSError):
                os.remove(lock.lock_file)
            lock.release()
