"""SNFS, GSE, MEST, GMP, GraNet, ANF, SRigL, DeepR and PALS against dense twins in float64, their laws, and resuming."""

import itertools
import math

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import lawful, places_of

import sparselab as sl
from sparselab import evolution
from sparselab.evolution.constant_fan_in import rank_in_row

N = 30
seeds = given(seed=st.integers(0, 300), zeta=st.sampled_from([0.1, 0.3, 0.6, 1.0]))


def net(seed, density=0.4):
    return sl.SparseMLP.create((9, 8, 7, 4), density=density, exact=True, dtype="float64", activation="relu", seed=seed)


def event(model, rule, memory=None, epoch=1):
    """(network after an event, its velocities, numbers of links (pruned, grown), its dense gradients before)."""
    data, after = models.dataset(N, features=9, dtype=np.float64), model.copy()
    state = sl.MomentumSGD().init(after)
    for s in state:
        s.links[0][:] = 1 + np.arange(len(s.links[0]))
    evidence = evolution.Evidence(after, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(N))
    evidence.memory = {} if memory is None else memory
    dense = [flow.dZ @ flow.X.T for flow in evidence.flows]
    rng = np.random.default_rng(epoch)
    counts = evolution.apply(rule(epoch, after, state, evidence, rng), after, state, rng)
    assert all(lawful(layer.topology) for layer in after.layers)
    return after, state, counts, dense


def links(layer, values=None):
    return dict(zip(places_of(layer.topology), (layer.w if values is None else values).tolist(), strict=True))


def gradients(layer, G):
    return np.array([G[place] for place in places_of(layer.topology)])


def largest(G, taken, n):
    """The n positions with the largest |G| that are not taken."""
    free = [place for place in np.ndindex(G.shape) if place not in taken]
    return sorted(free, key=lambda place: (-abs(G[place]), place))[:n]


def without_weakest(layer, n):
    """{place: value} of all links but the n smallest."""
    order = sorted(links(layer).items(), key=lambda link: abs(link[1]))
    return dict(order[n:])


@seeds
def test_snfs_moves_links_between_layers_by_the_mean_gradient(seed, zeta):
    model = net(seed)
    after, _, _, dense = event(model, sl.SNFS(zeta, n_batches=1))
    gone = [min(layer.topology.nnz - 1, math.ceil(zeta * layer.topology.nnz)) for layer in model.layers[:2]]
    means = [np.abs(gradients(layer, G)).mean() for layer, G in zip(model.layers[:2], dense, strict=False)]
    free = [int(0.99 * G.size) - layer.topology.nnz + n for layer, G, n in zip(model.layers[:2], dense, gone, strict=False)]
    total = sum(gone)
    exact = [total * m / sum(means) for m in means]
    after_counts = [
        new.topology.nnz - old.topology.nnz + n for new, old, n in zip(after.layers, model.layers, gone, strict=False)
    ]
    assert sum(after_counts) == total
    assert all(n <= max(f, g) for n, f, g in zip(after_counts, free, gone, strict=True))
    if all(share <= f for share, f in zip(exact, free, strict=True)):
        assert all(abs(n - share) <= 2 for n, share in zip(after_counts, exact, strict=True))
    for old, new, G, n, more in zip(model.layers, after.layers, dense, gone, after_counts, strict=False):
        kept = without_weakest(old, n)
        assert links(new) == kept | dict.fromkeys(largest(G, kept, more), 0.0)


def test_snfs_ranks_positions_by_the_average_of_several_batches():
    data, model = models.dataset(60, features=9, dtype=np.float64), net(0)
    order = np.arange(60)
    evidence = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, order[:20], order)
    dense = 0
    for k in range(3):
        one = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, order[20 * k :][:20])
        dense = dense + 0.5**k * (one.flows[0].dZ @ one.flows[0].X.T)
    rewirings = sl.SNFS(0.4, n_batches=3, decay=0.5, layers=[0])(1, model, None, evidence, np.random.default_rng(0))
    kept = without_weakest(model.layers[0], math.ceil(0.4 * model.layers[0].topology.nnz))
    grown = set(places_of(rewirings[0].topology)) - set(kept)
    assert grown == set(largest(dense, kept, len(grown)))


