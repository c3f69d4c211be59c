"""Importance Pruning: the smaller network computes the same function, widths are as planned, and all arrays shrink."""

import os
import warnings
from dataclasses import replace

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import mask_of, seeds, topology_of

import sparselab as sl
from sparselab import evolution
from sparselab.checkpoints.records import EpochRecord
from sparselab.engines.buffers import Workspace
from sparselab.evolution import SET, Evidence, ImportancePruning, importances, shrink
from sparselab.nn.activations import NAMES
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.nn.optimizers import LayerState, MomentumSGD
from sparselab.topology.rewiring import keep_neurons, rewire
from sparselab.training.loop import TrainingState, predict, steps

KINDS = ["fused", "layerwise"]
BOUND = {np.float32: 1e-5, np.float64: 1e-12}


def generator(seed=0):
    return np.random.default_rng(seed)


def trained_net(activation="all_relu", dtype=np.float32, **options):
    """A net whose biases and weights are those of a few epochs."""
    model = models.net(activation=activation, dtype=dtype, **options)
    models.run(model, models.dataset(dtype=dtype), optimizer=MomentumSGD(0.05), epochs=3, batch_size=32, threads=1)
    return model


def copy_of(model):
    """The same net, nothing shared."""
    return models.net(sizes=model.sizes, activation=model.activation, dtype=model.dtype.type).load(model.snapshot())


def cut(model, gone):
    """Every link that leads to a neuron in `gone` taken away, none grown: the net that the shrunk one must equal."""
    keeps = [~np.repeat(mask, layer.topology.fan_in) for mask, layer in zip(gone, model.layers, strict=False)]
    rewirings = [rewire(layer.topology, keep) for layer, keep in zip(model.layers, keeps, strict=False)]
    evolution.apply([*rewirings, None], model, None, generator())
    return model


def random_gone(model, share, seed=0):
    """Some neurons of each hidden layer, one at least left."""
    found = []
    for n in model.sizes[1:-1]:
        gone = generator(seed + n).random(n) < share
        gone[0] = False
        found.append(gone)
    return found


class Swish:
    """A plug-in."""

    def forward(self, Z):
        return Z / (1 + np.exp(-Z))

    def gradient(self, Z):
        s = 1 / (1 + np.exp(-Z))
        return s + Z * s * (1 - s)


