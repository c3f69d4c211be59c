"""A line that appears by itself in a panel whose kernel has not been heard of for a while: its buttons would do nothing.

The line is there from the beginning, and an animation of the browser shows it after SILENCE seconds; as long as the kernel lives,
a thread replaces it sooner than that.
"""

import threading
import time
import weakref

from . import markup

INTERVAL, SILENCE = 15.0, 60  # seconds between two signs of life, and without any before the line is shown
TEXT = (
    "The kernel of this panel does not answer: it was restarted or is busy, so the buttons do nothing. When it is there again, "
    "run this cell again; it finds a training that is under way."
)
STYLE = f"""<style>
@keyframes sparselab-silence {{ to {{ max-height: 6em; }} }}
.sparselab-pulse {{ min-height: 0; height: auto; margin: 0; }}
.sparselab-pulse .widget-html-content {{ line-height: 1.4; }}
.sparselab-pulse div {{ max-height: 0; overflow: hidden; animation: sparselab-silence 0s {SILENCE}s forwards; }}
</style>"""
_lines, _lock, _threads = weakref.WeakSet(), threading.Lock(), []


def add_to(box, line, *others):
    """Put an HTML widget as the line on top of a box that has none, and other widgets below it."""
    if not any("sparselab-pulse" in getattr(child, "_dom_classes", ()) for child in box.children):
        line.add_class("sparselab-pulse")
        beat(line, 0)
        box.children = (line, *others, *box.children)
        with _lock:
            _lines.add(line)
            if not _threads:
                _threads.append(threading.Thread(target=_work, daemon=True, name="sparselab pulse"))
                _threads[0].start()


def beat(line, number):
    """Replace the line by an equal one, whose animation begins anew."""
    line.value = f"{STYLE}<!-- {number} --><div>{markup.error_message(TEXT)}</div>"


def _work():
    number = 0
    while True:
        time.sleep(INTERVAL)
        number += 1
        with _lock:
            lines = list(_lines)
        for line in lines:
            beat(line, number)
        del lines