@seeds
def test_mest_and_other_scores_remove_the_lowest(seed, zeta):
    model = net(seed)
    formulas = {
        "weight_plus_gradient": lambda w, g: abs(w) + 0.7 * abs(g), "next_weight": lambda w, g: abs(w - 0.7 * g),
        "gradient_per_weight": lambda w, g: abs(g) / (abs(w) + 1e-8),
        "weight_per_gradient": lambda w, g: abs(w) / (abs(g) + 1e-8),
        "taylor": lambda w, g: (w * g) ** 2, "loss_increase": lambda w, g: -w * g,
    }  # fmt: skip
    for name, formula in formulas.items():
        after, _, counts, dense = event(model, sl.MEST(zeta, sl.criteria.WeightAndGradient(name, 0.7)))
        for old, new, G, (gone, grown) in zip(model.layers[:2], after.layers, dense, counts, strict=False):
            scores = {place: formula(w, G[place]) for place, w in links(old).items()}
            kept = sorted(scores, key=scores.get)[int(zeta * len(scores)) :]
            assert {p: links(old)[p] for p in kept}.items() <= links(new).items()
            assert gone == grown == len(scores) - len(kept)


@seeds
def test_gse_takes_the_best_of_what_it_draws_and_spares_new_links(seed, zeta):
    model = net(seed)
    for guide in ("bound", "estimate", "uniform"):
        after, _, _, dense = event(model, sl.GSE(zeta, regrowth=sl.regrowths.GuidedSample(200, guide)))
        for old, new, G in zip(model.layers[:2], after.layers, dense, strict=False):
            n = int(zeta * old.topology.nnz)
            kept, before = without_weakest(old, n), links(old)
            assert kept.items() <= links(new).items()
            grown = [place for place in links(new) if place not in kept]
            reachable = [p for p in largest(G, before, G.size) if abs(G[p]) > 0]
            if guide == "uniform":  # so many draws find every position
                assert set(reachable[:n]) <= set(grown)


def test_gse_draws_positions_in_proportion_to_sums_of_sizes():
    random = np.random.default_rng(0)
    layer = sl.SparseLinear(sl.Topology.from_links(3, 4, [0], [0]), np.ones(1), np.zeros(3))
    X, dZ = random.standard_normal((4, 5)), random.standard_normal((3, 5))
    flow = evolution.Flow(X, dZ)
    evidence = type("Fixed", (), {"of": lambda self, _: flow})()
    a, b = np.abs(dZ).sum(axis=1), np.abs(X).sum(axis=1)
    wanted = np.outer(a, b) / (a.sum() * b.sum())
    found, n = np.zeros((3, 4)), 4000
    for seed in range(n):
        rows, columns = sl.regrowths.GuidedSample()(layer, layer.topology, 1, evidence, np.random.default_rng(seed))
        found[rows[0], columns[0]] += 1
    assert found[0, 0] < 0.15 * n  # only where a draw met the link, and a free position was taken uniformly
    others = np.ones((3, 4), bool)
    others[0, 0] = False
    expected = n * (wanted + wanted[0, 0] / 11)[others]
    assert ((found[others] - expected) ** 2 / expected).sum() < 30  # χ², 11 positions: 99.8 %


def test_gse_estimates_gradients_with_random_signs():
    random = np.random.default_rng(0)
    X, dZ = random.standard_normal((4, 5)), random.standard_normal((3, 5))
    weights = sl.regrowths.GuidedSample(guide="estimate")._weights(evolution.Flow(X, dZ), np.random.default_rng(3))
    possible = [(abs(dZ @ r), abs(X @ r)) for r in np.array(list(itertools.product([-1, 1], repeat=5)))]
    assert any(all(np.allclose(ours, theirs) for ours, theirs in zip(weights, pair, strict=True)) for pair in possible)
    others = sl.regrowths.GuidedSample(guide="estimate")._weights(evolution.Flow(X, dZ), np.random.default_rng(4))
    assert not np.allclose(weights[0], others[0])


@pytest.mark.parametrize("rule", [sl.DeepR, sl.TopKAST])
def test_a_rate_that_is_no_number_is_refused_when_it_comes(rule):
    with pytest.raises(ValueError, match="learning_rate = nan: must be a finite number > 0"):
        rule(lambda epoch: 0.1 if epoch < 1 else math.nan).rate(1)


