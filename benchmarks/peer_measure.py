"""How often a peer is timed, and what is left out because it would take too long or does not fit: the arithmetic of a run."""

import math
import time

import numpy as np

from benchmarks.peer_host import PeerError

REST = 0.05  # seconds between two peers: until the threads of the one before have gone to sleep
CHEAP, DEAR = 0.6, 3.0  # seconds of one call: up to CHEAP all rounds, up to DEAR three, beyond it one
LONGEST = {"ours": 15.0, "others": 3.0}  # seconds of a step that are waited for; "others" are not in the break-even
LONGEST_BUILD = 60.0  # seconds

EMPTY = {"seconds": None, "min": None, "max": None, "rounds": 0, "memory": None, "loss": None}


def measure(calls, *, rounds, sample, cheap=CHEAP, dear=DEAR, rest=REST, once=()):
    """{name: result} of `calls`, {name: function(count) -> (seconds, count really done, answer)}, timed in turn.

    Each is tried with a count of one; then, round after round, with a count that fills about `sample` seconds. One that
    takes up to `cheap` seconds has `rounds` rounds, up to `dear` three with the first try, beyond that the first try alone;
    names in `once` have the first try alone unless they are cheap. A result is a dict with the seconds of one (median, min,
    max over the rounds), or the text of a failure.
    """
    seconds, counts, answers, failures = {}, {}, {}, {}

    def call(name, count):
        time.sleep(rest)
        try:
            spent, done, answers[name] = calls[name](count)
            seconds.setdefault(name, []).append(spent / done)
        except PeerError as error:
            failures[name] = str(error)

    for name in calls:
        call(name, 1)
        counts[name] = max(1, math.ceil(sample / max(seconds.get(name, [1])[0], 1e-9)))
    for i in range(rounds):
        for name in calls:
            if name in failures:
                continue
            first = seconds[name][0]
            if first <= cheap or (first <= dear and i < 2 and name not in once):
                call(name, counts[name])
    return {
        name: failures[name] if name in failures else summary(seconds[name], answers[name], with_first=seconds[name][0] > cheap)
        for name in calls
    }


def summary(seconds, answer, with_first):
    """Median, least and most of the rounds. The first try of a cheap call is left out: caches may have been cold."""
    timed = seconds if with_first or len(seconds) == 1 else seconds[1:]
    return {
        "seconds": float(np.median(timed)), "min": min(timed), "max": max(timed), "rounds": len(timed),
        "memory": answer.get("memory"), "loss": answer.get("loss"), "note": "one try" if len(timed) == 1 else "",
    }  # fmt: skip


def trainer(peer, steps=None, scale=1.0, timeout=300):
    """A call for `measure`: `count` steps; or, with `steps` given, that many, counted as one call of `scale` times as long.

    steps = "epoch" is a whole epoch.
    """

    def call(count):
        asked = count if steps is None else None if steps == "epoch" else steps
        answer = peer.ask("train", steps=asked, timeout=timeout)
        if not math.isfinite(answer["loss"]):
            raise PeerError("its loss is not finite")
        if steps is None:
            return answer["seconds"], answer["steps"], answer
        return answer["seconds"] * (1.0 if steps == "epoch" else scale / answer["steps"]), 1, answer

    return call


def reader(peer, samples):
    """A call for `measure`: the outputs for `samples` samples, `count` times."""

    def call(count):
        answer = peer.ask("infer", samples=samples, calls=count)
        return answer["seconds"], answer["calls"], answer

    return call


def rows_of(kind, results, built):
    """A row for each result; a failure has no seconds and says why. built: {peer: answer to its setup}."""
    for name, result in results.items():
        more = built.get(name, {})
        facts = {"links": more.get("links"), "leaves_out": more.get("leaves_out", []), "memory_setup": more.get("memory")}
        facts["building"] = more["seconds"] + more["warm"]["seconds"] if more else None
        yield {"kind": kind, "peer": name, **facts, **({**EMPTY, "note": result} if isinstance(result, str) else result)}


def too_much(before, n_links, longest):
    """Why a setting of n_links is left out, judged by `before`, a row of the same net with fewer links; or an empty text.

    Time is taken to grow with the links. longest: seconds of a step.
    """
    if not before:
        return ""
    more = n_links / max(before["links"], 1)
    step, building = before["seconds"] * more, before["building"] * more
    if step > longest:
        return f"left out: about {step:.2g} s a step"
    if building > LONGEST_BUILD:
        return f"left out: about {building:.2g} s to build"
    return ""


def no_room(spec, n_weights, n_links, free):
    """Why a net does not fit into `free` bytes, or an empty text."""
    need = spec.bytes_each * (n_weights if spec.dense else n_links)
    return f"left out: needs about {need / 2**30:.2g} GiB, {free / 2**30:.2g} GiB can be had" if need > free else ""
