"""The network: a truly sparse multilayer perceptron, which is a list of sparse layers and an activation."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..datasets.targets import as_classes
from ..topology import starts
from ..topology.neuron_ids import Neurons
from ..topology.random_graph import empty, with_fan_in
from ..topology.topology import Topology
from ..utils import checks
from ..utils.seeds import child
from . import activations, footprint, initializers, trained_activations
from .linear import SparseLinear
from .protocols import Activation
from .shapes import check_dtype, check_sizes
from .summary import summarise

INIT = 0  # spawn key of the initial values; training uses other keys


@dataclass(frozen=True)
class Parameters:
    """A copy of everything that training changes, as `SparseMLP.snapshot` makes it.

    Parameters
    ----------
    topologies : tuple of Topology
        The links of each layer.
    weights : tuple of ndarray
        Their values, (nnz,) for each layer.
    biases : tuple of ndarray
        The biases, (n_out,) for each layer.
    neurons : Neurons, optional
        Which of the original neurons are left; None if none was removed.
    values : tuple of ndarray, optional
        The trained values of the activation of each layer, (k, n_out); empty for activations without any.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> before = model.snapshot()
    >>> model.layers[0].w[:] = 0
    >>> bool(model.load(before).layers[0].w.any())
    True
    """

    topologies: tuple[Topology, ...]
    weights: tuple[NDArray[np.floating], ...]
    biases: tuple[NDArray[np.floating], ...]
    neurons: Neurons | None = None
    values: tuple[NDArray[np.floating], ...] = ()

    def layers(self, copy: bool = True) -> list[SparseLinear]:
        """Construct layers with these values.

        Parameters
        ----------
        copy : bool, default True
            Whether the layers get copies of the arrays.

        Returns
        -------
        list of SparseLinear
            The layers.
        """
        parts, of = zip(self.topologies, self.weights, self.biases, strict=True), np.array if copy else np.asarray
        values = [of(array) for array in self.values] or [None] * len(self.topologies)
        return [SparseLinear(topology, of(w), of(b), v) for (topology, w, b), v in zip(parts, values, strict=True)]


def check_chain(layers: Sequence[SparseLinear]) -> list[SparseLinear]:
    """Return the layers as a list if each one fits the one before it; else raise TypeError or ValueError."""
    if not isinstance(layers, list | tuple):
        checks.fail("layers", layers, "a list of SparseLinear", TypeError)
    layers = list(layers)
    if not layers or not all(isinstance(layer, SparseLinear) for layer in layers):
        checks.fail("layers", layers, "a list of at least one SparseLinear", TypeError)
    if len({*map(id, layers)}) < len(layers):
        raise ValueError("layers: has one layer twice, must have a layer of its own in each place")
    for before, after in zip(layers, layers[1:], strict=False):
        if before.topology.n_out != after.topology.n_in or before.dtype != after.dtype:
            raise ValueError(f"layers: {after!r} cannot follow {before!r}: widths and dtypes must fit")
    return layers


def behind(activation: Activation, n: int) -> list[Activation]:
    """The activation behind each of n layers: none behind the last one."""
    return [*(activations.at(activation, depth) for depth in range(1, n)), activations.Identity()]


def with_start_values(layers: Sequence[SparseLinear], activation: Activation) -> list[SparseLinear]:
    """Layers with the arrays of these, and with the trained values that the activation starts with, drawn from seed 0."""
    streams = [np.random.default_rng(seed) for seed in child(np.random.SeedSequence(0), INIT).spawn(len(layers))]
    return [
        SparseLinear(a.topology, a.w, a.b, trained_activations.start(f, a.topology.n_out, rng, a.dtype))
        for a, f, rng in zip(layers, behind(activation, len(layers)), streams, strict=True)
    ]


def check_values(layers: Sequence[SparseLinear], activation: Activation, name: str = "layers") -> None:
    """Raise ValueError unless each layer has as many trained values as the activation behind it."""
    for index, (layer, f) in enumerate(zip(layers, behind(activation, len(layers)), strict=True)):
        trained_activations.check_values(layer.values, f, f"{name}[{index}]")


def check_model(model: Any, name: str = "model") -> None:
    """Raise TypeError for anything but a SparseMLP, naming the one in a fitted estimator."""
    if not isinstance(model, SparseMLP):
        check_no_estimator(model, name)
        checks.fail(name, model, "a SparseMLP", TypeError)


def check_no_estimator(value: Any, name: str, allowed: str = "a SparseMLP") -> None:
    """Raise TypeError for a fitted estimator, or a pipeline or a search that has one, naming the net in it."""
    steps = getattr(value, "steps", None)
    for attribute, inner in (
        ("", value), (".estimator_", getattr(value, "estimator_", None)),
        (".best_estimator_", getattr(value, "best_estimator_", None)),
        ("[-1]", steps[-1][-1] if isinstance(steps, list) and steps and isinstance(steps[-1], tuple) else None),
    ):  # fmt: skip
        if isinstance(getattr(inner, "model_", None), SparseMLP):
            checks.fail(name, value, f"{allowed} (give {type(value).__name__}(…){attribute}.model_, its net)", TypeError)


def drawn(start, n_in, n_out, density, rng):
    """The links of a layer; a layer of density 1 is dense with any start, and one of so small an ε that it is 0 has none."""
    if density == 0:
        return empty(n_out, n_in)
    topology = Topology.dense(n_out, n_in) if density >= 1 else start(n_in, n_out, density, rng)
    if not isinstance(topology, Topology) or topology.shape != (n_out, n_in):
        checks.fail("topology's result", topology, f"a Topology of shape {(n_out, n_in)}, (n_out, n_in)", TypeError)
    return topology


class SparseMLP:
    """A multilayer perceptron of sparse layers with one activation between them; the last layer gives logits.

    Use `SparseMLP.create` for a random network, this constructor for layers of your own.

    Parameters
    ----------
    layers : list of SparseLinear
        The layers, from input to output; not copied.
    activation : str, type or Activation
        Activation of the hidden layers: a name in `sl.activations.NAMES`, a class or an object. If it has trained values and no
        layer has any, they start as in a network of seed 0.
    dropout : float, default 0.0
        Share of hidden values that training sets to 0, in [0, 1).
    initializer : str, type or callable, default "he_uniform"
        Gives the values of links that grow later: a name in `sl.initializers.NAMES`, a class or a function.

    Attributes
    ----------
    neurons : Neurons
        Which neurons of the original network are left.
    classes : ndarray or None
        The labels that the outputs stand for, which training sets; outputs beyond the last label have none. None: labels are the
        numbers of the outputs. Set it to None to train on other labels.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or if a layer does not fit the one before it.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.Topology.dense(2, 3)
    >>> sl.SparseMLP([sl.SparseLinear(topology, np.ones(6), np.zeros(2))], "relu").sizes
    (3, 2)
    """

    def __init__(
        self,
        layers: Sequence[SparseLinear],
        activation: str | type | Activation,
        *,
        dropout: float = 0.0,
        initializer: str | type | initializers.Initializer = "he_uniform",
    ) -> None:
        self.layers: list[SparseLinear] = check_chain(layers)
        self.activation: Activation = activations.get(activation)
        if trained_activations.names(self.activation) and not any(len(layer.values) for layer in self.layers):
            self.layers = with_start_values(self.layers, self.activation)
        check_values(self.layers, self.activation)
        self.dropout: float = checks.fraction("dropout", dropout, open_high=True)
        self.initializer: initializers.Initializer = initializers.get(initializer)
        self.neurons: Neurons = Neurons.of(self.sizes)
        self.classes = None

    @property
    def classes(self) -> NDArray[Any] | None:
        """The labels that the outputs stand for; None for the numbers of the outputs."""
        return vars(self).get("classes")  # missing in nets that were pickled before there were classes

    @classes.setter
    def classes(self, labels: ArrayLike | None) -> None:
        vars(self)["classes"] = None if labels is None else as_classes(labels, self.sizes[-1])

    @classmethod
    def create(
        cls,
        sizes: Iterable[int],
        *,
        epsilon: float = 20,
        density: float | Sequence[float] | None = None,
        activation: str | type | Activation = "all_relu",
        initializer: str | type | initializers.Initializer | None = None,
        dropout: float = 0.0,
        seed: int | np.random.SeedSequence | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
        exact: bool = False,
        min_fan_in: int = 0,
        topology: str | type | starts.Start | None = None,
        dense_first: bool = False,
        dense_last: bool = False,
        data: ArrayLike | None = None,
    ) -> Self:
        """Create a network with random links: by default its layers are Erdős–Rényi random graphs.

        Parameters
        ----------
        sizes : sequence of int
            Widths of all layers, input and output included.
        epsilon : float, default 20
            A layer gets about epsilon · (n_in + n_out) links (eq. 1 of the paper); it is dense if that reaches n_in · n_out.
        density : float or list of float, optional
            Share of links that exist, in (0, 1]: in every layer (with the topology "er" in all together), or a list of one for
            each layer; replaces `epsilon`.
        activation : str, type or Activation, default "all_relu"
            Activation of the hidden layers: a name in `sl.activations.NAMES`, a class or an object such as AllReLU(0.6).
        initializer : str, type, callable or None, default None
            Values of links: a name in `sl.initializers.NAMES`, a class or a function. None is HeUniform("links") in all layers
            but the first, so that signals do not vanish where neurons have few links, and HeUniform("width"), the paper's, in the
            first layer and for links that grow later: smaller values there make less of noise features.
        dropout : float, default 0.0
            Share of hidden values that training sets to 0, in [0, 1), rounded to a multiple of 1/256.
        seed : int, SeedSequence, Generator or None, default None
            Source of randomness; the same seed gives the same network.
        dtype : {"float32", "float64"}, default float32
            Type of values and biases.
        exact : bool, default False
            Round the expected number of links instead of drawing it from the binomial distribution, as all topologies do but
            "uniform" and "er".
        min_fan_in : int, default 0
            Minimum number of incoming links of every neuron; see `erdos_renyi`.
        topology : str, type, callable or None, default None
            Where the links are: a name in `sl.starts.NAMES`, an object of `sl.starts` such as SmallWorld(beta=0.5), or a function
            (n_in, n_out, density, rng) that returns the Topology of a layer. None is "er" with `epsilon` and "uniform" with
            `density`.
        dense_first, dense_last : bool, default False
            Whether the first or the last layer is dense in any case; `epsilon` and `density` are for the others then.
        data : array-like or sparse matrix, optional
            Training features (n_samples, n_features), which the topology "csti" needs.

        Returns
        -------
        SparseMLP
            The network, with biases of 0.

        Raises
        ------
        TypeError, ValueError
            If an argument is none of these.
        InsufficientMemoryError
            If the network does not fit into the available memory; nothing has been allocated.

        References
        ----------
        Mocanu et al. (2018), "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
        network science", Nature Communications 9.

        Examples
        --------
        >>> import sparselab as sl
        >>> model = sl.SparseMLP.create((784, 1000, 10), epsilon=20, exact=True, seed=0)
        >>> model.nnz
        (35680, 10000)
        """
        sizes = check_sizes(sizes)
        dtype = check_dtype(dtype)
        sparsity = footprint.check_sparsity(epsilon, density, len(sizes) - 1)
        epsilon, density = sparsity.get("epsilon"), sparsity.get("density")
        ends = checks.flag("dense_first", dense_first), checks.flag("dense_last", dense_last)
        start = starts.get(("er" if density is None else "uniform") if topology is None else topology, data, exact)
        if isinstance(start, starts.CSTI) and start.data.shape[1] != sizes[0]:
            checks.fail("data", f"array of shape {start.data.shape}", f"of {sizes[0]} features, the inputs of the network")
        first = initializers.get("he_uniform" if initializer is None else initializer)
        later = initializers.HeUniform("links") if initializer is None else first
        seeds = checks.seed_sequence("seed", seed)
        activation, dropout = activations.get(activation), checks.fraction("dropout", dropout, open_high=True)
        min_fan_in = checks.integer("min_fan_in", min_fan_in, low=0)
        shares = footprint.check_creation(sizes, dtype.itemsize, sparsity, start, ends, min_fan_in)
        streams = [np.random.default_rng(s) for s in child(seeds, INIT).spawn(len(sizes) - 1)]
        layers = []
        parts = zip(sizes, sizes[1:], shares, streams, behind(activation, len(streams)), strict=False)
        for n_in, n_out, share, rng, f in parts:
            topology = with_fan_in(drawn(start, n_in, n_out, share, rng), min_fan_in, rng)
            values = (later if layers else first)(topology, rng, dtype)
            trained = trained_activations.start(f, n_out, rng, dtype)
            layers.append(SparseLinear(topology, values, np.zeros(n_out, dtype), trained))
        return cls(layers, activation, dropout=dropout, initializer=first)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, input and output included."""
        return (self.layers[0].topology.n_in, *(layer.topology.n_out for layer in self.layers))

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of values and biases: float32 or float64."""
        return self.layers[0].dtype

    @property
    def hidden(self) -> list[Activation]:
        """The activation of each hidden layer, together with its trained values where it has any."""
        return [
            trained_activations.bind(activations.at(self.activation, depth), layer.values, depth)
            for depth, layer in enumerate(self.layers[:-1], 1)
        ]

    @property
    def nnz(self) -> tuple[int, ...]:
        """Number of links of each layer."""
        return tuple(layer.topology.nnz for layer in self.layers)

    @property
    def n_links(self) -> int:
        """Number of links of the whole network."""
        return sum(self.nnz)

    @property
    def n_dense(self) -> int:
        """Number of weights of the dense network of the same widths."""
        return footprint.dense_links(self.sizes)

    @property
    def density(self) -> float:
        """Share of the dense network's weights that exist."""
        return self.n_links / self.n_dense

    @property
    def nbytes(self) -> int:
        """Bytes of all links, biases and trained values: values, indices, row pointers."""
        return sum(layer.nbytes for layer in self.layers)

    @property
    def original_topologies(self) -> tuple[Topology, ...]:
        """The links of each layer in the numbering of the original network (same links, same order)."""
        return tuple(self.neurons.original(layer.topology, l) for l, layer in enumerate(self.layers))

    @property
    def linked_neurons(self) -> tuple[int, ...]:
        """Number of neurons of each hidden layer that have an incoming link."""
        return tuple(int(np.count_nonzero(layer.topology.fan_in)) for layer in self.layers[:-1])

    @property
    def active_neurons(self) -> tuple[int, ...]:
        """Number of neurons of each hidden layer that have an incoming and an outgoing link."""
        return tuple(
            int(np.count_nonzero((a.topology.fan_in > 0) & (b.topology.fan_out > 0)))
            for a, b in zip(self.layers, self.layers[1:], strict=False)
        )

    def copy(self) -> Self:
        """Copy the network.

        Returns
        -------
        SparseMLP
            A network with copies of weights, biases and trained values; topologies are shared because they never change.
        """
        other = copy.copy(self)
        other.layers = [layer.copy() for layer in self.layers]
        return other

    def snapshot(self) -> Parameters:
        """Copy everything that training changes.

        Returns
        -------
        Parameters
            Topologies, copies of weights, biases and trained values, and the ids of the neurons.
        """
        layers = self.layers
        arrays = (tuple(a.topology for a in layers), tuple(a.w.copy() for a in layers), tuple(a.b.copy() for a in layers))
        return Parameters(*arrays, self.neurons, tuple(a.values.copy() for a in layers))

    def load(self, parameters: Parameters) -> Self:
        """Restore a snapshot.

        Parameters
        ----------
        parameters : Parameters
            A snapshot of this network or of one with the same numbers of layers, inputs and outputs; it is copied.

        Returns
        -------
        SparseMLP
            This network.

        Raises
        ------
        ValueError
            If the snapshot does not fit.
        """
        return self.take_over(parameters.layers(), "parameters", parameters.neurons)

    def take_over(self, layers: Sequence[SparseLinear], name: str = "layers", neurons: Neurons | None = None) -> Self:
        """Replace topologies, weights, biases and trained values by those of other layers, without copying them.

        Parameters
        ----------
        layers : list of SparseLinear
            As many layers as this network has, with the same inputs, outputs and dtype.
        name : str, default "layers"
            Name of the argument in error messages.
        neurons : Neurons, optional
            Which of the original neurons these layers have. By default the present ones where no width changes, else all.

        Returns
        -------
        SparseMLP
            This network.

        Raises
        ------
        TypeError, ValueError
            If the layers do not fit.
        """
        new = check_chain(layers)
        ends = lambda layers: [len(layers), layers[0].topology.n_in, layers[-1].topology.n_out, str(layers[0].dtype)]
        if ends(new) != ends(self.layers):
            checks.fail(name, ends(new), f"{ends(self.layers)} (layers, inputs, outputs, dtype), as in this model")
        sizes = (new[0].topology.n_in, *(layer.topology.n_out for layer in new))
        neurons = (self.neurons if sizes == self.sizes else Neurons.of(sizes)) if neurons is None else neurons
        left = tuple(n if ids is None else len(ids) for n, ids in zip(neurons.sizes, neurons.kept, strict=True))
        if left != sizes:
            checks.fail(f"{name}.neurons", f"ids of {left} neurons", f"of {sizes}, the widths of these layers")
        check_values(new, self.activation, name)
        for layer, other in zip(self.layers, new, strict=True):
            layer.replace(other.topology, other.w, other.b, other.values)
        self.neurons = neurons
        return self

    def summary(self) -> str:
        """Describe links, density and bytes of each layer, beside those of the dense network.

        Returns
        -------
        str
            A table.
        """
        return summarise(self)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles do not contain the engine and the order of weights that `predict` keeps for the next call."""
        return {name: value for name, value in vars(self).items() if name not in ("_idle", "_in_order")}

    def __repr__(self) -> str:
        widths = "-".join(map(str, self.sizes))
        return f"SparseMLP({widths}, {self.n_links:,} links, density {self.density:.4g}, {self.activation!r})"
