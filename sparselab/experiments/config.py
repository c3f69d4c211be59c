"""ExperimentConfig: all settings of an experiment as one frozen value; `experiment.build` makes the objects it names.

Widgets, command line and documentation are made from the metadata of its fields: a setting that is added here appears in all.
"""

import csv
import dataclasses
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Self

from .. import datasets
from ..datasets.cells import ON_MISSING
from ..datasets.targets import TASKS
from ..evolution import criteria, importances, regrowths
from ..evolution.importance_pruning import FOLDS
from ..evolution.new_values import INITIALIZER
from ..evolution.new_values import NAMES as NEW_VALUES
from ..evolution.timing import interval
from ..nn import activations, initializers, losses, torch_optimizers
from ..topology import starts
from ..topology.layer_densities import densities
from ..utils import checks
from .rules import IN_CONFIGS

SCHEDULES = ("constant", "cosine", "step", "warm_up", "linear", "warm_up_cosine", "one_cycle")
ZETA_SCHEDULES = ("constant", "cosine")
PRUNING = ("none", "shrink", "links")
BACKENDS = ("threads", "processes", "dask")
HEADERS = {"auto": None, "yes": True, "no": False}
DECIMALS = {"auto": None, ".": ".", ",": ","}
MAX_TEXT = 1000  # characters of a field
MAX_COLUMNS, LONG_NAMES = 10**7, 200  # of a range of positions; characters of a list of names
NUMBER_OR_NAME = int | str  # the type of a field that takes a whole number, or one of its choices
SEPARATORS = {"": None, "tab": "\t", "\\t": "\t", "space": r"\s+", " ": r"\s+"}  # as they are typed


def knob(default, label, help, *, low=None, high=None, step=None, choices=None, log=False, group="net"):  # noqa: A002
    """A dataclass field with what its control needs: label, help, bounds (inclusive), step, choices, logarithmic scale, group."""
    metadata = {"label": label, "help": help, "low": low, "high": high, "step": step, "choices": choices, "log": log}
    return field(default=default, metadata=metadata | {"group": group})


