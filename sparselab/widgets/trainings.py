"""An Explorer that trains: Start runs one training after the other in a thread, and the views are drawn from what they measure.

Each training is a LiveRun. It waits for a figure, so that drawing does not distort its times.
"""

from __future__ import annotations

import time
from contextlib import suppress

from . import costs, markup
from .describe import status_line
from .explorer import BackgroundExplorer
from .live_run import LiveRun
from .presenter import STATUS_INTERVAL


class Measured:
    """An Experiment for a LiveRun whose records pass through a meter; its rules stay as they are."""

    def __init__(self, experiment, meter):
        self.experiment, self.meter, self.data = experiment, meter, experiment.data
        self.rules, self.model, self.optimizer = [], experiment.model, experiment.optimizer

    def steps(self, **options):
        """The records of the training."""
        return self.meter.watch(self.experiment.steps(**options), self.model)


class Trainings(BackgroundExplorer):
    """What panels that train share. A subclass defines `_trainings`, and maybe `_refused`."""

    def __init__(self, *arguments, **options):
        self.meters, self.dense, self.current = {}, None, None
        super().__init__(*arguments, **options)

    def _trainings(self, values):
        """{name: (ExperimentConfig, function that makes its Measured)}."""
        raise NotImplementedError

    def _begin(self, values):
        trainings = self._trainings(values)
        self.meters, self.dense, self.bar.max = {}, None, float(sum(config.epochs for config, _ in trainings.values()))
        return (trainings,)

    def stop(self, timeout: float | None = 0.0) -> bool:
        """End the training after the step that is under way; what was measured stays.

        Parameters
        ----------
        timeout : float or None, default 0.0
            Seconds to wait for the end; None waits as long as it takes.

        Returns
        -------
        bool
            Whether the training has ended.
        """
        self.stopping = True
        if self.current:
            self.current.stop(0)
        return super().stop(timeout)

    def _run(self, trainings):
        state = "finished"
        for number, (name, training) in enumerate(trainings.items()):
            self.current = run = self._live_run(name, number, *training)
            if self.stopping:
                run.stop(0)
            with suppress(Exception):  # run.error has it
                run.pull()
            state = run.state
            if state != "finished":
                break
        if state == "finished":
            self._measure_dense()
        self.status.value = markup.status(state, self._done(trainings))
        if self.current.error:
            self.notice.value = markup.error_message(*self.current.error)
        self._redraw()

    def _done(self, trainings):
        """What the status line says in the end."""
        return status_line(self.current)

    def _live_run(self, name, number, config, make_measured):
        def measured(config):
            made = make_measured()
            self.meters[name] = made.meter
            return made

        run = LiveRun(config, make=measured)
        run.changed = lambda: self._changed(run, name, number)
        return run

    def _changed(self, run, name, number):
        """After each record and change of state, on the thread that trains."""
        now = time.monotonic()
        if run.active and (
            run.state != "running" or now - self.told > STATUS_INTERVAL
        ):  # `_run` tells the end, after all is done
            self.told = now
            self.status.value = markup.status(run.state, f"{name and '· '}{name} {status_line(run)}")
        self.bar.value = number * run.config.epochs + len(run.history)
        if run.history and self.painter.due:
            self._redraw()
            self.painter.wait(unless=lambda: self.stopping)

    def _measure_dense(self):
        """Measure a dense net of the same widths, once for all trainings."""
        self.status.value = markup.status("running", "· measuring the dense net")
        self.dense = costs.measured(self.current.experiment.model, self.current.history, self.current.config.batch_size)[1]
