"""A form: controls for the fields of an ExperimentConfig, and the errors in what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..experiments.config import FIELDS, ExperimentConfig, data_options
from ..experiments.rules import rules_of
from . import markup
from .controls import Control
from .toolkit import make

GROUPED_FROM = 9  # a form with this many controls shows them under the headings of the config's groups


class ConfigForm:
    """Controls from which an ExperimentConfig is made.

    An invalid value is shown beside its field and never changed; the form then has no config.

    Parameters
    ----------
    names : iterable of str, optional
        Fields of ExperimentConfig that get a control, all by default. The other fields keep their value in `defaults`.
    spans : dict of str to (low, high, step), optional
        Ranges of sliders, where the config allows more than a slider should cover.
    live : iterable of str, default ()
        Fields that can be changed while a training runs, if it uses them.
    **defaults
        Fields of ExperimentConfig and their first values.

    Raises
    ------
    ValueError
        If a name in `names` is no field.

    Examples
    --------
    >>> from sparselab.widgets import ConfigForm
    >>> form = ConfigForm(["epsilon", "epochs"], epochs=3)
    >>> form.controls["epsilon"].input.value = 5.0
    >>> form.config.epsilon, form.config.epochs
    (5.0, 3)
    """

    def __init__(
        self, names: Iterable[str] | None = None, *, spans: Mapping[str, tuple | None] | None = None, live: Iterable[str] = (),
        **defaults: Any,
    ) -> None:  # fmt: skip
        self.base = ExperimentConfig(**defaults)
        self.live = tuple(live)
        names = list(FIELDS) if names is None else list(dict.fromkeys(names))
        self.controls = {name: Control(name, getattr(self.base, name, None), (spans or {}).get(name)) for name in names}
        self.observers, self.loading = [], None  # names of the fields that a config changes while it is loaded
        for name, control in self.controls.items():
            control.input.observe(lambda change, name=name: self._noticed(name), "value")
        self.widget = make("VBox", children=list(self._rows()))

    @property
    def config(self) -> ExperimentConfig:
        """The config that the controls describe; TypeError or ValueError where a value is invalid."""
        return self.base.replace(**{name: control.read() for name, control in self.controls.items()})

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong, by field: checked anew, and shown beside the fields."""
        return {name: text for name, control in self.controls.items() if (text := control.check())} or self._conflicts()

    def _conflicts(self):
        """{name: what is wrong} of values that are valid alone but do not fit together."""
        try:
            rules_of(self.config)
            data_options(self.config)
        except ValueError as error:
            name, text = str(error).split(" ", 1)[0], str(error)
            if name in self.controls:
                self.controls[name].show_error(text)
            return {name: text}
        return {}

    def load(self, config: ExperimentConfig) -> None:
        """Show the values of a config, and keep those that have no control.

        Parameters
        ----------
        config : ExperimentConfig
            The config to show.
        """
        self.base, self.loading = config, set()  # observers see no mixture of old and new values
        try:
            for name, control in self.controls.items():
                control.write(getattr(config, name))
        finally:
            changed, self.loading = self.loading, None
        for name in self.controls:
            if name in changed:
                self._changed(name)

    def observe(self, function: Callable[[str], Any]) -> None:
        """Call a function after each change of a control.

        Parameters
        ----------
        function : callable
            It gets the name of the field whose control has changed.
        """
        self.observers.append(function)

    def lock(self, locked: bool, live: Iterable[str] | None = None) -> None:
        """Disable or enable the controls of fields that cannot be changed while a training runs.

        Parameters
        ----------
        locked : bool
            Whether a training is running.
        live : iterable of str, optional
            Fields that have an effect on it while it runs, of those in `live` of the form; by default all of them.
        """
        free = set(self.live) if live is None else {*self.live} & {*live}
        for name, control in self.controls.items():
            control.input.disabled = bool(locked and name not in free)

    def _noticed(self, name):
        if self.loading is None:
            self._changed(name)
        else:
            self.loading.add(name)

    def _changed(self, name):
        self.controls[name].check()
        for function in self.observers:
            function(name)

    def _rows(self):
        """Live controls first, under a heading of their own; many others under the headings of the config's groups."""
        heading = lambda text: make("HTML", value=markup.heading(text))
        live = [control.widget for name, control in self.controls.items() if name in self.live]
        groups = {}
        for name, control in self.controls.items():
            if name not in self.live:
                groups.setdefault(FIELDS[name].metadata["group"], []).append(control.widget)
        if live:
            yield from (heading("now: changes the running training"), *live)
        if live and groups and len(self.controls) < GROUPED_FROM:
            groups = {"for the next Start": [widget for group in groups.values() for widget in group]}
        for title, group in groups.items():
            yield from ([heading(title)] if live or len(groups) > 1 else [])
            yield from group

    def __repr__(self):
        lines = [f"  {FIELDS[name].metadata['label']}: {control.input.value}" for name, control in self.controls.items()]
        return "\n".join(["ConfigForm", *lines])
