"""What the calls of the Python API work on: a small net, data for it, and their results."""

import copy
import hashlib

import numpy as np

import sparselab as sl
from sparselab.nn.linear import SparseLinear
from sparselab.topology.topology import Topology

from . import values

SIZES = (values.FEATURES, 8, values.CLASSES)


def digest(model, *more):
    """One hash of everything in a net, and of arrays beside it."""
    found = hashlib.sha256()
    for layer in model.layers:
        for array in (layer.topology.indptr, layer.topology.indices, layer.w, layer.b):
            found.update(str((array.dtype, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
    for array in more:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


class Fixture:
    """A net, data for it, and their results; each call gets a fresh copy of the net as `subject`."""

    def __init__(self):
        self.X, self.y = values.rows()
        self.model = sl.SparseMLP.create(SIZES, density=0.6, seed=1)
        self.subject = copy.deepcopy(self.model)
        self.trained = self.train((self.X, self.y))
        self.outputs = sl.predict(self.model, self.X)
        self.scores = sl.evaluate(self.model, self.X, self.y)

    def reset(self):
        self.subject = copy.deepcopy(self.model)

    def fingerprint(self):
        return digest(self.subject, self.X, self.y)

    def train(self, data, **options):
        """Digest of the subject after two epochs, and their losses."""
        options = {"optimizer": sl.MomentumSGD(0.05), "rules": [sl.SET(0.3)], "epochs": 2, "batch_size": 7, "seed": 3} | options
        records = list(sl.train(self.subject, data, **options))
        return digest(self.subject), [record.train_loss for record in records]


def create(argument):
    return lambda fixture, value: sl.SparseMLP.create(**{"sizes": SIZES, "seed": 0} | {argument: value})


def steps(argument):
    return lambda fixture, value: sl.steps(
        value if argument == "model" else fixture.subject,
        (fixture.X, fixture.y),
        **{} if argument == "model" else {argument: value},
    )


def of(function, argument, **rest):
    return lambda fixture, value: function(**rest | {argument: value})


def layer(n_out, n_in, dtype=np.float32):
    topology = Topology.dense(n_out, n_in)
    return SparseLinear(topology, np.ones(topology.nnz, dtype), np.ones(n_out, dtype))
