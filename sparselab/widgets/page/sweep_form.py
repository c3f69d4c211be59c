"""The form of a sweep: fields of the config with values to combine (grid), or with ranges to draw from (random)."""

import dataclasses
import re

from ...experiments import sweep
from ...experiments.config import FIELDS, NUMBER_OR_NAME, ExperimentConfig, number_or_name
from ...experiments.random_search import random_configs
from ...utils import checks
from .. import markup
from ..controls import widths
from ..toolkit import make

ROWS = 3  # number of fields that can be varied together
NONE = "—"
HINTS = {
    "grid": "values: 0.1, 0.3, 0.5   (widths: 100-50; 300)", "random": "a range: 0.001 … 0.1, or values to choose from",
    "halving": "random draws: after 1 epoch the best third goes on to 3, then to 9, …",
}  # fmt: skip
SHORT = {"style": {"description_width": "60px"}, "layout": {"width": "148px"}}


class SweepForm:
    """Fields to vary, number of draws, seeds, epochs and runs at the same time. An invalid row shows what is wrong."""

    def __init__(self):
        self.kind = make("ToggleButtons", options=list(HINTS), value="grid", style={"button_width": "80px"})
        self.draws = make("IntText", value=8, description="draws", **SHORT)
        self.seeds = make("Text", value="2", description="seeds", **SHORT, tooltip="how many, or 0, 3, 7")
        self.jobs = make("IntText", value=1, description="at once", **SHORT, tooltip="runs at the same time")
        self.epochs = make("IntText", value=5, description="epochs", **SHORT)
        self.rows = [Row(number) for number in range(ROWS)]
        self.hint = make("HTML")
        self.kind.observe(lambda change: self._update(), "value")
        self._update()
        first, second = make("HBox", children=[self.seeds, self.epochs]), make("HBox", children=[self.jobs, self.draws])
        parts = [self.kind, self.hint, *(row.widget for row in self.rows), first, second]
        self.widget = make("VBox", children=parts)

    def _update(self):
        """Show only what has an effect for the chosen kind."""
        self.draws.layout.display = "none" if self.kind.value == "grid" else ""
        self.hint.value = markup.note(HINTS[self.kind.value])

    @property
    def space(self):
        """{field: [values], or (low, high) for a random range} of the rows in use; ValueError for an invalid one."""
        found = {}
        for row in self.rows:
            row.show_error("")
            if row.field.value == NONE:
                continue
            try:
                found[row.field.value] = row.read(self.kind.value)
            except (TypeError, ValueError) as error:
                raise ValueError(row.show_error(str(error))) from None
        return found

    def configs(self, base):
        """{label: config} of all combinations, or of the draws; {"all": base} where nothing is varied."""
        space = self.space
        if not space:
            return {"all": base}
        if self.kind.value != "grid":
            return random_configs(space, base, self.draws.value)
        return sweep.configs_of(space, dataclasses.asdict(base))

    @property
    def chosen_seeds(self):
        """The number of seeds, or a list of them."""
        numbers = [int(part) if re.fullmatch(r"\d+", part.strip()) else part for part in self.seeds.value.split(",")]
        return numbers[0] if len(numbers) == 1 else numbers


class Row:
    """One field to vary, its values as text, and what is wrong with them."""

    def __init__(self, number):
        first, text = (NONE, "") if number else ("epsilon", "5, 20")
        names = [(field.metadata["label"], name) for name, field in FIELDS.items() if name not in ("seed", "epochs")]
        self.field = make("Dropdown", options=[(NONE, NONE), *names], value=first, layout={"width": "135px"})
        self.values = make(
            "Text", f"sparselab-values-{number}", value=text, placeholder="values", continuous_update=False,
            layout={"width": "165px"},
        )  # fmt: skip
        self.error = make("HTML", f"sparselab-values-fault-{number}")
        self.widget = make("VBox", children=[make("HBox", children=[self.field, self.values]), self.error])

    def show_error(self, text):
        """Show what is wrong, "" for nothing; returns the text."""
        self.error.value = markup.field_error(text)
        return text

    def read(self, kind):
        """A list of values, or for random the pair (low, high) of a range written with … or .."""
        name, text = self.field.value, self.values.value.strip()
        ends = re.split(r"\s*(?:…|\.\.\.?)\s*", text)
        if kind != "grid" and len(ends) == 2:
            return tuple(value_of(name, end) for end in ends)
        parts = [part.strip() for part in text.split(";" if FIELDS[name].type is tuple else ",")]
        if not any(parts):
            checks.fail(name, text, "at least one value")
        return [value_of(name, part) for part in parts]


def value_of(name, text):
    """The value of this field; TypeError or ValueError if the config does not allow it."""
    return getattr(ExperimentConfig().replace(**{name: typed(FIELDS[name].type, text)}), name)


def typed(kind, text):
    """The text as this type; unchanged where it cannot be converted, which the config then refuses."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind is tuple:
        return widths(text)
    if kind == NUMBER_OR_NAME:
        return number_or_name(text)
    try:
        return kind(text)
    except ValueError:
        return text
