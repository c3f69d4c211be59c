"""Files of compiled code that are looked at before they are trusted: a changed bit must never be run.

numba unpickles and links what it finds: half a file is an uncaught error, a flipped bit may be a crash. Here a file begins
with the SHA-256 of the rest and is named after what it was compiled for. So there is no index that two processes could
overwrite for one another, a file is whole or not there, and a damaged one is compiled again.
"""

import hashlib
import os
import pickle
import sys

from numba.core.caching import FunctionCache, IndexDataCacheFile

DIGEST = hashlib.sha256().digest_size
_said = set()


def say_once(about, text):
    """One line on stderr, once a process for what it is about."""
    if about not in _said:
        _said.add(about)
        sys.stderr.write(f"sparselab: {text}\n")
        sys.stderr.flush()


def payload(path):
    """What a file holds after its digest; ValueError where that does not fit, FileNotFoundError where there is none."""
    with open(path, "rb") as file:
        content = file.read()
    digest, rest = content[:DIGEST], memoryview(content)[DIGEST:]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError(f"{path}: the checksum does not fit")
    return rest


class CheckedFiles(IndexDataCacheFile):
    """One file a compiled signature: digest, then the pickle of what numba keeps."""

    def _path(self, key):
        """The file of a key (signature, processor, bytecode): texts that are the same in every process."""
        name = hashlib.sha256(repr((self._source_stamp, key)).encode()).hexdigest()[:20]
        return os.path.join(self._cache_path, f"{self._index_name.removesuffix('.nbi')}.{name}.nbc")

    def flush(self):
        """Nothing to forget: files are replaced when they are written."""

    def save(self, key, data):
        content = self._dump(data)
        with self._open_for_write(self._path(key)) as file:
            file.write(hashlib.sha256(content).digest() + content)

    def load(self, key):
        """What was saved for this key, or None; ValueError where the file is damaged."""
        try:
            return pickle.loads(payload(self._path(key)))
        except FileNotFoundError:
            return None


class CheckedCache(FunctionCache):
    """numba's cache of a function over CheckedFiles. Whatever goes wrong with a file, the kernel is compiled."""

    def __init__(self, function):
        super().__init__(function)
        impl = self._impl
        self._cache_file = CheckedFiles(self._cache_path, impl.filename_base, impl.locator.get_source_stamp())

    def load_overload(self, sig, target_context):
        """Compiled code from the cache, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            say_once("reading", f"a file of compiled kernels is damaged, compiling again … ({error})")
            return None

    def save_overload(self, sig, data):
        """Keep compiled code, where that is possible."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            say_once("writing", f"compiled kernels cannot be kept in {self._cache_path}: {error}")
