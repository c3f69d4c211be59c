"""What will happen, said beside the controls before anything runs; controls that do not count are hidden. Here: pruning."""

from ..evolution import widths_without
from ..experiments.experiment import pruning_of
from . import markup
from .gallery import HIDDEN, SHOWN
from .toolkit import make

COUNT = {  # pruning -> controls that count
    "none": (), "links": ("pruning_percentile", "pruning_start", "pruning_every", "importance"),
    "shrink": ("pruning_amount", "pruning_start", "pruning_stop", "pruning_every", "importance"),
}  # fmt: skip
SEVERAL = 4  # events that are named one by one


def attach(panel, plan, counting):
    """Put plan(config), a sentence, under the controls of a TrainingPanel, and keep it true; returns the panel.

    counting(controls): {name: whether this control counts}; those that do not are hidden.
    """
    remark = make("HTML", value="").add_class("sparselab-plan")
    panel.plan = remark
    panel.form.widget.children = (*panel.form.widget.children, remark)
    panel.form.observe(lambda name: follow(panel, plan, counting))
    follow(panel, plan, counting)
    return panel


def follow(panel, plan, counting):
    """Hide what does not count, and say what will happen."""
    controls = panel.form.controls
    for name, counts in counting(controls).items():
        if name in controls:
            controls[name].widget.layout.display = SHOWN if counts else HIDDEN
    try:
        panel.plan.value = markup.note(plan(panel.form.config))
    except (TypeError, ValueError):  # said beside the field
        panel.plan.value = ""


def counting(controls):
    """{name: whether it counts with the kind of pruning that is chosen}."""
    counts = COUNT.get(controls["pruning"].input.value, ())
    return {name: name in counts for name in set().union(*COUNT.values())}


def plan(config):
    """One sentence: after which epochs something goes, and what is left at the end."""
    if config.pruning == "none":
        return "No neuron will be pruned."
    (rule,) = pruning_of(config)
    events = [epoch for epoch in range(1, config.epochs) if rule.is_due(epoch)]
    if not events:
        return f"Nothing will be pruned in {config.epochs} epochs: the first event would be after epoch {rule.start}."
    first = ", ".join(map(str, events)) if len(events) <= SEVERAL else f"{events[0]}, {events[1]}, …, {events[-1]}"
    if config.pruning == "links":
        return f"After epochs {first}: neurons up to percentile {rule.percentile:g} of their layer lose their incoming links."
    widths = [widths_without(config.hidden, rule.share(epoch)) for epoch in events]
    used = [event for event, now, before in zip(events, widths, [config.hidden, *widths]) if now != before]
    if not used:
        return f"After epochs {first} nothing goes: amount {rule.amount:g} of these widths is no neuron."
    first = ", ".join(map(str, used)) if len(used) <= SEVERAL else f"{used[0]}, {used[1]}, …, {used[-1]}"
    return f"After epochs {first} neurons go: hidden widths {text(config.hidden)} → {text(widths[-1])}."


def text(widths):
    """Widths as one writes them."""
    return "-".join(f"{n}" for n in widths)
