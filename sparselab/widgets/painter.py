"""Drawing takes longer than a training step: it has a thread of its own, which draws what was asked for last.

The training waits for a picture (so times are not blurred by drawing), but a Stop never does.
"""

import threading
import time

from .. import figures

LEAST, SHARE = 0.25, 0.4  # seconds between two pictures, and the share of time that may go into them
_MATPLOTLIB = threading.Lock()  # its text layout keeps tables that all threads share


def png(make):
    """The PNG bytes of the figure that `make()` gives; b"" where it gives None."""
    with _MATPLOTLIB:
        figure = make()
        return b"" if figure is None else figures.png_bytes(figure)


class Painter:
    """Calls `paint()` in a thread that lives as long as there is something to paint.

    limited: at most one picture in LEAST seconds, whoever asks; without it only those who ask `due` keep to that.
    """

    def __init__(self, paint, *, limited=False):
        self.paint, self.condition, self.limited = paint, threading.Condition(), limited
        self.wanted = self.busy = False
        self.last, self.cost = -1e9, 0.0

    @property
    def due(self):
        """Whether enough time went by since the last picture."""
        return time.monotonic() - self.last >= max(LEAST, self.cost / SHARE)

    def ask(self):
        """Have it painted soon; what is asked while it paints becomes one more picture."""
        with self.condition:
            self.wanted = True
            if not self.busy:
                self.busy = True
                threading.Thread(target=self._work, daemon=True, name="sparselab painter").start()

    def wait(self, timeout=None, unless=lambda: False):
        """Until nothing is left to paint (True), or `unless()`, which is asked every 20 ms."""
        end = time.monotonic() + (1e9 if timeout is None else timeout)
        with self.condition:
            while self.busy and time.monotonic() < end and not unless():
                self.condition.wait(0.02)
            return not self.busy

    def _work(self):
        while self._take():
            if self.limited:
                time.sleep(max(0.0, self.last + LEAST - time.monotonic()))
            self.last = time.monotonic()
            try:
                self.paint()
            except Exception:
                pass  # `paint` shows its own errors; a thread that dies would leave `busy` behind
            self.cost = time.monotonic() - self.last

    def _take(self):
        with self.condition:
            self.busy, self.wanted = self.wanted, False
            self.condition.notify_all()
            return self.busy
