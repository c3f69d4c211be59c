"""The panel of one layer (notebook 01): its links as an image, its degrees, and bytes and time of four ways to compute it."""

from __future__ import annotations

from dataclasses import dataclass

from .. import figures
from ..experiments import studies
from ..figures.style import limit_height
from ..nn import summary
from ..nn.mlp import SparseMLP
from . import markup
from .explorer import Explorer, control
from .pictures import cells
from .views import View

BATCH = 64
WAYS = {"dense": "dense (BLAS)", "mask": "dense × mask", "scipy": "scipy CSR", "sparselab": "sparselab"}


@dataclass(frozen=True)
class Layer:
    """A net of one layer, and what it costs to compute it in four ways (`studies.layer_costs`)."""

    model: SparseMLP
    costs: dict

    def of(self, way):
        """{"links", "bytes", "seconds"} of one way."""
        number = list(self.costs["way"]).index(way)
        named = {"links": "links", "bytes": "bytes", "seconds": "step"}
        return {name: self.costs[key][number].item() for name, key in named.items()}


def layer_panel(n_in: int = 784, n_out: int = 1000, *, epsilon: float = 20.0, density: float = 0.05) -> Explorer:
    """Panel of one sparse layer: connectivity, degrees, memory, and the time of dense BLAS, mask, scipy and sparselab.

    Parameters
    ----------
    n_in, n_out : int, default 784 and 1000
        Neurons before and after the layer, 2 to 2000.
    epsilon : float, default 20.0
        Sparsity: the layer has about epsilon (n_in + n_out) links.
    density : float, default 0.05
        Share of the possible links, used when the control "given" is set to density.

    Returns
    -------
    Explorer
        The panel.

    Examples
    --------
    >>> from sparselab.widgets import layer_panel
    >>> panel = layer_panel(20, 30, epsilon=2.0)
    >>> panel.wait(30), panel.result.model.sizes
    (True, (20, 30))
    """
    controls = {
        "n_in": control("IntSlider", "n_in", value=n_in, min=2, max=2000),
        "n_out": control("IntSlider", "n_out", value=n_out, min=2, max=2000),
        "given": control("Dropdown", "given", options=["epsilon", "density"], value="epsilon"),
        "epsilon": control("FloatSlider", "epsilon ε", value=epsilon, min=1.0, max=100.0, step=1.0),
        "density": control("FloatLogSlider", "density", value=density, min=-3.0, max=0.0, step=0.05, readout_format=".3g"),
    }
    panel = Explorer(controls, study, VIEWS, table, title="one sparse layer, four ways to compute it")
    controls["given"].observe(lambda change: choose(controls, change["new"]), "value")
    choose(controls, "epsilon")
    return panel


def choose(controls, given):
    """Disable the slider that has no effect."""
    for name in ("epsilon", "density"):
        controls[name].disabled = name != given


def study(values):
    """Build and measure the Layer that the controls describe."""
    how = {values["given"]: values[values["given"]]}
    model = SparseMLP.create((values["n_in"], values["n_out"]), **{"epsilon": None} | how, seed=0)
    return Layer(model, studies.layer_costs(values["n_in"], values["n_out"], batch_size=BATCH, seed=0, **how))


def table(layer):
    """HTML: bytes and seconds of each way."""
    rows = []
    for way, text in WAYS.items():
        cost = layer.of(way)
        rows.append((text, summary.size(cost["bytes"]), markup.seconds(cost["seconds"])))
    shape = layer.model.layers[0].topology
    about = f"{shape.nnz:,} of {shape.n_in * shape.n_out:,} links: density {shape.density:.2%}. A step: forward, backward and "
    return markup.note(f"{about}update of {BATCH} samples.") + markup.table(rows, ("", "in training", "a step"))


def links_in_browser(layer, choices):
    """The data of the connectivity picture."""
    (first,) = layer.model.layers
    return cells.link_content(first.topology, first.w, "the layer", choices)


VIEWS = {
    "connectivity": View("connectivity", lambda layer: figures.connectivity(layer.model, bins=128), data=links_in_browser),
    "degrees": View("degrees", lambda layer: figures.degree_histograms(layer.model)),
    "memory": View("memory", lambda layer: limit_height(figures.memory(layer.model))),
    "against dense": View("against dense", lambda layer: figures.compare_costs(layer.of("sparselab"), layer.of("dense"))),
    "against mask": View("against mask", lambda layer: figures.compare_costs(
        layer.of("sparselab"), layer.of("mask"), labels=("sparse", "mask"))),
}  # fmt: skip
