"""The memory that a net needs is estimated array by array before it is allocated, and refused where it is not available."""

import pickle
import re
import sys

import models
import numpy as np
import pytest
from stress import memory as harness

import sparselab as sl
from sparselab.checkpoints.state import TrainingState
from sparselab.engines.base import Outcome
from sparselab.engines.fused import FusedEngine
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.engines.tiling import tile_width
from sparselab.evolution import SET
from sparselab.experiments.extreme import Extreme
from sparselab.nn import footprint, summary
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.nn.optimizers import MomentumSGD
from sparselab.training import memory
from sparselab.utils import resources

GIB = 2**30
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A made-up machine: write(path, text) fills its files; 8 GiB are available."""
    monkeypatch.setattr(resources, "ROOT", tmp_path)
    monkeypatch.setattr(resources, "_of_address_space", lambda: None)

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(str(text))

    write("proc/meminfo", "MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\nHugePages_Total: 0\n")
    return write


# the estimate


def buffers(engine):
    """Bytes of what an engine has allocated."""
    found = sum(space.nbytes for space in engine.workspaces)
    return found, sum(a.nbytes for g in engine.gradients for a in g.vectors)


@pytest.mark.parametrize("batch_size", [3, 32, 33, 128, 2000])
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(
    "kind, options",
    [
        ("fused", {}), ("fused", {"dropout": 0.3}), ("layerwise", {"dtype": "float64", "dropout": 0.2}),
        ("layerwise", {"activation": "tanh"}), ("layerwise", {"activation": "srelu"}),
    ],
)  # fmt: skip
def test_items_are_the_bytes_of_the_arrays(kind, options, threads, batch_size):
    n = 2100
    model, data = models.net(exact=True, **options), models.dataset(n, 0 * n, dtype=np.dtype(options.get("dtype", "float32")))
    make = FusedEngine if kind == "fused" else LayerwiseEngine
    engine = make(model, SoftmaxCrossEntropy(), tile_width(batch_size), threads)
    state = TrainingState.start(model, MomentumSGD(), 0)
    outcome = Outcome.of(batch_size, batch_size)
    engine.run(
        outcome, data.X_train, data.y_train, np.arange(batch_size), batch_size, [0.1], MomentumSGD(), state.optimizer,
        np.uint64(1), 0,
    )  # fmt: skip
    engine.close()
    activations, gradients = buffers(engine)
    said = sl.estimate_memory(
        models.SIZES, density=0.4, batch_size=batch_size, threads=threads, evolution=False, **options
    ).items  # fmt: skip
    layers = model.layers
    assert said["weights"] == pytest.approx(sum(a.w.nbytes for a in layers), rel=0.01)  # the expected links, rounded in the net
    assert said["column indices"] == pytest.approx(sum(a.topology.indices.nbytes for a in layers), rel=0.01)
    assert said["row pointers"] == sum(a.topology.indptr.nbytes for a in layers)
    assert said["biases"] == sum(a.b.nbytes for a in layers)
    assert said.get("trained values of activations", 0) == sum(a.values.nbytes for a in layers)
    assert ("derivatives by trained values" in said) == (options.get("activation") == "srelu")
    assert said["optimizer state"] == pytest.approx(sum(v.nbytes for s in state.optimizer for v in s.links + s.neurons), rel=0.01)
    back = [a.topology.transposed for a in layers[1:]]  # the gradient of the input is not needed
    assert said["transposed index"] == pytest.approx(
        sum(t.indptr.nbytes + t.rows.nbytes + t.slots.nbytes for t in back), rel=0.01
    )
    (name,) = (name for name in said if name.startswith("gradients"))
    assert said[name] == pytest.approx(gradients, rel=0.01)
    assert name == f"gradients ({len(engine.gradients)} groups)"
    (name,) = (name for name in said if name.startswith("activations"))
    assert said[name] == activations
    assert name == f"activations ({len(engine.workspaces)} tiles of {engine.width})"
    assert set(said) == {"weights", "column indices", "row pointers", "biases", "optimizer state", "transposed index"} | {
        name for name in said if name.startswith(("gradients", "activations", "trained", "derivatives"))
    }


def total(**changes):
    return sl.estimate_memory((784, 3000, 3000, 10), **{"threads": 2} | changes).total


def test_what_takes_more():
    base = total()
    for more in (
        {"epsilon": 21}, {"density": 0.1}, {"threads": 1, "batch_size": 256}, {"dtype": "float64"}, {"activation": "tanh"},
        {"dropout": 0.1}, {"optimizer_vectors": 2}, {"n_samples": 500}, {"n_test": 10**6}, {"epochs": 1, "batch_size": 128},
        {"layerwise": True, "batch_size": 512}, {"n_batches": 1}, {"activation": "srelu"},
    ):  # fmt: skip
        assert total(**more) > base, more
    for less in (
        {"epsilon": 19},
        {"threads": 1},
        {"batch_size": 64},
        {"evolution": False},
        {"training": False},
        {"optimizer_vectors": 0},
    ):
        assert total(**less) < base, less
    assert total(epsilon=10**9) == total(density=1.0) == total(density=1.0, evolution=False)  # nothing to evolve in a dense net
    assert total(batch_size=10**9, n_samples=64) == total(batch_size=64, n_samples=64)


def test_the_history_of_a_large_net_keeps_no_degrees():
    name, sizes = "fan-in and fan-out of all epochs", (100_000, 99_990, 10)
    assert sl.estimate_memory(sizes, epochs=3).items[name] == 3 * 4 * (100_000 + 2 * 99_990 + 10)
    assert name not in sl.estimate_memory((100_000, 99_991, 10), epochs=3).items


def test_batches_that_rules_look_at_count():
    sizes, model = (20, 30, 40, 4), models.net((20, 30, 40, 4))
    found = lambda **more: sl.estimate_memory(sizes, batch_size=32, **more).items
    name = lambda n: f"activations and gradients of {n} samples for rules"
    assert found(n_batches=3)[name(96)] == 2 * 96 * (20 + 2 * (30 + 40) + 4) * 4
    assert found(n_batches=3, n_samples=70)[name(70)] == found(n_batches=99, n_samples=70)[name(70)]
    assert not any("for rules" in item for item in found())
    items = memory.TrainingShape.of(model).training_items(32, 1, n_test=0, evolution=True, layerwise=False, vectors=1, n_seen=96)
    assert items[name(96)] == found(n_batches=3)[name(96)]


def test_an_estimate_is_a_table():
    said = sl.estimate_memory((784, 100, 10), n_samples=50)
    assert sum(said.items.values()) == said.total
    lines = str(said).splitlines()
    assert "784-100-10" in lines[0]
    assert len(lines) == len(said.items) + 2
    assert lines[-1].split()[0] == "all"
    assert repr(said) == str(said)
    assert said._repr_html_().count("<tr>") == len(said.items) + 1
    assert "…" in str(sl.estimate_memory((5,) * 30))


@pytest.mark.parametrize(
    "options, name",
    [
        ({"sizes": (5,)}, "sizes"), ({"epsilon": -1}, "epsilon"), ({"density": 2}, "density"), ({"batch_size": 0}, "batch_size"),
        ({"threads": 0}, "threads"), ({"dtype": "int8"}, "dtype"), ({"activation": "no"}, "activation"),
        ({"dropout": 1}, "dropout"), ({"optimizer_vectors": -1}, "optimizer_vectors"), ({"evolution": 2}, "evolution"),
        ({"layerwise": "no"}, "layerwise"), ({"n_samples": -1}, "n_samples"), ({"n_test": 0.5}, "n_test"),
        ({"epochs": None}, "epochs"), ({"n_batches": -1}, "n_batches"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(options, name):
    with pytest.raises((ValueError, TypeError), match=name):
        sl.estimate_memory(**{"sizes": (5, 4, 3)} | options)


def test_one_rule_for_dense_and_for_summary():
    model = models.net((20, 30, 4))
    rows = summary.rows(model)
    assert footprint.dense_bytes((20, 30, 4)) == rows[-1]["dense_training_bytes"] == 3 * 4 * (21 * 30 + 31 * 4)
    assert rows[-1]["dense_bytes"] == 4 * (21 * 30 + 31 * 4)
    arrays = [array for layer in model.layers for array in (layer.w, layer.b)]
    index = [a for layer in model.layers for a in vars(layer.topology.transposed).values()]
    assert rows[-1]["training_bytes"] == model.nbytes + 2 * sum(a.nbytes for a in arrays) + sum(a.nbytes for a in index)
    assert rows[-1]["bytes"] == model.nbytes


@linux
def test_peaks_are_as_estimated():
    for name, (found, said) in harness.peaks(["10^4 neurons, dropout"]).items():
        assert harness.close_enough(found, said), (name, found, said)


@linux
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_peaks_of_larger_nets_are_as_estimated():
    for name, (found, said) in harness.peaks().items():
        assert harness.close_enough(found, said), (name, found, said)


# what there is


def test_the_least_limit_counts(root):
    assert resources.available() == 8 * GIB
    root("proc/self/cgroup", "0::/a/b\n")
    assert resources.available() == 8 * GIB  # no files of this group
    root("sys/fs/cgroup/memory.max", "max")
    root("sys/fs/cgroup/memory.current", 5 * GIB)
    root("sys/fs/cgroup/a/memory.max", 4 * GIB)
    root("sys/fs/cgroup/a/memory.current", 3 * GIB)
    root("sys/fs/cgroup/a/b/memory.max", 5 * GIB)
    root("sys/fs/cgroup/a/b/memory.current", 2 * GIB)
    assert resources.available() == GIB
    root("sys/fs/cgroup/a/memory.stat", f"anon {GIB}\nfile {2 * GIB}\nactive_file {GIB // 2}\ninactive_file {GIB // 4}\n")
    assert resources.available() == GIB + GIB * 3 // 4  # file pages make room
    root("sys/fs/cgroup/a/memory.current", 9 * GIB)
    root("sys/fs/cgroup/a/memory.stat", "")
    assert resources.available() == 0


def test_cgroups_of_version_1(root):
    root("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc:d\n0::/\n")
    for path, limit in (("", 9223372036854771712), ("docker/abc:d/", 3 * GIB)):
        root(f"sys/fs/cgroup/memory/{path}memory.limit_in_bytes", limit)
        root(f"sys/fs/cgroup/memory/{path}memory.usage_in_bytes", 2 * GIB)
    assert resources.available() == GIB
    root("sys/fs/cgroup/memory/docker/abc:d/memory.stat", f"total_inactive_file {GIB}\ninactive_file 7\n")
    assert resources.available() == 2 * GIB


@pytest.mark.parametrize("text", ["", "4:memory\n", "::::\n", "0::/../../x\n", "\n\n", "4:memory:/\0\n"])
def test_odd_files_are_no_error(root, text):
    root("proc/self/cgroup", text)
    for name in ("memory.max", "memory.current"):
        root(f"sys/fs/cgroup/{name}", "?")
    assert resources.available() == 8 * GIB
    root("proc/meminfo", "nothing\nMemAvailable:\n")
    assert resources.available() is None or resources.available() > 0


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(resources, "available", lambda: None)
    footprint.require_memory("this", {"a": 10**18}, lambda have: "")


@linux
def test_this_machine_says_something():
    assert 0 < resources.available() < 2**60


# refusals


def refused(function, *arguments, **options):
    with pytest.raises(sl.InsufficientMemoryError) as caught:
        function(*arguments, **options)
    return caught.value


def test_a_net_that_does_not_fit_is_refused_with_numbers_and_advice(root):
    sizes = (10_000, 10**7, 10)
    error = refused(sl.SparseMLP.create, sizes, epsilon=100)
    assert isinstance(error, MemoryError)
    assert error.need > error.have == 8 * GIB
    text = str(error)
    assert "a net 10000-10000000-10" in text
    assert "8.0 GiB are available" in text
    assert [name for name in error.items if name in text.split("Largest: ")[1]] == [
        "weights",
        "column indices",
        "drawing the links",
    ]
    epsilon = float(re.search(r"epsilon up to ([\d.]+\d)", text)[1])
    room = lambda value: sum(
        footprint.whole_bytes(footprint.creation_items(footprint.NetShape.expected(sizes, 4, epsilon=value))).values()
    )
    assert room(epsilon) <= 8 * GIB < room(1.02 * epsilon)
    assert "density up to" in str(refused(sl.SparseMLP.create, (10**5, 10**5), density=0.2))
    assert "fewer neurons" in str(refused(sl.SparseMLP.create, (2**31 - 1, 2**31 - 1)))


def test_more_links_than_a_layer_can_have_are_refused_before_they_are_drawn(root):
    root("proc/meminfo", f"MemAvailable: {2**50} kB\n")
    with pytest.raises(ValueError, match=r"epsilon = 30: gives layer 2 about 3e\+09 links: must be at most 2147483647"):
        sl.SparseMLP.create((10, 5 * 10**7, 5 * 10**7, 10), epsilon=30)


def test_a_training_that_does_not_fit_is_refused(root, monkeypatch):
    monkeypatch.setattr(footprint, "WORTH_CHECKING", 0)
    model = models.net((20, 3000, 3000, 4), density=0.1)
    options = {"n_test": 10, "evolution": True}
    memory.check_training(model, 128, 2, **options)
    need = lambda **changes: refused(memory.check_training, model, 128, 2, **options | changes).need
    root("proc/meminfo", "MemAvailable: 1 kB\n")
    net, training_ = model.nbytes, need()
    assert sl.estimate_memory(model.sizes, density=0.1, threads=2, n_test=10).total == pytest.approx(
        net + training_ + 10 * 88, rel=0.01
    )
    assert need(evolution=False) < training_
    assert need(has_state=True) < training_
    model.layers[1].topology.transposed  # noqa: B018 (what is there is not needed again)
    assert need() < training_

    def text(kilobytes, batch_size=128, threads=2):
        root("proc/meminfo", f"MemAvailable: {kilobytes} kB\n")
        return str(refused(memory.check_training, model, batch_size, threads, **options))

    assert "fewer neurons" in text(1)
    root("proc/meminfo", "MemAvailable: 1 kB\n")
    below = need() // 1024 - 200
    assert "threads = 1" in text(below)
    assert "times the links" in text(below)
    smaller = int(re.search(r"batch_size up to (\d+)", text(below))[1])
    memory.check_training(model, smaller, 2, **options)
    assert "batch_size up to" not in text(10_000)


def test_the_error_survives_a_pickle():
    error = sl.InsufficientMemoryError("this", 2 * GIB, GIB, {"a": GIB, "b": GIB}, "less")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert str(error).endswith("What would fit: less.")


@pytest.mark.parametrize("name", harness.HUGE)
def test_a_million_million_neurons_are_refused_at_once(name):
    seconds, error = harness.seconds_to_refuse(harness.HUGE[name])
    assert seconds < 5  # generous here; the promise of 0.2 s is measured by `make reliability`
    assert isinstance(error, sl.InsufficientMemoryError | ValueError)
    assert str(error)


@linux
def test_half_the_address_space_is_refused_and_not_killed():
    assert harness.refusal_under_a_limit() == "refused True True True"


def test_evolution_needs_no_more_than_is_said():
    import tracemalloc

    model = models.net((50, 2000, 2000, 4), density=0.2)
    state, rng = TrainingState.start(model, MomentumSGD(), 0), np.random.default_rng(0)
    rewirings = SET(0.3)(1, model, state.optimizer, None, rng)
    sl.evolution.apply(rewirings, model, state.optimizer, rng)  # compiled
    del rewirings
    tracemalloc.start()
    try:
        sl.evolution.apply(SET(0.3)(2, model, state.optimizer, None, rng), model, state.optimizer, rng)
        found = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = sl.estimate_memory(model.sizes, density=0.2).items["evolution: new links beside the old"]
    assert found == pytest.approx(said, rel=0.15)


def test_a_least_fan_in_counts_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(resources, "available", lambda: 20 * 2**20)
    with pytest.raises(sl.InsufficientMemoryError):
        sl.SparseMLP.create((2000, 2000, 2), epsilon=1, min_fan_in=2000, seed=0)
    assert sl.SparseMLP.create((200, 200, 2), epsilon=1, min_fan_in=20, seed=0).layers[0].topology.fan_in.min() >= 20
    monkeypatch.undo()
    for options in ({"epsilon": 0.01, "min_fan_in": 10**5}, {"density": 0.5}):
        with pytest.raises(ValueError, match=r"at most 2147483647 links"):
            sl.erdos_renyi(10**6, 10**6, seed=0, **options)
    with pytest.raises((ValueError, sl.InsufficientMemoryError)):
        sl.SparseMLP.create((10**6, 10**6), seed=0, epsilon=0.01, min_fan_in=10**5)
    least, none = (Extreme(10**6, 2, min_fan_in=n) for n in (100, 0))
    assert least.estimate_with().total > none.estimate_with().total + 10**8 * 12
