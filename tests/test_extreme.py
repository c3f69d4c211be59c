"""Very large nets: lean plans give what ordinary ones give, long steps can be interrupted, and what does not fit is refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab import evolution
from sparselab.engines import fused, select, tiling
from sparselab.engines.tiling import tile_width
from sparselab.evolution import SET, ImportancePruning, PruneRegrow
from sparselab.experiments import extreme
from sparselab.experiments.extreme import Extreme, run
from sparselab.kernels.csr_passes import any_marked
from sparselab.nn import footprint
from sparselab.training import memory
from sparselab.training.epoch_runner import EpochRunner

SIZES = (60, 900, 700, 500, 3)


def trained(plan, *, threads=1, rules=None, epochs=3, **options):
    """(fingerprint, records) of a training that follows this plan."""
    model = sl.SparseMLP.create(SIZES, epsilon=3, seed=1, **options)
    data = models.dataset(200, 20, features=60, classes=3)
    loop = EpochRunner.of(model, data, sl.MomentumSGD(0.01), rules or [SET(0.3)], batch_size=64, threads=threads)
    loop.plan, loop.engine.index = plan, plan.index
    state = sl.TrainingState.start(model, loop.optimizer, 0)
    records = []
    while state.epoch < epochs:
        records += [record for record in loop.epoch(state) if isinstance(record, sl.EpochRecord)]
    loop.close()
    return models.fingerprint(model), records, model


@pytest.mark.parametrize("rules", [[SET(0.3)], [SET(0.3), PruneRegrow(0.1, sl.criteria.magnitude)], [SET(0.0)]])
def test_layer_by_layer_evolution_gives_the_same_bits(rules):
    wanted, records, _ = trained(memory.Plan(), rules=rules, dropout=0.3)
    found, again, _ = trained(memory.Plan(by_layer=True), rules=rules, dropout=0.3)
    assert found == wanted
    assert again == records


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_without_a_transposed_index_only_roundings_differ(threads, monkeypatch):
    monkeypatch.setattr(tiling, "WORTH_MEETING", 1)
    _, _, wanted = trained(memory.Plan(), epochs=1, dropout=0.3)
    found, _, model = trained(memory.Plan(by_layer=True, index=False), epochs=1, threads=threads, dropout=0.3)
    for layer, other in zip(model.layers, wanted.layers, strict=True):
        assert "transposed" not in vars(layer.topology)
        np.testing.assert_allclose(layer.w, other.w, rtol=1e-4, atol=1e-6)
    assert found == trained(memory.Plan(by_layer=True, index=False), epochs=1, dropout=0.3)[0]


def layerwise(model, loss, optimizer, batch_size, threads, index=True):
    return models.layerwise_engine(model, loss, optimizer, batch_size, threads)


def test_rows_that_are_asked_for_beforehand_are_the_same_rows(monkeypatch):
    """A tile beyond FAR: the same net in the fused engine and in the layerwise engine, which asks for nothing."""
    n = fused.program.FAR // (4 * tile_width(64)) + 1000
    X, y = np.random.default_rng(0).standard_normal((70, 30), dtype=np.float32), np.arange(70) % 3
    nets = [sl.SparseMLP.create((30, n, 50, 3), epsilon=1, seed=0) for _ in range(2)]
    list(sl.train(nets[0], (X, y), epochs=1, batch_size=64, seed=0, threads=2))
    monkeypatch.setattr(select, "create", layerwise)
    list(sl.train(nets[1], (X, y), epochs=1, batch_size=64, seed=0, threads=1))
    assert models.fingerprint(nets[0]) == models.fingerprint(nets[1])


def test_plans(monkeypatch):
    model = sl.SparseMLP.create((100, 50_000, 50_000, 3), epsilon=3, seed=0)
    choose = lambda have, **options: _chosen(monkeypatch, model, have, **options)
    need = lambda plan: memory.TrainingShape.of(model).training_items(
        64, 1, n_test=0, evolution=True, layerwise=False, vectors=1, plan=plan
    )  # fmt: skip
    room = {plan: sum(need(plan).values()) for plan in memory.PLANS}
    assert room[memory.PLANS[0]] > room[memory.PLANS[1]] > room[memory.PLANS[2]]
    assert choose(2 * room[memory.PLANS[0]] + 1) == memory.PLANS[0]
    assert choose(2 * room[memory.PLANS[0]] + 1, lean=True) == memory.PLANS[1]
    assert choose(room[memory.PLANS[1]] / 0.9 + 1) == memory.PLANS[1]
    assert choose(room[memory.PLANS[1]] / 0.9 - 1) == memory.PLANS[2]
    assert choose(room[memory.PLANS[2]] + 1) == memory.PLANS[2]
    with pytest.raises(sl.InsufficientMemoryError):
        choose(room[memory.PLANS[2]] - 2**20)
    with pytest.raises(sl.InsufficientMemoryError):
        choose(room[memory.PLANS[1]] + 1, by_layer=False)


def _chosen(monkeypatch, model, have, by_layer=True, lean=False):
    monkeypatch.setattr(memory.resources, "available", lambda: have)
    return memory.check_training(model, 64, 1, evolution=True, by_layer=by_layer, lean=lean)


def test_only_rules_that_look_at_one_layer_go_by_layer():
    assert evolution.can_go_by_layer([SET(0.3)])
    assert evolution.can_go_by_layer([])
    assert not evolution.can_go_by_layer([ImportancePruning(0.5, start=1), SET(0.3)])


def test_every_neuron_has_a_link_where_that_is_asked_for():
    t = sl.erdos_renyi(5000, 4000, epsilon=1, min_fan_in=1, seed=0)
    plain = sl.erdos_renyi(5000, 4000, epsilon=1, seed=0)
    assert t.fan_in.min() == 1
    assert (t.fan_in == np.maximum(plain.fan_in, 1)).all()
    assert sl.SparseMLP.create((40, 500, 3), epsilon=1, min_fan_in=2, seed=0).layers[0].topology.fan_in.min() >= 2
    for bad in (-1, 1.5, None, "1"):
        with pytest.raises((TypeError, ValueError), match="min_fan_in"):
            sl.erdos_renyi(5, 5, epsilon=1, min_fan_in=bad)
        with pytest.raises((TypeError, ValueError), match="min_fan_in"):
            sl.SparseMLP.create((5, 5), epsilon=1, min_fan_in=bad)


def test_any_marked_is_what_it_says():
    t, marks = sl.erdos_renyi(300, 200, epsilon=2, seed=0), np.random.default_rng(0).random(200) < 0.2
    found = np.empty(300, bool)
    any_marked(t.indptr, t.indices, marks, found)
    assert (found == [marks[t.indices[a:b]].any() for a, b in zip(t.indptr, t.indptr[1:])]).all()


def test_share_from_input_is_that_of_reachable():
    model = sl.SparseMLP.create((30, 400, 300, 200, 3), epsilon=1, seed=0)
    table = sl.analysis.reachable(model)
    hidden = table[1:-1]
    assert sl.analysis.paths.share_from_input(model) == pytest.approx((hidden["from_input"] * hidden["neurons"]).sum() / 900)


@pytest.mark.parametrize("shape", [(2**31 - 1, 2**31 - 1), (2**27, 2**27), (50_000, 2**31 - 1)])
def test_few_links_among_more_places_than_64_bits_of_a_float_count(shape):
    """rows · columns beyond 2^31 and 2^53, where a 32-bit or a float product would go wrong."""
    n_out, n_in = min(shape[0], 50_000), shape[1]
    rng = np.random.default_rng(0)
    t = sl.erdos_renyi(n_out, n_in, density=2000 / (n_out * n_in), exact=True, seed=0)
    assert t.nnz == 2000
    assert n_out * n_in > 2**31
    assert len(set(zip(t.rows.tolist(), t.indices.tolist(), strict=True))) == 2000
    assert t.indices.max() > n_in // 2
    way = sl.rewire(t, rng.random(2000) < 0.5, 1000, rng=rng)
    assert way.topology.nnz == 1000 + int((way.origin >= 0).sum())


def test_the_command_measures_everything(tmp_path):
    path = tmp_path / "out.json"
    command = [sys.executable, "-m", "sparselab", "extreme", "--neurons", "2e3", "--features", "100", "--layers", "2"]
    done = subprocess.run([*command, "--batch", "8", "--json", str(path)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert found["neurons"] == 2000
    assert found["sizes"] == [100, 1000, 1000, 2]
    assert len(found["losses"]) == 4
    assert all(np.isfinite(found["losses"]))
    assert len(set(found["losses"])) > 1
    assert found["gradient_norm_first_layer"] > 0
    assert 0 < found["connected_share"] <= 1
    for name in ("init_seconds", "step_seconds", "evolve_seconds", "peak_gib"):
        assert found[name] > 0
    assert "peak memory" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments, named", [
    (["--neurons", "1e12"], "sizes"), (["--neurons", "1e10"], "are available"), (["--neurons", "5"], "neurons"),
    (["--epsilon", "0"], "epsilon"),
    (["--batch", "0"], "batch"), (["--layers", "-1"], "layers"), (["--neurons", "1e3", "--steps", "0"], "steps"),
])  # fmt: skip
def test_what_does_not_fit_or_makes_no_sense_is_refused_at_once(arguments, named):
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "sparselab", "extreme", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert re.search(named, done.stderr)
    assert time.perf_counter() - start < 20


def test_an_extreme_is_checked():
    with pytest.raises(ValueError, match="neurons"):
        Extreme(5, layers=10)
    assert Extreme(2000.0, layers=2, features=10).sizes == (10, 1000, 1000, 2)


def test_numbers_of_an_extreme_are_checked_before_a_net_is_made():
    for name, value in (("zeta", 2.0), ("learning_rate", 0.0), ("learning_rate", -1.0), ("momentum", 1.0), ("separation", 0.0)):
        with pytest.raises(ValueError, match=name):
            Extreme(1000, 2, **{name: value})


def test_the_net_learns_its_classes():
    what = Extreme(2000, layers=1, features=200, epsilon=20, steps=60, steps_after=0, learning_rate=0.003, test=200)
    found = run(what, progress=False)
    assert np.mean(found["losses"][-10:]) < np.mean(found["losses"][:10])
    assert found["test_accuracy"] > 0.8


def test_the_lean_plan_of_a_model_and_none_where_there_is_room(monkeypatch):
    model = sl.SparseMLP.create(SIZES, epsilon=3, seed=1)
    assert memory.lean_plan(model) is None
    monkeypatch.setattr(memory, "LARGE_EVOLUTION", 0)
    assert memory.lean_plan(model).startswith("lean: evolution layer by layer")
    monkeypatch.setattr("sparselab.utils.resources.available", lambda: 10**5)
    monkeypatch.setattr(footprint, "WORTH_CHECKING", 0)
    assert re.search(r"does not fit: [\d.]+ KiB needed, 97.7 KiB available", memory.lean_plan(model))


LONG = """
import sys, time
import numpy as np
import sparselab as sl
from sparselab.engines import fused, tiling
fused.LONG_STEP = 1
tiling.WORTH_MEETING = 1
X, y = np.random.default_rng(0).standard_normal((64, 50), dtype=np.float32), np.arange(64) % 3
model = sl.SparseMLP.create((50, 400_000, 400_000, 400_000, 3), epsilon=4, seed=0)
list(sl.train(model, (X, y), epochs=1, batch_size=8, optimizer=sl.MomentumSGD(1e-9), seed=0))
before = [layer.w.copy() for layer in model.layers]
run = sl.steps(model, (X, y), epochs=10**6, batch_size=64, optimizer=sl.MomentumSGD(1e-9), seed=0)
next(run)
print("ready", flush=True)
try:
    for record in run:
        pass
except KeyboardInterrupt:
    print(time.time(), flush=True)
assert all(np.isfinite(layer.w).all() for layer in model.layers)
list(sl.train(model, (X, y), epochs=1, batch_size=8, optimizer=sl.MomentumSGD(1e-9), seed=0))
print("usable")
"""


@pytest.mark.parametrize("wait", [0.1, *(pytest.param(wait, marks=pytest.mark.slow) for wait in (0.35, 0.8))])
def test_a_long_step_is_left_between_two_layers(wait, tmp_path):
    script = tmp_path / "long.py"
    script.write_text(LONG)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    time.sleep(wait)
    sent = time.time()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert out.splitlines()[-1] == "usable", err
    assert float(out.splitlines()[0]) - sent < 2


def test_a_long_phase_shows_that_it_is_under_way(monkeypatch, capsys):
    monkeypatch.setattr(extreme, "TICK", 0.02)
    watch = extreme.Stopwatch(2)
    with closing(watch), watch("init"):
        time.sleep(0.3)
    assert "init for 0 s" in capsys.readouterr().err
    assert watch.over.is_set()