@seeds
def test_granet_cuts_then_moves_what_is_left(seed, zeta):
    model = net(seed)
    cut = event(model, sl.GMP(density=0.25))[0]
    after, _, _, dense = event(model, sl.GraNet(zeta, density=0.25))
    places = sum(G.size for G in dense[:2])
    old = {(l, *p): w for l in (0, 1) for p, w in links(model.layers[l]).items()}
    kept = dict(sorted(old.items(), key=lambda link: abs(link[1]))[len(old) - round(0.25 * places) :])
    assert {(l, *p): w for l in (0, 1) for p, w in links(cut.layers[l]).items()} == kept
    for l, (fewer, new, G) in enumerate(zip(cut.layers[:2], after.layers, dense, strict=False)):
        n = int(zeta * fewer.topology.nnz)
        stays = without_weakest(fewer, n)
        assert links(new) == stays | dict.fromkeys(largest(G, stays, n), 0.0), l


@seeds
def test_anf_changes_the_first_layer_only(seed, zeta):
    model = net(seed)
    after, _, counts, _ = event(model, sl.ANF(zeta))
    assert counts[0] == (int(zeta * model.nnz[0]),) * 2
    assert counts[1:] == [(0, 0)] * 2
    assert without_weakest(model.layers[0], counts[0][0]).items() <= links(after.layers[0]).items()


