"""A Transformer over patches of FashionMNIST whose feed-forward blocks are sparse and evolve.

`python examples/torch/transformer.py [--small]` prints its accuracy, time and size beside those of its dense twin, and the
accuracy of the baseline: the class whose mean image is nearest.
"""

import argparse

import numpy as np
import torch
from sklearn.neighbors import NearestCentroid
from torch import nn

import sparselab as sl
import sparselab.torch as st

SIDE, PLACES = 7, 16  # pixels of a patch in each direction, patches of an image


def patches(X):
    """Images (n, 784) as (n, 16, 49 + 16): the pixels of each patch, and which of the 16 it is."""
    n, k = len(X), 28 // SIDE
    pixels = X.reshape(n, k, SIDE, k, SIDE).swapaxes(2, 3).reshape(n, PLACES, SIDE**2)
    return np.concatenate([pixels, np.broadcast_to(np.eye(PLACES, dtype=X.dtype), (n, PLACES, PLACES))], axis=2)


def transformer(width=384, feed_forward=1536, blocks=2):
    """The dense model, which gives ten logits."""
    heads = max(1, width // 64)
    block = nn.TransformerEncoderLayer(width, heads, feed_forward, dropout=0.0, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(block, blocks, norm=nn.LayerNorm(width), enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(SIDE**2 + PLACES, width), encoder, nn.Flatten(), nn.Linear(PLACES * width, 10))


def feed_forward(name, layer):
    """Whether a linear layer belongs to a feed-forward block."""
    return name.endswith(("linear1", "linear2"))


def main(arguments=None):
    """(accuracy, that of the baseline); larger is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tiny model, for a few seconds")
    small = parser.parse_args(arguments).small
    torch.manual_seed(0)
    data, n = sl.datasets.load("fashion_mnist_small", standardise="published"), 1_000 if small else None
    X, y = data.X_train[:n], data.y_train[:n]
    model = transformer(*(64, 128, 1) if small else ())
    samples = patches(X), y, patches(data.X_test), data.y_test
    both = st.twins(model, samples, density=0.1, layers=feed_forward, epochs=8, batch_size=32 if small else 64, every=50)
    last = {}
    for records in zip(*both.values(), strict=True):
        last = dict(zip(both, records, strict=True))
        for name, record in last.items():
            print(
                f"epoch {record.epoch:.0f}  {name:>6}: accuracy {record.accuracy:.1%}, {record.seconds:.1f} s, "
                f"{record.links:,} links, {record.bytes / 2**20:.1f} MiB"
            )
    baseline = NearestCentroid().fit(X, y).score(data.X_test, data.y_test)
    print(f"nearest mean image: accuracy {baseline:.1%}")
    return last["sparse"].accuracy, baseline


if __name__ == "__main__":
    main()
