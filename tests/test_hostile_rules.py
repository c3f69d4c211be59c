"""Rules where their own tests do not look: empty layers, other rules beside them, layer by layer, resumed with others."""

import dataclasses
import json
import warnings

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab import evolution
from sparselab.checkpoints.run_description import describe, differences, memory_by_kind, with_first_values
from sparselab.nn.footprint import InsufficientMemoryError
from sparselab.utils import resources

N = 40
HELD_OUT = (np.ones((4, 9)), np.arange(4))
METHODS = {
    "SET": lambda **more: sl.SET(0.3, **more),
    "RigL": lambda **more: sl.RigL(0.3, **more),
    "SNFS": lambda **more: sl.SNFS(0.3, n_batches=3, **more),
    "GSE": lambda **more: sl.GSE(0.3, **more),
    "MEST": lambda **more: sl.MEST(0.3, **more),
    "EM&S": lambda **more: sl.MEST(0, density=0.3, extra=0.1, **more),
    "GMP": lambda **more: sl.GMP(density=0.05, **more),
    "GMP by layer": lambda **more: sl.GMP(density=0.05, cut="layer", **more),
    "GraNet": lambda **more: sl.GraNet(density=0.1, **more),
    "ANF": lambda **more: sl.ANF(**more),
    "SRigL": lambda **more: sl.SRigL(**more),
    "DeepR": lambda: sl.DeepR(0.1),
    "PALS": lambda **more: sl.PALS(held_out=HELD_OUT, **more),
    "CHT": lambda **more: sl.CHT(0.3, **more),
    "CHTs": lambda **more: sl.CHTs(0.3, **more),
    "CHTss": lambda **more: sl.CHTss(0.3, density=0.05, **more),
    "soft": lambda **more: sl.SET(0.3, criterion=sl.criteria.Soft(), **more),
}
each_method = pytest.mark.parametrize("name", METHODS)


def net(density=0.4, sizes=(9, 8, 7, 4)):
    return sl.SparseMLP.create(sizes, density=density, exact=True, dtype="float64", seed=0)


def left(model, keep):
    """The net with only some links; keep: layer -> bool array."""
    rewirings = [sl.rewire(layer.topology, keep(layer)) for layer in model.layers]
    evolution.apply(rewirings, model, None, np.random.default_rng(0))
    return model


def train(model, rules, optimizer=None, epochs=4, **options):
    data = models.dataset(N, features=9, classes=4, dtype=np.float64)
    options = {"batch_size": 9, "seed": 0, "threads": 1} | options
    return list(sl.train(model, data, rules=rules, optimizer=optimizer, epochs=epochs, **options))


@each_method
@pytest.mark.parametrize(
    "keep",
    [
        lambda layer: np.arange(layer.topology.nnz) == 0,
        lambda layer: layer.topology.rows % 2 == 0,
        lambda layer: np.full(layer.topology.nnz, layer.topology.n_out != 7),  # none at all in the second layer
    ],
    ids=["one link a layer", "rows without links", "a layer without links"],
)
def test_events_in_nets_of_hardly_any_links(name, keep):
    model, rule = left(net(1.0), keep), METHODS[name]()
    before = model.nnz
    train(model, [rule], rule if name == "DeepR" else None)
    for layer, nnz in zip(model.layers, before, strict=True):
        layer.check()
        assert layer.topology.nnz >= min(1, nnz) or (name == "CHTss" and 0 in before)  # nothing leads anywhere there


@pytest.mark.parametrize("mode", ["shrink", "links"])
@each_method
def test_methods_beside_importance_pruning(name, mode):
    pruning = sl.ImportancePruning(0.6, start=1, stop=3, every=1, mode=mode)
    rule = METHODS[name]() if name == "DeepR" else METHODS[name](every="2 steps")
    model = net(0.4, (9, 16, 14, 4))
    before, records = model.nnz, train(model, [pruning, rule], rule if name == "DeepR" else None)
    assert all(now <= then for now, then in zip(records[-1].nnz, before, strict=True)) or name == "SNFS"
    if mode == "shrink":
        assert model.sizes == (9, 7, 6, 4)


