"""Images and connectivity for the browser: what cells.js draws, a number for each cell and what else is known of it."""

import numpy as np

from ...figures.link_density import CELLS, density, typical_top
from ...figures.pixel_maps import image_of, shape_of
from .colours import BLUES, VIRIDIS

BINS = 128  # most cells along each side of a connectivity picture
FIELDS, FIELDS_BYTES = 8, 100_000  # neurons whose receptive fields are shown, and what these may need


def input_content(fan_out, dataset, *, title, strength=None, fields=None):
    """The value of a Picture for the links (n_in,) of each input pixel.

    strength: (n_in,) sum of the absolute weights of its links, where it is known. fields: `receptive_fields` of a pixel.
    """
    shape = shape_of(None, dataset)
    image = image_of(np.asarray(fan_out), shape)
    cells = {"links": image} | ({} if strength is None else {"sum of |weights|": image_of(np.asarray(strength), shape)})
    busiest = np.unravel_index(image.argmax(), image.shape)
    summary = (
        f"Links of each input pixel {title}: {image.sum():,} links, at most {image.max():,} at row {busiest[0]}, column "
        f"{busiest[1]}; {(image == 0).sum():,} of {image.size:,} pixels have none."
    )
    return {
        "kind": "cells", "key": "input", "title": f"{title} · {dataset.name}", "summary": summary, "unit": "links per pixel",
        "colours": VIRIDIS, "top": float(max(1, image.max())), "more": False, "square": True, "zoom": False, "zoomed": False,
        "cells": named(cells), "rows": axis("row", image.shape[0]), "columns": axis("column", image.shape[1]),
        "pick": strength is not None, "fields": fields,
        "notes": [] if strength is None else ["A click, or Enter, on a pixel: which neurons see it?"],
    }  # fmt: skip


