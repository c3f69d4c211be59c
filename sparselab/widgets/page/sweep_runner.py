"""Trains several configs in threads, some at a time. Each is a LiveRun, so that Stop takes effect within a mini-batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

from ...experiments import sweep
from ...utils import resources
from ..live_run import LiveRun


class SweepRunner:
    """runs: (number, SweepRun) of each training that has ended; under_way: LiveRuns; total: how many there will be.

    make: config -> Experiment. new_logger: (config, label) -> RunLogger. changed: called when something has happened, on any
    thread. One runner runs many sweeps, one after the other.
    """

    def __init__(self, make, new_logger, changed=lambda: None):
        self.make, self.new_logger, self.changed = make, new_logger, changed
        self.state, self.total, self.runs, self.under_way = "ready", 0, [], []
        self.lock, self.stopping, self.ended = threading.RLock(), False, threading.Event()

    @property
    def active(self):
        """Whether a sweep is under way."""
        return self.state == "running"

    @property
    def result(self):
        """A Sweep of the runs that have ended, in the order of configs and seeds."""
        with self.lock:
            return sweep.Sweep([run for _, run in sorted(self.runs, key=lambda pair: pair[0])])

    def start(self, configs, seeds, jobs=1):
        """Train {label: config} with every seed, `jobs` at a time; False if a sweep is under way."""
        with self.lock:
            if self.active:
                return False
            threads = 0 if jobs == 1 else max(1, resources.cores() // jobs)
            pairs = [(label, config.replace(seed=seed)) for label, config in configs.items() for seed in seeds]
            tasks = [(i, label, one.replace(threads=one.threads or threads)) for i, (label, one) in enumerate(pairs)]
            self.state, self.stopping, self.total, self.runs, self.under_way = "running", False, len(tasks), [], []
            self.ended.clear()
        threading.Thread(target=self._work, args=(tasks, jobs), daemon=True, name="sparselab sweep").start()
        return True

    def stop(self, timeout=5.0):
        """Stop the runs under way and start no others; those that have ended stay. True if nothing runs any more."""
        with self.lock:
            self.stopping, runs = True, list(self.under_way)
        for run in runs:
            run.stop(0)
        return self.wait(timeout)

    def wait(self, timeout=None):
        """Wait until the sweep has ended; False if that takes longer."""
        return not self.active or self.ended.wait(timeout)

    def _work(self, tasks, jobs):
        try:
            with ThreadPoolExecutor(jobs, thread_name_prefix="sparselab sweep") as pool:
                list(pool.map(lambda task: self._train(*task), tasks))
        finally:
            self.state = "stopped" if self.stopping else "finished"
            self.ended.set()
            self.changed()

    def _train(self, number, label, config):
        """Train one config. An exception becomes part of its SweepRun and the others go on; a stopped run is left out."""
        ended, run = sweep.SweepRun(label, config.seed, config), None
        try:
            with self.lock:
                if self.stopping:
                    return
                logger = self.new_logger(config, label)
                run = LiveRun(config, make=self.make, checkpoint=logger.folder, resume=False)
                run.changed = lambda: (logger.note(run), self.changed())
                self.under_way.append(run)
            run.pull()
        except Exception as error:
            ended.error = f"{type(error).__name__}: {error}"
        with self.lock:
            self.under_way = [one for one in self.under_way if one is not run]
            if run is None or run.state != "stopped":
                ended.history.extend(record.without_degrees() for record in (run.history if run else ()))
                self.runs.append((number, ended))
        self.changed()
