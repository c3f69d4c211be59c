"""Every bad or unusual input ends in a named error or a documented acceptance: no crash, no silence, nothing changed.

A test tries one kit: an argument of an entry point and its faults. A crash of the process is a failed test where pytest-xdist
runs it (`-n`), which starts another worker and goes on.
"""

import functools
import re
import reprlib
import resource
import warnings

import numpy as np
import pytest
from scipy import sparse

from stress.inputs import Acceptance, Kit, Refusal, classifier, command, config_file, python, selector

ENTRY_POINTS = {
    "Python": python, "classifier": classifier, "selector": selector, "command line": command, "config file": config_file,
}  # fmt: skip
KITS = [(entry, kit) for entry, module in ENTRY_POINTS.items() for kit in module.kits() if kit.faults]
CASES = {(entry, kit.argument, fault) for entry, kit in KITS for fault in kit.faults}
PAIRS = {case[1:] for case in CASES}
LONGEST = 600  # characters of a message; the longest is scikit-learn's, with the names of all parameters
BYTES = 6 * 2**30
LEAST_PAIRS, LEAST_CASES = 5578, 6150  # when last counted; a kit that is lost is noticed

# faults that must be there for the argument of each entry point
CATALOGUE = {
    "steps(X)": "NaN; infinity; too large for float32; 0-D; 1-D; 3-D; no rows; complex; text; dates; masked values",
    "predict(X)": "too few features; dtype f2; dtype u8; big-endian float64; strided view; memory map, r; unaligned; read-only",
    "evaluate(X)": "csr array; csc array; coo array; lil array; bsr array; dia array; csr, unsorted; csr, duplicates",
    "fit(X)": "index 2^31 - 1; index -1; indptr starts late; indptr falls; indptr ends late; data with NaN; ragged list",
    "fit(y)": "NaN; infinity; nothing; too short; fractions; one class; masked; numbers and text",
    "Topology.from_scipy(matrix)": "index 10^9; indptr ends at 10^9; data too short; indices of float; coo: row 10^7",
    "before fit": "predict; score",
    "epsilon": "NaN; nothing; negative; zero; text; bool; object; beyond float",
    "create(sizes)": "empty; zero width; negative width; fraction; 10^12; nested; text; bool width",
    "create(epsilon)": "density above 1; no link at all",
    "steps(batch_size)": "zero; negative; fraction; larger than the data; does not divide the rows",
    "MomentumSGD(learning_rate)": "zero; negative; NaN; text; schedule that says NaN",
    "random_state": "negative; fraction; 2^64; RandomState; Generator",
    "n_jobs": "zero; fraction; more than cores",
    "erdos_renyi(n_out, n_in)": "2^31 positions; 4e18 positions",
    "ImportancePruning(amount)": "NaN; above 1; none; all; function that says nothing; function of the epoch",
    "ImportancePruning(start)": "zero; fraction; last epoch; far beyond",
    "ImportancePruning(stop)": "before start",
    "ImportancePruning(percentile)": "NaN; above 100; all",
    "ImportancePruning(importance)": "class; shrink, function that says NaN; links, function that says too short",
    "SET(criterion)": "text; function that says too short; function that says NaN; function that says objects; keep none",
    "SET(regrowth)": "text; function that says too few; function that says floats; function that says occupied; "
    "function that says row beyond; function that says the same twice; function that says nothing",
    "SampledGradient(candidates)": "zero; more candidates than free places",
    "Until(stop)": "negative; never",
    "prune(amount)": "above 1; all",
    "prune_curve(amounts)": "one of them is above 1; none; nested; one number",
    "prune_curve(data)": "without test samples; too wide; NaN in the test samples",
    "rules": "text; function that says NaN; regrowth that is not there; beside SET; all of them",
    "ExperimentConfig(regrowth)": "misspelt; nothing",
    "pruning_stop": "shrink, before it starts; command, links, before it starts",
    "pruning": "misspelt; shrink; links; gradient regrowth",
    "evaluate(y) by name": "unknown; None; NaN; NA; number; bytes; too short; series with NA; dates; codes and one beyond",
    "SparseMLP.classes": "too many; one twice; mixed; fraction; nothing in it; dates; 100,000 letters; masked",
    "from_file(table)": "empty; header only; row too long; open quotation; two decimal marks; NaN; one class; binary; latin-1",
    "from_file(file)": "npz, empty; arff, row too long; svmlight, index 0 and -1; csv.zip, zip",
    "from_file(npz)": "no arrays; X of dates; y 2-D; test part with unknown labels; pickled",
    "from_file(target)": "unknown; too far; NaN; bytes",
    "from_file(encoding)": "unknown; of bytes; NUL",
    "save(path)": "empty; NUL; too long; half a surrogate; below a file; nothing",
    "steps(checkpoint)": "empty; NUL; too long; below a file; bytes with NUL",
    "SET(zeta)": "zero; one; NaN; above 1; hardly a free place; date; span of time; Decimal; 0-D array; missing",
    "config across": "more workers than mini-batches; columns of a built-in dataset",
    "config": "empty; not JSON; nested 100 000 deep; not UTF-8; folder; missing",
    "field": "unknown; twice; of Python",
    "hidden": "10^400; NaN in it; text among others",
}


