"""Where compiled kernels are kept: a folder of our own, named after the kernels' sources.

numba notices a change of the file a kernel stands in, but not of files it calls into; a folder named after all of them
cannot hold stale code. Nothing else in the process is affected: numba's setting is changed only while we decorate.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import numba


def fingerprint():
    """Twelve hex digits of everything compiled code is made from: our sources, numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def bases():
    """Folders to try in turn: the user's choice, the user's cache, the package itself."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen)
    if sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "sparselab"
    elif sys.platform == "darwin":
        yield Path.home() / "Library/Caches/sparselab"
    else:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparselab"
    yield Path(__file__).parent / "__pycache__"


def find():
    """The first folder that can be written to, or None: then kernels are compiled anew in each process."""
    name = f"kernels-{fingerprint()}"
    for base in bases():
        with contextlib.suppress(OSError, RuntimeError):
            (base / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=base / name):
                return base / name
    return None


FOLDER = find()


def kept(decorate):
    """`decorate()` with numba's cache folder set to ours."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(FOLDER or "")
    try:
        return decorate()
    finally:
        numba.config.CACHE_DIR = before
