"""What a net will need, counted before anything is allocated, and what there is: so that a run is refused and not killed.

Pure arithmetic from widths and expected links, array by array as the code allocates them. The process itself, its libraries
and compiled code are not counted.
"""

from dataclasses import dataclass

import numpy as np

from ..engines.tiling import groups_of, shared_out, tile_width, tiles_of
from ..nn import activations
from ..nn.footprint import InsufficientMemoryError, NetShape, largest_share, named, refuse, size, trained
from ..utils import resources

LARGE = 2**30  # bytes of an evolution of all layers at once from which it goes layer by layer, where the rules can
BATCH = 32  # samples of the step for which a net's summary tells the plan
DEGREES_UP_TO = 200_000  # neurons of a net whose fan-in and fan-out vectors are kept every epoch


@dataclass(frozen=True)
class Plan:
    """How a training uses memory. by_layer: evolution replaces one layer after the other, so that only one stands there twice;
    index: whether layers have a transposed index, which takes 8 bytes a link (else the backward pass scatters)."""

    by_layer: bool = False
    index: bool = True

    def __str__(self):
        if not self.by_layer:
            return "all layers at once"
        return "lean: evolution layer by layer" + ("" if self.index else ", no transposed index")


PLANS = Plan(), Plan(by_layer=True), Plan(by_layer=True, index=False)  # from the one that is undone exactly to the smallest
MOST = 0.5, 0.9, 1.0  # shares of what is available that each may need: others want memory too


def roomy(plans, need, have):
    """The first of these plans for which there is room, need(plan) bytes of `have` (None: unknown); None where there is none."""
    return next((plan for plan in plans if have is None or need(plan) <= MOST[PLANS.index(plan)] * have), None)


