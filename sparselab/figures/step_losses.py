"""The loss of every single step: what there is to see of a training that has not got as far as an epoch."""

import numpy as np

from ..utils import checks
from . import legends, style


def loss_by_step(losses, *, title=None, dataset=None):
    """Training loss against steps, from 1.

    losses: {label: (steps,) numbers}, such as `extreme.run` gives, or one such list. ValueError where one is empty or has other
    than one dimension.
    """
    losses = losses if isinstance(losses, dict) else {"": losses}
    runs = {label: checks.as_array(values).astype(float) for label, values in losses.items()}
    for label, values in runs.items():
        if values.ndim != 1 or not len(values):
            checks.fail(f"losses[{label!r}]", losses[label], "numbers, one a step")
    figure, axes = style.blank(height=2.6, title=style.heading(title, dataset))
    lines = []
    for number, values in enumerate(runs.values()):
        look = style.look(number) | {"linestyle": style.dash(number), "linewidth": 1.5, "markersize": 4}
        lines += axes[0, 0].plot(np.arange(1, len(values) + 1), values, **look)
    style.label(axes[0, 0], "step", "training loss")
    style.whole(axes[0, 0].xaxis, 9)
    if any(map(str, runs)):
        legends.below(figure, lines, [style.plain(label) for label in runs])
    return style.finish(
        figure, [{"run": str(label), "step": i + 1, "loss": x} for label, v in runs.items() for i, x in enumerate(v)]
    )
