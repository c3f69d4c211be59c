"""Random links and first values, the same in every peer that takes them: same seed, same net."""

import numpy as np


def densities(job):
    """The density of each layer: job["density"], or of ε (n_in + n_out) links, at most all of them."""
    sizes = job["sizes"]
    if job.get("epsilon"):
        return [min(1.0, job["epsilon"] * (a + b) / (a * b)) for a, b in zip(sizes, sizes[1:])]
    return [job["density"]] * (len(sizes) - 1)


def random_links(n_out, n_in, density, rng):
    """(indptr (n_out + 1,) int64, indices (links,) int32, sorted in each row): round(density · n_in · n_out) links.

    Uniform among all sets of so many links: numbers a row from the multivariate hypergeometric, then columns in each row.
    """
    n = round(density * n_in * n_out)
    counts = rng.multivariate_hypergeometric(np.full(n_out, n_in), n, method="marginals")
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.empty(n, np.int32)
    for row, count in enumerate(counts):
        chosen = np.arange(n_in) if count == n_in else np.sort(rng.choice(n_in, count, replace=False, shuffle=False))
        indices[indptr[row] : indptr[row + 1]] = chosen
    return indptr, indices


def first_values(n, fan_in, rng):
    """n values, uniform with He's bound √(6 / fan_in)."""
    bound = np.sqrt(6 / max(fan_in, 1))
    return rng.uniform(-bound, bound, n).astype(np.float32)


def sparse_layers(job):
    """(n_in, n_out, indptr, indices, values) of each layer, by the job's seed."""
    rng = np.random.default_rng([job["seed"], 1])
    for n_in, n_out, density in zip(job["sizes"], job["sizes"][1:], densities(job)):
        indptr, indices = random_links(n_out, n_in, density, rng)
        yield n_in, n_out, indptr, indices, first_values(len(indices), density * n_in, rng)
