"""Seconds of topology work per 10^7 links: SET's evolution with the index for backward, and the making of a net.

`python -m benchmarks.evolution [rounds]`, from the standard job's layers to layers of five million neurons.
"""

import sys
import time

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table
from sparselab.evolution import apply

NETS = {  # (widths, epsilon)
    "standard job": ((784, 1000, 1000, 1000, 10), 20),
    "Madelon": ((500, 400, 100, 400, 2), 10),
    "long rows": ((1000, 20_000, 20_000, 2), 100),
    "200,000 wide": ((20_000, 200_000, 200_000, 2), 5),
    "5 million wide": ((5_000_000, 5_000_000, 2), 1),
}


def measured(name, rounds):
    """A row: links that evolve, seconds to make the net, seconds of one evolution, both per 10^7 links too."""
    sizes, epsilon = NETS[name]
    sl.SparseMLP.create((50, 50, 2), seed=0)
    start = time.perf_counter()
    model = sl.SparseMLP.create(sizes, epsilon=epsilon, seed=0)
    made = time.perf_counter() - start
    state, rule, rng, spent = sl.MomentumSGD().init(model), sl.SET(0.3), np.random.default_rng(0), []
    for epoch in range(rounds):
        start = time.perf_counter()
        apply(rule(epoch, model, state, None, rng), model, state, rng)
        for layer in model.layers[1:]:
            layer.topology.transposed  # noqa: B018 (built on first use)
        spent.append(time.perf_counter() - start)
    links = sum(model.nnz[:-1])
    return {
        "net": name, "links": links, "make": made, "make / 10^7": made / model.n_links * 1e7, "evolve": float(np.median(spent)),
        "min": min(spent), "evolve / 10^7": float(np.median(spent)) / links * 1e7,
    }  # fmt: skip


def main(rounds=7):
    measured("Madelon", 2)  # compiles
    rows = [measured(name, rounds) for name in tqdm(NETS)]
    emit("evolution", rows)
    print(table(rows, ["net", "links", "make", "make / 10^7", "evolve", "min", "evolve / 10^7"]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
