"""Rules are functions in a list: each sees what the one before left, and any change of links or widths is trained on."""

import models
import numpy as np
import pytest
from strategies import mask_of, topology_of

from sparselab import evolution
from sparselab.checkpoints.records import EpochRecord
from sparselab.evolution import SET, PruneRegrow, magnitude
from sparselab.nn.losses import MeanSquaredError
from sparselab.nn.optimizers import MomentumSGD
from sparselab.topology.rewiring import Rewiring, rewire
from sparselab.training.loop import TrainingState, predict, steps

KINDS = ["fused", "layerwise"]


def trained(rules, *, kind="fused", model=None, epochs=4, **options):
    """(epoch records, fingerprint, model)."""
    model = models.net(dropout=0.3) if model is None else model
    optimizer = MomentumSGD(0.05, weight_decay=1e-3)
    records, found = models.run(
        model, models.dataset(), optimizer=optimizer, kind=kind, rules=rules, epochs=epochs, batch_size=32, threads=1, **options
    )
    return [r for r in records if isinstance(r, EpochRecord)], found, model


def nothing(epoch, model, state, evidence, rng):
    return [None] * len(model.layers)


def halve(epoch, model, state, evidence, rng):
    """Prune half of the links of every layer, the output layer too, and grow none."""
    return [rewire(layer.topology, np.arange(layer.topology.nnz) % 2 == 0) for layer in model.layers]


def without(mask, slots, stay, axis):
    """The links between neurons that stay, and the old slots of those links."""
    numbers = np.full(mask.shape, -1)
    numbers[mask] = slots
    small = np.take(mask, stay, axis)
    return topology_of(small), np.take(numbers, stay, axis)[small]


def shrink(epoch, model, state, evidence, rng):
    """Take the last three neurons of the first hidden layer away."""
    first, second = (layer.topology for layer in model.layers[:2])
    stay = np.arange(first.n_out - 3)
    new_first, origin_first = without(mask_of(first), np.arange(first.nnz), stay, 0)
    new_second, origin_second = without(mask_of(second), np.arange(second.nnz), stay, 1)
    return [
        Rewiring(new_first, origin_first, first.nnz, rows=stay),
        Rewiring(new_second, origin_second, second.nnz, cols=stay),
        *[None] * (len(model.layers) - 2),
    ]


# order