def test_srigl_does_not_grow_again_what_other_rules_remove():
    """The links of neurons that importance pruning took away came back in the others, up to dense layers."""
    model = net(0.4, (9, 16, 14, 4))
    records = train(model, [sl.ImportancePruning(0.6, start=2), sl.SRigL()], epochs=5)
    first, last = records[0].nnz, records[-1].nnz
    assert all(now <= 0.6 * then for now, then in zip(last[:2], first[:2], strict=True))


@pytest.mark.parametrize("layers", ["hidden", "all", (0,), (1, 2)])
@pytest.mark.parametrize("new_values", ["zero", "initializer"])
@pytest.mark.parametrize("names", [["SET"], ["RigL"], ["GSE", "SET"], ["MEST", "RigL"], ["SRigL", "soft"], ["EM&S"]])
def test_layer_by_layer_is_all_at_once(names, new_values, layers):
    rules = [METHODS[name](layers=layers, new_values=new_values) for name in names]
    assert evolution.can_go_by_layer(rules)
    data, found = models.dataset(N, features=9, dtype=np.float64), []
    for evolve in (evolution.evolve, evolution.evolve_by_layer):
        model, memories = net(), [{} for _ in rules]
        state = sl.MomentumSGD().init(model)
        for s in state:
            s.links[0][:] = 1 + np.arange(len(s.links[0]))
        make = lambda: evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(9))  # noqa: B023
        changes = evolve(rules, 1, model, state, make, np.random.default_rng(7), memories)
        found.append((models.fingerprint(model, sl.TrainingState(state, None)), changes.links, memories))
    assert found[0] == found[1]


RULES = {
    "two": lambda: [METHODS["SRigL"](), METHODS["SET"]()],
    "swapped": lambda: [METHODS["SET"](), METHODS["SRigL"]()],
    "three": lambda: [METHODS["SET"](), METHODS["PALS"](), METHODS["SRigL"]()],
    "one": lambda: [METHODS["PALS"]()],
    "none": list,
}


@pytest.mark.filterwarnings("ignore:.*going on with other settings")
@pytest.mark.parametrize("then", RULES)
@pytest.mark.parametrize("first", RULES)
def test_a_run_goes_on_with_other_rules_and_their_own_memory(first, then, tmp_path):
    train(net(), RULES[first](), epochs=3, checkpoint=tmp_path)
    saved, model = sl.load_checkpoint(tmp_path).state, net()
    train(model, RULES[then](), epochs=4, checkpoint=tmp_path)
    kinds = lambda rules: [type(rule).__name__ for rule in rules()]
    memory = dict(zip(kinds(RULES[first]), saved.memory, strict=False))
    found = memory_by_kind(describe(RULES[first]()), describe(RULES[then]()), saved.memory)
    for kind, one in zip(kinds(RULES[then]), found, strict=False):
        assert one == memory.get(kind, {})
    for kind, one in zip(kinds(RULES[then]), sl.load_checkpoint(tmp_path).state.memory, strict=False):
        assert set(one) == {"SRigL": {"missing"}, "PALS": {"loss", "sparsity"}, "SET": set()}[kind]


class Noting:
    """A rule that writes something into its memory and changes nothing."""

    def __init__(self, what):
        self.what, self.seen = what, []

    def __call__(self, epoch, model, state, evidence, rng):
        self.seen.append(dict(evidence.memory))
        evidence.memory = {"what": self.what}
        return [None] * len(model.layers)


