"""What pruning and workers will do, in sentences under the controls of a panel before anything runs.

Controls that have no effect with the chosen settings are hidden.
"""

from ..evolution import widths_without
from ..experiments.rules import pruning_of
from . import markup
from .gallery import HIDDEN, SHOWN
from .toolkit import make

PRUNING_CONTROLS = {  # kind of pruning -> controls that have an effect
    "none": (), "links": ("pruning_percentile", "pruning_start", "pruning_every", "importance"),
    "shrink": ("pruning_amount", "pruning_start", "pruning_stop", "pruning_every", "importance"),
}  # fmt: skip
WORKER_CONTROLS = ("backend", "async_fraction", "synchronous")  # controls that have an effect if there are workers
MOST_LISTED = 4  # a longer list of epochs is abbreviated


def attach(panel, plan, relevant):
    """Show the sentence plan(config) under the controls of a TrainingPanel, and keep it up to date; returns the panel.

    relevant(controls): {name: whether this control has an effect}; those that have none are hidden.
    """
    panel.plan = make("HTML", "sparselab-plan")
    panel.form.widget.children = (*panel.form.widget.children, panel.plan)
    panel.form.observe(lambda name: update(panel, plan, relevant))
    update(panel, plan, relevant)
    return panel


def update(panel, plan, relevant):
    """Hide controls without effect, and write the sentence anew."""
    controls = panel.form.controls
    for name, counts in relevant(controls).items():
        if name in controls:
            controls[name].widget.layout.display = SHOWN if counts else HIDDEN
    try:
        panel.plan.value = markup.note(plan(panel.form.config))
    except (TypeError, ValueError):  # the error is shown beside its field
        panel.plan.value = ""


# pruning


def relevant_for_pruning(controls):
    """{name: whether it has an effect with the chosen kind of pruning}."""
    names = PRUNING_CONTROLS.get(controls["pruning"].input.value, ())
    return {name: name in names for name in set().union(*PRUNING_CONTROLS.values())}


def pruning_plan(config):
    """After which epochs something is pruned, and what is left at the end."""
    if config.pruning == "none":
        return "No neuron will be pruned."
    (rule,) = pruning_of(config)
    events = [epoch for epoch in range(1, config.epochs) if rule.is_due(epoch)]
    if not events:
        return f"Nothing will be pruned in {config.epochs} epochs: the first event would be after epoch {rule.start}."
    if config.pruning == "links":
        return f"After epochs {listed(events)}: neurons up to percentile {rule.percentile:g} lose their incoming links."
    widths = [widths_without(config.hidden, rule.share(epoch)) for epoch in events]
    used = [event for event, now, before in zip(events, widths, [config.hidden, *widths]) if now != before]
    if not used:
        return f"After epochs {listed(events)} nothing is removed: amount {rule.amount:g} of these widths is no neuron."
    before, after = ("-".join(map(str, one)) for one in (config.hidden, widths[-1]))
    return f"After epochs {listed(used)} neurons are removed: hidden widths {before} → {after}."


def listed(epochs):
    """Epochs as text; those in the middle of a long list are left out."""
    return ", ".join(map(str, epochs if len(epochs) <= MOST_LISTED else [*epochs[:2], "…", epochs[-1]]))


# workers


def relevant_for_workers(controls):
    """{name: whether it has an effect with this number of workers}."""
    return dict.fromkeys(WORKER_CONTROLS, controls["workers"].input.value > 0)


def first_phase(config):
    """Number of epochs of the first phase."""
    return round(config.async_fraction * config.epochs)


def in_local_phase(run):
    """Whether the workers of a run are past the first phase: each trains its own net, or the average has been made."""
    history, config = run.history, run.config
    return bool(config.workers and history) and history[-1].epoch >= first_phase(config)


def worker_plan(config):
    """What the workers do in which epochs."""
    if not config.workers:
        threads = {0: "all cores", 1: "one thread"}.get(config.threads, f"{config.threads} threads")
        return f"One training without workers, on {threads}: the baseline for the others."
    split, n, parts = first_phase(config), config.epochs, []
    if split:
        who = "1 worker sends" if config.workers == 1 else f"{config.workers} workers send"
        how = "wait for each other at every step (WASSP-SGD)" if config.synchronous else "do not wait for each other (WASAP-SGD)"
        parts.append(f"{epoch_range(1, split)}: {who} gradients to one shared net; workers {how}.")
    if split < n:
        parts.append(f"{epoch_range(split + 1, n)}: each worker trains its own net on its own samples; then the average.")
    if config.backend != "threads" and split < n:
        parts.append("Workers in other processes keep the learning rate and ζ of the start: changes reach the first phase only.")
    return " ".join(parts)


def epoch_range(first, last):
    """Epochs as text."""
    return f"Epoch {first}" if first == last else f"Epochs {first}–{last}"
