"""Ctrl-C at random times: is training back at once, is the model usable, and is nothing lost or counted twice?

A process sends SIGINT to itself while it trains, goes on with the same TrainingState after each interrupt, and in the end must
have the weights, the optimizer's state and the history of a run that was never interrupted, bit for bit.
"""

import json
from collections import namedtuple
from functools import partial

import pytest

from stress.processes import last_line

WITHIN = 1.0  # seconds

# about 10^6 links where the figures are promised; tiny nets, in which most of the time is Python's, where it is hardest
CASES = {
    "fused": {"sizes": (784, 4000, 4000, 10), "epsilon": 80, "n": 2000, "epochs": 6, "threads": 2, "gap": 0.5},
    "fused, 1 thread, by steps": {
        "sizes": (784, 4000, 4000, 10), "epsilon": 80, "n": 1000, "epochs": 6, "threads": 1, "gap": 0.5, "pace": 0.0,
    },
    "float64": {
        "sizes": (784, 4000, 4000, 10), "epsilon": 80, "n": 300, "epochs": 3, "threads": 2, "gap": 0.5, "dtype": "float64",
    },
    "tanh, 1 thread": {
        "sizes": (784, 4000, 4000, 10), "epsilon": 80, "n": 300, "epochs": 3, "threads": 1, "gap": 0.5, "activation": "tanh",
    },
    "tiny": {"sizes": (20, 30, 30, 4), "epsilon": 5, "n": 700, "epochs": 100, "threads": 2, "gap": 0.02, "pace": 0.0},
    "tiny, float64": {
        "sizes": (20, 30, 30, 4), "epsilon": 5, "n": 300, "epochs": 100, "threads": 1, "gap": 0.02, "pace": 0.0,
        "dtype": "float64",
    },
    "tiny, mostly evolution": {
        "sizes": (20, 300, 300, 4), "epsilon": 20, "n": 64, "epochs": 100, "threads": 1, "gap": 0.02, "rules": 3,
    },
}  # fmt: skip
SMALL = ("tiny", "tiny, float64", "tiny, mostly evolution")

Found = namedtuple("Found", "n good slowest median where")  # interrupts, of good runs; seconds; {phase: interrupts}

SIGNAL = """
import hashlib, json, os, signal, sys, threading, time, traceback
import numpy as np, sparselab as sl

lock = threading.Lock()


class Signal:
    "SIGINT to this process after some seconds, unless what it is to interrupt has ended before."
    def __init__(self, seconds):
        self.sent, self.armed = None, True
        self.timer = threading.Timer(seconds, self.send)

    def start(self):
        self.timer.start()

    def send(self):
        with lock:
            if self.armed:
                self.sent = time.perf_counter()
                os.kill(os.getpid(), signal.SIGINT)

    def end(self):
        self.armed = False
        self.timer.cancel()
        if self.timer.ident:
            self.timer.join()
"""

CHILD = (
    SIGNAL
    + """
case, wanted = json.loads(sys.argv[1]), int(sys.argv[2])


def make(sizes, n, seed, epsilon, activation="all_relu", dtype="float32", **_):
    random = np.random.default_rng(0)
    X = random.standard_normal((n + 100, sizes[0])).astype(dtype)
    y = np.arange(n + 100) % sizes[-1]
    data = sl.datasets.Dataset(X[:n], y[:n], X[n:], y[n:], classes=np.arange(sizes[-1]))
    model = sl.SparseMLP.create(sizes, epsilon=epsilon, dropout=0.2, activation=activation, dtype=dtype, seed=seed)
    return model, data, sl.TrainingState.start(model, sl.MomentumSGD(0.01), seed)


def pull(model, data, state, records, epochs, threads, pace=0.1, rules=1, **_):
    options = {"rules": [sl.SET(0.3)] * rules, "state": state, "threads": threads, "batch_size": 64}
    options["epochs"] = epochs - state.epoch
    if pace == 0.1:
        for record in sl.train(model, data, **options):
            records.append(record)
    else:
        for record in sl.steps(model, data, pace=pace, **options):
            if record.__class__ is sl.EpochRecord:
                records.append(record)


def hash_of(model, state):
    found = hashlib.sha256()
    for layer, s in zip(model.layers, state.optimizer):
        t = layer.topology
        for array in (t.indptr, t.indices, layer.w, layer.b, *s.links, *s.neurons):
            found.update(array.tobytes())
    return found.hexdigest()


def check(model, data):
    for layer in model.layers:
        layer.check()
        layer.topology.validate()
        assert np.isfinite(layer.w).all() and np.isfinite(layer.b).all()
    assert np.isfinite(sl.predict(model, data.X_test[:10])).all()


def place(error):
    "Which function of ours was interrupted, innermost."
    names = [f.name for f in traceback.extract_tb(error.__traceback__) if "sparselab" in f.filename]
    return next((n for n in reversed(names) if n not in ("__exit__", "let_through")), "outside")


def interrupted(seed, random):
    "(latencies, places, good) of one run with an interrupt every now and then."
    model, data, state = make(seed=seed, **case)
    records, waited, places = [], [], []
    while True:
        signal_ = Signal(random.uniform(0, 2 * case["gap"]))
        try:
            signal_.start()
            try:
                pull(model, data, state, records, **case)
                with lock:
                    signal_.armed = False
                over = True
            except KeyboardInterrupt as error:
                waited.append(time.perf_counter() - signal_.sent)
                places.append(place(error))
                over = False
        except KeyboardInterrupt:
            over = False  # it came between training and here
        signal_.end()
        check(model, data)
        if over:
            break
    again, data, position = make(seed=seed, **case)
    whole = []
    pull(again, data, position, whole, **case)
    good = hash_of(model, state) == hash_of(again, position) and records == whole and len(whole) == case["epochs"]
    if not good:
        print(len(records), len(whole), hash_of(model, state) == hash_of(again, position),
              [r.epoch for r in records][-5:], [a.epoch for a, b in zip(records, whole) if a != b][:3], file=sys.stderr)
    return waited, places, good


random = np.random.default_rng(int(sys.argv[3]))
warm = make(seed=1, **case)
pull(*warm, [], **case | {"epochs": 2})
found = {"waited": [], "places": [], "good": 0}
seed = 0
while len(found["waited"]) < wanted:
    waited, places, good = interrupted(seed, random)
    found["waited"] += waited
    found["places"] += places
    found["good"] += good * len(waited)
    seed += 1
    print(json.dumps(found), flush=True)
"""
)

