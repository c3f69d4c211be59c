"""The parent's side of the comparison: a peer is a child process that is asked, answers in JSON lines, and may die."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import sparselab
from benchmarks import peer_environments

RUNNERS = Path(__file__).parent / "peer_runners"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")

# environment: None is the interpreter that runs this; dense: its time does not depend on the density; bytes_each: a weight
# of a dense net or a link of a sparse one needs in building and training, all arrays and temporaries, rounded up
Spec = namedtuple("Spec", "name runner environment dense bytes_each")
PEERS = {
    spec.name: spec
    for spec in (
        Spec("ours", "ours", None, False, 80),
        Spec("torch dense", "torch_dense", "torch", True, 16),
        Spec("torch masked", "torch_masked", "torch", True, 32),
        Spec("torch CSR", "torch_csr", "torch", False, 100),
        Spec("SparseProp", "sparseprop_net", "sparseprop", False, 60),
        Spec("PyPI sparselab", "pypi_sparselab_net", "pypi_sparselab", False, 250),
        Spec("scikit-learn", "sklearn_dense", None, True, 32),
    )
}


class PeerError(RuntimeError):
    """A peer that failed, died or did not answer in time."""


class Peer:
    """A child process; `ask` sends one operation and waits for its answer. Started when first asked, and again if it died."""

    def __init__(self, spec, python, threads, folder):
        self.spec, self.name, self.python, self.threads = spec, spec.name, str(python), threads
        self.log = Path(folder) / f"{Path(spec.runner).name}.log"
        self.child, self.hello, self.holds = None, {}, None

    def start(self, timeout=120):
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        variables.update(dict.fromkeys(THREADS, str(self.threads)))
        if self.spec.environment is None:
            # this checkout's package, whichever the interpreter would find
            variables["PYTHONPATH"] = str(Path(sparselab.__file__).parents[1])
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "w") as log:
            self.child = subprocess.Popen(
                [self.python, str(RUNNERS / f"{self.spec.runner}.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=variables, cwd=self.log.parent,
            )  # fmt: skip
        self.answers, self.holds = queue.Queue(), None
        threading.Thread(target=self._listen, args=(self.child.stdout, self.answers), daemon=True).start()
        self.hello = self._answer(timeout)

    @staticmethod
    def _listen(stream, answers):
        for line in stream:
            answers.put(line)
        answers.put(None)

    def _answer(self, timeout):
        try:
            line = self.answers.get(timeout=timeout)
        except queue.Empty:
            self.close()
            raise PeerError(f"no answer after {timeout:.0f} s") from None
        if line is None:
            code = self.child.wait()
            self.close()
            raise PeerError(f"died with exit code {code}: {self.last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            self.holds = None
            raise PeerError(answer["error"])
        return answer

    def last_words(self):
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else "it said nothing"

    def ask(self, op, timeout=300, **arguments):
        """The answer of one operation. Raises PeerError."""
        if self.child is None:
            self.start()
        try:
            self.child.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
            self.child.stdin.flush()
        except OSError:
            pass  # it is dead, which the answer says
        return self._answer(timeout)

    def setup(self, job, **options):
        """Build the job's net, unless the net at hand is that net but for a density that does not matter to it.

        Returns the setup's answer and, under "warm", that of its warming up.
        """
        ignored = {"density", "epsilon"} if self.spec.dense and self.name != "torch masked" else set()
        key = {k: v for k, v in job.items() if k not in ignored}
        if self.holds is None or self.holds[0] != key:
            self.holds = None
            answer = self.ask("setup", job={**job, "threads": self.threads}, **options)
            answer["warm"] = self.ask("warm", **options)
            self.holds = (key, answer)
        return self.holds[1]

    def drop(self):
        """Free the net, if there is one; a peer that cannot even do that has been ended by `ask`."""
        if self.child is not None and self.holds is not None:
            self.holds = None
            with contextlib.suppress(PeerError):
                self.ask("drop")

    def close(self):
        """End the process: a kill, because it may be in the middle of a long step."""
        child, self.child, self.holds = self.child, None, None
        if child is not None:
            child.kill()
            child.wait()
            child.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def gather(names, venvs, threads, say=print):
    """({name: Peer}, {name: why it is not there}) of the peers called `names`; makes the environments that are missing."""
    peers, missing = {}, {}
    for name in names:
        spec = PEERS[name]
        try:
            if spec.environment is None:
                python = sys.executable
            else:
                stamp = Path(venvs) / spec.environment / ".installed"
                if not stamp.exists():
                    say(f"making the environment of {name} (once, some minutes)")
                python = peer_environments.interpreter(spec.environment, venvs)
        except peer_environments.NotInstallable as error:
            missing[name] = f"not installable: {error}"
            continue
        peers[name] = Peer(spec, python, threads, Path(venvs) / "logs")
    return peers, missing
