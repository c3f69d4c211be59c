"""benchmarks.peers: the protocol with real children, what is timed how often, the break-even, the table, going on after a stop.

No network and no other library: our own runner, scikit-learn's, and a made-up peer that fails in chosen ways.
"""

import importlib.util
import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import break_even, peer_environments, peer_host, peer_measure, peer_report, peers
from benchmarks.peer_host import PEERS, Peer, PeerError, Spec

FAKE = """
import os, sys, time
sys.path.insert(0, {runners!r})
import numpy as np
from protocol import Net, serve

class Fake(Net):
    links = 7
    rate = 0.002
    def __init__(self, job):
        super().__init__(job)
        self.w, self.loss = np.zeros(4), 2.0
        if job.get("refuse"):
            raise MemoryError("will not fit")
    def train(self, steps):
        print("libraries print what they like")
        if self.job.get("die"):
            os._exit(3)
        time.sleep(self.job.get("sleep", 0.0))
        self.w += not self.job.get("still", False)
        self.loss *= 0.5
        return steps, self.loss
    def predict(self, X):
        return X[:, :3]
    def weights(self):
        return [self.w.copy()]

serve(Fake, fake="1.0")
"""


@pytest.fixture
def fake(tmp_path):
    """A Spec of the made-up peer."""
    (tmp_path / "fake.py").write_text(FAKE.format(runners=str(peer_host.RUNNERS)))
    return Spec("torch dense", str(tmp_path / "fake"), None, True, 16)


def start(spec, tmp_path):
    return Peer(spec, sys.executable, 2, tmp_path / "logs")


def problem(tmp_path, **options):
    x, y = peers.blobs(tmp_path, n=320)
    return {**peers.NET, "sizes": (64, 40, 10), "density": 0.25, "batch": 32, "x": x, "y": y, "watch": True, **options}