@pytest.fixture(scope="module", autouse=True)
def limited_memory():
    """A case that asks for far too much gets a MemoryError, not the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@functools.cache
def fixture_of(entry):
    """What the calls of an entry point work on, made once."""
    return ENTRY_POINTS[entry].Fixture()


@pytest.fixture
def fixture(entry):
    """The same, made before the clock of a test starts: it may have to compile."""
    return fixture_of(entry)


@pytest.mark.timeout(300, method="thread", func_only=True)  # ends the process, even where compiled code hangs
@pytest.mark.parametrize("entry, kit", KITS, ids=[f"{entry}: {kit.argument}" for entry, kit in KITS])
def test_inputs(entry, kit, fixture, record_property):
    record_property("cases", [[entry, kit.argument, fault] for fault in kit.faults])
    wrong = {fault: what for fault in kit.faults if (what := problem(kit, fault, fixture))}
    assert wrong == {}


def problem(kit, fault, fixture):
    """What is wrong with the end of one case; empty where nothing is."""
    fixture.reset()
    value = kit.value(fault, fixture)
    before, content, random = fixture.fingerprint(), content_of(value), np.random.get_state()[1:3]  # noqa: NPY002
    accepted = isinstance(kit.wanted, Acceptance)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = kit.call(fixture, value)
            if not accepted:
                wrong = f"accepted: {shown(result)}"
            else:
                wrong = "" if kit.wanted.holds(result, fixture) else f"not so: {kit.wanted.documented}, but {shown(result)}"
    except Exception as error:  # whatever comes out is judged
        wrong = problem_of(error, kit.wanted, value)
    if content_of(value) != content:
        return "the input was written to"
    if not all(map(np.array_equal, random, np.random.get_state()[1:3])):  # noqa: NPY002
        return "the global generator was used"
    if not accepted and fixture.fingerprint() != before:
        return "refused, and yet something has changed"
    return wrong


def problem_of(error, wanted, value):
    """What is wrong with an error as the answer to a value."""
    try:
        message = str(error)
    except Exception as second:
        return f"{type(error).__name__} whose message cannot be made: {type(second).__name__}"
    told = f"{type(error).__name__}: {message[:300]}"
    if isinstance(wanted, Acceptance):
        return f"refused, though {wanted.documented}: {told}"
    of_ours = isinstance(error, MemoryError) and type(error) is not MemoryError  # InsufficientMemoryError
    if wanted.of_system and isinstance(error, OSError):
        return "" if error.filename or str(value) in message else f"says no path: {told}"
    if not (isinstance(error, ValueError | TypeError) or of_ours):
        return f"not a named error: {told}"
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in wanted.names):
        return f"names none of {wanted.names}: {told}"
    words = [*wanted.words, *([part_of(value)] if wanted.shows_value else [])]
    if missing := [word for word in words if word not in message]:
        return f"does not say {missing}: {told}"
    return f"{len(message)} characters: {told}" if len(message) >= LONGEST else ""


def part_of(value):
    """What of a value a message must show: the beginning of its repr, where that is the same in every process."""
    text = shown(value)
    return "" if " at 0x" in text or isinstance(value, type) else text[:12]


def shown(value):
    """A short repr; empty where there is none."""
    try:
        return reprlib.repr(value)
    except Exception:
        return ""


def content_of(value):
    """Bytes of an array or of a sparse matrix's arrays; None for anything else."""
    if sparse.issparse(value):
        parts = [getattr(value, part, ()) for part in ("data", "indices", "indptr", "col")]
        return [np.asarray(part).tobytes() for part in parts]
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    return value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else None


