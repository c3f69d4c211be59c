"""Where compiled kernels are kept: a folder of our own, named after all that compiled code depends on.

numba notices a change of the file a kernel stands in, but not of files it calls into; a folder named after all of them
cannot hold stale code. Nothing else in the process is affected: numba's setting is changed only while we decorate. What the
files in the folder look like is in cache_files.py.
"""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba

from .cache_files import CheckedCache

DAYS = 30  # folders of other versions are removed when nobody has used them for as long
NAME = re.compile(r"kernels-[0-9a-f]{12}")


def fingerprint():
    """Twelve hex digits of everything compiled code is made from: our sources, numba, LLVM, the processor, numba's switches."""
    llvm, config = llvmlite.binding, numba.config
    processor = config.CPU_NAME or llvm.get_host_cpu_name(), config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()
    made_by = numba.__version__, llvmlite.__version__, sys.version_info[:2], *processor, config.OPT, config.BOUNDSCHECK
    digest = hashlib.sha256(repr(made_by).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def bases():
    """Folders to try in turn: the user's choice, the user's cache, the package itself."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen)
    with contextlib.suppress(RuntimeError):  # nobody's home
        yield user_cache() / "sparselab"
    yield Path(__file__).parent / "__pycache__"


def user_cache():
    """Where this system keeps the caches of a user; RuntimeError where there is no home."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def find():
    """The first folder that can be written to, or None: then kernels are compiled anew in each process.

    Warns (RuntimeWarning) where it is None, or not in the folder the user chose.
    """
    tried = []
    for base in bases():
        try:
            folder = own_folder(base)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            tried.append(f"{base} ({error.__class__.__name__})")
            continue
        if tried and os.environ.get("NUMBA_CACHE_DIR"):
            warn(f"NUMBA_CACHE_DIR cannot be used: {tried[0]}; compiled kernels are kept in {folder}")
        return folder
    warn(f"compiled kernels cannot be kept, each process will compile for some ten seconds: tried {', '.join(tried)}")
    return None


def warn(text):
    warnings.warn(f"sparselab: {text}", RuntimeWarning, stacklevel=2)


def own_folder(base):
    """Our folder in `base`, made where it is missing; OSError unless it can be written to by us and nobody else.

    Cached code is run: a folder that somebody else made or may write to is not used.
    """
    folder = base / f"kernels-{fingerprint()}"
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_old(base)
    if hasattr(os, "getuid"):
        found = folder.stat()
        if found.st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{folder} belongs to another user")
        if found.st_mode & 0o022:
            folder.chmod(0o700)
    with tempfile.TemporaryFile(dir=folder):
        pass
    with contextlib.suppress(OSError):
        os.utime(folder)  # says that this version is in use
    return folder


def remove_old(base):
    """Remove folders of other versions that nobody has used for DAYS days, as far as it goes."""
    with contextlib.suppress(OSError):
        for folder in base.iterdir():
            if NAME.fullmatch(folder.name) and not folder.is_symlink() and folder.stat().st_mtime < time.time() - DAYS * 86400:
                shutil.rmtree(folder, ignore_errors=True)


FOLDER = None if numba.config.DISABLE_JIT else find()


def kept(dispatcher):
    """The compiled function, with its code kept in our folder, if there is one."""
    if FOLDER is None:
        return dispatcher
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(FOLDER)
    try:
        dispatcher._cache = CheckedCache(dispatcher.py_func)  # as Dispatcher.enable_caching does
    except (OSError, RuntimeError):
        pass  # the folder has just gone: compiled anew in each process
    finally:
        numba.config.CACHE_DIR = before
    return dispatcher
