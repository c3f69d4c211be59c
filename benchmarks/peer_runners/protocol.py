"""The child's side of the comparison: a peer that waits for JSON lines on stdin and answers each with one on stdout.

A runner hands `serve` a function that builds its net. The seconds are taken here, around the work and nothing else, so that
every peer is timed by the same clock in the same way; while it waits for a line, a peer does nothing.
"""

import json
import os
import sys
import time
import traceback

import numpy as np


class Net:
    """What `serve` asks of a net; a runner overrides what differs.

    job: dict with sizes, density or epsilon, batch, dropout, rate, momentum, seed, threads, evolve, whole_epochs, and
    x, y: paths of .npy files, X (samples, features) float32 and y (samples,) int64.
    """

    leaves_out = ()

    def __init__(self, job):
        self.job, self.batch = job, job["batch"]
        # copy on write: the file's pages are shared by all peers, and libraries that insist on writable arrays are content
        self.X, self.y = np.load(job["x"], mmap_mode="c"), np.load(job["y"])
        self.rng = np.random.default_rng(job["seed"])
        self.order = self.shuffled()

    def shuffled(self):
        """Mini-batches of samples without end, shuffled anew each epoch; the last one of an epoch may be smaller."""
        while True:
            order = self.rng.permutation(len(self.y))
            yield from (order[i : i + self.batch] for i in range(0, len(order), self.batch))

    @property
    def steps_an_epoch(self):
        return -(-len(self.y) // self.batch)

    def warm(self):
        """Whatever a user waits for only once: compilation, first touch of the memory."""
        self.train(1)

    def train(self, steps):
        """(steps done, mean loss of them): at least `steps` steps of momentum SGD."""
        raise NotImplementedError

    def epoch(self):
        return self.train(self.steps_an_epoch)

    def predict(self, X):
        """Outputs for samples X (n, features)."""
        raise NotImplementedError

    def weights(self):
        """A copy of each layer's trainable weights, as numpy arrays."""
        raise NotImplementedError


def reset_peak():
    """Let the system count the peak of resident memory from now on, where it can (Linux); else it counts from the start."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak():
    """Peak of resident memory in bytes since `reset_peak`."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


class Server:
    """Operations: setup, warm, train, infer, moved, drop; each is a method that returns the answer."""

    def __init__(self, build):
        self.build, self.net, self.start = build, None, None

    def setup(self, job):
        self.net = self.start = None
        reset_peak()
        begin = time.perf_counter()
        self.net = self.build(job)
        spent = time.perf_counter() - begin
        if job.get("watch"):
            self.start = self.net.weights()
        answer = {"seconds": spent, "links": int(self.net.links), "leaves_out": list(self.net.leaves_out), "memory": peak()}
        reset_peak()
        return answer

    def warm(self):
        begin = time.perf_counter()
        self.net.warm()
        answer = {"seconds": time.perf_counter() - begin, "memory": peak()}
        reset_peak()
        return answer

    def train(self, steps=None):
        """steps: at least so many, or None for one whole epoch."""
        begin = time.perf_counter()
        done, loss = self.net.epoch() if steps is None else self.net.train(steps)
        return {"seconds": time.perf_counter() - begin, "steps": int(done), "loss": float(loss), "memory": peak()}

    def infer(self, samples, calls=1):
        X = np.ascontiguousarray(self.net.X[:samples])
        begin = time.perf_counter()
        for _ in range(calls):
            outputs = self.net.predict(X)
        spent = time.perf_counter() - begin
        return {"seconds": spent, "calls": calls, "samples": len(outputs), "memory": peak()}

    def moved(self):
        """Share of each layer's weights that training has changed since the setup."""
        pairs = zip(self.start, self.net.weights(), strict=True)
        return {"moved": [float(np.mean(a != b)) if a.size else 1.0 for a, b in pairs]}

    def drop(self):
        self.net = self.start = None
        return {}


def serve(build, **versions):
    """Answer until stdin ends. An operation that fails answers {"error": …} and leaves no net behind."""
    # libraries that print must not spoil the answers: they get stderr
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(build)

    def say(answer):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    say({"ready": True, "versions": {"python": sys.version.split()[0], "numpy": np.__version__, **versions}, "memory": peak()})
    for line in sys.stdin:
        message = json.loads(line)
        try:
            answer = getattr(server, message.pop("op"))(**message)
        except Exception as error:  # the parent decides what it means
            traceback.print_exc()
            server.drop()
            answer = {"error": f"{type(error).__name__}: {error}"}
        say(answer)
