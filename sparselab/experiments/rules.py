"""The rules that a config names: importance pruning and the change of links."""

from ..evolution import (
    ANF,
    CHT,
    GMP,
    GSE,
    MEST,
    SET,
    SNFS,
    CHTs,
    CHTss,
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
from .config import FIELDS

RULES = {
    "set": SET, "rigl": RigL, "snfs": SNFS, "gse": GSE, "mest": MEST, "srigl": SRigL, "gmp": GMP, "granet": GraNet, "cht": CHT,
    "chts": CHTs, "chtss": CHTss, "anf": ANF,
}  # fmt: skip
FALLING = ("gmp", "granet", "chtss")  # rules that need the density in the end
COURSE = 0.75  # share of the epochs in which the density falls, unless the config says when links no longer change


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
    for name in ("criterion", "regrowth"):
        if getattr(config, name) != FIELDS[name].default:
            checks.fail(name, getattr(config, name), f"{FIELDS[name].default!r} with rule = {config.rule!r}, which has its own")
    zeta = 0.0 if config.rule == "gmp" else zeta_of(config.replace(zeta_stop=0))
    options |= {"until": min(config.zeta_stop, config.epochs)} if config.zeta_stop else {}
    return [RULES[config.rule](zeta, **options, **density_of(config))]


def density_of(config):
    """{"density": schedule} of a rule that makes the network sparser; {} of the others."""
    if config.rule not in FALLING:
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