@dataclass(frozen=True)
class ExperimentConfig:
    """
    All settings of an experiment.

    Parameters
    ----------
    %s

    Raises
    ------
    TypeError
        If a value has the wrong type.
    ValueError
        If a value is out of bounds or no known name.

    Examples
    --------
    >>> import sparselab as sl
    >>> config = sl.ExperimentConfig(dataset="digits", hidden=(100, 50), zeta=0.2)
    >>> config.replace(epochs=3).epochs
    3
    """

    dataset: str = knob("fashion_mnist_small", "dataset", "name of a data set, or path of a data file", group="data")
    hidden: tuple = knob((1000, 1000, 1000), "hidden widths", "neurons of each hidden layer", low=1, high=2**31 - 1)
    epsilon: float = knob(20.0, "epsilon ε", "expected links of a layer: ε (n_in + n_out)", low=0.01, high=10_000.0, step=1.0)
    activation: str = knob("all_relu", "activation", "activation function of the hidden layers", choices=tuple(activations.NAMES))
    alpha: float = knob(0.6, "slope α", "slope for z <= 0 (all_relu, leaky_relu, all_negative)", low=0.0, high=10.0, step=0.05)
    initializer: str = knob("he_uniform", "initializer", "distribution of the initial weights", choices=tuple(initializers.NAMES))
    fan: str = knob(
        "auto", "fan", "scale of initial weights: by layer width (paper), by links, or auto: by links after the first layer",
        choices=("auto", "width", "links"),
    )  # fmt: skip
    dropout: float = knob(0.3, "dropout", "share of hidden values dropped in training", low=0.0, high=0.95, step=0.05)
    rule: str = knob("set", "topology rule", "how links change", choices=tuple(IN_CONFIGS), group="evolution")
    zeta: float = knob(
        0.3, "zeta ζ", "share of links replaced before each epoch", low=0.0, high=1.0, step=0.05, group="evolution"
    )
    zeta_schedule: str = knob(
        "constant", "ζ schedule", "constant, or falling to 0 along half a cosine", choices=ZETA_SCHEDULES, group="evolution"
    )
    zeta_stop: int = knob(
        0, "ζ stops", "epochs after which links no longer change; 0: never", low=0, high=100_000, step=1,
        group="evolution",
    )  # fmt: skip
    criterion: str = knob(
        "magnitude_within_sign", "criterion", "which links are pruned", choices=tuple(criteria.NAMES), group="evolution"
    )
    regrowth: str = knob("uniform", "regrowth", "where new links grow", choices=tuple(regrowths.NAMES), group="evolution")
    pruning: str = knob(
        "none", "pruning", "importance pruning: shrink removes weak neurons, links removes their incoming links", choices=PRUNING,
        group="pruning",
    )  # fmt: skip
    pruning_amount: float = knob(
        0.6, "amount", "shrink: share of the original hidden neurons to remove", low=0.0, high=1.0, step=0.05, group="pruning"
    )
    pruning_percentile: float = knob(
        20.0, "percentile", "links: percentile of importance up to which neurons lose their links", low=0.0, high=100.0, step=1.0,
        group="pruning",
    )  # fmt: skip
    pruning_start: int = knob(
        3, "pruning starts", "epochs before the first pruning", low=1, high=100_000, step=1, group="pruning"
    )
    pruning_stop: int = knob(
        8, "pruning stops", "epochs before the last pruning; 0: shrink prunes once, links until the end", low=0, high=100_000,
        step=1, group="pruning",
    )  # fmt: skip
    pruning_every: int = knob(1, "every", "epochs between two prunings", low=1, high=100_000, step=1, group="pruning")
    importance: str = knob(
        "outgoing", "importance", "importance of a neuron: strength of these links (paper: incoming)",
        choices=tuple(importances.NAMES), group="pruning",
    )  # fmt: skip
    learning_rate: float = knob(0.01, "learning rate η", "step size", low=1e-6, high=10.0, step=0.001, log=True, group="training")
    momentum: float = knob(
        0.9, "momentum μ", "momentum_sgd, sgd: share of the previous step kept", low=0.0, high=0.999, step=0.01, group="training",
    )  # fmt: skip
    weight_decay: float = knob(
        0.0, "weight decay λ", "share of each weight subtracted at every step; times η in sgd, adam, adamw", low=0.0, high=0.1,
        step=1e-4, group="training",
    )  # fmt: skip
    nesterov: bool = knob(False, "Nesterov", "momentum_sgd, sgd: look-ahead momentum", group="training")
    decay_biases: bool = knob(
        True, "decay biases", "weight decay acts on biases, too, as in the authors' code; off: momentum_sgd only",
        group="training",
    )  # fmt: skip
    schedule: str = knob("constant", "schedule", "learning rate over the epochs", choices=SCHEDULES, group="training")
    batch_size: int = knob(32, "batch size", "samples of a mini-batch", low=1, high=1_000_000, step=1, group="training")
    epochs: int = knob(10, "epochs", "passes over the training data", low=1, high=100_000, step=1, group="training")
    seed: int = knob(
        0, "seed", "the same seed gives the same run, with any number of threads", low=0, high=2**63 - 1, step=1, group="training"
    )
    threads: int = knob(0, "threads", "0 for all cores; results do not depend on it", low=0, high=1024, step=1, group="training")
    workers: int = knob(
        0, "workers", "workers that train in parallel, one core each; 0: train without workers", low=0, high=64, step=1,
        group="parallel",
    )  # fmt: skip
    backend: str = knob("threads", "backend", "where workers run; dask: a local cluster", choices=BACKENDS, group="parallel")
    async_fraction: float = knob(
        0.7, "first phase", "share of the epochs with one common net; then workers train their own, which are averaged",
        low=0.0, high=1.0, step=0.05, group="parallel",
    )  # fmt: skip
    synchronous: bool = knob(
        False, "synchronous", "first phase: workers wait for each other (WASSP-SGD) or not (WASAP-SGD)", group="parallel"
    )
    steps_per_push: NUMBER_OR_NAME = knob(
        1, "batches a push", "mini-batches of a worker before it sends what they give; auto: by measured times, if asynchronous",
        low=1, high=1000, step=1, choices=("auto",), group="parallel",
    )  # fmt: skip
    target: str = knob(
        "",
        "target",
        "in a table: name or position of the target's column, for a regression several with commas; empty: the last one",
        group="data",
    )
    task: str = knob("classification", "task", "what the target in a file is for", choices=TASKS, group="data")
    separator: str = knob("", "separator", "in a table: character between cells, or tab or space; empty: found", group="data")
    header: str = knob(
        "auto", "header", "in a table: whether the first line names the columns", choices=tuple(HEADERS), group="data"
    )
    decimal: str = knob("auto", "decimal mark", "in a table: mark before decimals", choices=tuple(DECIMALS), group="data")
    columns: str = knob(
        "", "columns", "in a table: names or positions of the features, as in size, 2, 5..9; empty: all but the target",
        group="data",
    )  # fmt: skip
    missing: str = knob(
        "refuse", "missing cells", "in a table: refuse rows with missing cells, or drop these rows", choices=ON_MISSING,
        group="data",
    )  # fmt: skip
    pruning_fold: str = knob(
        "mean", "fold", "what a removed neuron leaves in the biases: its mean output, or its output without links (paper: bias)",
        choices=FOLDS, group="pruning",
    )  # fmt: skip
    new_values: str = knob(
        "zero", "new values", "values of new links; the paper's come from the initializer", choices=tuple(NEW_VALUES),
        group="evolution",
    )  # fmt: skip
    optimizer: str = knob(
        "momentum_sgd", "optimizer", "momentum_sgd as in the paper, or PyTorch's sgd, adam, adamw",
        choices=tuple(torch_optimizers.NAMES), group="training",
    )  # fmt: skip
    beta1: float = knob(
        0.9, "β₁", "adam, adamw: share that the average of gradients keeps", low=0.0, high=0.999, step=0.01, group="training"
    )
    beta2: float = knob(
        0.999, "β₂", "adam, adamw: share that the average of squares keeps", low=0.0, high=0.99999, step=0.001, group="training"
    )
    eps: float = knob(
        1e-8, "ε of adam", "adam, adamw: number added below the fraction", low=1e-12, high=1.0, step=1e-8, log=True,
        group="training",
    )  # fmt: skip
    clip_norm: float = knob(
        0.0, "clip norm", "gradients whose norm is larger are scaled down to it; 0: never", low=0.0, high=10_000.0, step=0.1,
        group="training",
    )  # fmt: skip
    topology: str = knob("er", "topology", "where the links are at the start", choices=tuple(starts.NAMES))
    density: float = knob(
        0.0, "density", "share of links at the start, in each layer (er: in all together), in place of ε; 0: by ε",
        low=0.0, high=1.0, step=0.01,
    )  # fmt: skip
    dense_last: bool = knob(False, "dense output", "the output layer is dense at the start")
    layers: str = knob("hidden", "layers", "layers whose links change", choices=("hidden", "all"), group="evolution")
    events: str = knob(
        "1 epoch", "events", "distance of two changes of the links, such as 2 epochs or 100 steps", group="evolution"
    )
    replaces_update: bool = knob(
        False, "in place of a step", "a change of the links takes the place of a step, as in RigL and CHT", group="evolution"
    )
    final_density: float = knob(
        0.0, "final density", "gmp, granet, chtss: density to which the net falls from that of the start; 0: other rules",
        low=0.0, high=1.0, step=0.01, group="evolution",
    )  # fmt: skip
    loss: str = knob(
        "auto", "loss", "auto: cross-entropy of classes, binary cross-entropy of several labels, squared error of numbers",
        choices=("auto", *losses.NAMES), group="training",
    )  # fmt: skip

    def __post_init__(self):
        for one in dataclasses.fields(self):
            object.__setattr__(self, one.name, checked(one, getattr(self, one.name)))
        datasets.check_name(self.dataset)
        interval(self.events, "events")

    @classmethod
    def paper(cls, name: str, **changes: Any) -> Self:
        """
        Return the settings of one of the paper's experiments [1]_, section 4.

        The paper trains CIFAR-10 with data augmentation, which is not part of this preset: give `build` data with
        `Dataset.with_augmentation`.

        Parameters
        ----------
        name : {"fashion_mnist", "cifar10", "madelon", "higgs", "leukemia"}
            The data set.
        **changes : Any
            Fields with other values.

        Returns
        -------
        ExperimentConfig
            The preset with these changes.

        Raises
        ------
        ValueError
            If the paper has no experiment of this name.

        References
        ----------
        .. [1] Curci, S., Mocanu, D. C., Pechenizkiy, M. (2021). Truly sparse neural networks at scale. arXiv:2102.01732.
        """
        preset: dict[str, Any] = PAPER[checks.choice("name", name, PAPER)]
        return cls(**preset | {"dataset": name} | AS_IN_THE_PAPER | changes)

    def replace(self, /, **changes: Any) -> Self:
        """
        Return a copy with other values of some fields.

        Parameters
        ----------
        **changes : Any
            Fields and their new values.

        Returns
        -------
        ExperimentConfig
            The copy.

        Raises
        ------
        TypeError
            If a value has the wrong type.
        ValueError
            If a field is unknown, or a value is out of bounds.
        """
        known = [one.name for one in dataclasses.fields(self)]
        for name in changes:
            checks.choice("field", name, known)
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """
        Return the settings as JSON.

        Returns
        -------
        str
            A JSON object, with which `from_json` makes the same config again.
        """
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """
        Make a config from the JSON of `to_json`.

        Parameters
        ----------
        text : str
            A JSON object; fields that are missing have their defaults.

        Returns
        -------
        ExperimentConfig
            The config.

        Raises
        ------
        TypeError
            If a value has the wrong type.
        ValueError
            If the text is not a JSON object of fields, or a value is out of bounds.
        """
        try:
            values = json.loads(text, object_pairs_hook=once)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"preset = {checks.shown(text)}: must be the JSON text of a config ({str(error)[:160]})") from None
        if not isinstance(values, dict):
            checks.fail("preset", values, "a JSON object")
        return cls.stored(values)

    @classmethod
    def stored(cls, values: dict[str, Any]) -> Self:
        """
        Make a config from the fields that an earlier version may have stored.

        Parameters
        ----------
        values : dict
            Fields and their values; those that are missing have their defaults. Settings without `new_values` or
            `pruning_fold` were stored when these were the paper's.

        Returns
        -------
        ExperimentConfig
            The config.

        Raises
        ------
        TypeError, ValueError
            As `replace`.
        """
        older = {"new_values": "regrowth", "pruning_fold": "importance"}  # new fields, and a field that was stored before
        paper = {name: AS_IN_THE_PAPER[name] for name, sign in older.items() if sign in values}
        return cls().replace(**paper | values)


