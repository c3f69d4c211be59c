"""Closes a run that is still open when the interpreter ends.

Executors wait then for tasks that never end, and threads that a late `close` would start never begin: the script would hang.
"""

import os
import threading
import weakref
from contextlib import suppress


def close_at_exit(backend):
    """Close an open backend before the interpreter waits for threads of libraries; the backend's own are loaded by now.

    What is registered last is called first, hence a new call for each run. concurrent.futures relies on the same hook.
    """
    reference, owner = weakref.ref(backend), os.getpid()

    def close():
        backend = reference()
        if backend is not None and os.getpid() == owner:  # the workers of a forked process are its parent's
            with suppress(Exception):
                backend.close()

    with suppress(RuntimeError):  # it is ending already
        threading._register_atexit(close)
