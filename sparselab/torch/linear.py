"""SparseLinear: torch.nn.Linear with the links of a topology instead of a matrix."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual
from torch.autograd.graph import increment_version

from ..nn.initializers import HeUniform, Initializer
from ..topology.random_graph import erdos_renyi
from ..topology.topology import Topology
from ..utils import checks
from .operators import HALF, Links, linear, links_of

DTYPES = torch.float32, torch.float64, *HALF
NEW_VALUES = "zero", "initializer"
EMPTY = "SparseLinear has no links since to_empty(): load a state_dict before it is used"
FORWARD_MODE = "SparseLinear has no derivatives in forward mode (torch.func.jvp, jacfwd, dual tensors): use backward()"


class SparseLinear(nn.Module):
    """A linear layer that has only the links of its topology: y = x Wᵀ + b, for inputs with any leading dimensions.

    Values and gradients are vectors of one number a link, so that time and memory are O(links); nothing has the size of the dense
    matrix. It runs on CPUs, on as many threads as `torch.get_num_threads()`; its bits do not depend on their number.

    Parameters
    ----------
    in_features, out_features : int
        Widths, in [1, 2**31 - 1].
    density : float, optional
        Share of all links that exist, in (0, 1]; where they are is drawn uniformly.
    epsilon : float, optional
        Gives epsilon · (in_features + out_features) links instead, > 0.
    topology : Topology, optional
        The links themselves, of shape (out_features, in_features). Exactly one of the three is given.
    bias : bool, default True
        Whether the layer has biases.
    new_values : {"zero", "initializer"} or callable, default "zero"
        Values of links that grow, where the rule leaves them to the layer: 0, drawn like the initial ones, or by a function of
        `sl.initializers`.
    dtype : torch.dtype, optional
        Type of values and biases: torch.float32 (default: torch's), torch.float64, or a half precision, which is calculated in
        float32.

    Attributes
    ----------
    weight : torch.nn.Parameter
        Values (nnz,) of the links, ordered by output and then by input. They start uniform in ±1/√k for an output with k links,
        as those of a torch.nn.Linear with k inputs.
    bias : torch.nn.Parameter or None
        Biases (out_features,), which start in the same interval.
    indptr, indices : torch.Tensor
        Buffers: output j has the links indptr[j] … indptr[j + 1] − 1 (int64), with the inputs indices[k] (int32).

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these. When the layer is called: if the input does not fit, is not of floats, or is on another
        device.
    NotImplementedError
        Where gradients of gradients are asked for, or derivatives in forward mode.

    Examples
    --------
    >>> import torch
    >>> import sparselab.torch
    >>> layer = sparselab.torch.SparseLinear(768, 3072, density=0.05)
    >>> layer(torch.zeros(8, 16, 768)).shape, layer.weight.shape
    (torch.Size([8, 16, 3072]), torch.Size([117965]))
    """

    links: Links | None = None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        density: float | None = None,
        epsilon: float | None = None,
        topology: Topology | None = None,
        bias: bool = True,
        new_values: str | Initializer = "zero",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if sum(value is not None for value in (density, epsilon, topology)) != 1:
            raise ValueError(f"density = {density}, epsilon = {epsilon}, topology = {topology}: give exactly one of them")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if dtype not in DTYPES:
            checks.fail("dtype", dtype, f"one of {', '.join(map(str, DTYPES))}", TypeError)
        self.new_values = new_values if callable(new_values) else checks.choice("new_values", new_values, NEW_VALUES)
        bias = checks.flag("bias", bias)
        rng = generator()
        if topology is None:
            topology = erdos_renyi(out_features, in_features, epsilon=epsilon, density=density, exact=True, seed=rng)
        elif not isinstance(topology, Topology):
            checks.fail("topology", topology, "a sparselab.Topology", TypeError)
        elif topology.shape != (out_features, in_features):
            checks.fail("topology", topology, f"of shape {(out_features, in_features)}, (out_features, in_features)")
        self.out_features, self.in_features = topology.shape
        kind = np.float64 if dtype == torch.float64 else np.float32
        self.weight = nn.Parameter(torch.from_numpy(initial(topology, rng, kind)).to(dtype))
        limits = 1 / np.sqrt(np.maximum(1, topology.fan_in))
        self.bias = nn.Parameter(torch.from_numpy(rng.uniform(-limits, limits)).to(dtype)) if bias else None
        self.register_buffer("indices", torch.from_numpy(np.array(topology.indices)))
        self.register_buffer("indptr", torch.from_numpy(np.array(topology.indptr)))
        self._note(topology)
        if torch.get_default_device().type == "meta":
            self.to("meta")

    @property
    def topology(self) -> Topology:
        """The links, as a sparselab.Topology; ValueError on the "meta" device, and after `to_empty()`."""
        return self._links().topology

    @property
    def density(self) -> float:
        """Share of all possible links that exist."""
        return self.topology.density

    def _links(self):
        """The Links of the buffers, as they are now."""
        if self.indices.device.type != "cpu":
            raise ValueError(f"SparseLinear has its links on {self.indices.device}: they are read on the CPU only")
        if self.links is None:
            raise ValueError(EMPTY)
        self.links = links_of(self.indptr, self.indices, self.in_features, keep=False)
        return self.links

    def _note(self, topology=None):
        """Keep the Links of the present buffers; none on devices whose memory is not this process's."""
        before, arguments = self.links, (self.indptr, self.indices, self.in_features)
        if self.indices.device.type != "cpu":
            self.links = None
            return
        self.links = links_of(*arguments, keep=False) if topology is None else Links(*arguments, topology)
        if before not in (None, self.links):
            self.links.passes.update(before.passes)

    def _grown_values(self, topology, slots, rng, drawn):
        """The values of links that have grown in these slots of a topology. drawn: the rule asks for the initializer's."""
        draw = self.new_values if callable(self.new_values) else initial
        if self.new_values == "zero" and not drawn:
            return np.zeros(len(slots))
        return draw(topology, rng, np.float64 if self.weight.dtype == torch.float64 else np.float32, slots=slots)

    def set_links(self, topology: Topology, weight: Any, bias: Any = None) -> None:
        """Replace the links and their values. `weight` and `bias` stay the same Parameters, with new tensors and no gradient.

        Parameters
        ----------
        topology : Topology
            The new links.
        weight : array_like
            Their values (nnz,), of any float dtype.
        bias : array_like, optional
            The new biases (n_out,), where the layer has some; by default the present ones.

        Raises
        ------
        TypeError, ValueError
            If `topology` is none, a length does not fit, or there are biases for a layer that has none.
        """
        if not isinstance(topology, Topology):
            checks.fail("topology", topology, "a sparselab.Topology", TypeError)
        weight = torch.as_tensor(weight).to(self.weight)  # on the "meta" device, too
        if weight.shape != (topology.nnz,):
            checks.fail("weight", f"tensor of shape {tuple(weight.shape)}", f"of shape ({topology.nnz},), a value for each link")
        if bias is not None and self.bias is None:
            raise ValueError("bias: the layer has none, must be None")
        bias = self.bias if bias is None else torch.as_tensor(bias).to(self.weight)
        if bias is not None and bias.shape != (topology.n_out,):
            checks.fail("bias", f"tensor of shape {tuple(bias.shape)}", f"of shape ({topology.n_out},), one for each output")
        self.out_features, self.in_features = topology.shape
        increment_version(self.weight)  # a backward pass through links that are gone is an error
        self.weight.grad, self.weight.data = None, weight.detach().clone()
        if self.bias is not None and bias is not self.bias:
            self.bias.grad, self.bias.data = None, bias.detach().clone()
        self.indices, self.indptr = (torch.from_numpy(np.array(part)) for part in (topology.indices, topology.indptr))
        self._note(topology)

    def forward(self, input: Tensor) -> Tensor:
        """Compute x Wᵀ + b.

        Parameters
        ----------
        input : torch.Tensor
            Inputs (…, in_features) of the layer's dtype, or of a half precision, which is taken up to it.

        Returns
        -------
        torch.Tensor
            Outputs (…, out_features), in the layer's dtype.

        Raises
        ------
        TypeError, ValueError
            If the input does not fit, or if `weight` no longer has a value for each link.
        """
        self._check(input)
        kind = torch.float64 if self.weight.dtype == torch.float64 else torch.float32
        bias = self.weight.new_zeros(self.out_features) if self.bias is None else self.bias
        rows = input.reshape(-1, self.in_features).to(kind)
        out = linear(rows, self.weight, bias.to(kind), self.indptr, self.indices)
        return out.reshape(*input.shape[:-1], self.out_features).to(self.weight.dtype)

    def _check(self, input):
        if not isinstance(getattr(input, "device", None), torch.device):
            raise TypeError(f"input is a {type(input).__name__}: must be a torch.Tensor")
        if self.links is None and self.indices.device.type == "cpu":
            raise ValueError(EMPTY)
        if not torch.compiler.is_compiling():  # torch.func.jvp would take the operator's derivative for 0
            parts = [part for part in (input, self.weight, self.bias) if isinstance(part, Tensor)]
            if any(unpack_dual(part).tangent is not None for part in parts):
                raise NotImplementedError(FORWARD_MODE)
        if self.weight.dtype not in DTYPES:
            raise TypeError(f"weight is of {self.weight.dtype}: must be one of {', '.join(map(str, DTYPES))}")
        for name, tensor in (("input", input), ("weight", self.weight)):
            if tensor.device.type not in ("cpu", "meta"):
                raise ValueError(f"{name} is on {tensor.device}: SparseLinear runs on CPUs only; use .to('cpu'), or densify")
        if input.layout != torch.strided:
            raise TypeError(f"input has the layout {input.layout}: must be dense; use .to_dense()")
        if input.dtype != self.weight.dtype and input.dtype not in HALF:
            raise TypeError(f"input is of {input.dtype}: must be {self.weight.dtype}, as the layer, or a half precision")
        if input.dim() == 0 or input.shape[-1] != self.in_features:
            raise ValueError(f"input has the shape {tuple(input.shape)}: must be (…, {self.in_features})")
        if self.weight.shape != self.indices.shape:
            raise ValueError(
                f"weight has the shape {tuple(self.weight.shape)}: must be {tuple(self.indices.shape)}, a value for each link; "
                "links change by set_links, Evolution and load_state_dict only"
            )

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):  # the one width that no tensor has
            destination._metadata.setdefault(prefix[:-1], {})["in_features"] = self.in_features

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        parts = {name: state_dict[prefix + name] for name in ("indptr", "indices", "weight") if prefix + name in state_dict}
        if "indptr" in parts or "indices" in parts:
            try:
                self._load_links(parts, state_dict.get(prefix + "bias"), local_metadata.get("in_features", self.in_features))
            except (TypeError, ValueError) as error:
                error_msgs.append(f"{prefix.rstrip('.') or 'SparseLinear'}: {error}")
                return
        own = self.indices, self.indptr
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        if self.indices.device == own[0].device:
            self.indices, self.indptr = own  # with assign=True, too: two layers do not share the tensors of their links
        if self.links is not None:
            self._note()

    def _load_links(self, parts, bias, in_features):
        """Take over links and values of a state; TypeError or ValueError, before anything is written, where they do not fit."""
        if len(parts) < 3 or not all(isinstance(part, Tensor) for part in parts.values()):
            raise ValueError(f"has {', '.join(parts)}: must have tensors indptr, indices and weight, which belong together")
        if in_features != self.in_features:
            raise ValueError(f"size mismatch for in_features: {in_features} in the state, {self.in_features} in the layer")
        if isinstance(bias, Tensor) and self.bias is not None and bias.shape != self.bias.shape:
            raise ValueError(f"size mismatch for bias: {tuple(bias.shape)} in the state, {tuple(self.bias.shape)} in the layer")
        indptr, indices, weight = (part.detach().cpu().contiguous() for part in parts.values())
        self.set_links(Topology(self.out_features, self.in_features, indptr.numpy().copy(), indices.numpy().copy()), weight)

    def _apply(self, fn, recurse=True):
        def kept(tensor):
            found = fn(tensor)
            whole = not (tensor.is_floating_point() or tensor.is_complex())
            return tensor.to(found.device) if whole and found.dtype != tensor.dtype else found  # .type() casts indices, too

        was_empty = self.indices.device.type == "meta"
        super()._apply(kept, recurse)
        if was_empty:
            self.links = None  # memory that nothing has been written to
        else:
            self._note()
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: all but `links`, which is made from the buffers."""
        return {name: value for name, value in self.__dict__.items() if name != "links"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a pickled state."""
        super().__setstate__(state)
        self._note()

    def extra_repr(self) -> str:
        """Return what stands in the brackets of the repr.

        Returns
        -------
        str
            Widths, links and density.
        """
        links = len(self.indices)
        density = links / (self.in_features * self.out_features)
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, links={links}, density={density:.3g}, "
            f"bias={self.bias is not None}"
        )


def generator():
    """A numpy generator that follows torch.manual_seed."""
    return np.random.default_rng(int(torch.randint(2**62, (), device="cpu")))


def initial(topology, rng, dtype, slots=None):
    """Values uniform in ±1/√k for an output with k links, of all links or of those in `slots`: those of torch.nn.Linear."""
    return HeUniform("links")(topology, rng, dtype, slots) / np.sqrt(6).astype(dtype)
