"""Bad and unusual input through every door: a named error or a documented acceptance, never a crash, never silence.

The tables of cases are in doors/. Each door runs in a process of its own with limits of memory and time, so that a crash is
one failed case and not the end; the process says what it is about to try, and after a crash it goes on with the next case.
`python -m reliability.gate` prints the count of each door and every fault.
"""

import argparse
import contextlib
import importlib
import json
import os
import re
import reprlib
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, namedtuple
from pathlib import Path

import numpy as np
from scipy import sparse
from tqdm.auto import tqdm

from .common import Row
from .inputs import Acceptance, Case

DOORS = ("python", "classifier", "selector", "command", "config_file")
ERROR, ACCEPTED, FAULT = "named error", "accepted, as documented", "FAULT"
LONGEST = 500  # characters of a message
CASE_SECONDS, CPU_SECONDS, BYTES = 20, 300, 6 * 2**30
GOAL = 120

Outcome = namedtuple("Outcome", ["door", "argument", "fault", "verdict", "detail"])


def cases_of(door):
    """The table of a door, in order."""
    return list(importlib.import_module(f"{__package__}.inputs.{door}").cases())


# one case


def judge(case: Case, scene):
    """(verdict, detail) of one case."""
    scene.reset()
    value = case.make(scene)
    before, content, random = scene.fingerprint(), content_of(value), global_generator()
    try:
        with limited(CASE_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = case.call(scene, value)
            verdict = accepted(case.wanted, result, scene)
    except Exception as error:  # whatever comes out is judged
        verdict = refused(case.wanted, error, value)
    if content_of(value) != content:
        return FAULT, "the input was written to"
    if global_generator() != random:
        return FAULT, "the global generator was used"
    if not isinstance(case.wanted, Acceptance) and scene.fingerprint() != before:
        return FAULT, "refused, and yet something has changed"
    return verdict


def accepted(wanted, result, scene):
    if not isinstance(wanted, Acceptance):
        return FAULT, f"accepted: {shown(result)}"
    if not wanted.holds(result, scene):
        return FAULT, f"not so: {wanted.documented}, but {shown(result)}"
    return ACCEPTED, wanted.documented


def refused(wanted, error, value):
    """A named error, or what is wrong with it."""
    try:
        message = str(error)
    except Exception as second:
        return FAULT, f"{type(error).__name__} whose message cannot be made: {type(second).__name__}"
    told = f"{type(error).__name__}: {message}"
    if isinstance(wanted, Acceptance):
        return FAULT, f"refused, though {wanted.documented}: {told[:300]}"
    of_ours = isinstance(error, MemoryError) and type(error) is not MemoryError  # InsufficientMemoryError
    if not (isinstance(error, ValueError | TypeError) or of_ours):
        return FAULT, f"not a named error: {told[:300]}"
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in wanted.names):
        return FAULT, f"names none of {wanted.names}: {told[:300]}"
    words = [*wanted.words, *([part_of(value)] if wanted.shows_value else [])]
    if missing := [word for word in words if word not in message]:
        return FAULT, f"does not say {missing}: {told[:300]}"
    if len(message) >= LONGEST:
        return FAULT, f"{len(message)} characters: {told[:100]}"
    return ERROR, told


def part_of(value):
    """What of a value a message must show: the beginning of its repr, where that is the same in every process."""
    try:
        text = reprlib.repr(value)
    except Exception:
        return ""
    return "" if " at 0x" in text or isinstance(value, type) else text[:12]


def shown(value):
    try:
        return reprlib.repr(value)
    except Exception:
        return type(value).__name__


def content_of(value):
    """Bytes of an array or of a sparse matrix's arrays; None for anything else."""
    if sparse.issparse(value):
        return [
            np.asarray(getattr(value, part)).tobytes() for part in ("data", "indices", "indptr", "col") if hasattr(value, part)
        ]
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    return value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else None


def global_generator():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (it is watched here, not used)
    return name, keys.tobytes(), *rest


@contextlib.contextmanager
def limited(seconds):
    """TimeoutError, which is no named error, after so many seconds."""

    def ring(*_):
        raise TimeoutError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# the process of a door


