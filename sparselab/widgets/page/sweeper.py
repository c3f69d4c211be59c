"""Several trainings, some at a time, in threads: each is a `Run`, so that a Stop is heard within a mini-batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

from ...experiments import sweep
from ...utils import resources
from ..live_run import LiveRun


class Sweeper:
    """runs: a sweeps.Run for each config and seed that has ended; total: how many there will be; state as of a `Run`.

    make: config -> Experiment. keep: (config, label) -> Diary of a new run. changed: called when something happened, on
    any thread. A sweeper is used for many sweeps, one at a time.
    """

    def __init__(self, make, keep, changed=lambda: None):
        self.make, self.keep, self.changed = make, keep, changed
        self.state, self.total, self.runs, self.under_way = "ready", 0, [], []
        self.lock, self.wanted, self.ended = threading.RLock(), "go", threading.Event()

    @property
    def active(self):
        """Whether a sweep is under way."""
        return self.state == "running"

    @property
    def result(self):
        """The runs that have ended, in the order of configs and seeds, as a Sweep."""
        with self.lock:
            return sweep.Sweep([run for _, run in sorted(self.runs, key=lambda pair: pair[0])])

    def start(self, configs, seeds, jobs=1):
        """Train {label: config} with every seed, `jobs` at a time; False if a sweep is under way."""
        with self.lock:
            if self.active:
                return False
            threads = 0 if jobs == 1 else max(1, resources.cores() // jobs)
            tasks = [
                (number, label, config.replace(seed=seed, threads=config.threads or threads))
                for number, (label, seed, config) in enumerate((a, s, c) for a, c in configs.items() for s in seeds)
            ]
            self.state, self.wanted, self.total, self.runs, self.under_way = "running", "go", len(tasks), [], []
            self.ended.clear()
        threading.Thread(target=self._work, args=(tasks, jobs), daemon=True, name="sparselab sweep").start()
        return True

    def stop(self, timeout=5.0):
        """End those under way, begin no other; what has ended stays. True if nothing runs any more."""
        with self.lock:
            self.wanted, runs = "stop", list(self.under_way)
        for run in runs:
            run.stop(0)
        return self.wait(timeout)

    def wait(self, timeout=None):
        """Until the sweep has ended; False if that takes longer."""
        return not self.active or self.ended.wait(timeout)

    def _work(self, tasks, jobs):
        try:
            with ThreadPoolExecutor(jobs, thread_name_prefix="sparselab sweep") as pool:
                list(pool.map(lambda task: self._one(*task), tasks))
        finally:
            self.state = "stopped" if self.wanted == "stop" else "finished"
            self.ended.set()
            self.changed()

    def _one(self, number, label, config):
        """Train one; its error is a row, and the others go on. One that was stopped is no row."""
        ended, run = sweep.SweepRun(label, config.seed, config), None
        try:
            with self.lock:
                if self.wanted == "stop":
                    return
                diary = self.keep(config, label)
                run = LiveRun(config, make=self.make, checkpoint=diary.folder, resume=False)
                run.changed = lambda: (diary.note(run), self.changed())
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