def test_a_rule_remembers_what_a_checkpoint_gives_back(tmp_path):
    what = {"n": np.int64(3), "pair": (1, np.float32(0.5)), "none": None, "nested": [{"a": True}]}
    rule, again = Noting(what), Noting(what)
    train(net(), [rule], epochs=4)
    train(net(), [again], epochs=3, checkpoint=tmp_path)
    train(net(), [again], epochs=4, checkpoint=tmp_path)
    wanted = {"what": {"n": 3, "pair": [1, 0.5], "none": None, "nested": [{"a": True}]}}
    assert rule.seen == again.seen == [{}, wanted, wanted]


@pytest.mark.parametrize(
    ("what", "where"), [(np.ones(2), r"\['what'\]"), ({1: 2}, r"\['what'\]"), ([{"a": {2}}], r"\[0\]\['a'\]")]
)
def test_a_memory_that_a_checkpoint_cannot_hold_is_refused_at_the_event(what, where):
    with pytest.raises(TypeError, match=f"evidence.memory of .*{where} = .*must be numbers, texts, and lists and dicts"):
        train(net(), [Noting(what)])


@pytest.mark.parametrize("every", ["2 steps", 2])
def test_an_epoch_whose_only_step_is_replaced_can_be_read_again(every, tmp_path):
    rules = lambda: [sl.SET(0.3, every=every, replaces_update=True)]
    model, again = net(), net()
    wanted = train(model, rules(), epochs=6, batch_size=N)
    train(again, rules(), epochs=3, batch_size=N, checkpoint=tmp_path)
    found = train(again, rules(), epochs=6, batch_size=N, checkpoint=tmp_path)
    assert models.fingerprint(again) == models.fingerprint(model)
    for records in (wanted, found):
        assert [record.n_samples for record in records] == [N, N, 0, N, 0, N]
        assert [record.learning_rate for record in records] == [0.01] * 6
        assert [np.isnan(record.train_loss) for record in records] == [False, False, True, False, True, False]


def test_a_state_goes_on_with_more_and_with_fewer_rules():
    model, data = net(), models.dataset(N, features=9, dtype=np.float64)
    state = sl.TrainingState.start(model, sl.MomentumSGD(), 0)
    for name in ("one", "three", "two", "none", "two"):
        list(sl.train(model, data, rules=RULES[name](), epochs=2, state=state))


@each_method
def test_a_file_from_before_newer_fields_is_of_the_same_settings(name):
    """Fields that a class had not yet have their default, except the values of new links."""
    rule = METHODS[name]()
    old = json.loads(json.dumps(describe([rule])))
    of_0_1 = {"type", "zeta", "criterion", "regrowth", "learning_rate", "held_out"}
    for field in dataclasses.fields(rule):
        if field.default == getattr(rule, field.name) and field.name not in of_0_1:
            del old[0][field.name]
    now = [dataclasses.replace(rule, new_values="initializer")] if name != "DeepR" else [rule]
    assert differences("rules", with_first_values(old, now), describe(now)) == []
    if name != "DeepR":
        changed = [dataclasses.replace(now[0], until=7)]
        assert differences("rules", with_first_values(old, changed), describe(changed)) == ["rules[0].until None -> 7"]