def work(door, start, path):
    """Judge the cases of a door from number `start` on; a line before and a line after each, so that a crash leaves its name."""
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    table = cases_of(door)
    scene = importlib.import_module(f"{__package__}.inputs.{door}").Scene()
    with open(path, "a") as file:
        write = lambda **line: (file.write(json.dumps(line) + "\n"), file.flush())
        write(of=len(table))
        for number, case in enumerate(table[start:], start):
            write(begins=number, pair=[case.door, case.argument, case.fault])
            write(ends=number, verdict=judge(case, scene))


def run_door(door, bar=None):
    """Every Outcome of a door, from as many processes as it takes."""
    outcomes, start = [], 0
    with tempfile.TemporaryDirectory() as folder:
        while True:
            path = Path(folder) / f"{start}.jsonl"
            command = [sys.executable, "-W", "ignore", "-m", "stress.gate", "--work", door, str(start), str(path)]
            root = Path(__file__).parents[2]
            run = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment(), timeout=900, check=False)
            lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            found, pending = read(lines)
            outcomes += found
            if pending:
                outcomes.append(Outcome(*pending, FAULT, f"the process ended with code {run.returncode}"))
            if bar is not None:
                bar.update(len(found) + bool(pending))
            if not pending:
                if run.returncode:
                    raise RuntimeError(f"door {door} did not open: {run.stderr[-2000:]}")
                return outcomes
            start += len(found) + 1


def environment():
    """No thread pools beside ours: their stacks count as address space."""
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}


def read(lines):
    """(finished Outcomes, the [door, argument, fault] that began and did not end, or None)."""
    found, pending = [], None
    for line in lines:
        if "begins" in line:
            pending = line["pair"]
        elif "ends" in line:
            found.append(Outcome(*pending, *line["verdict"]))
            pending = None
    return found, pending


# all of them


def run(doors=DOORS, *, progress=False):
    """Every Outcome of the doors."""
    total = sum(len(cases_of(door)) for door in doors) if progress else 0
    with tqdm(total=total, desc="inputs", disable=not progress) as bar:
        return [outcome for door in doors for outcome in run_door(door, bar)]


def pairs(outcomes):
    """Distinct (argument, fault)."""
    return {(outcome.argument, outcome.fault) for outcome in outcomes}


def summary(outcomes):
    """A line for each door, and every fault."""
    lines = []
    for door in dict.fromkeys(outcome.door for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.door == door]
        count = Counter(outcome.verdict for outcome in mine)
        lines.append(
            f"{door:>12}: {len(pairs(mine)):>4} pairs: {', '.join(f'{n} {verdict}' for verdict, n in sorted(count.items()))}"
        )
    lines.append(f"{'all doors':>12}: {len(pairs(outcomes)):>4} distinct pairs of argument and fault, {len(outcomes)} cases")
    faults = [outcome for outcome in outcomes if outcome.verdict == FAULT]
    return lines + [f"FAULT {o.door}: {o.argument}, {o.fault}: {o.detail}" for o in faults]


def rows(scale=1.0):
    """The promise of the gate; `scale` changes nothing, for the whole table takes under a minute."""
    outcomes = run(progress=True)
    n_faults = sum(outcome.verdict == FAULT for outcome in outcomes)
    n_pairs = len(pairs(outcomes))
    figure = f"{n_pairs} pairs ({len(outcomes)} cases through {len(DOORS)} doors), {n_faults} crashes or silent"
    good = n_pairs >= GOAL and not n_faults
    return [Row("bad and unusual input: a named error or a documented acceptance", figure, f">= {GOAL} pairs, 0", good, COMMAND)]


COMMAND = "python -m reliability.gate"


def main():
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--work", nargs=3, metavar=("DOOR", "START", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--door", choices=DOORS, help="one door only")
    parser.add_argument("--messages", action="store_true", help="print every case with its message")
    options = parser.parse_args()
    if options.work:
        work(options.work[0], int(options.work[1]), options.work[2])
        return 0
    outcomes = run([options.door] if options.door else DOORS, progress=True)
    if options.messages:
        print(*(f"{o.door}: {o.argument}, {o.fault}: {o.verdict}: {o.detail}" for o in outcomes), sep="\n")
    print(*summary(outcomes), sep="\n")
    return int(any(outcome.verdict == FAULT for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
