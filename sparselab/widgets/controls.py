"""Controls made from the metadata of ExperimentConfig's fields, so that a new hyper-parameter gets its control by itself.

A control never corrects an invalid value: it shows what is wrong, and no config is made.
"""

import math
import re

from .. import datasets
from ..experiments.config import FIELDS, NUMBER_OR_NAME, ExperimentConfig
from ..utils import checks
from . import markup
from .toolkit import make

MAX_STEPS = 1000  # a range with more steps gets a text field, not a slider
EXACT = 2**53  # whole numbers above this are not exact in a browser
DESCRIPTION = {"description_width": "125px"}


def widths(text):
    """Layer widths from "1000, 1000", "1000-1000" or "1000 1000"; parts that are no whole numbers stay text."""
    parts = re.sub(r"(?<=\d)\s*[-–→]\s*(?=\d)", ",", text).replace(",", " ").split()
    return tuple(int(part) if re.fullmatch(r"[+-]?\d+", part) else part for part in parts)


def widget_of(one, value, span=None):
    """The widget for a field of the config; span (low, high, step): what a slider covers if the field allows more."""
    m = one.metadata
    low, high, step = span or (m[key] for key in ("low", "high", "step"))
    common = {"description": m["label"], "tooltip": m["help"], "style": DESCRIPTION, "layout": {"width": "97%"}}
    choices = dict.fromkeys([*datasets.names(), value]) if one.name == "dataset" else m["choices"]
    if one.type is bool:
        return make("Checkbox", value=value, indent=True, **common)
    if choices and one.type is str:
        return make("Dropdown", options=list(choices), value=value, **common)
    if one.type in (str, tuple, NUMBER_OR_NAME) or (one.type is int and high > EXACT):
        return make("Text", value=text_of(value), continuous_update=False, **common)
    if one.type is int and (span is None or high - low > MAX_STEPS * step):
        return make("IntText", value=value, **common)
    if m["log"] and span is None:
        ends = {"base": 10.0, "min": math.log10(low), "max": math.log10(high)}
        return make("FloatLogSlider", value=value, **ends, step=0.05, readout_format=".3g", **common)
    if one.type is float and (high - low) > MAX_STEPS * step:
        return make("FloatText", value=value, **common)
    kind, form = ("IntSlider", "d") if one.type is int else ("FloatSlider", ".3g")
    return make(kind, value=value, min=min(low, value), max=max(high, value), step=step, readout_format=form, **common)


def text_of(value):
    """A tuple or a very large number as it is typed."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class Control:
    """One field of the config: `input` is its widget, `error` the text below it that says what is wrong with the value."""

    def __init__(self, name, value, span=None):
        self.field = FIELDS[checks.choice("control", name, FIELDS)]
        self.name = name
        self.input, self.written = widget_of(self.field, value, span), value
        self.error = make("HTML", layout={"display": "none", "margin": "0 0 0 130px"})
        self.widget = make("VBox", children=[self.input, self.error])

    def read(self):
        """The value in the type of the field; the config may still refuse it."""
        value = self.input.value
        if isinstance(value, str) and self.field.type is tuple:
            return widths(value)
        if isinstance(value, str) and self.field.type in (int, NUMBER_OR_NAME):
            return int(value) if re.fullmatch(r"\s*[+-]?\d+\s*", value) else value
        return self._exact(value) if isinstance(value, float) and hasattr(self.input, "readout_format") else value

    def _exact(self, value):
        """The number that a slider means: a browser sends powers of ten and sums of steps, such as 20.000000000000004 for 20."""
        same = isinstance(self.written, float) and math.isclose(value, self.written, rel_tol=1e-12)
        return self.written if same else float(f"{value:.12g}")

    def write(self, value):
        """Show a value; the range of a slider is extended if necessary."""
        self.written = value
        typed = isinstance(self.input.value, str) and not isinstance(value, str)
        if hasattr(self.input, "readout_format") and not hasattr(self.input, "base"):
            self.input.min, self.input.max = min(self.input.min, value), max(self.input.max, value)
        if self.name == "dataset" and value not in self.input.options:  # a file of the user's
            self.input.options = [*self.input.options, value]
        self.input.value = text_of(value) if typed else value

    def check(self):
        """Show and return what is wrong with the value; "" for nothing."""
        try:
            ExperimentConfig().replace(**{self.name: self.read()})
            return self.show_error("")
        except (TypeError, ValueError) as error:
            return self.show_error(str(error))

    def show_error(self, text):
        """Say under the widget what is wrong, "" for nothing; returns the text."""
        self.error.value, self.error.layout.display = markup.field_error(text), "" if text else "none"
        return text
