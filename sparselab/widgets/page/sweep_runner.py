"""Trains several configs in threads, some at a time. Each is a LiveRun, so that Stop takes effect within a mini-batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

from ...experiments import sweep, tuning
from ...utils import resources
from ..live_run import LiveRun

FACTOR = 3  # successive halving: the best third of the settings goes on, three times as long


class SweepRunner:
    """runs: (number, SweepRun) of each training that has ended; under_way: LiveRuns; done, total: how many, and will be;
    unsaved: why a run could not be written to its folder, or "".

    make: config -> Experiment. new_logger: (config, label) -> RunLogger. changed: called when something has happened, on any
    thread. One runner runs many sweeps, one after the other.
    """

    def __init__(self, make, new_logger, changed=lambda: None):
        self.make, self.new_logger, self.changed = make, new_logger, changed
        self.state, self.total, self.done, self.runs, self.under_way, self.loggers = "ready", 0, 0, [], [], {}
        self.unsaved = ""
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

    def start(self, configs, seeds, jobs=1, ends=(0,)):
        """Train {label: config} with every seed, `jobs` at a time; False if a sweep is under way.

        ends: epochs after each round of successive halving, after which the best go on; 0 for the end of the training.
        """
        with self.lock:
            if self.active:
                return False
            threads = 0 if jobs == 1 else max(1, resources.cores() // jobs)
            pairs = [(label, config.replace(seed=seed)) for label, config in configs.items() for seed in seeds]
            tasks = [(i, label, one.replace(threads=one.threads or threads)) for i, (label, one) in enumerate(pairs)]
            settings = [max(1, len(configs) // FACTOR**number) for number in range(len(ends))]
            self.state, self.stopping, self.total, self.done = "running", False, len(seeds) * sum(settings), 0
            self.runs, self.under_way, self.loggers, self.unsaved = [], [], {}, ""
            self.ended.clear()
        threading.Thread(target=self._work, args=(tasks, jobs, ends), daemon=True, name="sparselab sweep").start()
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

    def _work(self, tasks, jobs, ends):
        try:
            with ThreadPoolExecutor(jobs, thread_name_prefix="sparselab sweep") as pool:
                for until in ends:
                    list(pool.map(lambda task, until=until: self._train(*task, until), tasks))
                    best = self._best()
                    tasks = [task for task in tasks if task[1] in best]
        finally:
            self.state = "stopped" if self.stopping else "finished"
            self.ended.set()
            self.changed()

    def _best(self):
        """Labels of the best third of those that were trained longest, by their mean score; failed ones are left out."""
        good = [run for run in self.result.runs if run.history and not run.error]
        longest, scores = max((len(run.history) for run in good), default=0), {}
        for run in good:
            if len(run.history) == longest:
                scores.setdefault(run.label, []).append(tuning.score_of(run))
        ranked = sorted(scores, key=lambda label: sum(scores[label]) / len(scores[label]), reverse=True)
        return ranked[: max(1, len(ranked) // FACTOR)]

    def _log(self, logger, run):
        """Write to the folder of a run; an error, such as a full disk, is told and does not stop the training."""
        try:
            logger.note(run)
        except OSError as error:
            self.unsaved = f"{logger.folder.name} is not saved: {error}"
        self.changed()

    def _train(self, number, label, config, until):
        """Train one config. An exception becomes part of its SweepRun and the others go on; a stopped run is left out."""
        ended, run = sweep.SweepRun(label, config.seed, config), None
        try:
            with self.lock:
                if self.stopping:
                    return
                before = self.loggers.get(number)
                logger = self.loggers[number] = before.continued() if before else self.new_logger(config, label)
                run = LiveRun(config, make=self.make, checkpoint=logger.folder, resume=before is not None)
                run.until = until
                run.changed = lambda: self._log(logger, run)
                self.under_way.append(run)
            run.pull()
        except Exception as error:
            ended.error = f"{type(error).__name__}: {error}"
        with self.lock:
            self.under_way = [one for one in self.under_way if one is not run]
            if run is None or run.state != "stopped" or run.request != "stop":
                ended.history.extend(record.without_degrees() for record in (run.history if run else ()))
                self.runs = [*(pair for pair in self.runs if pair[0] != number), (number, ended)]
                self.done += 1
        self.changed()
