"""SparseMLP of this package as a PyTorch module, and back."""

import numpy as np
import torch
from torch import Tensor, nn

from ..export.torch_modules import of_activation
from ..nn.linear import SparseLinear as Layer
from ..nn.mlp import SparseMLP as Net
from ..nn.mlp import check_model
from .evolution import values
from .linear import SparseLinear


class SparseMLP(nn.Module):
    """A `sparselab.SparseMLP` as a PyTorch module, with the same outputs: trainable by torch, and a net again by `to_sparselab`.

    Parameters
    ----------
    model : sparselab.SparseMLP
        The net; everything is copied. Its activation is a pair of slopes, tanh or PReLU.

    Attributes
    ----------
    layers : torch.nn.Sequential
        SparseLinear layers, and the activation and dropout behind each but the last.

    Raises
    ------
    TypeError, ValueError
        If the model is no such net.

    Examples
    --------
    >>> import torch
    >>> import sparselab as sl
    >>> import sparselab.torch
    >>> net = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> module = sparselab.torch.SparseMLP(net)
    >>> module(torch.zeros(5, 4)).shape, module.to_sparselab().sizes
    (torch.Size([5, 3]), (4, 8, 3))
    """

    has_output_layer = True  # which Evolution counts as no hidden layer

    def __init__(self, model: Net) -> None:
        super().__init__()
        check_model(model)
        parts = []
        for layer, activation in zip(model.layers, [*model.hidden, None], strict=True):
            parts.append(of_layer(layer, model.initializer))
            if activation is not None:
                parts += [of_activation(activation), nn.Dropout(model.dropout)]
        self.layers = nn.Sequential(*parts)
        self.activation, self.dropout, self.initializer = model.activation, model.dropout, model.initializer
        self.neurons, self.classes = model.neurons, model.classes

    def forward(self, input: Tensor) -> Tensor:
        """Compute the logits.

        Parameters
        ----------
        input : torch.Tensor
            Samples (…, n_in).

        Returns
        -------
        torch.Tensor
            Logits (…, n_out).
        """
        return self.layers(input)

    def to_sparselab(self) -> Net:
        """Make a net of this package with the present links, values and biases; everything is copied.

        Returns
        -------
        sparselab.SparseMLP
            The net.

        Raises
        ------
        ValueError
            If its nn.Dropout modules drop different shares.
        """
        layers, drops = [], {part.p for part in self.layers if isinstance(part, nn.Dropout)} or {self.dropout}
        if len(drops) > 1:
            raise ValueError(f"layers: drop the shares {sorted(drops)}, must drop the same behind each hidden layer, as nets do")
        for part in self.layers:
            if isinstance(part, SparseLinear):
                layers.append(Layer(part.topology, *(values(parameter).copy() for parameter in (part.weight, part.bias))))
            elif isinstance(part, nn.PReLU):
                layers[-1].values = values(part.weight).reshape(1, -1).copy()
        net = Net(layers, self.activation, dropout=drops.pop(), initializer=self.initializer)
        net.classes = self.classes
        if [len(self.neurons.ids(level)) for level in range(len(net.sizes))] == list(net.sizes):
            net.neurons = self.neurons
        return net


def of_layer(layer, initializer):
    """A layer of this package as a SparseLinear of torch."""
    t = layer.topology
    dtype = torch.float64 if layer.dtype == np.float64 else torch.float32
    module = SparseLinear(t.n_in, t.n_out, topology=t, new_values=initializer, dtype=dtype)
    module.weight.data, module.bias.data = torch.from_numpy(layer.w.copy()), torch.from_numpy(layer.b.copy())
    return module
