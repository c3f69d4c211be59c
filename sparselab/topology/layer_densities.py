"""How dense each layer of a net starts: from one number for all, one a layer, or epsilon."""

import numpy as np

from ..utils import checks

ONE = "a number in (0, 1]"


def check_density(density, n_layers):
    """Return a density as float, or those of the layers as a list; TypeError or ValueError for anything else."""
    if not isinstance(density, list | tuple | np.ndarray):
        return checks.number("density", density, f"{ONE}, or a list of them, one a layer", low=0, high=1, open_low=True)
    if np.ndim(density) != 1 or len(density) != n_layers:
        checks.fail("density", density, f"{n_layers} numbers in (0, 1], one for each layer")
    return [checks.number(f"density[{l}]", one, ONE, low=0, high=1, open_low=True) for l, one in enumerate(density)]


def of_layers(shapes, epsilon, density):
    """The density of each layer (n_in, n_out) as it is given: by epsilon as in SET, by one number, or by a list."""
    if density is None:
        return [min(1.0, epsilon * (n_out + n_in) / (n_out * n_in)) for n_in, n_out in shapes]
    return list(density) if isinstance(density, list) else [density] * len(shapes)


def of_all(shapes, epsilon, density):
    """The density of all layers together."""
    cells = [n_in * n_out for n_in, n_out in shapes]
    return sum(p * n for p, n in zip(of_layers(shapes, epsilon, density), cells, strict=True)) / sum(cells)


def by_widths(shapes, density):
    """Densities ∝ (n_in + n_out) / (n_in n_out) that are `density` together (Evci et al. 2020).

    As long as one would exceed 1, the layer with the largest becomes dense, and the others share what is left.
    """
    if density >= 1:
        return [1.0] * len(shapes)
    cells = np.array([n_in * n_out for n_in, n_out in shapes], float)
    ratio, dense = np.array([n_in + n_out for n_in, n_out in shapes]) / cells, np.zeros(len(cells), bool)
    while True:  # below 1, one layer at least stays sparse
        links = density * cells.sum() - cells[dense].sum()
        shares = np.where(dense, 1, links / (ratio * cells)[~dense].sum() * ratio)
        if shares.max() <= 1:
            return shares.tolist()
        dense[np.argmax(np.where(dense, 0, shares))] = True


def densities(sizes, start, epsilon, density, dense_ends=(False, False)):
    """The density of each layer of a net with this start; dense_ends: whether the first and the last layer are dense in any case.

    epsilon and density are checked. They are for the layers that are not dense in any case.
    """
    shapes, last = list(zip(sizes, sizes[1:], strict=False)), len(sizes) - 2
    free = [l for l in range(len(shapes)) if not ((dense_ends[0] and l == 0) or (dense_ends[1] and l == last))]
    chosen = getattr(start, "densities", of_layers)
    of_free = [density[l] for l in free] if isinstance(density, list) else density
    shares = np.ones(len(shapes))
    shares[free] = chosen([shapes[l] for l in free], epsilon, of_free) if free else []
    return shares.tolist()
