"""Messages between the driver and one worker process: two pipes that the worker opens through the driver.

An executor's queues take half a millisecond there and back, through threads on both sides; a pipe takes some 50 µs.
"""

import os
import pickle
import struct

from ...utils.shared_memory import Mailbox, path_of
from ..core.worker import GradientUpdate

HEAD = struct.Struct("<?Q")  # whether the message is in the file; its bytes
SHORT = 4096 - HEAD.size  # bytes that go through a pipe at once: no death can tear them (PIPE_BUF)


class DriverEnd:
    """One task at a time goes to the worker, its answer comes back. A long message goes through a file without a name."""

    def __init__(self):
        self.ends, self.posts = [*os.pipe(), *os.pipe()], [Mailbox(), Mailbox()]
        self.end = None  # what ended the worker

    @property
    def paths(self):
        """What `Far` needs to find the other ends."""
        return path_of(self.ends[0]), self.posts[0].path, path_of(self.ends[3]), self.posts[1].path

    @property
    def answers(self):
        """The descriptor at which an answer can be read."""
        return self.ends[2]

    def send(self, message):
        """Give a task."""
        send(self.ends[1], self.posts[0].fd, pickle.dumps(message, protocol=5))

    def receive(self):
        """The answer, which must be there; whatever its reading raises."""
        return pickle.loads(receive(self.ends[2], self.posts[1].fd))

    def close(self):
        """Give descriptors and files back."""
        for end in self.ends:
            os.close(end)
        for post in self.posts:
            post.close()
        self.ends, self.posts = [], []


class WorkerEnd:
    """The worker's end of a Line."""

    def __init__(self, tasks, long_tasks, answers, long_answers):
        flags = os.O_CLOEXEC
        self.tasks, self.long_tasks = os.open(tasks, os.O_RDONLY | flags), os.open(long_tasks, os.O_RDONLY | flags)
        self.answers, self.long_answers = os.open(answers, os.O_WRONLY | flags), os.open(long_answers, os.O_RDWR | flags)

    def receive(self):
        """The next task; None when the driver is gone."""
        found = receive(self.tasks, self.long_tasks)
        return None if found is None else pickle.loads(found)

    def send(self, message):
        """Answer."""
        import cloudpickle

        dumps = pickle.dumps if isinstance(message[1], GradientUpdate) else cloudpickle.dumps  # ours, and five times as fast
        send(self.answers, self.long_answers, dumps(message, protocol=5))


def send(pipe, file, message):
    """Bytes into a pipe, or into a file of which the pipe tells."""
    is_long = len(message) > SHORT
    if is_long:
        os.ftruncate(file, len(message))
        done = 0
        while done < len(message):
            done += os.pwrite(file, message[done:], done)
    os.write(pipe, HEAD.pack(is_long, len(message)) + (b"" if is_long else message))


def receive(pipe, file):
    """The bytes of `send`, None at the end."""
    head = os.read(pipe, HEAD.size)
    if not head:
        return None
    is_long, size = HEAD.unpack(head)
    return os.read(pipe, size) if not is_long else os.pread(file, size, 0)
