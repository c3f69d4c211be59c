"""Sparse DNN Graph Challenge: inference of its smallest net, 120 layers of 1024 neurons with 32 inputs each, by our SpMM kernel.

`python -m benchmarks.paper challenge --npz FOLDER [--samples 60000] [--threads 1 2]`: needs graphchallenge1024.npz and MNIST.
Inputs are a stand-in for the challenge's: MNIST's training images, enlarged to 32 x 32 pixels and thresholded. A layer computes
min(max(Wx − 0.3, 0), 32). The rate counts the links of all layers times the samples, as the challenge does: once where samples
that have become 0 are dropped, as libraries of sparse matrices do, and once where every product is computed. The result, which
samples are not 0 at the end, is compared with a float64 computation by scipy. Published beside it:
SuiteSparse:GraphBLAS (Davis, Aznaveh, Kolodziej 2019), one thread.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse
from PIL import Image

import sparselab as sl
from benchmarks.common import emit, table
from benchmarks.paper import data
from sparselab.engines.buffers import aligned
from sparselab.kernels import vector
from sparselab.nn.linear import NO_BITS

SIDE, MOST, WIDTH = 32, 32.0, 64
DECIDED = 16  # layers after which float64 takes over what float32 has not decided
DROPPED = (4, 8, DECIDED)  # layers after which samples that are 0 are dropped
PUBLISHED = 10.0  # G links/s, SuiteSparse:GraphBLAS on one thread of a Xeon E5-2698v4
NO_DROPOUT = np.uint64(0), 0, 0, 1.0


def layers_of(path):
    """([Topology] of the layers, weight, bias) of the file; its indices (layers, inputs, 32) are the outputs of each input."""
    with np.load(path, allow_pickle=False) as file:
        indices, weight, bias = file["indices"], np.float32(file["weight"]), np.float32(file["bias"])
    n, k = indices.shape[1:]
    inputs = np.repeat(np.arange(n), k)
    return [sl.Topology.from_links(n, n, outputs.ravel(), inputs) for outputs in indices], weight, bias


def images(n):
    """(n, 1024) float32 of 0 and 1: MNIST's training images, enlarged and thresholded."""
    pixels = data.load("mnist", standardise=False).X_train[:n].reshape(-1, 28, 28)
    large = (Image.fromarray(image.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in pixels)
    return np.array([np.asarray(image).ravel() > 127 for image in large], np.float32)


def through(X, layers, weight, bias, threads=1):
    """Outputs (n, features) float32 of the samples X behind some layers."""
    w = [np.full(layer.nnz, weight, np.float32) for layer in layers]
    b = [np.full(layer.n_out, bias, np.float32) for layer in layers]
    out = np.empty_like(X)

    def work(first):
        """Take every `threads`-th tile of samples through all layers."""
        tiles = [aligned((X.shape[1], WIDTH), np.float32) for _ in range(2)]
        for start in range(first * WIDTH, len(X), threads * WIDTH):
            here, there = tiles
            part = X[start : start + WIDTH]
            here[:, : len(part)], here[:, len(part) :] = part.T, 0
            for layer, values, biases in zip(layers, w, b, strict=True):
                vector.spmm(
                    layer.indptr, layer.indices, values, biases, here, there, 0.0, 1.0, NO_BITS, NO_BITS, *NO_DROPOUT, 0,
                    len(biases),
                )  # fmt: skip
                np.minimum(there, MOST, out=there)
                here, there = there, here
            out[start : start + WIDTH] = here.T[: len(part)]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return out


def alive(X, layers, weight, bias, threads=1, *, drop=True):
    """(n,) bool: which samples X (n, features) are not 0 behind the last layer.

    Equal values of .3 stay as they are, 2 · .3 − .3, and what is near them moves away by a factor of 2 a layer, so that errors of
    float32 grow until a sample is 0 or all its values are 0 or 32. The few samples of which this is not true after DECIDED layers
    are computed again in float64. drop: samples that are 0 stay 0, because the bias is negative, and are dropped; else all are
    computed.
    """
    found, rows, Y, begin = np.zeros(len(X), bool), np.arange(len(X)), X, 0
    doubtful = rows[:0]
    for end in (*DROPPED, len(layers)) if drop else (DECIDED, len(layers)):
        Y = through(Y, layers[begin:end], weight, bias, threads)
        begin = end
        keep = Y.any(axis=1) if drop else np.ones(len(Y), bool)
        if end == DECIDED:
            open_ = ((Y > 0) & (Y < MOST)).any(axis=1)
            doubtful, keep = rows[open_], keep & ~open_
        rows, Y = rows[keep], Y[keep]
    found[rows] = Y.any(axis=1)
    found[doubtful] = reference(X[doubtful], layers, weight, bias)
    return found


def reference(X, layers, weight, bias):
    """The same in float64 by scipy."""
    found, rest = np.zeros(len(X), bool), np.flatnonzero(X.any(axis=1))
    Y = X[rest].T.astype(np.float64)
    for layer in layers:
        W = scipy.sparse.csr_array((np.full(layer.nnz, np.float64(weight)), layer.indices, layer.indptr), shape=layer.shape)
        Y = np.clip(W @ Y + np.float64(bias), 0, MOST)
        some = Y.any(axis=0)
        rest, Y = rest[some], Y[:, some]
    found[rest] = True
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper challenge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--npz", help=f"folder of the .npz file; default: the environment variable {data.VARIABLE}")
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args(argv)
    if given.npz:
        os.environ[data.VARIABLE] = given.npz
    layers, weight, bias = layers_of(data.folder() / "graphchallenge1024.npz")
    X, rows = images(given.samples), []
    links, wanted = sum(layer.nnz for layer in layers), reference(X, layers, weight, bias)
    for threads in given.threads:
        alive(X[: WIDTH * threads], layers, weight, bias, threads)  # compiles
        row = {"net": f"{len(layers)} x {X.shape[1]}", "threads": threads, "samples": len(X), "links": links}
        for how, drop in (("", True), (", all samples", False)):
            begin, cpu = time.perf_counter(), time.process_time()
            found = alive(X, layers, weight, bias, threads, drop=drop)
            seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
            row |= {f"seconds{how}": seconds, f"cpu_seconds{how}": cpu, f"G links/s{how}": links * len(X) / seconds / 1e9}
            row |= {f"differ{how}": int(np.sum(found != wanted))}
        rows.append(row | {"alive": int(found.sum()), "published": PUBLISHED if threads == 1 else None})
    emit("paper: challenge", rows, key=("net", "threads", "samples"), show=False)
    print(table(rows, list(rows[0])))
