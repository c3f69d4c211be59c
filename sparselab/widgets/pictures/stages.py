"""The links of some neurons from one event of evolution to the next, for the browser and as an animated GIF.

The first layer of images: what each neuron sees, as small images. Other layers: a corner of the matrix.
"""

import io

import numpy as np
from PIL import Image, ImageDraw

from .colours import VIRIDIS, rgb

NEURONS = 24  # shown as small images
CORNER = 48, 96  # outputs and inputs of a corner
KEPT, GROWN, PRUNED = 1, 2, 3
COUNTED = 2_000_000  # links up to which all that went and came are counted
PIXELS = 6  # of a GIF for each pixel of the input map
FRAMES = 200  # most frames of a GIF
PAINT = {0: (255, 255, 255), KEPT: (0, 114, 178), GROWN: (213, 94, 0), PRUNED: (200, 200, 200)}


def content(stages, number, choices, image_shape=None, strength=None):
    """The value of a Picture for [(epoch, topologies)], layer `number`; choices: {"stage": index, the last one without}.

    With choices {"order": "strength"} the neurons with the largest `strength` (n_out,) come first, where it is known.
    """
    last = len(stages) - 1
    index = last if choices.get("stage") is None else min(max(0, int(choices["stage"])), last)
    (before, old), (epoch, new) = ((when, topologies[number]) for when, topologies in (stages[max(0, index - 1)], stages[index]))
    shape = image_shape if number == 0 and image_shape and np.prod(image_shape) == new.n_in else None
    strongest = choices.get("order") == "strength" and strength is not None and len(strength) == new.n_out
    order = np.argsort(-np.asarray(strength), kind="stable") if strongest else np.arange(new.n_out)
    chosen = order[: NEURONS if shape else CORNER[0]]
    codes, image = tiles(old, new, shape, chosen), pixels(new, shape)
    known, shown, top = (b"", [], 1.0) if image is None else (image.astype("<f4").tobytes(), list(image.shape), image.max())
    return {
        "kind": "stages", "layer": number + 1, "index": index, "last": last, "title": title(before, epoch, old, new),
        "neurons": described(chosen, shape, strongest), "numbers": chosen.tolist(), "order": strength is not None,
        "codes": codes.tobytes(), "tiles": list(codes.shape), "map": shown, "pixels": known, "top": float(top or 1),
        "colours": VIRIDIS,
    }  # fmt: skip


def described(chosen, shape, strongest):
    """Which neurons are shown."""
    if shape:
        return f"the {len(chosen)} hidden neurons of largest weight" if strongest else f"hidden neurons 0 to {len(chosen) - 1}"
    return f"{'the strongest outputs' if strongest else 'a corner of the layer: outputs'} down, inputs across"


def title(before, epoch, old, new):
    """Which event this is, and how many links it moved."""
    where = f"after epoch {epoch}" if epoch else "before training"
    if old.shape != new.shape:
        return f"{where}: {new.n_in:,} → {new.n_out:,} neurons, before {old.n_in:,} → {old.n_out:,}"
    if before == epoch or max(old.nnz, new.nnz) > COUNTED:
        return f"{where}: {new.nnz:,} links"
    kept = len(np.intersect1d(places(old), places(new), assume_unique=True))
    since = "" if epoch == before + 1 else f" since epoch {before}"
    return f"{where}: {old.nnz - kept:,} pruned, {new.nnz - kept:,} grown{since}, {new.nnz:,} links"


def places(topology):
    """(nnz,) one number for each link."""
    return topology.rows.astype(np.int64) * topology.n_in + topology.indices


def tiles(old, new, shape, chosen):
    """Array (tiles, height, width) of KEPT, GROWN, PRUNED or 0: an image for each chosen neuron, or one with a row for each."""
    n_in = new.n_in if shape else min(CORNER[1], new.n_in)
    now, was = (links_into(one, chosen, n_in) for one in (new, old if old.shape == new.shape else new))
    codes = np.where(now & was, KEPT, np.where(now, GROWN, np.where(was, PRUNED, 0))).astype(np.uint8)
    if shape is None:
        return codes[None]
    codes = codes.reshape(len(chosen), *shape)
    return codes if codes.ndim == 3 else codes.max(axis=3)


def links_into(topology, neurons, n_in):
    """Bool array (neurons, n_in): where these neurons have links from the first inputs."""
    found = np.zeros((len(neurons), n_in), bool)
    for row, neuron in zip(found, neurons, strict=True):
        inputs = topology.indices[topology.indptr[neuron] : topology.indptr[neuron + 1]]
        row[inputs[inputs < n_in]] = True
    return found


def pixels(topology, shape):
    """(height, width) links of each input pixel; None without a shape."""
    if shape is None:
        return None
    image = topology.fan_out.reshape(shape)
    return image if image.ndim == 2 else image.sum(axis=2)


def gif(stages, number, image_shape=None, seconds=0.4):
    """The bytes of an animated GIF of all stages, or of FRAMES of them; each is shown for `seconds`."""
    step = -(-len(stages) // FRAMES)
    chosen = stages[::-1][::step][::-1]
    values = [content(chosen, number, {"stage": index}, image_shape) for index in range(len(chosen))]
    top = max(value["top"] for value in values)
    first, *others = [frame(value, top) for value in values]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=int(1000 * seconds), loop=0)
    return buffer.getvalue()


def frame(value, top):
    """A picture of one stage: the title, the links, and the input map on its right."""
    codes = np.frombuffer(value["codes"], np.uint8).reshape(value["tiles"])
    parts = [scaled(mosaic(codes), 2 if len(codes) > 1 else 6)]
    if value["map"]:
        shares = np.frombuffer(value["pixels"], "<f4").reshape(value["map"]) / top
        parts.append(scaled(rgb(VIRIDIS, shares), PIXELS))
    height, gap = max(part.shape[0] for part in parts), np.full((1, 12, 3), 255, np.uint8)
    fill = lambda part: np.pad(part, ((0, height - len(part)), (0, 0), (0, 0)), constant_values=255)
    row = np.concatenate([piece for part in parts for piece in (fill(part), np.broadcast_to(gap, (height, 12, 3)))], axis=1)
    image = Image.fromarray(np.pad(row, ((24, 6), (12, 0), (0, 0)), constant_values=255))
    ImageDraw.Draw(image).text((12, 6), value["title"].replace("→", "to"), fill=(34, 34, 34))
    return image


def mosaic(codes):
    """RGB image of tiles in rows of six, with a grey line between them."""
    columns = min(6, len(codes))
    paint = np.array([PAINT[code] for code in sorted(PAINT)], np.uint8)[codes]
    paint = np.pad(paint, ((0, -len(codes) % columns), (0, 1), (0, 1), (0, 0)), constant_values=225)
    n, height, width, _ = paint.shape
    return paint.reshape(-1, columns, height, width, 3).swapaxes(1, 2).reshape(-1, columns * width, 3)


def scaled(image, factor):
    """An image whose pixels are `factor` times as wide and high."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
