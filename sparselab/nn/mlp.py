"""A truly sparse multilayer perceptron: a list of sparse layers and what stands between them."""

import copy
from dataclasses import dataclass

import numpy as np

from ..topology.neuron_ids import Neurons
from ..topology.rewiring import erdos_renyi
from ..utils import checks
from ..utils.seeds import child
from . import activations, footprint, initializers
from .linear import SparseLinear
from .shapes import check_dtype, check_sizes
from .summary import summarise

INIT = 0  # spawn key of the first values; the run's keys are in training.py


@dataclass(frozen=True)
class Parameters:
    """Everything that training changes, by value: per layer (topology, w, b), and which neurons are left (None: all)."""

    topologies: tuple
    weights: tuple
    biases: tuple
    neurons: Neurons | None = None

    def layers(self, copy=True):
        """A SparseLinear a layer, with arrays of its own; with these where not `copy`."""
        parts, of = zip(self.topologies, self.weights, self.biases, strict=True), np.array if copy else np.asarray
        return [SparseLinear(topology, of(w), of(b)) for topology, w, b in parts]


def check_chain(layers):
    """The layers as a list, if each takes what the one before gives, in one dtype; else TypeError or ValueError."""
    layers = (
        list(layers) if isinstance(layers, list | tuple) else checks.fail("layers", layers, "a list of SparseLinear", TypeError)
    )
    if not layers or not all(isinstance(layer, SparseLinear) for layer in layers):
        checks.fail("layers", layers, "a list of at least one SparseLinear", TypeError)
    for before, after in zip(layers, layers[1:], strict=False):
        if before.topology.n_out != after.topology.n_in or before.dtype != after.dtype:
            raise ValueError(f"layers: {after!r} cannot follow {before!r}: widths and dtypes must fit")
    return layers


