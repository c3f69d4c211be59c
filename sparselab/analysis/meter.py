"""What a piece of work takes from the machine: time, processor time, memory, and energy where the machine tells it."""

import threading
import time
from pathlib import Path

from ..utils import checks

PROC = Path("/proc/self")
POWERCAP = Path("/sys/class/powercap")
UNREADABLE = "not readable here"
_ACTIVE, _LOCK = [], threading.Lock()


class Meter:
    """Measures what happens in a `with` block; the numbers are None until it ends.

        with sl.analysis.Meter() as meter:
            history = list(sl.train(model, data))
        meter.seconds, meter.peak_bytes

    seconds: wall time. cpu_seconds: of this process, all threads (user and system; not of processes it starts). peak_bytes: the
    most resident memory of the process in the block, libraries and data included; start_bytes: what it had at the start; both by
    Linux' own count (proc(5): VmHWM and VmRSS of /proc/self/status, reset by writing 5 to clear_refs), None elsewhere.
    energy_joules: of all processor packages and everything that runs on them, from the counters of Intel's RAPL (Linux
    powercap), None where they cannot be read; energy_source says which, or "not readable here". A counter starts anew after some
    hundred kilojoules: call `read` at least every 20 minutes in a longer block. Blocks may be nested and may overlap in threads.
    A Meter can be used again.

    powercap: the folder of the counters.
    """

    def __init__(self, powercap=POWERCAP):
        if not isinstance(powercap, str | Path):
            checks.fail("powercap", powercap, "the path of a folder", TypeError)
        self._zones = packages(Path(powercap))
        self._clear()

    def _clear(self):
        self.seconds = self.cpu_seconds = self.start_bytes = self.peak_bytes = self.energy_joules = None
        self.energy_source = UNREADABLE
        self._peak, self._counts_peak, self._last, self._joules = 0, False, [], 0.0

    def __enter__(self):
        if any(meter is self for meter in _ACTIVE):
            raise RuntimeError("this Meter is running already: make a second one")
        self._clear()
        self._last = _counters(self._zones)
        with _LOCK:
            _note_peak()
            self._counts_peak = _reset_peak()
            self.start_bytes = _bytes("VmRSS")
            _ACTIVE.append(self)
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        began, cpu_began = self._began
        self.seconds, self.cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        with _LOCK:
            _note_peak()
            _ACTIVE[:] = [meter for meter in _ACTIVE if meter is not self]
        self.peak_bytes = self._peak if self._counts_peak and self._peak else None
        self.energy_joules, self._last = self.read(), []
        if self.energy_joules is not None:
            self.energy_source = f"RAPL: {', '.join(zone.name for zone in self._zones)}"

    def read(self):
        """Joules so far, those of the whole block after it, or None."""
        if not self._last:
            return self.energy_joules
        now = _counters(self._zones)
        if not now:
            self._last = []
            return None
        for zone, before, after in zip(self._zones, self._last, now, strict=True):
            self._joules += ((after - before) if after >= before else after - before + zone.range) / 1e6
        self._last = now
        return self._joules

    def as_dict(self):
        """The numbers as {name: value}."""
        names = ("seconds", "cpu_seconds", "start_bytes", "peak_bytes", "energy_joules", "energy_source")
        return {name: getattr(self, name) for name in names}

    def __repr__(self):
        return f"Meter({', '.join(f'{name}={value!r}' for name, value in self.as_dict().items())})"


class Zone:
    """One processor package: its name, its counter's file, and where the counter (microjoules) starts anew."""

    def __init__(self, folder):
        self.name, self.file = (folder / "name").read_text().strip(), folder / "energy_uj"
        self.range = int((folder / "max_energy_range_uj").read_text())
        self.microjoules()

    def microjoules(self):
        return int(self.file.read_text())


def packages(powercap):
    """The zones of whole processor packages that can be read; parts of them (cores, graphics) would be counted twice."""
    zones = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        try:
            zone = Zone(folder)
        except (OSError, ValueError):  # no such zone, or only root may read it
            continue
        zones += [zone] if zone.name.startswith("package") else []
    return zones


def _counters(zones):
    try:
        return [zone.microjoules() for zone in zones]
    except (OSError, ValueError):
        return []


def _note_peak():
    """Tell every running meter the peak so far: the next one starts the count anew."""
    peak = _bytes("VmHWM") or 0
    for meter in _ACTIVE:
        meter._peak = max(meter._peak, peak)


def _reset_peak():
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _bytes(field):
    """A number of /proc/self/status in bytes, None where there is none."""
    try:
        lines = (PROC / "status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)
