"""Controls made from ExperimentConfig's field metadata: a hyper-parameter added to the config gets its control here.

A control never changes a bad value into a good one: it is shown as wrong, and the config is not made.
"""

import math
import re

from .. import datasets
from ..experiments.config import FIELDS, ExperimentConfig
from ..utils import checks
from . import markup
from .toolkit import make

NOTCHES = 1000  # what has more steps than this is typed, not slid
EXACT = 2**53  # whole numbers above this are not exact in a browser
NAMED = {"description_width": "125px"}


def widths(text):
    """Layer widths out of "1000, 1000", "1000-1000" or "1000 1000"."""
    parts = re.sub(r"(?<=\d)\s*[-–→]\s*(?=\d)", ",", text).replace(",", " ").split()
    return tuple(int(part) if re.fullmatch(r"[+-]?\d+", part) else part for part in parts)


def widget_of(one, value, span=None):
    """The widget for a field of the config; span (low, high, step): what a slider covers, where the field allows more."""
    m = one.metadata
    low, high, step = span or (m[key] for key in ("low", "high", "step"))
    common = {"description": m["label"], "tooltip": m["help"], "style": NAMED, "layout": {"width": "97%"}}
    choices = dict.fromkeys([*datasets.names(), value]) if one.name == "dataset" else m["choices"]
    if one.type is bool:
        return make("Checkbox", value=value, indent=True, **common)
    if choices:
        return make("Dropdown", options=list(choices), value=value, **common)
    if one.type is tuple or (one.type is int and high > EXACT):
        return make("Text", value=text_of(value), continuous_update=False, **common)
    if one.type is int and (span is None or high - low > NOTCHES * step):
        return make("IntText", value=value, **common)
    if m["log"] and span is None:
        ends = {"base": 10.0, "min": math.log10(low), "max": math.log10(high)}
        return make("FloatLogSlider", value=value, **ends, step=0.05, readout_format=".3g", **common)
    if one.type is float and (high - low) > NOTCHES * step:
        return make("FloatText", value=value, **common)
    kind, form = ("IntSlider", "d") if one.type is int else ("FloatSlider", ".3g")
    return make(kind, value=value, min=min(low, value), max=max(high, value), step=step, readout_format=form, **common)


def text_of(value):
    """A tuple or a very large number as one types it."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class Control:
    """One field of the config: its widget and, under it, what is wrong with its value."""

    def __init__(self, name, value, span=None):
        self.field = FIELDS[checks.choice("control", name, FIELDS)]
        self.name = name
        self.input = widget_of(self.field, value, span)
        self.fault = make("HTML", value="", layout={"display": "none", "margin": "0 0 0 130px"})
        self.widget = make("VBox", children=[self.input, self.fault])

    def read(self):
        """The value in the field's type; it may still be one that the config refuses."""
        value = self.input.value
        if isinstance(value, str) and self.field.type is tuple:
            return widths(value)
        if isinstance(value, str) and self.field.type is int:
            return int(value) if re.fullmatch(r"\s*[+-]?\d+\s*", value) else value
        return value

    def write(self, value):
        """Show a value; a slider that does not reach it is made longer."""
        typed = isinstance(self.input.value, str) and not isinstance(value, str)
        if hasattr(self.input, "readout_format") and not hasattr(self.input, "base"):
            self.input.min, self.input.max = min(self.input.min, value), max(self.input.max, value)
        if self.name == "dataset" and value not in self.input.options:  # a file of one's own
            self.input.options = [*self.input.options, value]
        self.input.value = text_of(value) if typed else value

    def check(self):
        """What is wrong with the value, or ""; it is shown too."""
        try:
            ExperimentConfig().replace(**{self.name: self.read()})
            text = ""
        except (TypeError, ValueError) as error:
            text = str(error)
        return self.show(text)

    def show(self, text):
        """Say under the widget what is wrong, "" for nothing; returns the text."""
        self.fault.value = markup.fault(text) if text else ""
        self.fault.layout.display = "" if text else "none"
        return text
