"""The panel of one layer (notebook 01): its links as a picture, its degrees, its bytes and its time, four ways."""

from dataclasses import dataclass

from .. import figures
from ..experiments import studies
from ..figures.style import limit_height
from ..nn import summary
from ..nn.mlp import SparseMLP
from . import markup
from .explorer import Explorer
from .toolkit import make
from .views import View

BATCH = 64
WAYS = {"dense": "dense (BLAS)", "mask": "dense × mask", "scipy": "scipy CSR", "sparselab": "sparselab"}
LOOK = {"style": {"description_width": "95px"}, "layout": {"width": "97%"}}
SLIDER = LOOK | {"continuous_update": False}


@dataclass(frozen=True)
class Layer:
    """A net of one layer and what it costs, four ways (`studies.layer_costs`)."""

    model: SparseMLP
    costs: dict

    def of(self, way):
        """{"links", "bytes", "seconds"} of one way."""
        number = list(self.costs["way"]).index(way)
        named = {"links": "links", "bytes": "bytes", "seconds": "step"}
        return {name: self.costs[key][number].item() for name, key in named.items()}


def layer_panel(n_in=784, n_out=1000, *, epsilon=20.0, density=0.05):
    """n_in, n_out and epsilon or density → connectivity, degrees, memory, measured time of dense BLAS, mask, scipy and ours."""
    controls = {
        "n_in": make("IntSlider", value=n_in, min=2, max=2000, description="n_in", **SLIDER),
        "n_out": make("IntSlider", value=n_out, min=2, max=2000, description="n_out", **SLIDER),
        "given": make("Dropdown", options=["epsilon", "density"], value="epsilon", description="given", **LOOK),
        "epsilon": make("FloatSlider", value=epsilon, min=1.0, max=100.0, step=1.0, description="epsilon ε", **SLIDER),
        "density": make(
            "FloatLogSlider", value=density, min=-3.0, max=0.0, step=0.05, description="density", readout_format=".3g", **SLIDER
        ),
    }  # fmt: skip
    panel = Explorer(controls, study, VIEWS, table, title="one sparse layer, four ways to compute it")
    controls["given"].observe(lambda change: choose(controls, change["new"]), "value")
    choose(controls, "epsilon")
    return panel


def choose(controls, given):
    """Only the slider that counts can be moved."""
    for name in ("epsilon", "density"):
        controls[name].disabled = name != given


def study(values):
    """The Layer that the controls describe, built and measured."""
    how = {values["given"]: values[values["given"]]}
    model = SparseMLP.create((values["n_in"], values["n_out"]), **{"epsilon": None} | how, seed=0)
    return Layer(model, studies.layer_costs(values["n_in"], values["n_out"], batch_size=BATCH, seed=0, **how))


def table(layer):
    """Bytes and milliseconds of each way."""
    rows = []
    for way, text in WAYS.items():
        cost = layer.of(way)
        rows.append((text, summary.size(cost["bytes"]), markup.seconds(cost["seconds"])))
    shape = layer.model.layers[0].topology
    about = f"{shape.nnz:,} of {shape.n_in * shape.n_out:,} links: density {shape.density:.2%}. A step: forward, backward and "
    return markup.note(f"{about}update of {BATCH} samples.") + markup.table(rows, ("", "in training", "a step"))


VIEWS = {
    "connectivity": View("connectivity", lambda layer: figures.connectivity(layer.model, bins=128)),
    "degrees": View("degrees", lambda layer: figures.degree_histograms(layer.model)),
    "memory": View("memory", lambda layer: limit_height(figures.memory(layer.model))),
    "against dense": View("against dense", lambda layer: figures.compare_costs(layer.of("sparselab"), layer.of("dense"))),
    "against mask": View("against mask", lambda layer: figures.compare_costs(
        layer.of("sparselab"), layer.of("mask"), labels=("sparse", "mask"))),
}  # fmt: skip
