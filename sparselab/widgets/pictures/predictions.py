"""Predictions for the browser: cells of predicted against true classes, or numbers, which cells.js draws."""

import numpy as np

from ...figures.confusion import COUNTED, LISTED
from ...nn.losses import r_squared
from .cells import named
from .colours import BLUES

BINS = 24  # of numbers, along each side
LONGEST = 13  # letters of a name


def class_content(truth, predicted, classes, title):
    """The value of a Picture for numbers of classes (n,) and what was predicted."""
    n, names = len(classes), [short(one) for one in classes]
    counts = np.bincount(truth * n + predicted, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    wrong = counts * ~np.eye(n, dtype=bool)
    most = [divmod(int(place), n) for place in np.argsort(-wrong, axis=None, kind="stable")[:LISTED] if wrong.flat[place]]
    listed = [f"{names[a]} → {names[b]}: {counts[a, b]:,} ({shares[a, b]:.0%})" for a, b in most]
    right = f"{np.trace(counts):,} of {len(truth):,} right"
    return content(
        {"share of the true class": shares.round(4), "samples": counts}, names, names, 1.0,
        title=f"{title}: {right}", unit="share of the true class", axes=("true class", "predicted class"),
        words=[f"{count:,}" if count else "" for count in counts.ravel().tolist()] if n <= COUNTED else [],
        notes=["true → predicted, most often:", *listed] if listed and n > COUNTED else [],
        summary=f"Confusion matrix, {right}. {'; '.join(listed)}.",
    )  # fmt: skip


def number_content(truth, predicted, title):
    """The value of a Picture for numbers (n, outputs) and what was predicted: the samples of the first output in bins."""
    r2, outputs = r_squared(predicted[:, :1], truth[:, :1]), truth.shape[1]
    pairs = np.column_stack([truth[:, 0], predicted[:, 0]]).astype(float)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    low, high = (pairs.min(), pairs.max()) if len(pairs) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = np.histogram2d(pairs[:, 1], pairs[:, 0], [edges, edges])[0][::-1]
    centres = [f"{value:.3g}" for value in (edges[1:] + edges[:-1]) / 2]
    first = f", output 0 of {outputs}" if outputs > 1 else ""
    said = f"{title}{first}" + ("" if r2 is None else f": R² {r2:.3f}")
    return content(
        {"samples": counts}, centres[::-1], centres, float(max(1, counts.max())), title=said, unit="samples",
        axes=("predicted", "true"), words=[], notes=[], summary=f"Predicted against true numbers, {said}.",
    )  # fmt: skip


def content(cells, rows, columns, top, *, axes, **texts):
    """The value of a Picture of {name: (rows, columns) numbers}, the first of which is the colour; rows, columns: their names."""
    side = lambda name, labels: {
        "name": name, "first": 0, "step": 1, "end": len(labels), "count": len(labels), "details": [], "labels": labels
    }  # fmt: skip
    return {
        "kind": "cells", "key": "predictions", "colours": BLUES, "top": top, "more": False, "square": False, "zoom": False,
        "zoomed": False, "cells": named(cells), "rows": side(axes[0], rows), "columns": side(axes[1], columns), **texts,
    }  # fmt: skip


def short(name):
    """A name of at most LONGEST letters on one line."""
    text = " ".join(str(name).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
