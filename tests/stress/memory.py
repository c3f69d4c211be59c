"""Is memory what `estimate_memory` says? Peaks of trainings in processes of their own, and refusals beforehand."""

import json
import time

import pytest

import sparselab as sl
from stress.processes import last_line, run

SLACK = 64 * 2**20  # bytes an estimate may be off, or a tenth of the peak

# what is trained: two epochs, links replaced between them
CASES = {
    "10^3 neurons": {"sizes": (200, 500, 300, 10), "epsilon": 20, "threads": 1},
    "10^4 neurons, dropout": {"sizes": (784, 4000, 4000, 2000, 10), "epsilon": 40, "threads": 2, "dropout": 0.3},
    "10^5 neurons": {"sizes": (1000, 50_000, 50_000, 10), "epsilon": 40, "threads": 2},
    "10^5 neurons, float64": {"sizes": (1000, 50_000, 50_000, 10), "epsilon": 20, "threads": 2, "dtype": "float64"},
    "10^5 neurons, tanh, 1 thread": {"sizes": (1000, 50_000, 50_000, 10), "epsilon": 20, "threads": 1, "activation": "tanh"},
    "10^6 neurons": {"sizes": (1000, 500_000, 500_000, 10), "epsilon": 10, "threads": 2},
    "10^6 neurons, batches of 32": {"sizes": (1000, 500_000, 500_000, 10), "epsilon": 10, "threads": 2, "batch_size": 32},
    "10^6 neurons, 1 thread": {"sizes": (1000, 500_000, 500_000, 10), "epsilon": 10, "threads": 1, "evolution": False},
    "10^6 neurons, batches of 1024": {"sizes": (1000, 500_000, 500_000, 10), "epsilon": 5, "threads": 2, "batch_size": 1024},
}
SMALL = ("10^3 neurons", "10^4 neurons, dropout", "10^5 neurons", "10^5 neurons, float64")

# the peak is reset after everything is imported and compiled; VmHWM is what ru_maxrss says, but can be reset
MEASURE = """
import json, sys
import numpy as np, sparselab as sl
case = json.loads(sys.argv[1])
def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
def train(sizes, n, n_test, epsilon=20, dropout=0.0, activation="all_relu", dtype="float32", evolution=True, epochs=2, **options):
    random = np.random.default_rng(0)
    X = random.random((n + n_test, sizes[0]), dtype)
    y = np.arange(n + n_test) % sizes[-1]
    model = sl.SparseMLP.create(sizes, epsilon=epsilon, dropout=dropout, activation=activation, dtype=dtype, seed=0)
    data = sl.datasets.Dataset(X[:n], y[:n], X[n:], y[n:], classes=np.arange(sizes[-1]))
    return list(sl.train(model, data, rules=[sl.SET(0.3)] if evolution else [], epochs=epochs, seed=0, **options))
train(**case | {"sizes": [30, 40, 30, 10], "n": 300, "n_test": 100})
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = kilobytes("VmRSS")
train(**case, n=256, n_test=200)
print(1024 * (kilobytes("VmHWM") - before))
"""


def estimated(case):
    """The total of estimate_memory for what MEASURE does."""
    return sl.estimate_memory(**case, n_samples=256, n_test=200, epochs=2).total


def peak(case):
    """Bytes of resident memory the training of `case` took at its peak; None where that is not measured (not Linux)."""
    return last_line(MEASURE, json.dumps(case), timeout=600)


def close_enough(found, said):
    """Within a tenth of the peak, or 64 MiB."""
    return abs(found - said) <= max(found / 10, SLACK)


def peaks(names=tuple(CASES)):
    """{name: (peak, estimate)} in bytes."""
    return {name: (peak(CASES[name]), estimated(CASES[name])) for name in names}


# refusals

HUGE = {
    "466 layers of 2^31 - 1": (2**31 - 1,) * 466,
    "10^4 layers of 10^8": (10**8,) * 10**4,
    "two of 5 x 10^11": (5 * 10**11, 5 * 10**11),
}


def seconds_to_refuse(sizes):
    """Seconds until SparseMLP.create says no to so many neurons; the error it raised."""
    start = time.perf_counter()
    try:
        sl.SparseMLP.create(sizes)
    except (MemoryError, ValueError) as error:
        return time.perf_counter() - start, error
    raise RuntimeError(f"a net of {sum(sizes)} neurons was made")


# half of what is needed may be used: an address space that small kills or raises half way, unless it is checked before
LIMITED = """
import json, resource, sys
import numpy as np, sparselab as sl
case, need = json.loads(sys.argv[1]), int(sys.argv[2])
def used(): return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
sl.SparseMLP.create((20, 30, 4), seed=0)
before = used()
resource.setrlimit(resource.RLIMIT_AS, (before + need // 2, resource.RLIM_INFINITY))
try:
    sl.SparseMLP.create(**case)
    print("made")
except sl.InsufficientMemoryError as error:
    print("refused", used() - before < need // 10, error.need > error.have, "epsilon up to" in error.advice)
"""


def refusal_under_a_limit(case=None):
    """What a process prints that may use half the bytes of a net: refused, nothing allocated, numbers and advice there."""
    case = case or {"sizes": (100_000, 500_000, 10), "epsilon": 40}
    need = sl.estimate_memory(**case, training=False, threads=1).total
    ended = run(LIMITED, json.dumps(case), need, OPENBLAS_NUM_THREADS="1")
    return ended.out.strip() if ended.code == 0 else f"exit code {ended.code}: {ended.err[-500:]}"


# the promises


@pytest.mark.parametrize("name", CASES)
def test_peaks(name, stress):
    if not stress.full and name not in SMALL:
        pytest.skip("at full size only")
    found, said = peak(CASES[name]), estimated(CASES[name])
    figure = f"{found / 2**20:,.0f} MiB, estimated {said / 2**20:,.0f} ({said / found - 1:+.1%})"
    stress.row(f"peak of a training: {name}", figure, "within 10 % or 64 MiB", close_enough(found, said))


@pytest.mark.parametrize("name", HUGE)
def test_huge_nets_are_refused(name, stress):
    seconds, error = seconds_to_refuse(HUGE[name])
    figure = f"{type(error).__name__} in {seconds:.3f} s"
    stress.row(f"10^12 neurons refused: {name}", figure, "< 0.2 s", seconds < 0.2)


def test_half_of_the_need_is_refused(stress):
    text = refusal_under_a_limit()
    stress.row("RLIMIT_AS at half of the need", text, "refused", text == "refused True True True")