FIELDS = {one.name: one for one in dataclasses.fields(ExperimentConfig)}  # name, type and metadata of each setting


def data_options(config):
    """Keyword arguments for `datasets.load`: how the file of a config is read; ValueError where they are for no file."""
    chosen, target = columns_in("columns", config.columns), config.target.strip()
    several = columns_in("target", target) if config.task == "regression" else []
    options = {
        "target": several if len(several) > 1 else column_in(target) if target else None,
        "columns": chosen or None,
        "separator": SEPARATORS.get(config.separator, config.separator),
        "header": HEADERS[config.header],
        "decimal": DECIMALS[config.decimal],
        "missing": None if config.missing == "refuse" else config.missing,
    }
    options = {name: value for name, value in options.items() if value is not None}
    options |= {"task": config.task} if config.task != "classification" else {}
    if options and not datasets.is_file(config.dataset):
        name = next(iter(options))
        checks.fail(name, getattr(config, name), f"{FIELDS[name].default!r}: {config.dataset!r} is not a file")
    return options


def column_in(text):
    """The position, where a text is a whole number, or the name of a column."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else text


def columns_in(field, text):
    """Names and positions of columns in a text with commas between them; 2..4 stands for 2, 3, 4."""
    found = []
    for part in map(str.strip, next(csv.reader([text]), [])):
        if ends := re.fullmatch(r"(\d{1,7})\.\.(\d+)", part):
            first, last = map(int, ends.groups())
            found += range(first, 1 + checks.integer(field, last, low=first, high=MAX_COLUMNS))
        elif part:
            found.append(column_in(part))
    return found


def columns_text(places, names):
    """The text from which `columns_in` makes these columns, in order: names, or where these are long or odd, positions."""
    text = ", ".join(str(names[place]) for place in places)
    with suppress(ValueError):
        found = columns_in("columns", text) if len(text) <= LONG_NAMES and text.isprintable() else []
        if found == [names[place] for place in places]:
            return text
    chosen = set(places)
    ends = ([place for place in places if place + step not in chosen] for step in (-1, 1))
    return ", ".join(f"{first}..{last}" if first < last else str(first) for first, last in zip(*ends, strict=True))


def layer_densities(config, sizes):
    """The density at which each layer of a net of these widths starts, on average."""
    start = None if config.topology == "csti" else starts.get(config.topology)  # csti needs data only to draw
    return densities(sizes, start, config.epsilon, config.density or None, (False, config.dense_last))


def documented(one):
    """The lines of a field in the docstring of ExperimentConfig."""
    m, names = one.metadata, {tuple: "tuple of int", NUMBER_OR_NAME: "int or "}
    kind = names.get(one.type) or ("" if m["choices"] else one.type.__name__)
    kind += f"{{{', '.join(map(repr, m['choices']))}}}" if m["choices"] else ""
    bounds = "" if m["low"] is None else f", in [{m['low']}, {m['high']}]"
    return f"{one.name} : {kind}, default {one.default!r}\n        {m['help'][0].upper()}{m['help'][1:]}{bounds}."


if ExperimentConfig.__doc__:  # python -OO removes docstrings
    ExperimentConfig.__doc__ %= "\n    ".join(documented(one) for one in FIELDS.values())


def number_or_name(text):
    """The text as a field of type NUMBER_OR_NAME: a whole number, or as it is, which the config may refuse."""
    return int(text) if text.isdecimal() else text


def once(pairs):
    """A JSON object as a dict; ValueError if a key occurs twice, because one value would be lost."""
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the field {key!r:.40} occurs twice")
        found[key] = value
    return found


def checked(one, value):
    """The value of a field, validated: of its type, within its bounds."""
    m, name = one.metadata, one.name
    if one.type is bool:
        return bool(value) if isinstance(value, bool) else checks.fail(name, value, "True or False", TypeError)
    if one.type is tuple:
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            checks.fail(name, value, "a sequence of whole numbers", TypeError)
        return tuple(checks.integer(f"{name}[{i}]", n, low=m["low"], high=m["high"]) for i, n in enumerate(value))
    if one.type is int or (one.type == NUMBER_OR_NAME and not isinstance(value, str)):
        return checks.integer(name, value, low=m["low"], high=m["high"])
    if one.type is float:
        return checks.number(name, value, f"a number in [{m['low']:g}, {m['high']:g}]", low=m["low"], high=m["high"])
    if one.type == NUMBER_OR_NAME and value not in m["choices"]:
        checks.fail(name, value, f"a whole number in [{m['low']}, {m['high']}], or one of {list(m['choices'])}")
    if m["choices"]:
        return checks.choice(name, value, m["choices"])
    if name == "dataset":
        return str(value) if isinstance(value, PurePath) else value
    if not isinstance(value, str):
        checks.fail(name, value, "a text", TypeError)
    if len(value) > MAX_TEXT or not value.isprintable():
        checks.fail(name, value, f"a text of at most {MAX_TEXT} printable characters")
    if name == "separator" and len(value) > 1 and value not in SEPARATORS and value != r"\s+":
        checks.fail(name, value, "one character, tab, space, or empty to find it")
    return value


_IMAGES = {"epochs": 500, "epsilon": 20.0, "initializer": "he_uniform", "learning_rate": 0.01, "batch_size": 128}
AS_IN_THE_PAPER = {"fan": "width", "new_values": INITIALIZER, "importance": "incoming", "pruning_fold": "bias"}
PAPER = {
    "fashion_mnist": _IMAGES | {"hidden": (1000, 1000, 1000), "alpha": 0.6},
    "cifar10": _IMAGES | {"hidden": (4000, 1000, 4000), "alpha": 0.75},
    "madelon": {
        "hidden": (400, 100, 400), "epsilon": 10.0, "alpha": 0.5, "learning_rate": 0.01, "batch_size": 32,
        "initializer": "normal", "epochs": 500,
    },
    "higgs": {
        "hidden": (1000, 1000, 1000), "epsilon": 10.0, "alpha": 0.05, "learning_rate": 0.01, "batch_size": 128,
        "initializer": "xavier_uniform", "epochs": 500,
    },
    "leukemia": {
        "hidden": (27500, 27500), "epsilon": 10.0, "alpha": 0.75, "learning_rate": 0.005, "batch_size": 5,
        "initializer": "normal", "epochs": 500,
    },
}  # fmt: skip
