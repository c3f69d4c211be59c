"""Rules by name, in configs and in races: what each name makes, importance pruning included."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..evolution import (
    ANF,
    CHT,
    GMP,
    GSE,
    MEST,
    PALS,
    SET,
    SNFS,
    CHTs,
    CHTss,
    DeepR,
    GraNet,
    ImportancePruning,
    PruneRegrow,
    RigL,
    SRigL,
    criteria,
    importances,
    regrowths,
)  # fmt: skip
from ..evolution.timing import interval
from ..nn.schedules import Cosine, Cubic, Sigmoid, Until
from ..utils import checks

ZETA = 0.3  # share of links replaced in a race
FIRST = 0.5  # density at the start of a race of rules that only lose links
COURSE = 0.75  # share of the epochs in which there are events that end, and in which the density falls


@dataclass(frozen=True)
class Course:
    """What a rule of a race depends on: density of the sparse layers in the end, epochs, held-out samples (X, y) or None."""

    density: float
    epochs: int
    held_out: tuple | None = None

    @property
    def first(self):
        """Density at the start of rules that only lose links."""
        return max(FIRST, self.density)

    @property
    def end(self):
        """Epoch from which on there are no more events, for rules that say so."""
        return COURSE * self.epochs

    @property
    def zeta(self):
        """ζ along half a cosine, to the end of the events."""
        return Cosine(ZETA, self.end, final=0)

    @property
    def falling(self):
        """A density that falls to the end of the events."""
        return Cubic(self.first, self.density, 0, self.end)

    @property
    def thinning(self):
        """Half of the hidden neurons go, step by step, from a quarter of the epochs on."""
        start, stop = max(1, self.epochs // 4), max(1, int(self.end))
        return ImportancePruning(0.5, start, stop, max(1, (stop - start) // 4))


@dataclass(frozen=True)
class Entry:
    """A rule by name: its class, None for no rule at all, and Course -> its arguments in a race."""

    rule: type | None = None
    arguments: Callable[[Course], dict[str, Any]] = lambda course: {"zeta": ZETA}
    before: Callable[[Course], list] = lambda course: []  # rules that come before it in a race
    first: Callable[[Course], float] = lambda course: course.density  # density at the start of a race
    in_configs: bool = True  # whether configs name it, too, in lower case
    falls: bool = False  # whether it needs a density for the end
    optimizes: bool = False  # whether the rule is the optimizer, too
    holds_out: bool = False  # whether it needs a tenth of the training samples for itself

    def raced(self, course):
        """The rules of a race."""
        return [*self.before(course), *([self.rule(**self.arguments(course))] if self.rule else [])]


def ending(course):
    """Arguments of a rule whose events end, and ζ with them."""
    return {"zeta": course.zeta, "until": course.end}


def falling(rule, arguments):
    """The Entry of a rule that makes a network sparser, and so begins above the density of the end."""
    return Entry(rule, arguments, first=lambda course: course.first, falls=True)


RULES = {
    "static": Entry(),
    "SET": Entry(SET),
    "MEST": Entry(MEST),
    "DeepR": Entry(
        DeepR, lambda course: {"learning_rate": 0.05, "layers": "hidden"}, in_configs=False, optimizes=True
    ),
    "ANF": Entry(ANF, lambda course: {}),
    "RigL": Entry(RigL, ending),
    "SNFS": Entry(SNFS, ending),
    "GSE": Entry(GSE, ending),
    "SRigL": Entry(SRigL, ending),
    "GMP": falling(GMP, lambda course: {"density": course.falling}),
    "GraNet": falling(GraNet, lambda course: {"zeta": course.zeta, "density": course.falling}),
    "PALS": Entry(
        PALS, lambda course: {"held_out": course.held_out, "gamma": 1.2, "max_sparsity": 1 - course.density},
        first=lambda course: 1.0, in_configs=False, holds_out=True,
    ),
    "ImportancePruning": Entry(SET, before=lambda course: [course.thinning], in_configs=False),
    "CHT": Entry(CHT),
    "CHTs": Entry(CHTs),
    "CHTss": falling(CHTss, lambda course: {"zeta": ZETA, "density": course.density, "first_density": course.first}),
}  # fmt: skip
IN_CONFIGS = {name.lower(): entry for name, entry in RULES.items() if entry.in_configs}


def rules_of(config):
    """The rules of a config: importance pruning first, then evolution (Curci et al. 2021, algorithm 2)."""
    return [*pruning_of(config), *evolution_of(config)]


def pruning_of(config):
    """[ImportancePruning] or []."""
    if config.pruning == "none":
        return []
    start, stop = config.pruning_start, config.pruning_stop
    if stop and stop < start:
        checks.fail("pruning_stop", stop, f"0 or a whole number >= pruning_start = {start}")
    return [
        ImportancePruning(
            config.pruning_amount, start, stop or None, config.pruning_every, config.pruning, config.pruning_percentile,
            importances.NAMES[config.importance], fold=config.pruning_fold,
        )
    ]  # fmt: skip


def evolution_of(config):
    """[rule] of the name in the config, [PruneRegrow] for SET with another criterion or regrowth, or []."""
    if config.rule == "static":
        return []
    n, in_steps = interval(config.events)
    options = {"every": config.events if in_steps else n, "replaces_update": config.replaces_update}
    options |= {"new_values": config.new_values} | ({"layers": "all"} if config.layers == "all" else {})
    if config.rule == "set":
        zeta, parts = zeta_of(config), (criteria.NAMES[config.criterion], regrowths.NAMES[config.regrowth])
        plain = SET(zeta, **options, **density_of(config))
        return [plain if parts == (plain.criterion, plain.regrowth) else PruneRegrow(zeta, *parts, **options)]
    defaults = {one.name: one.default for one in dataclasses.fields(config)}
    for name in ("criterion", "regrowth"):
        if getattr(config, name) != defaults[name]:
            checks.fail(name, getattr(config, name), f"{defaults[name]!r} with rule = {config.rule!r}, which has its own")
    zeta = 0.0 if config.rule == "gmp" else zeta_of(config.replace(zeta_stop=0))
    options |= {"until": min(config.zeta_stop, config.epochs)} if config.zeta_stop else {}
    return [IN_CONFIGS[config.rule].rule(zeta, **options, **density_of(config))]


def density_of(config):
    """{"density": schedule} of a rule that makes the network sparser; {} of the others."""
    if not IN_CONFIGS[config.rule].falls:
        if config.final_density:
            checks.fail("final_density", config.final_density, f"0 with rule = {config.rule!r}, which keeps the number of links")
        return {}
    first, last = config.density, config.final_density
    if not 0 < last < first:
        allowed = f"between 0 and density = {first:g}, that of the start, with rule = {config.rule!r}"
        checks.fail("final_density", last, allowed)
    course = Sigmoid if config.rule == "chtss" else Cubic
    return {"density": course(first, last, 0, config.zeta_stop or COURSE * config.epochs)}


def zeta_of(config):
    """The share of links replaced before an epoch, or its schedule."""
    zeta = config.zeta
    if config.zeta_schedule == "cosine" and zeta > 0:
        zeta = Cosine(zeta, config.zeta_stop or config.epochs, final=zeta / 1000)
    return Until(zeta, config.zeta_stop) if config.zeta_stop and config.zeta > 0 else zeta