def test_an_old_run_goes_on_without_a_warning(tmp_path, monkeypatch):
    from sparselab.checkpoints import run_description

    whole = run_description.describe
    old = {"SET": {"type", "zeta", "criterion", "regrowth"}, "Adam": {"type", "learning_rate", "beta1", "beta2", "eps"}}

    def as_then(value):
        found = whole(value)
        if isinstance(value, list):
            return [as_then(one) for one in value]
        return {k: v for k, v in found.items() if k in old.get(found["type"], found)} if isinstance(found, dict) else found

    rules, adam = [sl.SET(0.3, new_values="initializer")], sl.Adam(0.01)
    with monkeypatch.context() as then:
        then.setattr(run_description, "describe", as_then)
        train(net(), rules, adam, epochs=2, checkpoint=tmp_path)
    assert set(sl.load_checkpoint(tmp_path).about["rules"][0]) == old["SET"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(net(), rules, adam, epochs=3, checkpoint=tmp_path)
    with pytest.warns(UserWarning, match=r"new_values 'initializer' -> 'zero'"):
        train(net(), [sl.SET(0.3)], adam, epochs=4, checkpoint=tmp_path)


def test_an_average_of_more_batches_than_there_are_looks_at_each_sample_once():
    data, model = models.dataset(N, features=9, dtype=np.float64), net()
    order = np.random.default_rng(0).permutation(N)
    make = lambda: evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, order[8:16], order)
    found = make().average(13, 0.8)
    again = order[(8 + np.arange(13 * 8)) % N]
    one = lambda k: evolution.Evidence(
        model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, again[k * 8 : k * 8 + 8], order
    )
    weights = 0.8 ** np.arange(13) / (0.8 ** np.arange(13)).sum()
    assert found.flows[0].X.shape[1] == N
    for layer in model.layers:
        wanted = sum(w * one(k).gradient(layer) for k, w in enumerate(weights))
        np.testing.assert_allclose(found.gradient(layer), wanted, rtol=1e-9, atol=1e-15)
    assert make().average(10**5).flows[0].X.shape[1] == N


def test_gradients_that_do_not_fit_are_refused_before_they_are_computed(monkeypatch):
    data, model = models.dataset(30_000, features=9, dtype=np.float64), net()
    evidence = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(30_000))
    monkeypatch.setattr(resources, "available", lambda: 2**20)
    with pytest.raises(InsufficientMemoryError, match="gradients of 30000 samples that a rule asks for.*smaller batch_size"):
        _ = evidence.flows


@pytest.mark.parametrize("name", ["GMP", "GMP by layer", "GraNet", "PALS", "EM&S"])
def test_what_rules_change_in_dense_layers_is_counted(name, monkeypatch):
    model = sl.SparseMLP.create((700, 800, 4), density=1, seed=0)
    data = np.zeros((8, 700)), np.arange(8) % 4
    rule = sl.PALS(held_out=data) if name == "PALS" else METHODS[name]()
    monkeypatch.setattr(resources, "available", lambda: 12 * 2**20)  # of a step; new links beside the old need 12 MB more
    sl.steps(model, data, rules=[sl.SET()], batch_size=4)
    with pytest.raises(InsufficientMemoryError, match="new links beside the old"):
        sl.steps(model, data, rules=[rule], batch_size=4)


def test_the_batches_of_an_average_are_counted_before_a_training(monkeypatch):
    data, model = models.dataset(30_000, features=9, dtype=np.float64), net()
    monkeypatch.setattr(resources, "available", lambda: 2**22)
    for rules in ([], [sl.RigL()], [sl.SNFS(n_batches=2)]):
        sl.steps(model, data, rules=rules, batch_size=500)
    words = "activations and gradients of 30000 samples for rules.*What would fit: batch_size up to"
    with pytest.raises(InsufficientMemoryError, match=words):
        sl.steps(model, data, rules=[sl.SNFS()], batch_size=500)


