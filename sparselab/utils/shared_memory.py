"""Memory that processes of one machine share and that cannot leak: a file without a name, opened through its owner.

The driver makes it (memfd_create); workers open /proc/<driver>/fd/<number>. When both have ended, in whatever way, it is gone:
nothing is left in /dev/shm.
"""

import mmap
import os
import pickle
from contextlib import contextmanager

import numpy as np

LINE = 64  # arrays begin on cache lines
AVAILABLE = hasattr(os, "memfd_create")  # Linux


class UnnamedFile:
    """A file in memory without a name."""

    def __init__(self):
        self.fd = os.memfd_create("sparselab", os.MFD_CLOEXEC)

    @property
    def path(self):
        """Where other processes of this user find it."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def close(self):
        """Give the file back; memory that is mapped goes with the last view."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


class SharedMemory(UnnamedFile):
    """`n_bytes` of shared memory; `place` puts arrays into it, `views` gives them back."""

    def __init__(self, n_bytes):
        super().__init__()
        self.size = max(mmap.PAGESIZE, n_bytes)
        os.ftruncate(self.fd, self.size)
        self.memory = mmap.mmap(self.fd, self.size)

    def place(self, arrays, start=0):
        """Copy arrays one behind the other from byte `start` on; returns their layout [(dtype, shape, offset)]."""
        plan = layout([(array.dtype, array.shape) for array in arrays], start)
        for array, view in zip(arrays, views(self.memory, plan), strict=True):
            np.copyto(view, array)
        return plan


class Mailbox(UnnamedFile):
    """For one message at a time, of any size: it does not go through a pipe, which would block, or be cut off, when one side is
    killed."""

    def write(self, message):
        """Leave a message; returns what `read` has to know."""
        return write(self.fd, message)

    def read(self, sizes):
        """The message that was left, with arrays of its own."""
        return read(self.fd, sizes)


@contextmanager
def descriptor(path, flags=os.O_RDWR):
    """The descriptor of another process' UnnamedFile."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def opened(path):
    """The memory of another process' SharedMemory."""
    with descriptor(path) as fd:
        return mmap.mmap(fd, os.fstat(fd).st_size)


def read_at(path, sizes):
    """The message in another process' Mailbox."""
    with descriptor(path, os.O_RDONLY) as fd:
        return read(fd, sizes)


def write_at(path, message):
    """Leave a message in another process' Mailbox; returns its sizes."""
    with descriptor(path) as fd:
        return write(fd, message)


def write(fd, message):
    """Pickle a message into a file, arrays as they are; returns the sizes of its parts."""
    import cloudpickle

    buffers = []
    head = cloudpickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(part) for part in (head, *(buffer.raw() for buffer in buffers))]
    sizes = [len(part) for part in parts]
    for part, start in zip(parts, starts_of(sizes)[:-1], strict=True):
        done = 0
        while done < len(part):
            done += os.pwrite(fd, part[done : done + PIECE], start + done)
    return sizes


def read(fd, sizes):
    """The message of `write`."""
    *starts, end = starts_of(sizes)
    whole, done = memoryview(np.empty(end, np.uint8)), 0
    while done < end:
        got = os.preadv(fd, [whole[done : done + PIECE]], done)
        if not got:  # room behind the last part
            break
        done += got
    parts = [whole[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return pickle.loads(parts[0], buffers=parts[1:])


def starts_of(sizes):
    """Where parts of these sizes begin, each on its own cache line, and where the last one ends."""
    return np.cumsum([0, *(-(-size // LINE) * LINE for size in sizes)]).tolist()


PIECE = 2**30  # bytes that one call moves at most: the system stops a little below 2 GiB


def layout(kinds, start=0):
    """[(dtype, shape, offset)] of arrays of these (dtype, shape), each on its own cache line."""
    plan = []
    for dtype, shape in kinds:
        start = -(-start // LINE) * LINE
        plan.append((np.dtype(dtype).str, tuple(shape), start))
        start += n_bytes(dtype, shape)
    return plan


def n_bytes(dtype, shape):
    """Bytes of one array."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def end_of(plan):
    """The first byte behind a layout."""
    return max((offset + n_bytes(dtype, shape) for dtype, shape, offset in plan), default=0)


def views(memory, plan):
    """The arrays of a layout, not copied."""
    return [np.ndarray(shape, dtype, buffer=memory, offset=offset) for dtype, shape, offset in plan]