def srigl_twin(layer, velocity, G, zeta, gamma, total, ablates):
    """{place: (value, velocity)} after SRigL on dense matrices."""
    n_out, n_in = G.shape
    old = {place: (w, v) for (place, w), v in zip(links(layer).items(), velocity.tolist(), strict=True)}
    n_gone = int(zeta * len(old))
    strong = set(without_weakest(layer, n_gone))
    salient = strong | set(largest(G, (), n_gone))
    rows = range(n_out)
    fan_in = len(old) // max(1, len({r for r, _ in old}))
    count = [sum(p[0] == r for p in salient) for r in rows]
    active = [r for r in rows if count[r] >= max(1, int(gamma * fan_in)) or r == np.argmax(count)] if ablates else list(rows)
    k = min(n_in, total // len(active))
    if k == 0:
        return old
    found = {}
    for r in active:
        mine = sorted((p for p in strong if p[0] == r), key=lambda p: -abs(old[p][0]))[:k]
        more = sorted((p for p in ((r, c) for c in range(n_in)) if p not in mine), key=lambda p: (-abs(G[p]), p))[: k - len(mine)]
        found |= {p: old.get(p, (0.0, 0.0)) for p in mine + more}
    return found


@pytest.mark.parametrize("block", [1, 20, 2**22])
@given(seed=st.integers(0, 300), zeta=st.sampled_from([0.1, 0.3, 0.6, 1.0]), gamma=st.sampled_from([0.0, 0.3, 0.9]))
def test_srigl_is_its_dense_twin(block, seed, zeta, gamma):
    model, memory = net(seed), {}
    after, state, _, dense = event(model, sl.SRigL(zeta, min_salient=gamma, block=block, layers="all"), memory)
    for l, (old, new, G, s) in enumerate(zip(model.layers, after.layers, dense, state, strict=True)):
        wanted = srigl_twin(old, 1.0 + np.arange(old.topology.nnz), G, zeta, gamma, old.topology.nnz, l < 2)
        found = {p: (w, v) for (p, w), v in zip(links(new).items(), s.links[0].tolist(), strict=True)}
        assert found == wanted
        assert len(set(new.topology.fan_in.tolist()) - {0}) == 1
    assert memory == {"missing": [before - now for before, now in zip(model.nnz, after.nnz, strict=True)]}
    again = event(after, sl.SRigL(zeta, min_salient=gamma, layers="all"), memory, epoch=2)[0]
    for layer, total in zip(again.layers, model.nnz, strict=True):
        assert layer.topology.nnz <= total  # what does not divide is missing, and comes back where it does


@given(seed=st.integers(0, 300), n_links=st.integers(0, 12), layers=st.sampled_from(["all", "hidden"]))
def test_srigl_makes_no_links_where_a_layer_has_few(seed, n_links, layers):
    rng = np.random.default_rng(seed)
    masks = [
        rng.permutation(np.arange(size) < n_links).reshape(shape) for size, shape in ((63, (7, 9)), (42, (6, 7)), (18, (3, 6)))
    ]
    model, memory = models.from_masks([mask * rng.standard_normal(mask.shape) for mask in masks]), {}
    for epoch in (1, 2, 3):
        after = event(model, sl.SRigL(0.6, layers=layers), memory, epoch=epoch)[0]
        assert all(now <= n_links for now in after.nnz)
        model = after


def test_ranks_of_links_in_their_rows():
    topology = sl.Topology.from_links(2, 4, [0, 0, 0, 1, 1], [0, 1, 3, 0, 2])
    assert rank_in_row(topology, np.array([1.0, 3.0, 3.0, 5.0, 7.0])).tolist() == [2, 0, 1, 1, 0]


def test_a_step_of_deep_r_is_its_formula():
    model, rule = net(3), sl.DeepR(0.5, alpha=0.1, noise=0.2, seed=7)
    layer, state = model.layers[1], sl.DeepR(0.5).init(model)[1]
    g, db, w = np.random.default_rng(1).standard_normal(layer.topology.nnz), np.ones(7), layer.w.copy()
    for step in range(3):
        before = layer.w.copy()
        noise = np.random.default_rng([7, 1, step]).standard_normal(len(w))
        rule.update(layer, state, g, db, 0.5)
        for k in range(len(w)):
            s = math.copysign(1, before[k])
            moved = before[k] - 0.5 * g[k] - 0.5 * 0.1 * s + 0.5 * 0.2 * noise[k]
            assert layer.w[k] == pytest.approx(moved if s * moved > 0 else 0, abs=1e-15)
            assert math.copysign(1, layer.w[k]) == s
    assert state.count == 3


def test_deep_r_moves_links_without_a_sign_and_draws_signs():
    model = net(4)
    model.layers[0].w[::2] *= 0
    after, _, counts, _ = event(model, sl.DeepR(0.1))
    n = (model.nnz[0] + 1) // 2
    assert counts[0] == (n, n)
    kept = {p: w for p, w in links(model.layers[0]).items() if w}
    assert kept.items() <= links(after.layers[0]).items()
    new = [w for p, w in links(after.layers[0]).items() if p not in kept]
    assert {math.copysign(1, w) for w in new} == {1, -1}
    assert not any(new)


def test_deep_r_learns_with_as_many_links():
    model, data, rule = models.net(density=0.3), models.dataset(), sl.DeepR(0.1)
    before = model.nnz
    records = list(sl.train(model, data, optimizer=rule, rules=[rule], epochs=20, batch_size=10, seed=0))
    assert model.nnz == before
    assert records[-1].train_loss < 0.7 * records[0].train_loss
    assert sum(map(sum, (r.pruned for r in records))) > 0


def test_pals_shrinks_while_the_loss_allows_and_expands_where_it_must():
    data, model, memory = models.dataset(N, features=9, dtype=np.float64), net(0, density=0.5), {"loss": 1e9, "sparsity": 0.4}
    held_out = data.X_train[:9], data.y_train[:9]
    rule = sl.PALS(0.4, held_out=held_out, gamma=1.25)
    after, _, counts, _ = event(model, rule, memory)
    gone = [math.ceil(0.4 * 1.25 * n) for n in model.nnz[:2]]
    assert counts == [*((n, round(n / 1.25)) for n in gone), (0, 0)]
    loss = sl.evaluate(model, *held_out).loss
    assert memory["loss"] == pytest.approx(loss)
    assert memory["sparsity"] == pytest.approx(0.5)
    gone = [math.ceil(0.4 * n) for n in after.nnz[:2]]
    for better, grown in ((0.5, 1.25), (2.0, None)):  # far above the best loss: expand; below it: shrink
        memory = {"loss": sl.evaluate(after, *held_out).loss * better, "sparsity": 0.4}
        counts = event(after, rule, memory)[2]
        if grown:
            assert counts == [*((n, round(n * 1.25)) for n in gone), (0, 0)]
        else:
            assert all(grown < pruned for pruned, grown in counts[:2])
    memory = {"loss": sl.evaluate(after, *held_out).loss * 0.5, "sparsity": 0.9}  # above the best, which was sparser
    assert event(after, rule, memory)[2] == [*((n, n) for n in gone), (0, 0)]


RULES = {
    "snfs": lambda: sl.SNFS(0.3, n_batches=3), "gse": lambda: sl.GSE(0.3), "mest": lambda: sl.MEST(0.3),
    "gmp": lambda: sl.GMP(density=lambda epoch: 0.4 - 0.05 * epoch),
    "granet": lambda: sl.GraNet(0.3, density=lambda epoch: 0.4 - 0.05 * epoch, every="4 steps"),
    "anf": lambda: sl.ANF(0.3), "srigl": lambda: sl.SRigL(0.3, every="3 steps", replaces_update=True),
    "deep_r": lambda: sl.DeepR(0.1), "rigl": lambda: sl.RigL(0.3),
    "pals": lambda: sl.PALS(0.3, held_out=(models.dataset().X_test, models.dataset().y_test)),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_every_method_resumes_within_an_epoch_bit_for_bit(name, tmp_path):
    def run(model, **options):
        rule = RULES[name]()
        if name == "deep_r":
            options["optimizer"] = rule
        return sl.steps(model, models.dataset(), rules=[rule], epochs=4, batch_size=20, seed=0, **options)

    wanted, again = models.net(density=0.4), models.net(density=0.4)
    records = [r for r in run(wanted) if isinstance(r, sl.EpochRecord)]
    first = run(again, checkpoint=tmp_path)
    for _ in range(10):
        next(first)
    first.close()
    other = models.net(density=0.4)
    assert [r for r in run(other, checkpoint=tmp_path) if isinstance(r, sl.EpochRecord)] == records
    assert models.fingerprint(other) == models.fingerprint(wanted)
    assert sum(sum(r.pruned) for r in records) > 0


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("name", sorted(set(RULES) - {"granet", "srigl", "deep_r"}))
def test_every_method_runs_in_the_first_phase_of_parallel_training(name, synchronous):
    model = models.net(density=0.4)
    records = list(
        sl.train_parallel(
            model, models.dataset(), rules=[RULES[name]()], epochs=3, batch_size=20, n_jobs=2, seed=0, synchronous=synchronous,
            async_fraction=1.0,
        )
    )  # fmt: skip
    assert sum(sum(r.pruned) for r in records) > 0
    assert all(lawful(layer.topology) for layer in model.layers)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: sl.GMP(), "density = None: must be a density, or a schedule of it, for GMP"),
        (lambda: sl.GraNet(0.3), "density = None"),
        (lambda: sl.PALS(), r"held_out = None: must be \(X, y\), samples that are not trained on"),
        (lambda: sl.PALS(held_out=([], []), gamma=0.5), "gamma = 0.5: must be a finite number >= 1"),
        (lambda: sl.PALS(held_out=([], []), density=0.5), "density = 0.5: must be None: PALS finds it"),
        (lambda: sl.SRigL(density=0.5), "density = 0.5: must be None, which is a part of SRigL"),
        (lambda: sl.SRigL(min_salient=2), "min_salient = 2"),
        (lambda: sl.DeepR(-1), "learning_rate = -1"),
        (lambda: sl.DeepR(alpha=-1), "alpha = -1: must be a finite number >= 0"),
        (lambda: sl.criteria.WeightAndGradient("best"), "score = 'best': must be one of"),
        (lambda: sl.regrowths.GuidedSample(0), "candidates = 0"),
        (lambda: sl.regrowths.GuidedSample(guide="me"), "guide = 'me': must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_top_kast_trains_silent_links_and_computes_without_them():
    model, rule = net(2, density=0.6), sl.TopKAST(0.2, density=0.3, penalty=0.01, refresh=0.5, every="4 steps")
    state, data = rule.init(model), models.dataset(N, features=9, dtype=np.float64)
    theta = {l: links(layer) for l, layer in enumerate(model.layers)}
    active = {l: set(links(layer)) for l, layer in enumerate(model.layers)}
    for step in range(1, 9):
        evidence = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(N))
        dense = [flow.dZ @ flow.X.T for flow in evidence.flows]
        for l, (layer, G) in enumerate(zip(model.layers, dense, strict=True)):
            rule.update(layer, state[l], np.array([G[p] for p in places_of(layer.topology)]), np.zeros(len(layer.b)), 0.2)
            for p in theta[l]:
                decay = 0.01 if p in active[l] else 0.01 / 0.3
                theta[l][p] -= 0.2 * (G[p] + decay * theta[l][p])
            if step % 4 == 0 and l < 2:
                n = round(0.3 * G.size)
                active[l] = set(sorted(theta[l], key=lambda p, t=theta[l]: -abs(t[p]))[:n])
            wanted = {p: t if p in active[l] else 0 for p, t in theta[l].items()}
            assert links(layer) == pytest.approx(wanted, abs=1e-14)
        if step % 4 == 0:
            evolution.apply(rule(1, model, state, None, np.random.default_rng(step)), model, state, np.random.default_rng(0))
            for l in (0, 1):
                silent = sorted((p for p in theta[l] if p not in active[l]), key=lambda p, t=theta[l]: abs(t[p]))
                gone = set(silent[: len(silent) // 2])
                left = {p: t for p, t in theta[l].items() if p not in gone}
                found = links(model.layers[l], state[l].links[0])
                assert len(found) == len(theta[l])
                assert {p: found[p] for p in left} == pytest.approx(left)
                assert all(found[p] == 0 for p in found if p not in left)
                theta[l] = found


def test_top_kast_has_its_share_of_active_links_after_neurons_were_pruned():
    rule, thinning = sl.TopKAST(0.1, density=0.15, every="7 steps"), sl.ImportancePruning(0.6, start=1, stop=2)
    model = models.net(density=0.4)
    records = list(sl.train(model, models.dataset(), optimizer=rule, rules=[thinning, rule], epochs=6, batch_size=20, seed=0))
    assert records[-1].active_neurons < (33, 18)
    for layer in model.layers[:2]:
        assert np.count_nonzero(layer.w) == min(layer.topology.nnz, round(0.15 * layer.topology.n_out * layer.topology.n_in))


def test_top_kast_learns_and_resumes(tmp_path):
    rule = sl.TopKAST(0.1, density=0.15, every="7 steps")
    options = {"optimizer": rule, "rules": [rule], "epochs": 8, "batch_size": 20, "seed": 0}
    model, again = models.net(density=0.4), models.net(density=0.4)
    records = list(sl.train(model, models.dataset(), **options))
    assert records[-1].train_loss < 0.8 * records[0].train_loss
    assert [np.count_nonzero(layer.w) for layer in model.layers[:2]] == [round(0.15 * 20 * 33), round(0.15 * 33 * 18)]
    first = sl.steps(again, models.dataset(), checkpoint=tmp_path, **options)
    for _ in range(17):
        next(first)
    first.close()
    other = models.net(density=0.4)
    assert list(sl.train(other, models.dataset(), checkpoint=tmp_path, **options)) == records
    assert models.fingerprint(other) == models.fingerprint(model)


def test_the_gradient_by_the_inputs_is_that_of_finite_differences():
    model, data = net(1), models.dataset(6, features=9, dtype=np.float64)
    loss = lambda X: sl.evaluate(model, X, data.y_train).loss
    evidence = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(6))
    found, h = evidence.input_gradient(), 1e-6
    for sample, feature in [(0, 0), (3, 8), (5, 4)]:
        up, down = data.X_train.copy(), data.X_train.copy()
        up[sample, feature] += h
        down[sample, feature] -= h
        assert found[feature, sample] == pytest.approx((loss(up) - loss(down)) / (2 * h), abs=1e-8)


def test_rules_over_all_layers_do_not_go_layer_by_layer():
    model = net(0)
    with pytest.raises(ValueError, match="must be rules that look at one layer at a time"):
        evolution.evolve_by_layer([sl.SNFS(0.3)], 1, model, sl.MomentumSGD().init(model), lambda: None, np.random.default_rng(0))


def test_a_guide_without_any_gradient_draws_uniformly():
    layer = sl.SparseLinear(sl.Topology.from_links(3, 4, [0], [0]), np.ones(1), np.zeros(3))
    evidence = type("Fixed", (), {"of": lambda self, _: evolution.Flow(np.zeros((4, 5)), np.zeros((3, 5)))})()
    found = set()
    for seed in range(200):
        rows, columns = sl.regrowths.GuidedSample()(layer, layer.topology, 1, evidence, np.random.default_rng(seed))
        found.add((int(rows[0]), int(columns[0])))
    assert found == set(np.ndindex(3, 4)) - {(0, 0)}


def test_top_kast_counts_events_in_steps():
    with pytest.raises(ValueError, match="every = '2 epochs': must be a number of steps, such as"):
        sl.TopKAST(every="2 epochs")


@pytest.mark.parametrize("y", [[0, 1], [0, 1, 2, 3, 0]])
def test_held_out_targets_must_fit_their_rows(y):
    model, data = net(0), models.dataset(N, features=9, dtype=np.float64)
    evidence = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(N))
    with pytest.raises(ValueError, match=f"y has {len(y)} entries: must be 4, one for each row of X"):
        evidence.loss_of(data.X_train[:4], y)


def test_a_gradient_that_is_not_finite_is_no_answer():
    model, data = net(0), models.dataset(N, features=9, dtype=np.float64)
    model.layers[0].w[:] = 1e200
    evidence = evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(N))
    evidence.flows = [evolution.Flow(np.full((9, 2), 1e200), np.full((8, 2), 1e200))] + [
        evolution.Flow(np.ones((layer.topology.n_in, 2)), np.ones((layer.topology.n_out, 2))) for layer in model.layers[1:]
    ]
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="is not finite: the training diverges"):
        evidence.gradient(model.layers[0])
