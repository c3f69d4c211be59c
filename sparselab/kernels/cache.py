"""The folder in which compiled kernels are cached; its name is a hash of everything that compiled code depends on.

numba notices a change of the file that defines a kernel, but not of other files whose functions it calls; a folder named after
all of them cannot hold outdated code. numba's own setting is changed only while a kernel is decorated, so other users of numba
in the process are not affected. cache_files.py defines the files in the folder.
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
from numba.core import registry

from .cache_files import CheckedCache

DAYS = 30  # folders of other versions are removed when they have not been used for so long
NAME = re.compile(r"kernels-[0-9a-f]{12}")


def fingerprint():
    """Twelve hex digits: a hash of the kernels' sources, Python, numba, LLVM, the processor and numba's options."""
    llvm, config = llvmlite.binding, numba.config
    processor = config.CPU_NAME or llvm.get_host_cpu_name(), config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()
    made_by = numba.__version__, llvmlite.__version__, sys.version_info[:2], *processor, config.OPT, config.BOUNDSCHECK
    digest = hashlib.sha256(repr(made_by).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def candidates():
    """Folders to try in turn: NUMBA_CACHE_DIR, the user's cache folder, the package itself."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen)
    with contextlib.suppress(RuntimeError):  # no home directory
        yield user_cache() / "sparselab"
    yield Path(__file__).parent / "__pycache__"


def user_cache():
    """The system's folder for a user's caches. RuntimeError without a home directory."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def find():
    """The first folder that can be written to, or None: then each process compiles its kernels.

    RuntimeWarning where it is None, or not in NUMBA_CACHE_DIR although that is set.
    """
    tried = []
    for base in candidates():
        try:
            folder = prepare(base)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            tried.append(f"{base} ({error.__class__.__name__})")
            continue
        if tried and os.environ.get("NUMBA_CACHE_DIR"):
            warn(f"NUMBA_CACHE_DIR cannot be used: {tried[0]}; compiled kernels are kept in {folder}")
        return folder
    warn(f"compiled kernels cannot be kept, each process will compile them anew: tried {', '.join(tried)}")
    return None


def warn(text):
    warnings.warn(f"sparselab: {text}", RuntimeWarning, stacklevel=2)


def prepare(base):
    """The cache folder in `base`, created if missing. OSError unless this user, and no other, can write to it.

    Cached code is executed: a folder that another user made or may write to is not used.
    """
    folder = base.absolute() / f"kernels-{fingerprint()}"  # a change of the working directory leads to no other folder
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
        os.utime(folder)  # marks this version as used
    return folder


def remove_old(base):
    """Remove folders of other versions that were not used for DAYS days; errors are ignored."""
    with contextlib.suppress(OSError):
        for folder in base.iterdir():
            if NAME.fullmatch(folder.name) and not folder.is_symlink() and folder.stat().st_mtime < time.time() - DAYS * 86400:
                shutil.rmtree(folder, ignore_errors=True)


FOLDER = None if numba.config.DISABLE_JIT else find()


def cached(compiler, function):
    """numba's dispatcher or callback of a function, with its compiled code cached in FOLDER, if there is one."""
    if FOLDER is None:
        return compiler
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(FOLDER)
    try:
        compiler._cache = CheckedCache(function)  # as their enable_caching does
    except (OSError, RuntimeError):
        pass  # the folder was just removed: each process compiles
    finally:
        numba.config.CACHE_DIR = before
    return compiler


def holds(compiler, signature):
    """Whether the compiled code of a CFunc's signature is in the cache."""
    kept = compiler._cache
    return isinstance(kept, CheckedCache) and kept.holds(signature, registry.cpu_target.target_context)
