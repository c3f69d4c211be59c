"""Memory that training needs, counted from widths and links as the code allocates it, and the plan that fits what is available.

The process itself, its libraries and compiled code are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..engines.entries import mask_blocks
from ..engines.tiling import groups_of, scatters, shared_out, tile_width, tiles_of
from ..nn import activations, trained_activations
from ..nn.evaluation import rows_at_once
from ..nn.footprint import (
    InsufficientMemoryError,
    NetShape,
    flow_items,
    largest_share,
    layer_training_items,
    net_name,
    require_memory,
    size,
)
from ..utils import resources

LARGE_EVOLUTION = 2**30  # bytes: an evolution that needs more goes layer by layer where the rules allow it
BATCH = 32  # samples a step for which `lean_plan` finds the plan
DEGREES_UP_TO = 200_000  # neurons of the largest net for which records hold fan-in and fan-out vectors


@dataclass(frozen=True)
class Plan:
    """How a training uses memory.

    by_layer: evolution replaces one layer after the other, so that only one exists twice at a time. index: whether layers have a
    transposed index, which takes 8 bytes a link; without it, the backward pass scatters.
    """

    by_layer: bool = False
    index: bool = True

    def __str__(self):
        if not self.by_layer:
            return "all layers at once"
        return "lean: evolution layer by layer" + ("" if self.index else ", no transposed index")


PLANS = Plan(), Plan(by_layer=True), Plan(by_layer=True, index=False)  # the first evolution can be undone
MAX_SHARES = 0.5, 0.9, 1.0  # of the available memory that each plan may need: other programs want some too


def first_that_fits(plans, need, have):
    """The first of some PLANS for which need(plan) bytes fit into `have` (None: unknown); None where none does."""
    return next((plan for plan in plans if have is None or need(plan) <= MAX_SHARES[PLANS.index(plan)] * have), None)


@dataclass(frozen=True)
class TrainingShape(NetShape):
    """A NetShape with what else decides the memory of its training.

    stores_inputs: (n − 1,) bool, the hidden layers whose activation is not a pair of slopes. The engine keeps the inputs of such
    an activation for the backward pass, and only a sign bit for each input of the others. n_values: (n − 1,) int, the trained
    values of each of their neurons.
    """

    dropout: float = 0.0
    stores_inputs: object = False
    n_values: object = 0

    @classmethod
    def of(cls, model):
        """The shape of a SparseMLP."""
        sizes, nnz = np.array(model.sizes, float), np.array(model.nnz, float)
        return cls(sizes, nnz, model.dtype.itemsize, model.dropout, *of_hidden(model.activation, len(sizes)))

    @property
    def evolving(self):
        """(n,) bool: the layers a rule replaces, all but dense ones and the last."""
        sparse = self.nnz < self.sizes[:-1] * self.sizes[1:]
        return sparse & (np.arange(len(sparse)) < len(sparse) - 1)

    @property
    def values(self):
        """(n,) floats: trained values of each layer."""
        return np.append(self.sizes[1:-1] * self.n_values, 0)

    def stored_items(self):
        """{name: bytes} of the net itself."""
        return super().stored_items() | {"trained values of activations": self.values.sum() * self.itemsize}

    def tile_rows(self, entries):
        """Rows of an engine's tiles of all layers; entries: see engines.entries."""
        return self.sizes.sum() + entries * (self.sizes[1] - self.sizes[0])

    def workspace_bytes(self, width, *, training, entries=False):
        """Bytes of one engine's Workspace for tiles of `width` samples."""
        hidden = self.sizes[1:-1]
        bits = hidden * -(-width // 8)
        values = self.tile_rows(entries) * width * self.itemsize
        inputs = (hidden * self.stores_inputs).sum() * width * self.itemsize
        masks = (bits * ~np.asarray(self.stores_inputs, bool)).sum() + (bits.sum() if self.dropout else 0)
        return values + inputs + (masks if training else 0)

    def n_workspaces(self, shares, threads, width, entries=False):
        """Workspaces of the fused engine for so many shares of work: one a thread, or one for all."""
        parts, together = shared_out(threads, shares, width, self.nnz.sum(), self.tile_rows(entries))
        return 1 if together else parts

    def evolution_bytes(self, vectors, by_layer=False, everywhere=False):
        """Bytes beyond those of a step: new links, slots and state beside the old, and the work on the largest layer.

        everywhere: whether rules replace dense layers and the last one, too.
        """
        n_in, n_out = self.ends
        per_output = (1 + vectors) * (n_out + self.values) * self.itemsize
        new = (12 + (1 + vectors) * self.itemsize) * self.nnz + 8 * (n_out + 1) + per_output
        work = 4 * self.nnz + 8 * (3 * n_out + n_in)
        on = self.evolving | everywhere
        return (new + work)[on].max(initial=0) if by_layer else new[on].sum() + work[on].max(initial=0)

    def training_items(
        self, batch_size, threads, *, n_test, evolution, layerwise, vectors, plan=PLANS[0], n_seen=0, everywhere=False,
        entries=(False,), evaluated_whole=False,
    ):  # fmt: skip
        """{name: bytes} beyond the net itself, at the moment that needs most.

        n_seen: samples that rules look at. entries: for the samples to train on and those to evaluate, whether they come by
        their entries where there is an index. evaluated_whole: whether all outputs of the samples to evaluate exist at once.
        """
        seen_by_entries, indexed, entries = entries[0], plan.index and any(entries), plan.index and all(entries)
        width = tile_width(batch_size)
        groups = groups_of(tiles_of(batch_size, width))
        shares = groups, tiles_of(n_test, width)
        spaces = groups if layerwise else max(self.n_workspaces(n, threads, width, entries) for n in shares)
        tile, more = self.workspace_bytes(width, training=True, entries=entries), {}
        if n_test:
            space = self.workspace_bytes(width, training=False, entries=entries) if layerwise else 0
            first = int(self.sizes[0]), int(self.sizes[1]), int(self.nnz[0])
            masks = 2 * first[0] * mask_blocks(*first, self.itemsize)
            ordered = entries * (self.nnz[0] * self.itemsize + masks)  # engines.entries.in_order
            computed, evaluated = (n_test, n_test) if evaluated_whole else rows_at_once(n_test, int(self.sizes[-1]))
            more["evaluation"] = space + ordered + (computed * self.itemsize + evaluated * 3 * 8) * self.sizes[-1]
        if evolution:  # in addition: the memory that an evaluation freed is not always given back
            more["evolution: new links beside the old"] = self.evolution_bytes(vectors, plan.by_layer, everywhere)
        if n_seen:
            more |= flow_items(self.sizes, n_seen, self.itemsize, seen_by_entries)
        items = layer_training_items(*self.ends, self.nnz, self.itemsize, vectors=vectors, groups=groups)
        sums, values = {name: n.sum() for name, n in items.items()}, self.values.sum() * self.itemsize
        has_index = ~scatters(*self.ends, width)
        has_index[0] = indexed  # the first layer's is for entries
        index = items["transposed index"][has_index].sum()
        finish = indexed * (20 + self.itemsize) * self.sizes[1]  # engines.entries.Finish
        return {
            "optimizer state": sums["optimizer state"] + vectors * values,
            f"gradients ({groups} groups)": sums["gradients"] + groups * values,
            "transposed index": plan.index * (index + finish),
            f"activations ({spaces} tiles of {width})": spaces * tile,
            "derivatives by trained values": min(threads, groups) * self.values.max() * width * self.itemsize,
            **more,
        }


def of_hidden(activation, n_sizes):
    """(stores_inputs, n_values) of a TrainingShape of so many widths."""
    functions = [activations.at(activation, depth) for depth in range(1, n_sizes - 1)]
    n_values = np.array([len(trained_activations.names(f)) for f in functions], int)
    return np.array([activations.slopes(f) is None for f in functions], bool) | (n_values > 0), n_values


def check_training(
    model, batch_size, threads, *, n_test=0, evolution=False, layerwise=False, vectors=1, has_state=False, by_layer=False,
    lean=False, n_batches=1, n_samples=0, everywhere=False, entries=(False,), evaluated_whole=False,
):  # fmt: skip
    """The first of PLANS that fits beside the net and the data; refuse, before anything is allocated, a training that none fits.

    batch_size: at most the number of samples. n_test: samples that will be evaluated. evolution: whether there are rules.
    layerwise: which engine. vectors: values that the optimizer stores for each link; has_state: they are allocated already.
    by_layer: whether the rules can go layer by layer. A large evolution then does so however much memory there is, and one of
    any size where `lean`. n_batches: batches that a rule looks at together, of `n_samples` samples in all. everywhere: as for
    `TrainingShape.evolution_bytes`. entries, evaluated_whole: see TrainingShape.training_items.
    """
    net = TrainingShape.of(model)
    options = {"n_test": n_test, "evolution": evolution, "layerwise": layerwise, "vectors": vectors, "everywhere": everywhere}
    options["evaluated_whole"] = evaluated_whole
    options["entries"], later = entries, (layer.topology for layer in model.layers[0 if any(entries) else 1 :])
    existing_index = sum(8 * t.nnz + 8 * (t.n_in + 1) for t in later if "transposed" in vars(t))
    plans = [plan for plan in PLANS if not layerwise and (by_layer or not evolution)] or PLANS[:1]
    if len(plans) > 1 and evolution and (lean or net.evolution_bytes(vectors, everywhere=everywhere) > LARGE_EVOLUTION):
        plans = plans[1:]

    def items(batch_size, threads, net=net, plan=plans[-1]):
        n_seen = min(n_batches * batch_size, n_samples) if n_batches > 1 else 0
        found = net.training_items(batch_size, threads, plan=plan, n_seen=n_seen, **options)
        found["transposed index"] -= min(existing_index, found["transposed index"])
        return found | ({"optimizer state": 0} if has_state else {})

    def need(*arguments, **options):
        return sum(items(*arguments, **options).values())

    def advise(have):
        advice, smaller = [], batch_size
        while smaller > 1 and need(smaller, threads) > have:
            smaller = -(-smaller // 2)
        if need(smaller, threads) <= have:
            advice.append(f"batch_size up to {smaller}")
        if threads > 1 and need(batch_size, 1) <= have:
            advice.append("threads = 1")
        share = largest_share(lambda share: need(batch_size, threads, replace(net, nnz=net.nnz * share)) <= have)
        advice.append(f"a net with {share:.2g} times the links" if share else "fewer neurons")
        return " or ".join(advice)

    have = resources.available() if len(plans) > 1 else None
    plan = first_that_fits(plans, lambda plan: need(batch_size, threads, plan=plan), have)
    if have is not None and plan is not None:
        return plan
    require_memory(f"training {net_name(model.sizes)} with batches of {batch_size}", items(batch_size, threads), advise)
    return plans[0] if have is None else plans[-1]


def lean_plan(model):
    """How training by SET with BATCH samples a step would use memory, as text; None where all layers evolve at once."""
    try:
        plan = check_training(model, BATCH, resources.cores(), evolution=True, by_layer=True)
    except InsufficientMemoryError as error:
        return f"does not fit: {size(error.need)} needed, {size(error.have)} available"
    return None if plan == PLANS[0] else str(plan)
