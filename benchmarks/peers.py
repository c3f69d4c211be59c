"""Our training beside six other libraries that train the same net on this machine, in turn, each in its own environment.

`python -m benchmarks.peers [--quick] [--only standard sweep inference] [--out FILE] [--figure PNG] [--minutes 25]`

Each peer is a child process in its own virtual environment (created once, in --venvs); one works while the others wait. All
train the same widths, links, mini-batches, momentum SGD and softmax cross-entropy on FashionMNIST, each on all cores.

- standard: one epoch of 784-1000-1000-1000-10, ε = 20, batch 128; ours with dropout 0.3 and SET, dense and masked with dropout.
- inference: that net, one sample and 10,000 samples a call.
- sweep: a step of 784-n-n-n-10 without dropout, widths, densities and batches; the break-even density with dense PyTorch.

Rows are kept as they come; settings that have a row are not run again, so that a run that was stopped continues.
"""

import argparse
import json
import math
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
from tqdm import tqdm

import sparselab as sl
from benchmarks import break_even
from benchmarks.kept import append, file_of, read
from benchmarks.peer_host import PEERS, PeerError, gather
from benchmarks.peer_measure import LONGEST, LONGEST_BUILD, measure, no_room, reader, rows_of, too_much, trainer
from benchmarks.peer_report import latest, report
from sparselab.utils.resources import cores

ROOT = Path(__file__).parents[1]
SIZES, BATCH, MANY = (784, 1000, 1000, 1000, 10), 128, 10_000
NET = {"epsilon": None, "dropout": 0.0, "evolve": False, "whole_epochs": False, "rate": 0.01, "momentum": 0.9, "seed": 0}

# beyond: densities tried with ours and dense PyTorch alone, while ours still wins; sample: seconds of a round of cheap steps;
# steps: of the standard job, scaled up to an epoch; None for whole epochs
FULL = SimpleNamespace(
    name="full", widths=(1000, 3000, 10000), batches=(128, 32, 512), densities=(0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5),
    beyond=(0.75, 1.0), sample=0.15, rounds=5, steps=None,
)  # fmt: skip
QUICK = SimpleNamespace(
    name="quick", widths=(300, 1000), batches=(128,), densities=(0.01, 0.1, 0.5), beyond=(1.0,), sample=0.05, rounds=3, steps=20
)


class Run:
    """One run of the command: its peers, the rows so far, the time left."""

    def __init__(self, peers, scale, data, out, minutes, bar):
        self.peers, self.scale, self.data, self.out, self.bar = peers, scale, data, out, bar
        self.until, self.left = time.monotonic() + 60 * minutes, 0
        self.rows = read(out)
        self.done = {row["block"] for row in self.rows}

    def add(self, rows):
        append(self.out, "peers", rows)
        self.rows += rows

    def block(self, work, **settings):
        """Keep the rows of `work()`, unless they exist or the time is over; all rows of a block are written together."""
        key = json.dumps({**settings, "scale": self.scale.name, "data": self.data["name"], "peers": sorted(self.peers)})
        self.bar.set_postfix_str(" ".join(f"{k} {v}" for k, v in settings.items()))
        if key not in self.done and time.monotonic() > self.until:
            self.left += 1
        elif key not in self.done:
            self.add([{"block": key, **settings, **row} for row in work()])
            self.done.add(key)
        self.bar.update()

    def job(self, **options):
        return {**NET, "x": self.data["x"], "y": self.data["y"], **options}


def build(peers, job):
    """({name: setup's answer}, {name: why not}) of the job's net in all of `peers`."""
    built, failed = {}, {}
    for name, peer in peers.items():
        try:
            why = no_room(PEERS[name], *count(job), free=0.7 * psutil.virtual_memory().available)
            if why and not (PEERS[name].dense and peer.holds):  # what is there already has room
                raise PeerError(why)
            built[name] = peer.setup(job)
        except PeerError as error:
            failed[name] = str(error)
    return built, failed


def count(job):
    """(weights of the dense net, links of the sparse one); a job by ε is small enough to count as dense."""
    n_weights = sum(a * b for a, b in zip(job["sizes"], job["sizes"][1:]))
    return n_weights, n_weights * job.get("density", 1.0)


# ----------------------------------------------------------------------------------------------- who is compared


def check(peers, folder):
    """{name: what is wrong} of peers that do not learn a small problem: they are not compared.

    The loss must fall, the weights of each layer must move, and peers that start from the same links and values (masked
    PyTorch, CSR, SparseProp, PyPI's) must have the same losses, so a peer without the right gradients is found.
    """
    x, y = blobs(folder)
    job = {**NET, "sizes": (64, 100, 100, 10), "density": 0.2, "batch": 32, "x": x, "y": y, "watch": True}
    losses, wrong = {}, {}
    for name, peer in peers.items():
        try:
            peer.setup(job)
            losses[name] = [peer.ask("train", steps=31)["loss"] for _ in range(8)]
            same_start = PEERS[name].environment is not None and name != "torch dense"
            fault = faults(losses[name], peer.ask("moved")["moved"], losses.get("torch masked") if same_start else None)
            peer.drop()
        except PeerError as error:
            fault = str(error)
        if fault:
            wrong[name] = fault
            peer.close()
    return wrong


