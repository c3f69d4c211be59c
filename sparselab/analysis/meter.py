"""Measures a piece of work: time, processor time, memory, and energy on machines that report it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from ..utils import checks

PROC = Path("/proc/self")
POWERCAP = Path("/sys/class/powercap")
UNREADABLE = "not readable here"
_ACTIVE, _LOCK = [], threading.Lock()


class Meter:
    """Measures time, memory and energy of a `with` block.

    Blocks may be nested and may overlap in threads, and a Meter can be used again. The counters of energy wrap around after some
    hundred kilojoules: call `read` at least every 20 minutes in a longer block.

    Parameters
    ----------
    powercap : str or Path, default "/sys/class/powercap"
        The folder of Linux' energy counters.

    Attributes
    ----------
    seconds : float or None
        Wall time; like the other numbers None until the block ends.
    cpu_seconds : float or None
        Processor time of this process, all threads, user and system; not of processes that it starts.
    start_bytes, peak_bytes : int or None
        Resident memory of the process at the start, and its maximum in the block, libraries and data included; None elsewhere
        than on Linux (VmRSS and VmHWM of /proc/self/status, the latter reset through clear_refs).
    energy_joules : float or None
        Energy of all processor packages, and of everything that ran on them, from Intel's RAPL counters; None where they cannot
        be read.
    energy_source : str
        Which counters, or "not readable here".

    Examples
    --------
    >>> import sparselab as sl
    >>> with sl.analysis.Meter() as meter:
    ...     model = sl.SparseMLP.create((100, 100, 10), epsilon=5, seed=0)
    >>> meter.seconds > 0
    True
    """

    seconds: float | None
    cpu_seconds: float | None
    start_bytes: int | None
    peak_bytes: int | None
    energy_joules: float | None
    energy_source: str

    def __init__(self, powercap: str | Path = POWERCAP) -> None:
        if not isinstance(powercap, str | Path):
            checks.fail("powercap", powercap, "the path of a folder", TypeError)
        self._zones = packages(Path(powercap))
        self._clear()

    def _clear(self):
        """Forget the last block."""
        self.seconds = self.cpu_seconds = self.start_bytes = self.peak_bytes = self.energy_joules = None
        self.energy_source = UNREADABLE
        self._peak, self._counts_peak, self._last, self._joules = 0, False, [], 0.0

    def __enter__(self) -> Meter:
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

    def __exit__(self, *_: object) -> None:
        began, cpu_began = self._began
        self.seconds, self.cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        with _LOCK:
            _note_peak()
            _ACTIVE[:] = [meter for meter in _ACTIVE if meter is not self]
        self.peak_bytes = self._peak if self._counts_peak and self._peak else None
        self.energy_joules, self._last = self.read(), []
        if self.energy_joules is not None:
            self.energy_source = f"RAPL: {', '.join(zone.name for zone in self._zones)}"

    def read(self) -> float | None:
        """Read the energy counters.

        Returns
        -------
        float or None
            Joules of the block so far, after the block those of all of it; None where counters cannot be read.
        """
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

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name.

        Returns
        -------
        dict
            {name: value} of all attributes.
        """
        names = ("seconds", "cpu_seconds", "start_bytes", "peak_bytes", "energy_joules", "energy_source")
        return {name: getattr(self, name) for name in names}

    def __repr__(self):
        return f"Meter({', '.join(f'{name}={value!r}' for name, value in self.as_dict().items())})"


class Zone:
    """One processor package: its name, the file of its counter (microjoules), and the range after which it wraps around."""

    def __init__(self, folder):
        self.name, self.file = (folder / "name").read_text().strip(), folder / "energy_uj"
        self.range = int((folder / "max_energy_range_uj").read_text())
        self.microjoules()

    def microjoules(self):
        """What the counter says."""
        return int(self.file.read_text())


def packages(powercap):
    """The readable zones of whole processor packages; their parts (cores, graphics) would be counted twice."""
    zones = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        try:
            zone = Zone(folder)
        except (OSError, ValueError):  # not a zone, or readable by root only
            continue
        zones += [zone] if zone.name.startswith("package") else []
    return zones


def _counters(zones):
    """The counters of all zones, [] where one cannot be read."""
    try:
        return [zone.microjoules() for zone in zones]
    except (OSError, ValueError):
        return []


def _note_peak():
    """Note the peak so far in every running meter, before it is reset for another one."""
    peak = _bytes("VmHWM") or 0
    for meter in _ACTIVE:
        meter._peak = max(meter._peak, peak)


def _reset_peak():
    """Whether the system could restart its count of peak memory."""
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _bytes(field):
    """A field of /proc/self/status in bytes, or None."""
    try:
        lines = (PROC / "status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)
