"""Dense nets of the standard job's widths in other libraries, one epoch a call."""

import warnings

import numpy as np

ALPHA, DROPOUT, BATCH = 0.6, 0.3, 128


def torch_epoch(sizes, X, y):
    """A function that trains one epoch with PyTorch on the CPU (dense, dropout, momentum SGD), or None without torch."""
    try:
        import torch
        import torch.nn.functional as F
    except ImportError:
        return None
    layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
    optimizer = torch.optim.SGD(layers.parameters(), lr=0.01, momentum=0.9)
    X, y, dropout = torch.from_numpy(X), torch.from_numpy(np.asarray(y, np.int64)), torch.nn.Dropout(DROPOUT)

    def epoch():
        for batch in torch.randperm(len(X)).split(BATCH):
            Z = X[batch]
            for depth, layer in enumerate(layers, 1):
                Z = layer(Z)
                if depth < len(layers):
                    Z = dropout(F.leaky_relu(Z, -ALPHA if depth % 2 else ALPHA))
            optimizer.zero_grad()
            F.cross_entropy(Z, y[batch]).backward()
            optimizer.step()

    return epoch


def sklearn_epoch(sizes, X, y):
    """A function that trains one epoch with scikit-learn's dense MLPClassifier (no dropout)."""
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier(
        sizes[1:-1], solver="sgd", batch_size=BATCH, learning_rate_init=0.01, alpha=0, max_iter=1, warm_start=True
    )

    def epoch():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net.fit(X, y)

    return epoch
