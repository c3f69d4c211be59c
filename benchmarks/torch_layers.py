"""One layer in PyTorch, forward and backward: torch.nn.Linear, one with a mask, torch CSR, and sparselab.torch.SparseLinear.

`python -m benchmarks.torch_layers [--shapes N_INxN_OUT …] [--rows N …] [--densities D …] [--rounds N]`: float32, gradients of
inputs, weights and biases; in turn, on torch's threads; medians of one run. torch CSR gets activations as (neurons, batch), which
it needs, so that it has nothing to turn.
"""

import argparse
from itertools import product

import numpy as np

import sparselab as sl
from benchmarks.common import emit, interleaved, table

SHAPES = "256x256", "256x1024", "768x3072", "3072x768", "4096x4096"
ROWS = 128, 1024, 4096
DENSITIES = 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005
LARGEST = 10**11  # multiply-adds of the dense layer in a forward and a backward pass; larger jobs are left out
OURS, DENSE, MASKED, CSR = "ours", "nn.Linear", "masked", "torch CSR"


def calls_of(n_in, n_out, rows, density):
    """{name: one forward and backward pass}."""
    import torch

    import sparselab.torch
    from benchmarks.peer_runners.csr_linear import CSRLinear

    topology = sl.erdos_renyi(n_out, n_in, density=density, exact=True, seed=0)
    ours = sparselab.torch.SparseLinear(n_in, n_out, topology=topology)
    linear, (mask,) = torch.nn.Linear(n_in, n_out), sparselab.torch.to_masks(ours).values()
    csr = CSRLinear(n_in, n_out, topology.indptr, np.array(topology.indices), ours.weight.detach().numpy().copy())
    X, dY = torch.randn(rows, n_in), torch.randn(rows, n_out)
    columns, d_columns = X.t().contiguous(), dY.t().contiguous()

    def passes(forward, parameters, X, dY):
        def run():
            inputs = X.requires_grad_()
            torch.autograd.grad(forward(inputs), [inputs, *parameters], dY)

        return run

    masked = lambda X: torch.nn.functional.linear(X, linear.weight * mask, linear.bias)
    return {
        OURS: passes(ours, ours.parameters(), X, dY),
        DENSE: passes(linear, linear.parameters(), X, dY),
        MASKED: passes(masked, linear.parameters(), X, dY),
        CSR: passes(csr, csr.parameters(), columns, d_columns),
    }


def row_of(shape, rows, density, rounds):
    """The row of one setting: milliseconds of each, and how many times faster ours is."""
    calls = calls_of(*map(int, shape.split("x")), rows, density)
    seconds = {name: float(np.median(found)) for name, found in interleaved(calls, repeats=rounds).items()}
    times = {f"times {name}": seconds[name] / seconds[OURS] for name in (DENSE, MASKED, CSR)}
    return {"shape": shape, "rows": rows, "density": density} | {f"{name} ms": 1e3 * s for name, s in seconds.items()} | times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--densities", type=float, nargs="+", default=DENSITIES)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    found = []
    for shape, rows, density in product(given.shapes, given.rows, given.densities):
        n_in, n_out = map(int, shape.split("x"))
        if 3 * n_in * n_out * rows <= LARGEST:
            found.append(row_of(shape, rows, density, given.rounds))
    emit("torch_layers", found, key=("shape", "rows", "density"))
    print(table(found, list(found[0])))


if __name__ == "__main__":
    main()