FIT = (
    SIGNAL
    + """
sizes, wanted, gap = json.loads(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
random, waited, good = np.random.default_rng(0), [], 0
X, y = random.standard_normal((2000, 200), np.float32), np.arange(2000) % 10
settings = {"hidden_layer_sizes": sizes, "epsilon": 120, "random_state": 0, "batch_size": 64}
sl.SparseMLPClassifier(epochs=2, **settings).fit(X, y)
while len(waited) < wanted:
    classifier = sl.SparseMLPClassifier(epochs=10**6, **settings)
    once = Signal(random.uniform(0.2, 0.2 + 2 * gap))
    try:
        once.start()
        classifier.fit(X, y)
    except KeyboardInterrupt:
        waited.append(time.perf_counter() - once.sent)
    once.end()
    if not hasattr(classifier, "n_iter_"):
        good += not hasattr(classifier, "classes_")  # in the first epoch: not fitted
        continue
    finite = all(np.isfinite(layer.w).all() for layer in classifier.model_.layers)
    answers = classifier.predict(X[:50])
    good += bool(finite and classifier.n_iter_ == len(classifier.history_) and set(answers) <= set(range(10)))
print(json.dumps({"waited": waited, "good": good}))
"""
)

STOP = """
import json, sys, time
import numpy as np, sparselab as sl
from sparselab.widgets import Run
hidden, wanted, gap = json.loads(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
random, waited, good = np.random.default_rng(0), [], 0
config = sl.ExperimentConfig(dataset="digits", hidden=tuple(hidden), epsilon=120, epochs=100_000, batch_size=64)
for attempt in range(wanted):
    run = Run(config)
    run.begin()
    while run.state == "preparing": time.sleep(0.01)
    time.sleep(random.uniform(0, 2 * gap))
    start = time.perf_counter()
    ended = run.stop(30)
    waited.append(time.perf_counter() - start)
    model, epochs = run.experiment.model, [record.epoch for record in run.history]
    finite = all(np.isfinite(layer.check().w).all() for layer in model.layers)
    answers = np.isfinite(sl.predict(model, run.experiment.data.X_test[:50])).all()
    good += bool(ended and run.state == "stopped" and finite and answers and epochs == list(range(1, len(epochs) + 1)))
print(json.dumps({"waited": waited, "good": good}))
"""


def interrupts(name, n, seed=0):
    """At least n interrupts of the trainings of a case, in one process: Found."""
    return found_in(last_line(CHILD, json.dumps(CASES[name]), n, seed))


def fits(n, hidden=(4000, 4000), gap=0.5):
    """n interrupts of SparseMLPClassifier.fit. Good: a usable classifier whose history has its finished epochs."""
    return found_in(last_line(FIT, json.dumps(hidden), n, gap))


def stops(n, hidden=(4000, 4000), gap=0.5):
    """The Stop of the panel, n times. Good: stopped, the model usable, the history without gaps."""
    return found_in(last_line(STOP, json.dumps(hidden), n, gap))


def found_in(found):
    """Found from what a process printed."""
    waited, places = sorted(found["waited"]), found.get("places", [])
    where = {place: places.count(place) for place in set(places)}
    return Found(len(waited), found["good"], waited[-1], waited[len(waited) // 2], where)


# the promises


TRIED = {f"train, {name}": partial(interrupts, name) for name in CASES}
TRIED |= {"fit of the classifier": fits, "the panel's Stop": lambda n: stops(max(5, n // 5))}


@pytest.mark.parametrize("name", TRIED)
def test_interrupts(name, stress):
    found = TRIED[name](stress.count(50, 5))
    stress.all(f"interrupts, {name}: as if never", found.good, found.n)
    figure = f"{found.slowest:.2f} s, median {found.median:.3f} s"
    stress.row(f"interrupts, {name}: back after", figure, f"< {WITHIN} s", found.slowest < WITHIN)