# shrunk is cut


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("activation", [*NAMES, "swish"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_shrunk_net_is_the_cut_net(activation, dtype, share):
    model = trained_net(Swish() if activation == "swish" else activation, dtype, dropout=0.3)
    small, gone = copy_of(model), random_gone(model, share)
    evolution.apply(shrink(small, gone), small, None, generator())
    X, _ = models.rows(200, dtype=dtype)
    wanted, found = predict(cut(model, gone), X), predict(small, X)
    assert small.sizes == (20, *(int((~mask).sum()) for mask in gone), 4)
    assert abs(found - wanted).max() <= BOUND[dtype] * abs(wanted).max()


def test_the_bound_would_see_a_bias_that_was_not_folded():
    model = trained_net(dtype=np.float64)
    small, gone = copy_of(model), random_gone(model, 0.5)
    rewirings = [None if r is None else replace(r, shift=None) for r in shrink(small, gone)]
    evolution.apply(rewirings, small, None, generator())
    X, _ = models.rows(200, dtype=np.float64)
    wanted = predict(cut(model, gone), X)
    assert abs(predict(small, X) - wanted).max() > 1e-4 * abs(wanted).max()


def test_shrinking_is_what_a_slow_loop_says():
    model = trained_net(dtype=np.float64)
    gone = random_gone(model, 0.4)
    weights, biases = models.dense(model), [layer.b.copy() for layer in model.layers]
    wanted_W, wanted_b = naive.shrunk(weights, biases, [models.slopes(f) for f in model.hidden], gone)
    evolution.apply(shrink(model, gone), model, None, generator())
    for found, W in zip(models.dense(model), wanted_W, strict=True):
        np.testing.assert_array_equal(found, W)
    for layer, b in zip(model.layers, wanted_b, strict=True):
        np.testing.assert_allclose(layer.b, b, rtol=1e-12, atol=1e-14)


@given(seeds, st.floats(0, 1), st.integers(1, 5), st.integers(1, 4))
def test_shrinking_any_net(seed, share, width, depth):
    random = generator(seed)
    masks, n_in = [], 3
    for n_out in (*random.integers(1, width + 1, depth), 2):
        masks.append(random.random((n_out, n_in)) < 0.5)
        n_in = n_out
    model = models.from_masks(masks, seed=seed)
    small = models.from_masks(masks, seed=seed)
    gone = [random.random(n) < share for n in model.sizes[1:-1]]
    for mask in gone:
        mask[random.integers(len(mask))] = False
    evolution.apply(shrink(small, gone), small, None, random)
    for layer in small.layers:
        layer.topology.validate()
    X = random.standard_normal((7, 3))
    wanted = predict(cut(model, gone), X)
    np.testing.assert_allclose(predict(small, X), wanted, rtol=1e-12, atol=1e-12 * max(1, abs(wanted).max()))
    for ids, mask in zip(map(small.neurons.ids, range(1, depth + 1)), gone, strict=True):
        assert ids.tolist() == np.flatnonzero(~mask).tolist()


def test_optimizer_state_goes_along():
    model = models.net()
    state = [LayerState([np.arange(len(a.w), dtype=np.float32)], [np.arange(len(a.b), dtype=np.float32)]) for a in model.layers]
    before, gone = [layer.topology for layer in model.layers], random_gone(model, 0.3)
    evolution.apply(shrink(model, gone), model, state, generator())
    stay = [np.arange(20), *(np.flatnonzero(~mask) for mask in gone), np.arange(4)]
    for l, (layer, s, old) in enumerate(zip(model.layers, state, before, strict=True)):
        slots = np.full(old.shape, -1)
        slots[mask_of(old)] = np.arange(old.nnz)
        slots = slots[np.ix_(stay[l + 1], stay[l])]
        assert s.links[0].tolist() == slots[slots >= 0].tolist()
        assert s.neurons[0].tolist() == stay[l + 1].tolist()
        np.testing.assert_array_equal(mask_of(layer.topology), slots >= 0)


def test_original_numbers_stay_true_through_two_shrinkings():
    model = models.net()
    first = model.layers[0].topology
    for seed in (0, 1):
        evolution.apply(shrink(model, random_gone(model, 0.3, seed)), model, None, generator())
    ids = model.neurons.ids(1)
    assert model.neurons.sizes == models.SIZES
    assert len(ids) == model.sizes[1] < 33
    for small, big in zip(model.layers, model.original_topologies, strict=True):
        assert (big.nnz, small.topology.nnz) == (small.topology.nnz, big.nnz)
    assert [t.shape for t in model.original_topologies] == [(33, 20), (18, 33), (4, 18)]
    np.testing.assert_array_equal(mask_of(model.original_topologies[0])[ids], mask_of(first)[ids])
    assert not mask_of(model.original_topologies[0])[np.setdiff1d(np.arange(33), ids)].any()
    other = models.net(seed=9).load(model.snapshot())
    assert other.neurons.ids(1).tolist() == ids.tolist()


# the mean of a batch


def test_the_mean_of_a_batch_jumps_least():
    jumps = {}
    for fold in ("bias", "mean"):
        model = trained_net()
        X, y = models.rows(200)
        before = predict(model, X)
        evidence = Evidence(model, SoftmaxCrossEntropy(), X, y, np.arange(200))
        rule = ImportancePruning(0.4, start=1, fold=fold)
        evolution.apply(rule(1, model, None, evidence, generator()), model, None, generator())
        jumps[fold] = np.square(predict(model, X) - before).mean()
    assert jumps["mean"] < jumps["bias"]


def test_both_folds_agree_for_neurons_without_links():
    answers = []
    for fold in ("bias", "mean"):
        model = trained_net(dtype=np.float64)
        gone = [np.arange(n) < 4 for n in model.sizes[1:-1]]
        cut(model, gone)
        X, y = models.rows(50, dtype=np.float64)
        evidence = Evidence(model, SoftmaxCrossEntropy(), X, y, np.arange(50)) if fold == "mean" else None
        evolution.apply(shrink(model, gone, evidence), model, None, generator())
        answers.append(predict(model, X))
    np.testing.assert_array_equal(*answers)


# the schedule


def test_amount_is_a_share_of_the_original_neurons():
    rule = ImportancePruning(0.6, start=3, stop=9, every=2, ramp="linear")
    assert [rule.is_due(epoch) for epoch in range(1, 13)] == [e in (3, 5, 7, 9, 11) for e in range(1, 13)]
    assert [round(rule.share(epoch), 6) for epoch in (3, 5, 7, 9, 11)] == [0.15, 0.3, 0.45, 0.6, 0.6]
    cubic = ImportancePruning(0.6, start=3, stop=9, every=2)
    assert [round(cubic.share(epoch), 4) for epoch in (3, 5, 7, 9)] == [
        round(0.6 * (1 - (1 - t) ** 3), 4) for t in (0.25, 0.5, 0.75, 1)
    ]
    assert ImportancePruning(0.5, start=4).plan(models.net(), 20) == [(4, (17, 9))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("importance", importances.NAMES.values(), ids=importances.NAMES)
@pytest.mark.parametrize("fold", ["bias", "mean"])
def test_widths_are_as_planned(kind, importance, fold):
    rule = ImportancePruning(0.7, start=2, stop=6, every=2, importance=importance, fold=fold, min_neurons=8)
    model = models.net(dropout=0.3)
    plan = rule.plan(model, 8)
    assert plan[-1] == (6, (33 - 23, 8))
    records, _ = models.run(
        model,
        models.dataset(),
        optimizer=MomentumSGD(0.05),
        kind=kind,
        rules=[rule, SET(0.3)],
        epochs=8,
        batch_size=32,
        threads=2,
    )
    records = [r for r in records if isinstance(r, EpochRecord)]
    widths = {record.epoch: tuple(map(len, record.fan_in[:-1])) for record in records}
    for epoch, planned in plan:
        assert widths[epoch + 1] == planned
    assert widths[1] == widths[2] == (33, 18)
    assert widths[8] == model.sizes[1:-1] == (10, 8)
    assert [sum(r.neurons_pruned[l] for r in records) for l in (0, 1)] == [23, 10]
    assert all(r.pruned[0] > 0 for r in records[2:])


def test_the_weakest_go_and_ties_go_in_order():
    model = models.from_masks([np.ones((5, 3)), np.ones((2, 5))], dtype=np.float32)
    model.layers[0].w[:] = np.repeat([3, 1, -2, -1, 4], 3).astype(np.float32)
    rule = ImportancePruning(0.6, start=1, importance=importances.incoming)
    evolution.apply(rule(1, model, None, None, None), model, None, generator())
    assert model.neurons.ids(1).tolist() == [0, 4]


def test_an_amount_may_be_a_function_of_the_epoch():
    rule = ImportancePruning(lambda epoch: 0.5 if epoch == 2 else 0.1, start=1, every=1)
    assert rule.plan(models.net(), 4) == [(1, (30, 17)), (2, (17, 9))]
    model = models.net()
    for epoch in (1, 2, 3):
        evolution.apply(rule(epoch, model, None, None, None), model, None, generator())
    assert model.sizes[1:-1] == (17, 9)  # what is gone stays gone


def test_never_below_min_neurons():
    for least in (1, 5, 30):
        model = models.net()
        evolution.apply(ImportancePruning(1.0, start=1, min_neurons=least)(1, model, None, None, None), model, None, generator())
        assert model.sizes[1:-1] == (min(33, least), min(18, least))
        X, _ = models.rows(10)
        assert np.isfinite(predict(model, X)).all()


def test_nothing_between_events():
    rule = ImportancePruning(0.5, start=3, stop=7, every=2)
    assert [rule(epoch, models.net(), None, None, None) for epoch in (1, 2, 4, 6)] == [[None] * 3] * 4


# links mode


def test_links_mode_is_the_papers():
    model = models.net()
    old, strengths = [layer.topology for layer in model.layers], [layer.strength() for layer in model.layers]
    biases = [layer.b.copy() for layer in model.layers]
    evolution.apply(
        ImportancePruning(mode="links", start=1, percentile=20, importance=importances.incoming)(1, model, None, None, None),
        model,
        None,
        generator(),
    )
    for l, layer in enumerate(model.layers[:-1]):
        empty = strengths[l] <= np.percentile(strengths[l], 20)
        wanted = mask_of(old[l])
        wanted[empty] = False
        np.testing.assert_array_equal(mask_of(layer.topology), wanted)
        assert 0.15 < empty.mean() < 0.3
    assert model.sizes == models.SIZES
    assert model.layers[-1].topology is old[-1]
    assert all(np.array_equal(layer.b, b) for layer, b in zip(model.layers, biases, strict=True))


def test_in_links_mode_set_may_grow_into_emptied_neurons_and_keeps_the_reduced_number():
    rule = ImportancePruning(mode="links", start=2, every=2, percentile=25)
    model = models.net()
    records, _ = models.run(
        model, models.dataset(), optimizer=MomentumSGD(0.05), rules=[rule, SET(0.3)], epochs=6, batch_size=32, threads=1
    )
    records = [r for r in records if isinstance(r, EpochRecord)]
    links = [record.nnz[0] for record in records]
    assert links[0] == links[1] > links[2] == links[3] > links[4] == links[5]
    assert records[2].neurons_pruned[0] >= 9 > records[1].neurons_pruned[0] == 0
    assert np.count_nonzero(records[2].fan_in[0] == 0) < records[2].neurons_pruned[0]
    assert model.sizes == models.SIZES


def test_in_links_mode_stop_is_the_end():
    rule = ImportancePruning(mode="links", start=2, every=2, stop=7)
    assert [epoch for epoch in range(12) if rule.is_due(epoch)] == [2, 4, 6]
    assert [epoch for epoch in range(12) if ImportancePruning(mode="links", start=2, every=4).is_due(epoch)] == [2, 6, 10]


def test_partial_fit_does_not_warn_of_a_start_that_is_to_come():
    X, y = models.rows()
    classifier = sl.SparseMLPClassifier((30,), rules=[ImportancePruning(0.5, start=2)], density=0.5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            classifier.partial_fit(X, y, classes=[0, 1, 2, 3])
    assert classifier.model_.sizes == (20, 15, 4)


def test_links_mode_leaves_the_strongest():
    model = models.net()
    strongest = np.argsort(model.layers[0].strength())[-3:]
    rule = ImportancePruning(mode="links", start=1, percentile=100, min_neurons=3, importance=importances.incoming)
    evolution.apply(rule(1, model, None, None, None), model, None, generator())
    assert sorted(np.flatnonzero(model.layers[0].topology.fan_in)) == sorted(strongest)


# everything really is smaller


def test_arrays_workspaces_and_files_are_smaller(tmp_path):
    model, data, optimizer = models.net((20, 300, 200, 4)), models.dataset(), MomentumSGD(0.05)
    state = TrainingState.start(model, optimizer, 0)

    def measured(name):
        path = sl.save(model, tmp_path / name)
        checkpoint = sl.save_checkpoint(model, state, tmp_path / f"{name}_run")
        vectors = sum(v.nbytes for s in state.optimizer for v in (*s.links, *s.neurons))
        return [model.nbytes, vectors, Workspace(model, 32).nbytes, *map(os.path.getsize, (path, checkpoint))]

    before = measured("before")
    for _ in steps(
        model, data, optimizer=optimizer, state=state, rules=[ImportancePruning(0.8, start=1)], epochs=2, batch_size=32
    ):
        pass
    after = measured("after")
    assert model.sizes == (20, 60, 40, 4)
    assert [len(v) for s in state.optimizer for v in s.neurons] == [60, 40, 4]
    for small, large in zip(after, before, strict=True):
        assert small < 0.35 * large


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_goes_on_with_buffers_of_the_new_size(kind):
    """Training after a shrinking equals training of a fresh engine from the same state."""
    ends = []
    for fresh in (False, True):
        model, optimizer = models.net(dropout=0.3), MomentumSGD(0.05)
        state = TrainingState.start(model, optimizer, 3)
        options = {"optimizer": optimizer, "kind": kind, "state": state, "batch_size": 32, "threads": 2}
        rules = [ImportancePruning(0.5, start=1, stop=3, every=1), SET(0.3)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # in the first part alone nothing is due
            for epochs in [1] * 5 if fresh else [5]:
                models.run(model, models.dataset(), rules=rules, epochs=epochs, **options)
        ends.append(models.fingerprint(model, state))
    assert ends[0] == ends[1]


def test_threads_and_engines_do_not_change_a_shrinking_run():
    ends = set()
    for kind, threads in (("fused", 1), ("fused", 2), ("fused", 4), ("layerwise", 1), ("layerwise", 3)):
        model = models.net(dropout=0.3)
        rules = [ImportancePruning(0.5, start=1, stop=3, every=1, fold="mean"), SET(0.3)]
        _, found = models.run(
            model, models.dataset(), optimizer=MomentumSGD(0.05), kind=kind, rules=rules, epochs=5, batch_size=64, threads=threads
        )
        ends.add(found)
    assert len(ends) == 1


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_killed_and_resumed_at_every_epoch(stop, tmp_path):
    def run(folder, epochs):
        model = models.net(dropout=0.3)
        options = {
            "rules": [ImportancePruning(0.5, start=1, stop=3, every=1), SET(0.3)],
            "batch_size": 32,
            "seed": 4,
            "threads": 1,
        }
        return list(sl.train(model, models.dataset(), epochs=epochs, checkpoint=folder, **options)), model

    whole, model = run(tmp_path / "whole", 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the first part alone, in which nothing may be due
        run(tmp_path / "parts", stop)
    records, again = run(tmp_path / "parts", 5)
    assert models.fingerprint(again) == models.fingerprint(model)
    assert records == whole
    for level in range(4):
        assert again.neurons.ids(level).tolist() == model.neurons.ids(level).tolist()
    loaded = sl.load_checkpoint(tmp_path / "parts")
    assert loaded.model.neurons.ids(1).tolist() == model.neurons.ids(1).tolist()
    assert loaded.history[-1].neurons_pruned == whole[-1].neurons_pruned


def test_a_model_file_keeps_the_original_numbers(tmp_path):
    model = models.net()
    evolution.apply(shrink(model, random_gone(model, 0.4)), model, None, generator())
    again = sl.load(sl.save(model, tmp_path / "small"))
    assert again.neurons.sizes == models.SIZES
    assert [again.neurons.ids(l).tolist() for l in range(4)] == [model.neurons.ids(l).tolist() for l in range(4)]
    assert models.fingerprint(again) == models.fingerprint(model)


def test_the_last_rule_fails_and_nothing_has_happened():
    def bad(epoch, model, state, evidence, rng):
        raise RuntimeError("no")

    model, optimizer = models.net(), MomentumSGD(0.05)
    state = TrainingState.start(model, optimizer, 0)
    records = sl.train(
        model, models.dataset(), optimizer=optimizer, state=state, rules=[ImportancePruning(0.5, start=1), bad], epochs=2
    )
    next(records)
    after = models.fingerprint(model, state)
    with pytest.raises(RuntimeError, match="no"):
        next(records)
    assert models.fingerprint(model, state) == after
    assert model.sizes == models.SIZES
    assert model.neurons.ids(1).tolist() == list(range(33))


# bad input


@pytest.mark.parametrize(
    "settings, name",
    [
        ({"amount": -0.1}, "amount"),
        ({"amount": 1.1}, "amount"),
        ({"amount": float("nan")}, "amount"),
        ({"amount": "half"}, "amount"),
        ({"start": 0}, "start"),
        ({"start": 1.5}, "start"),
        ({"start": 10, "stop": 9}, "stop"),
        ({"every": 0}, "every"),
        ({"mode": "shrinks"}, "mode"),
        ({"percentile": -1}, "percentile"),
        ({"percentile": 100.5}, "percentile"),
        ({"percentile": None}, "percentile"),
        ({"importance": "incoming"}, "importance"),
        ({"min_neurons": 0}, "min_neurons"),
        ({"ramp": "steep"}, "ramp"),
        ({"fold": None}, "fold"),
    ],
)
def test_bad_settings_are_named(settings, name):
    with pytest.raises((ValueError, TypeError), match=f"^{name} = .*: must be "):
        ImportancePruning(**settings)


def test_a_start_after_the_end_is_warned_of(tmp_path):
    data = models.dataset()
    with pytest.warns(UserWarning, match="start = 3: nothing will be pruned in 3 epochs"):
        list(sl.train(models.net(), data, rules=[ImportancePruning(start=3)], epochs=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(sl.train(models.net(), data, rules=[ImportancePruning(start=2)], epochs=3))
    model, optimizer = models.net(), MomentumSGD()
    state = TrainingState.start(model, optimizer, 0)
    list(sl.train(model, data, optimizer=optimizer, state=state, epochs=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(sl.train(model, data, optimizer=optimizer, state=state, rules=[ImportancePruning(start=3)], epochs=2))
    assert model.sizes[1] < 33


@pytest.mark.parametrize(
    "answer", [np.ones(3), np.full(33, np.nan), None, "strong", np.ones((33, 1)), [1] * 32 + [np.inf]], ids=range(6)
)
def test_a_bad_importance_is_named_and_nothing_changes(answer):
    model = models.net()
    before = models.fingerprint(model)
    with pytest.raises((ValueError, TypeError), match="importance's result"):
        ImportancePruning(0.5, start=1, importance=lambda layer, following: answer)(1, model, None, None, None)
    assert models.fingerprint(model) == before


@pytest.mark.parametrize("shift", [np.zeros(3), np.full(18, np.nan), "much", np.zeros(18, int)], ids=range(4))
def test_a_bad_shift_is_refused(shift):
    model = models.net()
    gone = random_gone(model, 0.3)[0]
    with pytest.raises((ValueError, TypeError), match="shift"):
        keep_neurons(model.layers[1].topology, cols=~gone, shift=shift)


def test_kept_outputs_must_be_the_next_layers_kept_inputs():
    model = models.net()
    first, second = shrink(model, [np.arange(33) < 5, np.zeros(18, bool)])[:2]
    other = shrink(model, [np.arange(33) >= 28, np.zeros(18, bool)])[1]
    before = models.fingerprint(model)
    for bad in ([first, other, None], [None, second, None], [first, None, None]):
        with pytest.raises(ValueError, match="rewirings"):
            evolution.apply(bad, model, None, generator())
    assert models.fingerprint(model) == before
    evolution.apply([first, second, None], model, None, generator())
    assert model.sizes == (20, 28, 18, 4)


def test_an_empty_topology_can_shrink():
    model = models.from_masks([np.zeros((6, 3)), np.zeros((4, 6)), np.zeros((2, 4))])
    evolution.apply(ImportancePruning(0.5, start=1)(1, model, None, None, None), model, None, generator())
    assert model.sizes == (3, 3, 2, 2)
    assert topology_of(np.zeros((3, 3))) == model.layers[0].topology
