"""A form of controls that gives an ExperimentConfig, or says beside each field why it cannot."""

from ..experiments.config import FIELDS, ExperimentConfig
from ..experiments.experiment import rules_of
from . import markup
from .controls import Control
from .toolkit import make

GROUPS_FROM = 9  # controls from which they stand under the headings of the config's groups


class ConfigForm:
    """Controls for the fields `names` (default all); the other fields stay as in `defaults`.

    spans: {name: (low, high, step)} of sliders; live: fields that reach a running training. `config` raises TypeError or
    ValueError for what the form shows as wrong.
    """

    def __init__(self, names=None, *, spans=None, live=(), **defaults):
        self.base = ExperimentConfig(**defaults)
        self.live = tuple(live)
        names = list(FIELDS) if names is None else list(dict.fromkeys(names))
        self.controls = {name: Control(name, getattr(self.base, name, None), (spans or {}).get(name)) for name in names}
        self.observers = []
        for name, control in self.controls.items():
            control.input.observe(lambda change, name=name: self._changed(name), "value")
        self.widget = make("VBox", children=list(self._rows()))

    @property
    def config(self):
        """What the form says, as a config."""
        return self.base.replace(**{name: control.read() for name, control in self.controls.items()})

    @property
    def faults(self):
        """{name: what is wrong}, checked anew and shown beside the fields."""
        return {name: text for name, control in self.controls.items() if (text := control.check())} or self._together()

    def _together(self):
        """{name: what is wrong} of values that are good alone and do not fit each other."""
        try:
            rules_of(self.config)
        except ValueError as error:
            name, text = str(error).split(" ", 1)[0], str(error)
            if name in self.controls:
                self.controls[name].show(text)
            return {name: text}
        return {}

    def load(self, config):
        """Show the values of a config; those without a control are kept too."""
        self.base = config
        for name, control in self.controls.items():
            control.write(getattr(config, name))

    def observe(self, function):
        """Call function(name) after each change of a control."""
        self.observers.append(function)

    def lock(self, locked):
        """While a training runs only what reaches it can be moved."""
        for name, control in self.controls.items():
            control.input.disabled = bool(locked and name not in self.live)

    def _changed(self, name):
        self.controls[name].check()
        for function in self.observers:
            function(name)

    def _rows(self):
        """Live controls first, under a heading of their own; many others by the config's groups."""
        live = [control.widget for name, control in self.controls.items() if name in self.live]
        others = {name: control for name, control in self.controls.items() if name not in self.live}
        if live:
            yield from (head("now: reaches the running training"), *live)
        groups = {}
        for name, control in others.items():
            groups.setdefault(FIELDS[name].metadata["group"], []).append(control.widget)
        if live and others and len(self.controls) < GROUPS_FROM:
            groups = {"at the next Start": [widget for group in groups.values() for widget in group]}
        for title, group in groups.items():
            yield from ([head(title)] if live or len(groups) > 1 else [])
            yield from group

    def __repr__(self):
        lines = [f"  {FIELDS[name].metadata['label']}: {control.input.value}" for name, control in self.controls.items()]
        return "\n".join(["ConfigForm", *lines])


def head(text):
    """A heading inside the form."""
    return make("HTML", value=markup.heading(text))
