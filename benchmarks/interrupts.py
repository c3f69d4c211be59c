"""Ctrl-C in every phase of a very large net: seconds until the process has ended, and whether the last checkpoint is complete.

`python -m benchmarks.interrupts [--neurons 5e7] [--tries 2] [--out FILE]`. A complete run measures how long each phase takes;
then each phase gets a signal at evenly spaced times, first in new runs, then in runs that continue from a checkpoint.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

from tqdm import tqdm

import sparselab as sl
from benchmarks.common import table
from benchmarks.kept import Kept

SCRIPT = """
import signal, sys
from sparselab.experiments import extreme

signal.signal(signal.SIGINT, signal.default_int_handler)
neurons, folder = int(sys.argv[1]), sys.argv[2]
tell = lambda phase, done, of: print(phase, flush=True)
try:
    extreme.run(extreme.Extreme(neurons, steps=1, steps_after=1), progress=False, tell=tell, checkpoint=folder)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
NEW = "data", "init", "prepare", "step", "save"
GOING_ON = "load", "prepare", "evaluate", "evolve", "step", "save"
COLUMNS = "from", "phase", "share", "phase seconds", "seconds", "checkpoint"


def started(neurons, folder):
    """A run in a process of its own, which prints the name of each phase as it begins."""
    command = [sys.executable, "-c", SCRIPT, str(neurons), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def durations(neurons, folder):
    """{phase: seconds of its first occurrence} of a complete run, whose checkpoint remains in the folder."""
    process, found, last = started(neurons, folder), {}, None
    for line in chain(process.stdout, [None]):
        now = time.monotonic()
        if last:
            found.setdefault(last[0], now - last[1])
        last = (line.strip(), now) if line else None
    if process.wait():
        raise RuntimeError("the run without a signal failed")
    return found


def interrupted(neurons, folder, phase, wait):
    """(seconds until the process has ended, its last line) after a signal `wait` seconds into a phase."""
    process = started(neurons, folder)
    while (line := process.stdout.readline()) and line != f"{phase}\n":
        pass
    time.sleep(wait)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=600)
    return time.monotonic() - sent, (out.splitlines() or [""])[-1]


def state_of(folder):
    """A run folder's checkpoint: "none", or the epoch it was saved in; raises CheckpointError if it is damaged."""
    if not Path(folder).exists() or not any(name.endswith(".npz") for name in os.listdir(folder)):
        return "none"
    return f"whole, epoch {sl.load_checkpoint(folder).state.epoch}"


def row(neurons, good, begin, phase, share, seconds):
    """The row of one try."""
    with tempfile.TemporaryDirectory(dir=Path(good).parent) as place:
        folder = Path(place) / "run"
        if begin == "checkpoint":
            shutil.copytree(good, folder, copy_function=os.link)
        spent, last = interrupted(neurons, folder, phase, share * seconds)
        if last != "interrupted":
            last = f"ended with {last!r}: the phase was over"
        else:
            last = state_of(folder)
    return {"seconds": spent, "checkpoint": last, "phase seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=float, default=5e7)
    parser.add_argument("--tries", type=int, default=2)
    parser.add_argument("--out", help="default: the kept file of this benchmark")
    given = parser.parse_args()
    neurons, kept = int(given.neurons), Kept("interrupts", given.out)
    with tempfile.TemporaryDirectory() as place:
        good = Path(place) / "good"
        seconds = durations(neurons, good)
        print({phase: round(value, 2) for phase, value in seconds.items()}, flush=True)
        seconds |= {"load": durations(neurons, good)["load"]}
        cases = [("nothing", phase) for phase in NEW] + [("checkpoint", phase) for phase in GOING_ON]
        found = []
        for begin, phase in tqdm(cases, desc="Ctrl-C", unit="phase"):
            for n in range(given.tries):
                share = (n + 0.5) / given.tries
                key = {"neurons": neurons, "from": begin, "phase": phase, "share": share}
                work = lambda begin=begin, phase=phase, share=share: row(neurons, good, begin, phase, share, seconds[phase])
                found.append(key | kept.row(key, work))
    print(table(found, COLUMNS))
    print(f"the slowest end took {max(one['seconds'] for one in found):.2f} s")


if __name__ == "__main__":
    main()