def links_module():
    """The children's module of links; it is no package of ours, so it is loaded by its path."""
    spec = importlib.util.spec_from_file_location("peer_links", peer_host.RUNNERS / "links.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------------ children


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ours", "scikit-learn"])
def test_a_child_trains_and_predicts(name, tmp_path):
    with start(PEERS[name], tmp_path) as peer:
        answer = peer.setup(problem(tmp_path, whole_epochs=True))
        n_weights = 64 * 40 + 40 * 10
        assert answer["links"] == (n_weights if PEERS[name].dense else n_weights // 4)
        assert peer.hello["versions"]["numpy"] == np.__version__
        losses = [peer.ask("train", steps=None) for _ in range(6)]
        assert [one["steps"] for one in losses] == [10] * 6
        assert losses[-1]["loss"] < 0.5 * losses[0]["loss"]
        assert all(one["seconds"] > 0 and one["memory"] > 0 for one in losses)
        assert peer.ask("train", steps=3)["steps"] >= 3
        assert min(peer.ask("moved")["moved"]) > 0.5
        assert peer.ask("infer", samples=17, calls=2)["samples"] == 17


def test_our_runner_evolves_and_drops_in_the_standard_job(tmp_path):
    with start(PEERS["ours"], tmp_path) as peer:
        job = problem(tmp_path, epsilon=5, dropout=0.3, evolve=True, whole_epochs=True)
        expected = 5 * (64 + 40) + min(5 * (40 + 10), 400)
        assert peer.setup(job)["links"] == pytest.approx(expected, rel=0.2)
        assert math.isfinite(peer.ask("train", steps=None)["loss"])


def test_an_error_leaves_the_peer_usable(fake, tmp_path):
    with start(fake, tmp_path) as peer:
        with pytest.raises(PeerError, match="MemoryError: will not fit"):
            peer.setup(problem(tmp_path, refuse=True))
        assert peer.setup(problem(tmp_path))["links"] == 7
        assert peer.ask("train", steps=2)["loss"] == 0.5  # the warming up was the first step


def test_a_dead_peer_is_started_again(fake, tmp_path):
    with start(fake, tmp_path) as peer:
        with pytest.raises(PeerError, match="died with exit code 3"):
            peer.setup(problem(tmp_path, die=True))
        assert peer.child is None
        assert peer.setup(problem(tmp_path))["links"] == 7


def test_a_peer_that_hangs_is_ended(fake, tmp_path):
    with start(fake, tmp_path) as peer:
        peer.start()
        child = peer.child
        with pytest.raises(PeerError, match="no answer after 1 s"):
            peer.setup(problem(tmp_path, sleep=60), timeout=1)
        assert child.poll() is not None


def test_a_dense_net_is_kept_from_density_to_density(fake, tmp_path):
    with start(fake, tmp_path) as peer:
        peer.setup(problem(tmp_path, density=0.1))
        before = peer.ask("train", steps=1)["loss"]
        peer.setup(problem(tmp_path, density=0.5))
        assert peer.ask("train", steps=1)["loss"] < before
        peer.setup(problem(tmp_path, density=0.5, batch=16))
        assert peer.ask("train", steps=1)["loss"] == 0.5


@pytest.mark.parametrize("options, fault", [({}, None), ({"still": True}, "only these shares moved")])
def test_who_does_not_learn_is_not_compared(options, fault, fake, tmp_path, monkeypatch):
    monkeypatch.setitem(PEERS, fake.name, fake)
    monkeypatch.setattr(peers, "NET", {**peers.NET, **options})
    with start(fake, tmp_path) as peer:
        wrong = peers.check({fake.name: peer}, tmp_path)
    assert bool(wrong) == bool(fault)
    assert not fault or fault in wrong[fake.name]


def test_faults_of_training():
    falling = [2.0, 1.0, 0.5]
    assert peers.faults(falling, [1.0, 0.9], [2.001, 1.002, 0.499]) == ""
    assert "loss 2 -> 1.9" in peers.faults([2.0, 1.9], [1.0])
    assert "loss 2 -> nan" in peers.faults([2.0, math.nan], [1.0])
    assert "0.0" in peers.faults(falling, [1.0, 0.0])
    assert "masked PyTorch" in peers.faults(falling, [1.0], [2.0, 1.2, 0.7])


# ------------------------------------------------------------------------------------------------ links


@pytest.mark.parametrize("n_out, n_in, density", [(30, 20, 0.25), (7, 5, 1.0), (10, 1000, 0.001), (50, 40, 0.013)])
def test_links_are_as_many_as_asked_and_differ(n_out, n_in, density):
    indptr, indices = links_module().random_links(n_out, n_in, density, np.random.default_rng(0))
    pairs = {(row, column) for row in range(n_out) for column in indices[indptr[row] : indptr[row + 1]]}
    assert len(pairs) == len(indices) == indptr[-1] == round(density * n_in * n_out)
    assert indices.min(initial=0) >= 0
    assert indices.max(initial=0) < n_in
    assert all((np.diff(indices[a:b]) > 0).all() for a, b in zip(indptr, indptr[1:]))


def test_every_link_is_as_likely_as_any_other():
    module, rng, n = links_module(), np.random.default_rng(1), 4000
    hits = np.zeros((4, 6))
    for _ in range(n):
        indptr, indices = module.random_links(4, 6, 0.25, rng)
        hits[np.repeat(np.arange(4), np.diff(indptr)), indices] += 1
    assert np.abs(hits / n - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / n)


def test_densities_of_a_job():
    module = links_module()
    assert module.densities({"sizes": (784, 1000, 10), "epsilon": 20}) == [20 * 1784 / 784_000, 1.0]
    assert module.densities({"sizes": (5, 6, 7), "density": 0.1, "epsilon": None}) == [0.1, 0.1]


# ------------------------------------------------------------------------------------------------ arithmetic


@pytest.mark.parametrize("at", [0.004, 0.05, 0.3])
def test_break_even_of_power_laws_is_exact(at):
    densities = [0.001, 0.01, 0.1, 0.5]
    found = break_even.break_even(densities, [3.0 * (d / at) ** 0.8 for d in densities], [3.0] * 4)
    assert found.density == pytest.approx(at)
    backwards = break_even.break_even(densities[::-1], [3.0 * (d / at) ** 0.8 for d in densities[::-1]], [3.0] * 4)
    assert backwards == found


@pytest.mark.parametrize(
    "ours, always, words",
    [
        ([1, 2, 3], "ours", "ours is faster at every density measured (0.01 to 0.5)"),
        ([5, 6, 7], "dense", "dense PyTorch wins at every density measured (0.01 to 0.5)"),
        ([5, 2, 3], "dense at the sparsest", "dense PyTorch wins at density 0.01 already, and not everywhere above"),
    ],
)
def test_no_break_even_says_who_wins(ours, always, words):
    found = break_even.break_even([0.01, 0.1, 0.5], ours, [4, 4, 4])
    assert (found.density, found.always) == (None, always)
    assert break_even.sentence("here", found) == f"here: {words}"


def test_break_even_is_the_first_crossing():
    found = break_even.break_even([0.01, 0.1, 0.2, 0.5], [1, 8, 2, 8], [4, 4, 4, 4])
    assert found.density == pytest.approx(10 ** -(2 - 2 / 3))
    assert "ours is faster below density 0.0464, dense PyTorch wins above" in break_even.sentence("", found)


@pytest.mark.parametrize("columns", [([], [], []), ([0.1], [0.0], [1.0])])
def test_break_even_refuses_what_has_no_logarithm(columns):
    with pytest.raises(ValueError, match="must be one or more numbers above 0"):
        break_even.break_even(*columns)


def clock(seconds, log, name, fails_at=None):
    """A call that pretends to take `seconds` each and notes how often it was asked."""

    def call(count):
        log.append((name, count))
        if fails_at is not None and len([1 for n, _ in log if n == name]) > fails_at:
            raise PeerError("gone")
        return seconds * count, count, {"memory": 5, "loss": 1.0}

    return call


def test_measuring_takes_turns_and_spares_the_dear():
    log = []
    calls = {
        name: clock(s, log, name, fails_at)
        for name, s, fails_at in (("cheap", 0.01, None), ("dear", 1.0, None), ("dearest", 5.0, None), ("frail", 0.01, 2))
    }
    found = peer_measure.measure(calls, rounds=5, sample=0.1, rest=0)
    assert log[:8] == [
        ("cheap", 1),
        ("dear", 1),
        ("dearest", 1),
        ("frail", 1),
        ("cheap", 10),
        ("dear", 1),
        ("frail", 10),
        ("cheap", 10),
    ]
    assert {name: r["rounds"] for name, r in found.items() if name != "frail"} == {"cheap": 5, "dear": 3, "dearest": 1}
    assert [found[name]["seconds"] for name in ("cheap", "dear", "dearest")] == pytest.approx([0.01, 1.0, 5.0])
    assert found["dearest"]["note"] == "one try"
    again = {name: calls[name] for name in ("cheap", "dear")}
    found |= {f"{k} once": v for k, v in peer_measure.measure(again, rounds=5, sample=0, rest=0, once=["cheap", "dear"]).items()}
    assert {name: found[name]["rounds"] for name in ("cheap once", "dear once")} == {"cheap once": 5, "dear once": 1}
    assert found["frail"] == "gone"
    rows = {row["peer"]: row for row in peer_measure.rows_of("train", found, {})}
    assert rows["frail"]["seconds"] is None
    assert rows["frail"]["note"] == "gone"


def test_the_median_is_of_the_rounds_not_of_the_first_try():
    times = iter([0.5, 0.1, 0.3, 0.2])
    found = peer_measure.measure({"x": lambda count: (next(times), 1, {})}, rounds=3, sample=0, rest=0)
    assert (found["x"]["seconds"], found["x"]["min"], found["x"]["max"]) == (0.2, 0.1, 0.3)


@pytest.mark.parametrize("n_links, building, why", [(2000, 1.0, ""), (50_000, 1.0, "5 s a step"), (20_000, 4.0, "80 s to build")])
def test_too_long_settings_are_left_out_with_the_reason(n_links, building, why):
    found = peer_measure.too_much({"links": 1000, "seconds": 0.1, "building": building}, n_links, longest=3.0)
    assert (why in found) if why else found == ""
    assert peer_measure.too_much(None, n_links, 3.0) == ""


def test_too_large_settings_are_left_out_with_the_reason():
    dense, ours = PEERS["torch dense"], PEERS["ours"]
    assert peer_measure.no_room(dense, 2**30, 2**20, free=2**32) == "left out: needs about 16 GiB, 4 GiB can be had"
    assert peer_measure.no_room(ours, 2**30, 2**20, free=2**32) == ""
    assert "GiB" in peer_measure.no_room(ours, 2**30, 2**29, free=2**32)


def sweep_run(rows):
    """A Run that only knows rows and peers, to ask what would be timed."""
    names = ("ours", "torch dense", "torch masked", "torch CSR")
    peer = SimpleNamespace(drop=lambda: None)
    return SimpleNamespace(peers=dict.fromkeys(names, peer), scale=SimpleNamespace(beyond=(1.0,)), rows=rows)


def timed(peer, density, seconds, batch=128, building=1.0):
    return {"peer": peer, "density": density, "seconds": seconds, "batch": batch, "links": 1000 * density, "building": building}


def test_what_a_setting_times():
    rows = [
        timed("ours", 0.1, 0.1),
        timed("torch dense", 0.1, 0.4),
        timed("torch masked", 0.1, 0.5),
        timed("torch CSR", 0.1, 1.0),
    ]
    run = sweep_run(rows)
    assert [*peers.chosen_peers(run, [], 128, 0.1, 100)[0]] == [*run.peers]
    chosen, left_out = peers.chosen_peers(run, rows, 128, 0.5, 500)
    assert [*chosen] == ["ours", "torch dense"]
    assert left_out == {"torch CSR": "left out: about 5 s a step"}
    assert [*peers.chosen_peers(run, rows, 128, 0.2, 200)[0]] == ["ours", "torch dense", "torch CSR"]
    # another batch: all again, but for a dense net that took too long to build
    slow = [*rows, timed("torch masked", 0.1, 0.5, building=100.0)]
    chosen, left_out = peers.chosen_peers(run, slow, 32, 0.1, 100)
    assert [*chosen] == ["ours", "torch dense", "torch CSR"]
    assert "took 100 s to build" in left_out["torch masked"]


def test_beyond_is_tried_while_ours_wins():
    rows = [timed("ours", 0.5, 0.3), timed("torch dense", 0.5, 0.4)]
    run = sweep_run(rows)
    assert [*peers.chosen_peers(run, rows, 128, 1.0, 1000)[0]] == ["ours", "torch dense"]
    rows[0]["seconds"] = 0.5
    assert peers.chosen_peers(run, rows, 128, 1.0, 1000) == ({}, {})


def test_a_diverged_peer_has_no_time():
    peer = SimpleNamespace(ask=lambda *a, **k: {"seconds": 1.0, "steps": 1, "loss": math.nan})
    with pytest.raises(PeerError, match="not finite"):
        peer_measure.trainer(peer)(1)


def test_some_steps_are_scaled_to_an_epoch():
    peer = SimpleNamespace(ask=lambda op, steps, timeout: {"seconds": 3.0, "steps": steps, "loss": 1.0})
    assert peer_measure.trainer(peer, 20, scale=469)(1)[:2] == (pytest.approx(3.0 * 469 / 20), 1)


# ------------------------------------------------------------------------------------------------ environments


def test_pips_reason_has_no_address():
    text = "Looking in indexes: https://a.b/simple\nERROR: could not fetch https://a.b/simple/x: gone\nhint: try again"
    assert peer_environments.reason(text) == "ERROR: could not fetch … gone"
    assert peer_environments.reason("") == "pip failed and said nothing"


def test_who_cannot_be_installed_is_named(tmp_path, monkeypatch):
    def run(command, folder):
        raise peer_environments.NotInstallable("ERROR: no compiler")

    monkeypatch.setattr(peer_environments, "run", run)
    found, missing = peer_host.gather(["ours", "SparseProp"], tmp_path, 2, say=lambda text: None)
    assert list(found) == ["ours"]
    assert missing == {"SparseProp": "not installable: ERROR: no compiler"}
    rows = [peers.presence(name, found.get(name), missing.get(name, ""), 2, 0.0) for name in ("ours", "SparseProp")]
    assert "NO, not installable: ERROR: no compiler" in peer_report.report(rows)


def test_an_environment_is_made_once(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(peer_environments, "run", lambda command, folder: commands.append(command))
    first = peer_environments.interpreter("sparseprop", tmp_path)
    assert len(commands) == 3  # venv, what the build needs, the library
    assert peer_environments.interpreter("sparseprop", tmp_path) == first
    assert len(commands) == 3


# ------------------------------------------------------------------------------------------------ report and command


def sweep_row(peer, density, seconds, kind="train", note=""):
    row = {"what": "sweep", "kind": kind, "width": 1000, "batch": 128, "density": density, "peer": peer, "seconds": seconds}
    return {**row, "note": note, "links": 5, "leaves_out": []}


def test_the_table_says_where_dense_wins():
    rows = [sweep_row("ours", 0.01, 0.001), sweep_row("torch dense", 0.01, 0.004), sweep_row("torch masked", 0.01, 0.005)]
    rows += [
        sweep_row("ours", 0.5, 0.008),
        sweep_row("torch dense", 0.5, 0.004),
        sweep_row("torch CSR", 0.5, None, note="left out"),
    ]
    text = peer_report.report(rows)
    lines = [line for line in text.splitlines() if line.strip().startswith("1,000")]
    assert "DENSE WINS" not in lines[0]
    assert "DENSE WINS" in lines[1]
    assert "1.00*" in lines[0]
    assert "(5.00)" in lines[1]
    assert "Dense PyTorch wins in 1 of 2 settings." in text
    assert "torch CSR, width 1,000, batch 128, density 0.5: left out" in text
    where = break_even.break_even([0.01, 0.5], [1, 8], [4, 4]).density
    assert f"ours is faster below density {where:.3g}, dense PyTorch wins above" in text


def test_a_faster_peer_is_named():
    fields = {"what": "standard", "kind": "epoch", "min": 1.0, "max": 1.0, "rounds": 3, "links": 5, "memory": 2**20, "note": ""}
    rows = [{**fields, "peer": "ours", "seconds": 2.0, "leaves_out": []}]
    rows += [{**fields, "peer": "SparseProp", "seconds": 1.0, "leaves_out": ["dropout"]}]
    assert "FASTER THAN OURS here: SparseProp" in peer_report.report(rows)


def test_a_busy_machine_is_said():
    assert "OTHER PROGRAMS WERE RUNNING" in peer_report.report([peers.presence("ours", None, "", 2, 1.7)])
    assert "OTHER PROGRAMS" not in peer_report.report([peers.presence("ours", None, "", 2, 0.1)])


def test_a_cut_off_line_is_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"b": ')
    assert peers.read(path) == [{"a": 1}]
    assert peers.read(tmp_path / "none.jsonl") == []


@pytest.mark.slow
def test_the_command_from_start_to_figure_and_again(fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PEERS, fake.name, fake)
    monkeypatch.setattr(peers, "SIZES", (784, 30, 10))
    tiny = SimpleNamespace(
        name="tiny", widths=(20,), batches=(64,), densities=(0.1, 0.5), beyond=(1.0,), sample=0.001, rounds=2, steps=2
    )  # fmt: skip
    monkeypatch.setattr(peers, "QUICK", tiny)
    out, figure = tmp_path / "rows.jsonl", tmp_path / "images" / "figure.png"
    command = ["--quick", "--peers", "ours", "torch dense", "--data", "fashion_mnist_small", "--venvs", str(tmp_path)]
    command += ["--out", str(out), "--figure", str(figure)]
    peers.main([*command, "--minutes", "0"])
    assert "6 settings are left" in capsys.readouterr().out
    peers.main(command)
    rows = peers.read(out)
    timed = [(r["what"], r["kind"], r["peer"]) for r in rows if r.get("seconds")]
    assert {("standard", "epoch", "ours"), ("inference", "infer", "torch dense"), ("sweep", "train", "ours")} <= set(timed)
    assert {r["machine"]["cores"] for r in rows} == {rows[0]["machine"]["cores"]}
    assert figure.stat().st_size > 10_000
    text = capsys.readouterr().out
    assert "Standard job, one epoch" in text
    assert "2 steps scaled up to 40" in text
    peers.main(command)
    again = peers.read(out)
    assert [r for r in again[len(rows) :] if r["what"] != "peer"] == []
    assert json.loads(out.read_text().splitlines()[0])["benchmark"] == "peers"
