"""Writes files as a whole or not at all, also on a full disk; every error names the file."""

import os
import shutil
from contextlib import contextmanager, suppress


def write_whole(path, content):
    """Write bytes to a file, which keeps its old content where that fails. What is no file, such as a pipe, is written to."""
    with named(path):
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as file:
                file.write(content)
            return
        temporary = f"{target}.{os.getpid()}.part"
        try:
            with open(temporary, "wb") as file:
                file.write(content)
            with suppress(OSError):  # a file that was there keeps its rights
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def append_whole(path, content):
    """Append bytes to a file, which is as long as before where that fails."""
    with named(path), open(path, "ab", buffering=0) as file:
        start, left = file.seek(0, os.SEEK_END), memoryview(content)
        try:
            while left:
                left = left[file.write(left) :]
        except BaseException:
            file.truncate(start)
            raise


@contextmanager
def named(path):
    """An OSError without the name of a file, as those of a full disk are, gets this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise
