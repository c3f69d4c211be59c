"""From what a user hands to training to what kernels may read: everything passes the datasets' gate once."""

from . import checks
from .datasets.dataset import Dataset
from .datasets.gate import check_features


def as_dataset(data, dtype):
    """A Dataset from a Dataset, (X, y) or (X, y, X_test, y_test), the arrays taken over as `dtype`."""
    if hasattr(data, "X_train") and hasattr(data, "y_train"):
        return data
    if isinstance(data, tuple | list) and len(data) in (2, 4):
        return Dataset.from_arrays(*data, dtype=dtype)
    checks.fail("data", type(data).__name__, "a Dataset, (X, y) or (X, y, X_test, y_test)", TypeError)


def as_features(name, X, model):
    """X (n, features) in the model's dtype, dense C-contiguous or clean CSR, as many features as the net has inputs."""
    X = check_features(X, name, dtype=model.dtype)
    if X.shape[1] != model.sizes[0]:
        raise ValueError(f"{name} has {X.shape[1]} features: must be {model.sizes[0]}, the net's inputs")
    return X
