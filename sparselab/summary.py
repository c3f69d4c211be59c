"""What a net costs, beside the dense net of the same widths: the first question of every user."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(n_bytes):
    """Bytes as text with a unit."""
    n_bytes = float(n_bytes)
    for unit in UNITS:
        if n_bytes < 1024 or unit == UNITS[-1]:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return None


def training_bytes(layer):
    """Bytes of one layer while training: links and biases, their velocity and gradient, the transposed index."""
    t = layer.topology
    return layer.nbytes + 2 * (layer.w.nbytes + layer.b.nbytes) + 8 * t.nnz + 8 * (t.n_in + 1)


def dense_training_bytes(layer):
    """The same for a dense layer: weights and biases, velocity, gradient."""
    t = layer.topology
    return 3 * (t.n_out * t.n_in + t.n_out) * layer.dtype.itemsize


def rows(model):
    """One dict a layer and one for the whole: layer, shape, links, dense_links, density, bytes and training bytes of both."""
    table = []
    for number, layer in enumerate(model.layers, 1):
        t = layer.topology
        cells = t.n_out * t.n_in
        table.append(
            {
                "layer": str(number),
                "shape": f"{t.n_in} → {t.n_out}",
                "links": t.nnz,
                "dense_links": cells,
                "density": t.density,
                "bytes": layer.nbytes,
                "dense_bytes": (cells + t.n_out) * layer.dtype.itemsize,
                "training_bytes": training_bytes(layer),
                "dense_training_bytes": dense_training_bytes(layer),
            }
        )
    sums = {key: sum(row[key] for row in table) for key in table[0] if key not in ("layer", "shape", "density")}
    return [*table, {"layer": "all", "shape": "", "density": sums["links"] / sums["dense_links"], **sums}]


def summarise(model):
    """The table as text."""
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
    return "\n".join(lines)