def receptive_fields(layer, pixel, shape):
    """What the hidden neurons see that have the strongest links from a pixel (row, column): an image of weights for each of them.

    shape: (height, width) or (height, width, channels) of the images.
    """
    height, width, channels = (*shape, 1)[:3]
    row, column = (min(max(0, int(place)), n - 1) for place, n in zip(pixel, (height, width), strict=True))
    first, topology = (row * width + column) * channels, layer.topology
    slots = np.flatnonzero((topology.indices >= first) & (topology.indices < first + channels))
    neurons = topology.rows[slots][np.argsort(-np.abs(layer.w[slots]), kind="stable")]
    neurons = [int(neuron) for neuron in dict.fromkeys(neurons.tolist())]
    most = max(1, min(FIELDS, FIELDS_BYTES // (4 * height * width)))
    images = np.zeros((min(most, len(neurons)), height * width * channels), np.float32)
    for image, neuron in zip(images, neurons):
        own = slice(topology.indptr[neuron], topology.indptr[neuron + 1])
        image[topology.indices[own]] = layer.w[own]
    images = images.reshape(len(images), height, width, channels).sum(axis=3)
    shown = f", the {len(images)} with the strongest links" if len(neurons) > len(images) else ""
    return {
        "title": f"row {row}, column {column}: {len(neurons):,} hidden neurons see it{shown}", "neurons": neurons[: len(images)],
        "shape": [height, width], "values": packed(images), "top": float(np.abs(images).max(initial=0)) or 1.0,
    }  # fmt: skip


def link_content(topology, weights, key, choices, stages=()):
    """The value of a Picture for the links of a layer, or of the part that was zoomed into: choices {"window", "of"}.

    weights: (nnz,), shown where a cell is a single link. key: names the layer, so that a window of another one does not hold.
    stages: [(epoch, topology)] from which it is known when a link grew.
    """
    window = window_of(topology, choices.get("window") if choices.get("of") == key else None)
    rows, columns = (slice(*window[:2]), slice(*window[2:]))
    whole = window == (0, topology.n_out, 0, topology.n_in)
    bins = CELLS if max(rows.stop - rows.start, columns.stop - columns.start) <= CELLS else BINS
    steps = tuple(-(-(one.stop - one.start) // bins) for one in (rows, columns))
    found = density(topology, bins) if whole else part(topology, rows, columns, steps)
    links, possible = found["links"], found["possible"]
    share, single = links / possible, steps == (1, 1)
    cells = {"links": links} | ({"weight": weights_of(topology, weights, rows, columns)} if single else {})
    if single and stages:
        since = grown_after(stages, topology.shape, rows, columns)
        cells |= {"here since epoch": since, "age in epochs": stages[-1][0] - since}
    top = 1.0 if single else typical_top(share)
    return {
        "kind": "cells", "key": key, "title": f"{key}: {topology.n_in:,} → {topology.n_out:,}, {topology.nnz:,} links",
        "summary": f"Connectivity of {key}: {links.sum():,} of {possible.sum():,} possible links"
        + ("." if whole else f" from inputs {columns.start} to {columns.stop - 1} to outputs {rows.start} to {rows.stop - 1}."),
        "unit": "1: a link" if single else "links per possible link", "colours": BLUES, "top": float(top),
        "more": bool(share.max() > top), "square": single and 1 / 3 <= share.shape[0] / share.shape[1] <= 3, "zoom": True,
        "zoomed": not whole, "cells": named(cells),
        "rows": axis("output neuron", rows.stop, rows.start, steps[0], {"fan-in": topology.fan_in}),
        "columns": axis("input neuron", columns.stop, columns.start, steps[1], {"fan-out": topology.fan_out}),
    }  # fmt: skip


def window_of(topology, window):
    """(first, end) output and (first, end) input neurons of a window, inside the layer; the whole layer without one."""
    n_out, n_in = topology.shape
    if not window:
        return 0, n_out, 0, n_in
    places = []
    for low, high, n in ((*window[:2], n_out), (*window[2:], n_in)):
        first = min(max(0, int(low)), n - 1)
        places += [first, min(max(first + 1, int(high)), n)]
    return tuple(places)


def slots_of(topology, rows, columns):
    """Slots of the links from these inputs to these outputs (slices)."""
    first, last = int(topology.indptr[rows.start]), int(topology.indptr[rows.stop])
    inputs = topology.indices[first:last]
    return first + np.flatnonzero((inputs >= columns.start) & (inputs < columns.stop))


def places_of(topology, slots, rows, columns):
    """(row, column) of these links, counted from the corner of the window."""
    row = np.searchsorted(topology.indptr, slots, side="right") - 1 - rows.start
    return row, topology.indices[slots] - columns.start


def part(topology, rows, columns, steps):
    """{links, possible: counts} of bins of steps (outputs, inputs) in a window."""
    size = tuple(-(-(one.stop - one.start) // step) for one, step in zip((rows, columns), steps, strict=True))
    row, column = places_of(topology, slots_of(topology, rows, columns), rows, columns)
    places = (row // steps[0]) * size[1] + column // steps[1]
    heights, widths = (
        np.minimum(step, one.stop - one.start - step * np.arange(n)) for one, step, n in zip((rows, columns), steps, size)
    )
    return {"links": np.bincount(places, minlength=size[0] * size[1]).reshape(size), "possible": heights[:, None] * widths}


def weights_of(topology, weights, rows, columns):
    """(outputs, inputs) of a window: the weight of each link, NaN where there is none."""
    found = np.full((rows.stop - rows.start, columns.stop - columns.start), np.nan)
    slots = slots_of(topology, rows, columns)
    found[places_of(topology, slots, rows, columns)] = weights[slots]
    return found


def grown_after(stages, shape, rows, columns):
    """(outputs, inputs) of a window: the epoch after which each link of the last stage was there for good, 0 for the beginning.

    NaN where there is none, and no earlier than the neurons were as many as now.
    """
    size = rows.stop - rows.start, columns.stop - columns.start
    since, alive = np.full(size, np.nan), np.ones(size, bool)
    for epoch, topology in reversed(stages):
        if topology.shape != shape or not alive.any():
            break
        here = np.zeros(size, bool)
        here[places_of(topology, slots_of(topology, rows, columns), rows, columns)] = True
        alive &= here
        since[alive] = epoch
    return since


def axis(name, end, first=0, step=1, details=None):
    """What cells.js has to know of one side: cell i is `step` numbers from first + i · step; details: {name: (n,) numbers}."""
    starts = np.arange(0, end - first, step)
    mean = lambda one: np.add.reduceat(one[first:end].astype(float), starts) / np.diff([*starts, end - first])
    known = {f"{'mean ' if step > 1 else ''}{key}": mean(one) for key, one in (details or {}).items()}
    return {"name": name, "first": first, "step": step, "end": end, "count": len(starts), "details": named(known)}


def named(details):
    """{name: array} as it is sent."""
    return [[name, packed(values)] for name, values in details.items()]


def packed(values):
    """The bytes of an array as float32."""
    return np.ascontiguousarray(values, "<f4").tobytes()