@dataclass(frozen=True)
class TrainingShape(NetShape):
    """A NetShape with what decides the memory of its training."""

    dropout: float = 0.0
    plain: object = False  # (n − 1,) bool: hidden layers whose activation is not a pair of slopes

    @property
    def evolving(self):
        """(n,) bool: the layers a rule replaces, all but dense ones and the last."""
        sparse = self.nnz < self.sizes[:-1] * self.sizes[1:]
        return sparse & (np.arange(len(sparse)) < len(sparse) - 1)

    def tile(self, width, *, training):
        """Bytes of one Workspace."""
        hidden = self.sizes[1:-1]
        bits = hidden * -(-width // 8)
        activations_ = self.sizes.sum() * width * self.itemsize
        inputs = (hidden * self.plain).sum() * width * self.itemsize
        masks = (bits * ~np.asarray(self.plain, bool)).sum() + (bits.sum() if self.dropout else 0)
        return activations_ + inputs + (masks if training else 0)

    def shared(self, shares, threads, width):
        """Workspaces of the fused engine for so many shares of work: one a thread, or one for all."""
        parts, together = shared_out(threads, shares, width, self.nnz.sum(), self.sizes.sum())
        return 1 if together else parts

    def evolution(self, vectors, by_layer=False):
        """Bytes beyond those of a step: new links, slots and state beside the old, and the work on the largest layer."""
        n_in, n_out = self.ends
        new = (12 + (1 + vectors) * self.itemsize) * self.nnz + 8 * (n_out + 1) + (1 + vectors) * n_out * self.itemsize
        work = 4 * self.nnz + 8 * (3 * n_out + n_in)
        on = self.evolving
        return (new + work)[on].max(initial=0) if by_layer else new[on].sum() + work[on].max(initial=0)

    def training(self, batch_size, threads, *, n_test, evolution, layerwise, vectors, plan=PLANS[0]):
        """{name: bytes} beyond the net itself, at the moment that needs most."""
        width = tile_width(batch_size)
        groups = groups_of(tiles_of(batch_size, width))
        spaces = groups if layerwise else max(self.shared(n, threads, width) for n in (groups, tiles_of(n_test, width)))
        tile, more = self.tile(width, training=True), {}
        if n_test:
            space = self.tile(width, training=False) if layerwise else 0
            more["evaluation"] = space + n_test * self.sizes[-1] * (self.itemsize + 3 * 8)
        if evolution:  # in addition: what an evaluation freed is not always given back
            more["evolution: new links beside the old"] = self.evolution(vectors, plan.by_layer)
        sums = {name: n.sum() for name, n in trained(*self.ends, self.nnz, self.itemsize, vectors=vectors, groups=groups).items()}
        names = f"gradients ({groups} groups)", f"activations ({spaces} tiles of {width})"
        return {
            "optimizer state": sums["optimizer state"], names[0]: sums["gradients"],
            "transposed index": plan.index * (sums["transposed index"] - 8 * (self.nnz[0] + self.sizes[0] + 1)),
            names[1]: spaces * tile, **more,
        }  # fmt: skip


def check_training(
    model, batch_size, threads, *, n_test=0, evolution=False, layerwise=False, vectors=1, has_state=False, by_layer=False,
    lean=False,
):  # fmt: skip
    """The first of PLANS for which there is room beside the net and the data; refuse, before anything is allocated, where there
    is none.

    batch_size: at most the number of samples. n_test: samples that will be evaluated. evolution: whether there are rules.
    layerwise: which engine. vectors: what the optimizer keeps beside a link; has_state: it is allocated already. by_layer:
    whether the rules can go layer by layer. A large evolution does so where it can, whatever room there is, and one of any size
    where `lean`.
    """
    plain = np.array([activations.slopes(f) is None for f in model.hidden], bool)
    net = TrainingShape(np.array(model.sizes, float), np.array(model.nnz, float), model.dtype.itemsize, model.dropout, plain)
    options = {"n_test": n_test, "evolution": evolution, "layerwise": layerwise, "vectors": vectors}
    there = sum(8 * t.nnz + 8 * (t.n_in + 1) for t in (layer.topology for layer in model.layers[1:]) if "transposed" in vars(t))

    plans = [plan for plan in PLANS if not layerwise and (by_layer or not evolution)] or PLANS[:1]
    if len(plans) > 1 and evolution and (lean or net.evolution(vectors) > LARGE):
        plans = plans[1:]

    def items(batch_size, threads, net=net, plan=plans[-1]):
        found = net.training(batch_size, threads, plan=plan, **options)
        found["transposed index"] -= min(there, found["transposed index"])
        return found | ({"optimizer state": 0} if has_state else {})

    def advise(have):
        advice = []
        smaller = batch_size
        while smaller > 1 and sum(items(smaller, threads).values()) > have:
            smaller = -(-smaller // 2)
        if sum(items(smaller, threads).values()) <= have:
            advice.append(f"batch_size up to {smaller}")
        if threads > 1 and sum(items(batch_size, 1).values()) <= have:
            advice.append("threads = 1")
        scaled = lambda share: TrainingShape(net.sizes, net.nnz * share, net.itemsize, net.dropout, net.plain)
        share = largest_share(lambda share: sum(items(batch_size, threads, scaled(share)).values()) <= have)
        advice.append(f"a net with {share:.2g} times the links" if share else "fewer neurons")
        return " or ".join(advice)

    have = resources.available() if len(plans) > 1 else None
    plan = roomy(plans, lambda plan: sum(items(batch_size, threads, plan=plan).values()), have)
    if have is not None and plan is not None:
        return plan
    refuse(f"training {named(model.sizes)} with batches of {batch_size}", items(batch_size, threads), advise)
    return plans[0] if have is None else plans[-1]


def lean_plan(model):
    """How training by SET with BATCH samples a step would use memory, where that is not all layers at once; else None."""
    try:
        plan = check_training(model, BATCH, resources.cores(), evolution=True, by_layer=True)
    except InsufficientMemoryError as error:
        return f"does not fit: {size(error.need)} needed, {size(error.have)} available"
    return None if plan == PLANS[0] else str(plan)