def faults(losses, moved, reference=None):
    """What is wrong with a peer's training, or an empty text. moved: share of each layer's weights that changed."""
    if not losses[-1] < 0.5 * losses[0]:
        return f"does not train: loss {losses[0]:.3g} -> {losses[-1]:.3g}"
    if min(moved) < 0.5:
        return f"does not train: of the layers' weights only these shares moved: {moved}"
    if reference and not np.allclose(losses, reference, rtol=0.02, atol=0.005):
        return "does not train as it should: its losses are not those of masked PyTorch from the same start"
    return ""


def blobs(folder, n=1000, seed=0):
    """Paths of a small problem: ten clouds in 64 dimensions."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, n)
    X = (rng.standard_normal((10, 64))[y] + 0.5 * rng.standard_normal((n, 64))).astype(np.float32)
    return store(folder, "blobs", X, y)


# ----------------------------------------------------------------------------------------------- the three parts


def standard(run):
    """Whole epochs of the standard job, in turn; in the quick version some steps, scaled up to an epoch."""
    steps, in_an_epoch = run.scale.steps, math.ceil(run.data["samples"] / BATCH)

    def work():
        built, results, calls = {}, {}, {}
        for name, peer in run.peers.items():
            dropout = 0.3 if name in ("ours", "torch dense", "torch masked") else 0.0
            job = run.job(sizes=SIZES, epsilon=20, batch=BATCH, dropout=dropout, evolve=name == "ours", whole_epochs=not steps)
            one, failed = build({name: peer}, job)
            built.update(one)
            results.update(failed)
            calls[name] = trainer(peer, steps or "epoch", scale=in_an_epoch, timeout=900)
        calls = {name: calls[name] for name in built}
        # an epoch is long enough to be a round; three of those above 8 s
        results.update(measure(calls, rounds=run.scale.rounds, sample=0, cheap=8, dear=600))
        for row in rows_of("epoch", results, built):
            scaled = f"{steps} steps scaled up to {in_an_epoch}" if steps and row["seconds"] else ""
            yield {**row, "note": "; ".join(filter(None, [row["note"], scaled]))}

    run.block(work, what="standard")


def inference(run):
    """The standard net's outputs for one sample and for many."""
    peers = {name: peer for name, peer in run.peers.items() if name != "torch masked"}

    def work(samples):
        built, failed = build(peers, run.job(sizes=SIZES, epsilon=20, batch=BATCH))
        calls = {name: reader(peers[name], samples) for name in built}
        results = measure(calls, rounds=run.scale.rounds + 2, sample=run.scale.sample)
        return [{**row, "leaves_out": []} for row in rows_of("infer", {**results, **failed}, built)]

    for samples in (1, min(MANY, run.data["samples"])):
        run.block(lambda n=samples: work(n), what="inference", samples=samples)


def sweep(run):
    """A training step and the outputs of one mini-batch, for batches, widths and densities (ascending)."""
    for batch in run.scale.batches:
        for width in run.scale.widths:
            for density in (*run.scale.densities, *run.scale.beyond):
                setting = {"width": width, "batch": batch, "density": density}
                run.block(lambda s=setting: setting_rows(run, **s), what="sweep", **setting)
            for peer in run.peers.values():
                peer.drop()


def setting_rows(run, width, batch, density):
    """Rows of one setting of the sweep."""
    job = run.job(sizes=(784, width, width, width, 10), density=density, batch=batch)
    alike = [r for r in run.rows if r["what"] == "sweep" and (r["width"], r["kind"]) == (width, "train")]
    peers, results = chosen_peers(run, alike, batch, density, count(job)[1])
    dense_known = any(r["peer"] == "torch dense" and r["batch"] == batch for r in alike)
    built, failed = build(peers, job)
    results.update(failed)
    calls, once = {n: trainer(peers[n]) for n in built}, ["torch dense"] if dense_known else []
    results.update(measure(calls, rounds=run.scale.rounds, sample=run.scale.sample, once=once))
    both = {n: reader(peers[n], batch) for n in ("ours", "torch dense") if isinstance(results.get(n), dict)}
    read = measure(both, rounds=run.scale.rounds, sample=run.scale.sample)
    for name in set(built) - {"torch dense"}:
        if PEERS[name].dense:
            peers[name].drop()
    return [*rows_of("train", results, built), *rows_of("infer", read, built)]