@pytest.mark.parametrize("name", ["RigL", "SNFS", "MEST", "GraNet", "SRigL", "PALS", "GSE"])
def test_a_training_that_diverges_at_an_event_says_so(name):
    data = models.dataset(N, features=9)
    model = sl.SparseMLP.create((9, 8, 7, 4), density=0.4, seed=0)
    for layer in model.layers:
        layer.w[:] = np.resize([1e25, -2e25, 3e25], len(layer.w))  # finite, but what flows is not
    state, rule = sl.TrainingState.start(model, sl.SGD(1e-20), 0), METHODS[name]()
    state.epoch = 1
    with pytest.raises(sl.DivergedError, match="epoch 2, batch 0: an activation"):
        list(sl.train(model, data, optimizer=sl.SGD(1e-20), rules=[rule], epochs=1, state=state))
    if name == "RigL":
        options = {"rules": [rule], "epochs": 3, "backend": "serial", "n_jobs": 1, "batch_size": 9, "seed": 0}
        quiet = sl.SparseMLP.create((9, 8, 7, 4), density=0.4, seed=0)
        records = sl.train_parallel(quiet, data, optimizer=sl.SGD(1e-20), async_fraction=1.0, **options)
        next(records)
        for layer in quiet.layers:
            layer.w[:] = np.resize([1e25, -2e25, 3e25], len(layer.w))
        with pytest.raises(sl.DivergedError, match="epoch 2, batch 0: an activation"):
            next(records)


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        ((np.ones((4, 5)), np.arange(4)), r"held_out\[0\] has 5 features: must be 9"),
        ((np.ones((4, 9)), np.arange(3)), r"held_out\[1\] has shape \(3,\): must be 4 entries"),
        ((np.full((4, 9), np.nan), np.arange(4)), r"held_out\[0\]\[0, 0\] = nan"),
    ],
)
def test_held_out_samples_that_do_not_fit_are_refused_before_a_training(held_out, words):
    data, rule = models.dataset(N, features=9, classes=4, dtype=np.float64), sl.PALS(held_out=held_out)
    with pytest.raises(ValueError, match=words):
        sl.steps(net(), data, rules=[rule])


def test_held_out_lists_are_not_written_into_checkpoints():
    rule = sl.PALS(held_out=([[0.0] * 9] * 4, [0, 1, 2, 3]))
    assert [len(text) for text in describe(rule)["held_out"]] == [64, 64]  # digests


@pytest.mark.parametrize(
    "rule",
    [METHODS[name]() for name in ("RigL", "SNFS", "GSE", "MEST", "GraNet", "SRigL", "PALS")]
    + [
        sl.SET(0.3, new_values="gradient"),
        sl.SET(0.3, criterion=sl.criteria.sensitivity),
        sl.SET(0.3, regrowth=sl.regrowths.gradient),
    ],
)
def test_a_rule_that_needs_gradients_says_so_where_there_are_none(rule):
    with pytest.raises(TypeError, match="evidence = None: must be an Evidence"):
        rule(1, net(), None, None, np.random.default_rng(0))


def test_a_rate_of_deep_r_that_becomes_no_number_is_named():
    rule = sl.DeepR(lambda epoch: 0.1 if epoch < 2 else float("nan"))
    with pytest.raises(ValueError, match="learning_rate = nan: must be"):
        train(net(), [rule], rule)


def test_chtss_follows_a_schedule_that_begins_above_its_first_density():
    model = net(0.8)
    records = train(model, [sl.CHTss(density=lambda epoch: max(0.1, 0.8 - 0.2 * epoch))], epochs=8)
    assert records[-1].nnz[0] < records[0].nnz[0]


class Calls:
    """A rule that counts its events in its memory and shows the count as links: each event removes as many as there were."""

    def __call__(self, epoch, model, state, evidence, rng):
        evidence.memory["n"] = n = evidence.memory.get("n", 0) + 1
        topology = model.layers[0].topology
        return [sl.rewire(topology, np.arange(topology.nnz) >= n), *[None] * (len(model.layers) - 1)]


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_rules_remember_in_both_phases_of_parallel_training(backend, synchronous, tmp_path):
    data = models.dataset(N, features=9, classes=4, dtype=np.float64)
    rules = [sl.ImportancePruning(0.1, start=1), Calls()]
    options = {"n_jobs": 2, "epochs": 6, "async_fraction": 0.5, "synchronous": synchronous, "batch_size": 10, "seed": 0}
    run = lambda **more: sl.train_parallel(net(), data, rules=rules, backend=backend, **options, **more)
    records = list(run())
    removed = [record.pruned[0] for record in records]
    assert removed[2:] == [2, 3, 4, 5]  # the server's event, then those of the first worker
    if backend == "serial":
        first = run(checkpoint=tmp_path)
        for _ in range(4):
            next(first)
        first.close()
        assert [record.pruned[0] for record in run(checkpoint=tmp_path)] == removed
