"""A table of the links and bytes of a network, compared with the dense network of the same widths."""

from functools import partial

from . import footprint
from .entry_costs import density_limit
from .footprint import size


def duration(seconds):
    """Format seconds with a suitable unit: "0.477 ms", "235 ms", "3.77 s", "25 min", "3.5 h"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 999.5:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def training_bytes(layer):
    """Bytes of one layer during training: links and biases, their velocities and gradients, the transposed index."""
    t = layer.topology
    return shape_bytes(t.n_in, t.n_out, t.nnz, layer.dtype.itemsize, len(layer.values))


def shape_bytes(n_in, n_out, nnz, itemsize=4, values=0):
    """`training_bytes` of a layer of this shape; values: trained ones of each output."""
    shape = n_in, n_out, nnz, itemsize, values
    return sum(footprint.layer_stored_items(*shape).values()) + sum(footprint.layer_training_items(*shape).values())


def rows(model):
    """Return one row (a dict) for each layer and one for the whole network: links, density, bytes, and those of the dense net."""
    table = []
    for number, layer in enumerate(model.layers, 1):
        t = layer.topology
        cells, dense_bytes = t.n_out * t.n_in, partial(footprint.dense_bytes, (t.n_in, t.n_out), itemsize=layer.dtype.itemsize)
        table.append(
            {
                "layer": str(number),
                "shape": f"{t.n_in} → {t.n_out}",
                "links": t.nnz,
                "dense_links": cells,
                "density": t.density,
                "bytes": layer.nbytes,
                "dense_bytes": dense_bytes(copies=1),
                "training_bytes": training_bytes(layer),
                "dense_training_bytes": dense_bytes(),
            }
        )
    sums = {key: sum(row[key] for row in table) for key in table[0] if key not in ("layer", "shape", "density")}
    return [*table, {"layer": "all", "shape": "", "density": sums["links"] / sums["dense_links"], **sums}]


def summarise(model):
    """Return the table as text."""
    head = f"{'layer':>5} {'in → out':>17} {'links':>13} {'dense':>15} {'density':>9} {'bytes':>11} {'dense':>11}"
    lines = [repr(model), head]
    for row in rows(model):
        lines.append(
            f"{row['layer']:>5} {row['shape']:>17} {row['links']:>13,} {row['dense_links']:>15,} {row['density']:>9.2%} "
            f"{size(row['bytes']):>11} {size(row['dense_bytes']):>11}"
        )
    total = rows(model)[-1]
    lines.append(
        f"in training (with velocity, gradient, transposed index; without activations): {size(total['training_bytes'])}, "
        f"dense {size(total['dense_training_bytes'])}"
    )
    limit = density_limit(model.sizes[0], model.nnz[0])
    lines.append(f"CSR samples of a density below {limit:.2%} go through layer 1 by their entries, others as dense tiles")
    return "\n".join(lines)