class SparseMLP:
    """Sparse layers with one activation between them; the last layer gives logits.

    Make one with `SparseMLP.create`. `layers` is a list of SparseLinear; `activation` is asked for its form at each depth;
    `neurons` tells which of the original neurons are left.
    """

    def __init__(self, layers, activation, *, dropout=0.0, initializer="he_uniform"):
        self.layers = check_chain(layers)
        self.activation = activations.get(activation)
        self.dropout = checks.fraction("dropout", dropout, open_high=True)
        self.initializer = initializers.get(initializer)
        self.neurons = Neurons.of(self.sizes)

    @classmethod
    def create(
        cls, sizes, *, epsilon=20, density=None, activation="all_relu", initializer="he_uniform", dropout=0.0, seed=None,
        dtype=np.float32, exact=False, min_fan_in=0,
    ):  # fmt: skip
        """A new net with Erdős–Rényi layers.

        sizes: widths, input and output included. epsilon: expected links of a layer are epsilon (n_in + n_out) (paper, eq. 1),
        a layer for which that reaches n_in · n_out is dense; or `density`, the same share of links in every layer (epsilon is
        then not used). activation: an object, class or name (AllReLU(0.6)). initializer: he_uniform, xavier_uniform, normal or
        an object. dropout: share of hidden
        values dropped in training, in [0, 1), rounded to 1/256. seed: None, int, SeedSequence or Generator.
        exact: round the number of links instead of drawing it. min_fan_in: incoming links that every neuron has at least, see
        `erdos_renyi`. Raises TypeError or ValueError naming the argument, and
        InsufficientMemoryError, before anything is allocated, for a net that does not fit (see `estimate_memory`).
        """
        sizes = check_sizes(sizes)
        dtype, exact = check_dtype(dtype), checks.flag("exact", exact)
        how = {"epsilon": epsilon} if density is None else {"density": density}
        initializer, seeds = initializers.get(initializer), checks.seed_sequence("seed", seed)
        activation, dropout = activations.get(activation), checks.fraction("dropout", dropout, open_high=True)
        checks.integer("min_fan_in", min_fan_in, low=0)
        footprint.check_creation(sizes, dtype.itemsize, epsilon, density)
        streams = [np.random.default_rng(s) for s in child(seeds, INIT).spawn(len(sizes) - 1)]
        layers = []
        for n_in, n_out, rng in zip(sizes, sizes[1:], streams, strict=False):
            topology = erdos_renyi(n_out, n_in, exact=exact, min_fan_in=min_fan_in, seed=rng, **how)
            layers.append(SparseLinear(topology, initializer(topology, rng, dtype), np.zeros(n_out, dtype)))
        return cls(layers, activation, dropout=dropout, initializer=initializer)

    @property
    def sizes(self):
        """Widths, input and output included."""
        return (self.layers[0].topology.n_in, *(layer.topology.n_out for layer in self.layers))

    @property
    def dtype(self):
        return self.layers[0].dtype

    @property
    def hidden(self):
        """The activation of each hidden layer, in order."""
        return [activations.at(self.activation, depth) for depth in range(1, len(self.layers))]

    @property
    def nnz(self):
        """Links of each layer."""
        return tuple(layer.topology.nnz for layer in self.layers)

    @property
    def n_links(self):
        """Links in all."""
        return sum(self.nnz)

    @property
    def n_dense(self):
        """Weights of the dense net of the same widths."""
        return footprint.dense_links(self.sizes)

    @property
    def density(self):
        return self.n_links / self.n_dense

    @property
    def nbytes(self):
        """Bytes of all links and biases: values, indices, row pointers."""
        return sum(layer.nbytes for layer in self.layers)

    @property
    def original_topologies(self):
        """One a layer, numbered as in the original net where neurons have gone since (same links, same order)."""
        return tuple(self.neurons.original(layer.topology, l) for l, layer in enumerate(self.layers))

    @property
    def linked_neurons(self):
        """Per hidden layer: neurons that have an incoming link."""
        return tuple(int(np.count_nonzero(layer.topology.fan_in)) for layer in self.layers[:-1])

    @property
    def active_neurons(self):
        """Per hidden layer: neurons that have an incoming and an outgoing link."""
        return tuple(
            int(np.count_nonzero((a.topology.fan_in > 0) & (b.topology.fan_out > 0)))
            for a, b in zip(self.layers, self.layers[1:], strict=False)
        )

    def copy(self):
        """The same net with arrays of its own; topologies are shared, for they never change."""
        other = copy.copy(self)
        other.layers = [SparseLinear(layer.topology, np.array(layer.w), np.array(layer.b)) for layer in self.layers]
        return other

    def snapshot(self):
        """A copy of everything that training changes."""
        layers = self.layers
        arrays = (tuple(a.topology for a in layers), tuple(a.w.copy() for a in layers), tuple(a.b.copy() for a in layers))
        return Parameters(*arrays, self.neurons)

    def load(self, parameters):
        """Take over (copies of) a snapshot's topologies, weights and biases; returns self."""
        return self.take_over(parameters.layers(), "parameters", parameters.neurons)

    def take_over(self, layers, name="layers", neurons=None):
        """Go on with other layers' topologies, weights and biases, not copied; ValueError naming `name` where ends differ.

        neurons: which of the original ones the layers have; by default these, where the widths are the same, or all.
        """
        new = check_chain(layers)
        ends = lambda layers: [len(layers), layers[0].topology.n_in, layers[-1].topology.n_out, str(layers[0].dtype)]
        if ends(new) != ends(self.layers):
            checks.fail(name, ends(new), f"{ends(self.layers)} (layers, inputs, outputs, dtype), as in this model")
        sizes = (new[0].topology.n_in, *(layer.topology.n_out for layer in new))
        neurons = (self.neurons if sizes == self.sizes else Neurons.of(sizes)) if neurons is None else neurons
        for layer, other in zip(self.layers, new, strict=True):
            layer.replace(other.topology, other.w, other.b)
        self.neurons = neurons
        return self

    def summary(self):
        """Links, density and bytes of each layer beside the dense equivalent, as text."""
        return summarise(self)

    def __getstate__(self):
        """Copies and pickles leave the engine of the last prediction behind (engines.outputs)."""
        return {name: value for name, value in vars(self).items() if name != "_idle"}

    def __repr__(self):
        widths = "-".join(map(str, self.sizes))
        return f"SparseMLP({widths}, {self.n_links:,} links, density {self.density:.4g}, {self.activation!r})"