def chosen_peers(run, alike, batch, density, n_links):
    """({name: peer} to be timed, {name: why not}) for a setting, judged by `alike`, the rows of the same width so far."""
    here = {name: [r for r in alike if r["peer"] == name and r["batch"] == batch] for name in run.peers}
    timed = {name: [r for r in rows if r["seconds"]] for name, rows in here.items()}
    beyond = density in run.scale.beyond
    if beyond and not still_ahead(timed):
        return {}, {}
    chosen, left_out = {}, {}
    for name, peer in run.peers.items():
        always, dense = name in ("ours", "torch dense"), PEERS[name].dense
        if not always and (beyond or (dense and here[name])):
            continue  # what does not depend on the density is timed once
        if dense:
            why = "" if always else slow_to_build([r for r in alike if r["peer"] == name])
        else:
            nearest = max(timed[name], key=lambda r: r["density"], default=None)
            why = too_much(nearest, n_links, LONGEST["ours" if always else "others"])
        if why:
            left_out[name] = why
            peer.drop()
        else:
            chosen[name] = peer
    return chosen, left_out


def slow_to_build(rows):
    """Why a dense net that took long to build for another batch size is not built again, or an empty text."""
    longest = max((r["building"] for r in rows if r["seconds"]), default=0.0)
    return f"left out: took {longest:.0f} s to build for another batch" if longest > LONGEST_BUILD / 3 else ""


def still_ahead(timed):
    """Whether ours won at the highest density at which both were timed."""
    ours = {r["density"]: r["seconds"] for r in timed.get("ours", [])}
    dense = {r["density"]: r["seconds"] for r in timed.get("torch dense", [])}
    common = ours.keys() & dense.keys()
    return bool(common) and ours[max(common)] < dense[max(common)]


PARTS = {"standard": standard, "inference": inference, "sweep": sweep}

# ----------------------------------------------------------------------------------------------- the command


def store(folder, name, X, y):
    """Paths of X and y saved for the peers."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}_x.npy", folder / f"{name}_y.npy"
    np.save(paths[0], np.ascontiguousarray(X, np.float32))
    np.save(paths[1], np.asarray(y, np.int64))
    return tuple(str(path.resolve()) for path in paths)


def fetch(name, folder):
    """The training data, saved for the peers: name, number of samples, paths."""
    data = sl.datasets.load(name)
    x, y = store(folder, name, data.X_train, data.y_train)
    return {"name": name, "samples": len(data.y_train), "x": x, "y": y}


def arguments(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about two minutes: few widths and densities, scaled epochs")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run (default: all)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="peers to run (default: all)")
    parser.add_argument("--venvs", type=Path, default=ROOT / "out" / "peers", help="folder of the environments and logs")
    parser.add_argument("--out", type=Path, help="results (default: the kept file, with --quick quick.jsonl in --venvs)")
    parser.add_argument("--figure", type=Path, help="save the figure of the break-even density here (PNG)")
    parser.add_argument("--minutes", type=float, default=25, help="start no setting after so many minutes (default 25)")
    parser.add_argument("--data", default="fashion_mnist", help="a dataset with 784 features and 10 classes")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables and figure of the rows in --out")
    chosen = parser.parse_args(argv)
    chosen.out = chosen.out or (chosen.venvs / "quick.jsonl" if chosen.quick else file_of("peers"))
    return chosen


def main(argv=None):
    chosen = arguments(argv)
    left = 0 if chosen.report else measure_all(chosen)
    rows = latest(read(chosen.out))
    print(report(rows))
    if left:
        print(f"\n{left} settings are left: {chosen.minutes:g} minutes were over. The same command continues with them.")
    if chosen.figure and break_even.draw([row for row in rows if row["what"] == "sweep"], chosen.figure):
        print(f"\nfigure: {chosen.figure}")


def measure_all(chosen):
    """Run what was chosen; returns the number of settings for which there was not enough time."""
    scale, threads, load = QUICK if chosen.quick else FULL, cores(), psutil.getloadavg()[0]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    peers, absent = gather(chosen.peers, chosen.venvs, threads, tqdm.write)
    n_settings = len(scale.widths) * len(scale.batches) * (len(scale.densities) + len(scale.beyond))
    total = sum({"standard": 1, "inference": 2, "sweep": n_settings}[part] for part in chosen.only)
    try:
        with tqdm(total=total, desc="peers", dynamic_ncols=True) as bar:
            bar.set_postfix_str("does each of them learn?")
            absent.update(check(peers, chosen.venvs / "data"))
            fit = {name: peer for name, peer in peers.items() if name not in absent}
            run = Run(fit, scale, fetch(chosen.data, chosen.venvs / "data"), chosen.out, chosen.minutes, bar)
            run.add([presence(name, peers.get(name), absent.get(name, ""), threads, load) for name in chosen.peers])
            for part in chosen.only:
                PARTS[part](run)
    finally:
        for peer in peers.values():
            peer.close()
    return run.left


def presence(name, peer, why_not, threads, load):
    """The row that says which versions a peer has, or why it is not compared."""
    hello = peer.hello if peer else {}
    return {
        "block": "peer", "what": "peer", "peer": name, "versions": hello.get("versions", {}), "threads": threads, "load": load,
        "memory": hello.get("memory"), "note": why_not,
    }  # fmt: skip


if __name__ == "__main__":
    main()
