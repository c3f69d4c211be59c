"""Memory that processes of one machine share and that cannot leak: a file without a name, opened through its owner.

The driver makes it (memfd_create); workers open /proc/<driver>/fd/<number>. When both are gone, however they ended, so is it:
nothing ever stands in /dev/shm.
"""

import mmap
import os

import numpy as np

LINE = 64  # arrays begin on cache lines
AVAILABLE = hasattr(os, "memfd_create")  # Linux; elsewhere arrays are sent by value


class Arena:
    """`n_bytes` of shared memory; `place` puts arrays into it, `at` gives them back as views."""

    def __init__(self, n_bytes):
        self.size = max(mmap.PAGESIZE, n_bytes)
        self.fd = os.memfd_create("sparselab", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, self.size)
        self.memory = mmap.mmap(self.fd, self.size)

    @property
    def path(self):
        """Where other processes of this user find it."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def place(self, arrays, start=0):
        """Copy arrays one behind the other from byte `start` on; returns their layout [(dtype, shape, offset)]."""
        plan = layout([(array.dtype, array.shape) for array in arrays], start)
        for array, view in zip(arrays, views(self.memory, plan), strict=True):
            np.copyto(view, array)
        return plan

    def close(self):
        """Give the file back; the memory goes with the last view."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def opened(path):
    """The memory of another process' Arena."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


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