# the tables


def test_no_case_is_lost():
    assert len(PAIRS) >= LEAST_PAIRS
    assert sum(len(kit.faults) for _, kit in KITS) >= LEAST_CASES
    assert {(argument, fault) for argument, faults in CATALOGUE.items() for fault in faults.split("; ")} - PAIRS == set()
    for entry in ENTRY_POINTS:
        assert sum(case[0] == entry for case in CASES) > 300


# the checks themselves


class Pair:
    """A list that a call may spoil."""

    def __init__(self):
        self.content = [1, 2]

    def reset(self):
        """Nothing to restore."""

    def fingerprint(self):
        return list(self.content)


def tried(call, value=-1, wanted=None):
    """What is wrong with a call that should refuse alpha."""
    return problem(Kit("f(alpha)", {"negative": value}, call, wanted or Refusal(("alpha",))), "negative", Pair())


def fails(error):
    def call(fixture, value):
        raise error

    return call


def spoils(fixture, value):
    fixture.content.append(value)
    raise ValueError("alpha = -1: must be larger")


class Shy(ValueError):
    def __str__(self):
        raise RuntimeError("no message")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fixture, value: 3, "accepted: 3"),
        (fails(KeyError("alpha = -1")), "not a named error"),
        (fails(ZeroDivisionError("alpha = -1")), "not a named error"),
        (fails(MemoryError("alpha = -1")), "not a named error"),
        (fails(ValueError("beta = -1: must be larger")), "names none of"),
        (fails(ValueError("alphabet = -1: must be larger")), "names none of"),
        (fails(ValueError("alpha is too small")), "does not say ['-1']"),
        (fails(ValueError("alpha = -1" + "x" * 600)), "610 characters"),
        (fails(Shy()), "message cannot be made"),
        (spoils, "something has changed"),
    ],
)
def test_a_bad_end_is_seen(call, words):
    assert words in tried(call)


def test_a_written_input_and_a_drawn_number_are_seen():
    state = np.random.get_state()  # noqa: NPY002
    try:
        assert tried(lambda fixture, value: np.random.random()) == "the global generator was used"  # noqa: NPY002
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert tried(lambda fixture, value: value.__setitem__(0, 5), np.zeros(3)) == "the input was written to"
    spoil = lambda fixture, value: value.data.__setitem__(0, 7.0)
    assert tried(spoil, sparse.csr_array(np.eye(3))) == "the input was written to"


def test_a_named_error_and_a_kept_promise_are_good():
    assert tried(fails(TypeError("alpha = -1: must be larger"))) == ""
    promise = Acceptance(lambda result, fixture: result == 3, "it is three")
    assert tried(lambda fixture, value: 3, wanted=promise) == ""
    assert "not so: it is three" in tried(lambda fixture, value: 4, wanted=promise)
    assert "refused, though" in tried(fails(ValueError("alpha = -1")), wanted=promise)
