"""A run that nobody has closed when the interpreter ends: its workers go first.

Executors wait then for tasks that never end, and threads that a late `close` would start never begin: the script would hang.
"""

import threading
import weakref
from contextlib import suppress


def close_at_exit(backend):
    """Close an open backend before the interpreter waits for anybody's threads; its own libraries are loaded by now.

    What is registered last is called first, hence a new call for each run. concurrent.futures relies on the same hook.
    """
    theirs = weakref.ref(backend)

    def close():
        backend = theirs()
        if backend is not None:
            with suppress(Exception):
                backend.close()

    with suppress(RuntimeError):  # it is ending already
        threading._register_atexit(close)
