"""Learning curves for the browser: what curves.js draws, in few enough points to be sent four times a second."""

import numpy as np

from ...figures.histories import column
from ...figures.style import COLOURS
from ...figures.training_curves import METRICS, PARTS, SUBSET, X_LABELS

POINTS = 8000  # of all curves together: 16 bytes each
LEAST = 40  # of each curve


def content(runs, choices, x="epoch", *, axis=None, dataset=None, marks=()):
    """The value of a Picture for {label: History}; None where no score is known.

    choices: {"span": (lowest, highest) x that is seen, "smoothing": weight of the past}. axis: (label, unit) of x in place of
    those of epochs or seconds. marks: (x, text) of vertical lines.
    """
    histories = [list(history) for history in runs.values()]
    lines = [line for number, history in enumerate(histories) for line in lines_of(number, history, x)]
    if not lines:
        return None
    places = np.concatenate([line["x"] for line in lines])
    weight = min(float(choices.get("smoothing") or 0), 0.999)
    span = choices.get("span")
    span = span if span and span[0] < places.max() else None  # a shorter run has begun
    most = max(LEAST, POINTS // len(lines) // (2 if weight else 1))
    named = METRICS | ({"accuracy": SUBSET} if getattr(dataset, "has_labels", False) else {})
    known = {line["metric"] for line in lines}
    label, unit = axis or (X_LABELS[x], x)
    return {
        "kind": "curves",
        "title": "" if dataset is None else f"{dataset.name} (source: {dataset.source})",
        "summary": summary(dict(zip(runs, histories)), label),
        "x": label,
        "unit": unit,
        "whole": x == "epoch",
        "ends": [float(places.min()), float(places.max())],
        "metrics": [[name, text] for name, text in named.items() if name in known],
        "runs": [str(label) for label in runs],
        "lines": [sent(line, span, weight, most) for line in lines],
        "marks": [list(mark) for mark in marks],
        "colours": list(COLOURS),
    }


def lines_of(number, history, x):
    """The curves of one run: {"run", "part", "metric", "x" and "y": all records with this score}."""
    places = column(history, "epoch") if x == "epoch" else np.cumsum(column(history, "seconds"))
    for metric in METRICS:
        for part in PARTS:
            scores = column(history, f"{part}_{metric}")
            known = ~np.isnan(scores)
            if known.any():
                yield {"run": number, "part": part, "metric": metric, "x": places[known], "y": scores[known]}


def sent(line, span, weight, most):
    """A line as it is sent: what lies in the span, thinned; "smooth" is a list of at most one such curve."""
    x, y = line["x"], line["y"]
    seen = within(x, span)
    curves = [y, smoothed(y, weight)] if weight else [y]
    exact, *smooth = [packed(x[seen], curve[seen], most) for curve in curves]
    return {key: line[key] for key in ("run", "part", "metric")} | exact | {"smooth": smooth}


def packed(x, y, most):
    """{"x", "y"}: bytes of at most `most` points."""
    kept = thinned(y, most)
    return {"x": x[kept].astype("<f8").tobytes(), "y": y[kept].astype("<f8").tobytes()}


def within(x, span):
    """Slice of the ascending x that lie in the span, with a neighbour on each side; all without a span."""
    if not span:
        return slice(None)
    first, last = np.searchsorted(x, [float(end) for end in span], side="left")
    return slice(max(0, first - 1), last + 1)


def thinned(y, most):
    """Indices of at most `most` values that look like all: the ends, and the lowest and the highest of equally wide bins."""
    n = len(y)
    if n <= most:
        return np.arange(n)
    width = -(-n // (most // 2 - 1))
    starts = np.arange(0, n, width)
    bins = np.pad(y, (0, len(starts) * width - n), mode="edge").reshape(-1, width)
    return np.unique(np.concatenate([[0, n - 1], starts + bins.argmin(axis=1), starts + bins.argmax(axis=1)]))


def smoothed(y, weight):
    """Exponential moving average in which the past has this weight, without the bias of its start."""
    import pandas

    return pandas.Series(y).ewm(alpha=1 - weight).mean().to_numpy()


def summary(runs, label):
    """What the curves against this axis say, in words."""
    parts = [f"Learning curves against {label}."]
    for label, history in runs.items():
        last = history[-1]
        scores = [f"{part} {metric} {value:.4g}" for metric in METRICS for part in PARTS
                  if (value := getattr(last, f"{part}_{metric}", None)) is not None]  # fmt: skip
        parts.append(f"{label or 'This run'} after epoch {last.epoch}: {', '.join(scores)}.")
    return " ".join(parts)