def test_a_rule_sees_what_the_one_before_left():
    seen = []

    def watch(epoch, model, state, evidence, rng):
        seen.append((epoch, model.nnz, [len(s.links[0]) for s in state]))
        return nothing(epoch, model, state, evidence, rng)

    records, _, _ = trained([watch, halve, watch], epochs=3)
    full = records[0].nnz
    halved = tuple(-(-n // 2) for n in full)
    quarter = tuple(-(-n // 2) for n in halved)
    assert [entry[0] for entry in seen] == [1, 1, 2, 2]
    assert [entry[1] for entry in seen] == [full, halved, halved, quarter]
    assert [entry[2] for entry in seen] == [list(entry[1]) for entry in seen]


def test_counts_of_all_rules_add_up():
    one, two = trained([SET(0.3)])[0], trained([SET(0.3), nothing, SET(0.3)])[0]
    assert one[1].pruned[0] > 0
    both = trained([halve, SET(0.5)])[0][1]
    assert both.grown[2] == 0 < both.pruned[2]  # the output layer is halved only
    assert both.pruned[0] > both.grown[0] > 0
    assert two[1].pruned[0] == two[1].grown[0] == pytest.approx(2 * one[1].pruned[0], abs=3)


def test_a_rule_that_does_nothing_changes_nothing():
    assert trained([nothing])[:2] == trained([])[:2]
    assert trained([SET(0.3), nothing])[:2] == trained([SET(0.3)])[:2]


def test_rules_of_one_evolution_share_a_generator_and_epochs_do_not():
    drawn = []

    def draw(epoch, model, state, evidence, rng):
        drawn.append(rng.integers(2**62))
        return nothing(epoch, model, state, evidence, rng)

    trained([draw, draw], epochs=3)
    assert len(set(drawn)) == 4
    first = list(drawn)
    drawn.clear()
    trained([draw, draw], epochs=3)
    assert drawn == first


# any change can be trained on


@pytest.mark.parametrize("kind", KINDS)
def test_pruning_without_regrowth(kind):
    records, _, model = trained([halve], kind=kind)
    assert [r.links for r in records] == sorted((r.links for r in records), reverse=True)
    assert records[-1].nnz == model.nnz
    assert records[1].grown == (0, 0, 0)


def test_engines_agree_while_links_and_widths_change():
    for rules in ([halve], [shrink], [shrink, SET(0.3)], [halve, shrink, SET(0.5)], [PruneRegrow(0.3, magnitude), halve]):
        fused, layerwise = (trained(rules, kind=kind)[:2] for kind in KINDS)
        assert fused == layerwise


@pytest.mark.parametrize("threads", [1, 3])
def test_neurons_may_go_during_training(threads):
    model = models.net(dropout=0.3)
    data, optimizer = models.dataset(501), MomentumSGD(0.05)
    state = TrainingState.start(model, optimizer, 5)
    options = {
        "optimizer": optimizer,
        "rules": [shrink, SET(0.3)],
        "epochs": 4,
        "batch_size": 300,
        "threads": threads,
        "state": state,
    }
    widths = [(r.epoch, model.sizes) for r in steps(model, data, **options) if isinstance(r, EpochRecord)]
    assert widths == [(epoch, (20, 33 - 3 * (epoch - 1), 18, 4)) for epoch in (1, 2, 3, 4)]
    assert [len(s.neurons[0]) for s in state.optimizer] == [24, 18, 4]
    assert np.isfinite(predict(model, data.X_test)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("emptied", [0, 1, 2])
def test_a_layer_may_lose_all_its_links(kind, emptied):
    def empty(epoch, model, state, evidence, rng):
        answer = [None] * 3
        answer[emptied] = rewire(model.layers[emptied].topology, np.zeros(model.nnz[emptied], bool))
        return answer

    records, _, model = trained([empty], kind=kind)
    assert model.nnz[emptied] == records[-1].nnz[emptied] == 0
    outputs = predict(model, models.rows()[0])
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(outputs, np.broadcast_to(outputs[0], outputs.shape))
    regrown = [
        rewire(layer.topology, np.ones(layer.topology.nnz, bool), 7, rng=np.random.default_rng(0)) for layer in model.layers
    ]
    evolution.apply(regrown, model, None, np.random.default_rng(0))
    assert model.nnz[emptied] == 7


def test_a_net_may_start_without_links():
    model = models.from_masks([np.zeros((5, 20)), np.zeros((4, 5))], dtype=np.float32)
    records, _, model = trained([SET(0.3)], model=model)
    assert model.nnz == (0, 0)
    assert records[-1].active_neurons == (0,)
    assert records[-1].train_loss < records[0].train_loss  # biases learn the class frequencies


# evidence


def test_evidence_is_the_first_batch_of_the_epoch():
    seen = []

    def look(epoch, model, state, evidence, rng):
        flows = evidence.flows
        assert evidence.flows is flows  # computed once
        seen.append([X.shape + dZ.shape for X, dZ in flows])
        return nothing(epoch, model, state, evidence, rng)

    assert trained([look])[:2] == trained([])[:2]
    assert seen == [[(20, 32, 33, 32), (33, 32, 18, 32), (18, 32, 4, 32)]] * 3


def test_links_can_be_grown_where_the_gradient_is_large():
    def by_gradient(epoch, model, state, evidence, rng):
        answer = []
        for layer, (X, dZ) in zip(model.layers, evidence.flows, strict=True):
            mask = mask_of(layer.topology)
            score = np.where(mask, -1, abs(dZ @ X.T))
            new = mask.copy()
            new.flat[np.argsort(score.ravel())[-5:]] = True
            slots = np.full(mask.shape, -1)
            slots[mask] = np.arange(layer.topology.nnz)
            answer.append(Rewiring(topology_of(new), slots[new], layer.topology.nnz))
        return answer

    start = models.net().nnz
    records, _, model = trained([by_gradient], epochs=5, loss=MeanSquaredError())
    assert [b - a for a, b in zip(start, model.nnz, strict=True)] == [20, 20, 20]
    assert records[-1].grown == (5, 5, 5)


# refusals


@pytest.mark.parametrize("answer", [[], [None], [None] * 4, ["x", None, None], [0, None, None]])
def test_a_bad_answer_stops_the_run_before_anything_moves(answer):
    model = models.net(dropout=0.3)
    optimizer = MomentumSGD(0.05, weight_decay=1e-3)
    state = TrainingState.start(model, optimizer, 5)
    with pytest.raises(ValueError, match="rewirings"):
        trained([lambda *arguments: answer], model=model, state=state)
    assert (state.epoch, state.batch) == (1, 0)
    _, wanted, clean = trained([], epochs=1)
    assert models.fingerprint(model) == models.fingerprint(clean)
    assert models.fingerprint(model, state) == wanted


def test_an_initializer_that_answers_nonsense_stops_the_run_before_anything_moves():
    model = models.net()
    model.initializer = lambda topology, rng, dtype, slots=None: np.zeros(3, dtype)
    before = models.net()
    with pytest.raises(ValueError):
        trained([SET(0.3, new_values="initializer")], model=model)
    trained([], model=before, epochs=1)
    assert models.fingerprint(model) == models.fingerprint(before)
