"""A thread that draws: drawing takes longer than a training step, so that only the latest request is drawn.

The training waits for a figure (so that drawing does not distort its times), but a Stop never does.
"""

import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from .. import figures

INTERVAL, SHARE = 0.25, 0.4  # least seconds between two figures, and the largest share of time that drawing may take
_MATPLOTLIB = threading.Lock()  # matplotlib's text layout keeps tables that all threads share


def png(make, dpi=100):
    """The PNG bytes of the figure that `make()` returns; b"" for None."""
    with _MATPLOTLIB:
        figure = make()
        return b"" if figure is None else figures.png_bytes(figure, dpi=dpi)


def file_bytes(make, suffix):
    """The bytes of the .png, .pdf or .csv file of the figure that `make()` returns; b"" for None."""
    with _MATPLOTLIB:
        figure = make()
        if figure is None:
            return b""
        if suffix == "png":
            return figures.png_bytes(figure, dpi=150)
        if suffix == "csv":
            return figures.to_frame(figure).to_csv(index=False).encode()
        with tempfile.TemporaryDirectory() as folder:
            return figures.save_figure(figure, Path(folder, "picture"))[0].read_bytes()


class Painter:
    """Calls `draw()` in a thread that lives as long as there is something to draw.

    limited: at most one call in INTERVAL seconds, however many are requested; without it callers check `due` themselves.
    """

    def __init__(self, draw, *, limited=False):
        self.draw, self.condition, self.limited = draw, threading.Condition(), limited
        self.requested = self.busy = False
        self.last, self.cost = -1e9, 0.0

    @property
    def due(self):
        """Whether nothing is being drawn and enough time has passed since the last figure."""
        return not self.busy and time.monotonic() - self.last >= max(INTERVAL, self.cost / SHARE)

    def request(self):
        """Have it drawn soon; all requests that come while it draws become one more figure."""
        with self.condition:
            self.requested = True
            if not self.busy:
                self.busy = True
                threading.Thread(target=self._work, daemon=True, name="sparselab painter").start()

    def wait(self, timeout=None, unless=lambda: False):
        """Wait until nothing is left to draw (True), or until `unless()`, which is checked every 20 ms."""
        end = time.monotonic() + (1e9 if timeout is None else timeout)
        with self.condition:
            while self.busy and time.monotonic() < end and not unless():
                self.condition.wait(0.02)
            return not self.busy

    def _work(self):
        while self._take_request():
            if self.limited:
                time.sleep(max(0.0, self.last + INTERVAL - time.monotonic()))
            self.last = time.monotonic()
            with suppress(Exception):  # `draw` shows its own errors; if this thread died, `busy` would stay set
                self.draw()
            self.cost = time.monotonic() - self.last

    def _take_request(self):
        with self.condition:
            self.busy, self.requested = self.requested, False
            self.condition.notify_all()
            return self.busy
