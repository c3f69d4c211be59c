"""The same tests in other compilers' clothes: plain Python, which raises on a wild index, and compiled code with bounds checks.

numba checks no index in ordinary builds; each mode needs a process of its own.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from strategies import topology_of

from sparselab import kernels
from sparselab.kernels import csr_passes, plain
from sparselab.nn.linear import NO_BITS

ROOT = Path(__file__).parents[1]
CHECKED = os.environ.get("NUMBA_DISABLE_JIT") == "1" or os.environ.get("NUMBA_BOUNDSCHECK") == "1"
CHILD = "TESTS_IN_A_CHILD"  # set in the processes started here, which must not start any
BIG = "not more_places and not extreme and not huge"  # tens of millions of neurons: minutes in plain Python


def run(environment, *arguments):
    """pytest in a new process; the number of tests that passed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", *arguments]
    found = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment | {CHILD: "1"}, capture_output=True, text=True, timeout=580, check=False
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-1000:]
    return int(re.search(r"(\d+) passed", found.stdout)[1])


def without_jit(*arguments):
    return run({"NUMBA_DISABLE_JIT": "1"}, *arguments)


def with_bounds_checks(folder, *arguments):
    return run({"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder)}, *arguments)


WILD = (
    "tests/test_without_jit.py::test_a_wild_index_is_seen_by_spmm",
    "tests/test_without_jit.py::test_a_wild_index_is_seen_by_sweeps",
)
pytestmark = pytest.mark.timeout(600)
outermost = pytest.mark.skipif(CHILD in os.environ, reason="one level of processes is enough")


@pytest.mark.slow
@outermost
def test_kernels_and_gradients_in_plain_python():
    chosen = ("all_relu-softmax_cross_entropy-holes", "tanh-mean_squared_error-sparse")
    gradients = (f"tests/test_gradients.py::test_gradients_are_slopes[{one}]" for one in chosen)
    assert without_jit("tests/test_kernels.py", *WILD, *gradients, "-k", "not (plain-float32 or float64-1 or float64-3)") > 150


@pytest.mark.slow
@outermost
def test_kernels_with_bounds_checks(tmp_path):
    assert with_bounds_checks(tmp_path, "tests/test_kernels.py", *WILD, "-k", "plain-float64-7 or wild") > 30


@pytest.mark.slow
@outermost
def test_everything_else_in_plain_python():
    names = ("kernels", "topology", "rewiring", "link_scores", "evolution", "storage", "lists_of_rules", "plug_in_training")
    assert without_jit(*(f"tests/test_{name}.py" for name in names), "-k", BIG) > 300


@pytest.mark.slow
@outermost
def test_gradients_in_plain_python():
    """Every activation, every loss and every pattern, but not each with each."""
    chosen = "(softmax_cross_entropy and holes) or (all_relu and (plug or mean_squared_error))"
    assert without_jit("tests/test_gradients.py", "-k", f"not are_slopes or {chosen}") > 40


@pytest.mark.slow
@outermost
def test_topologies_with_bounds_checks(tmp_path):
    files = [f"tests/test_{name}.py" for name in ("kernels", "topology", "rewiring", "link_scores", "evolution")]
    assert with_bounds_checks(tmp_path, *files, "-k", f"not vector and {BIG}") > 500


# run in those processes only: are the checks really on?


@pytest.mark.skipif(not CHECKED, reason="ordinary builds follow a wild index")
@pytest.mark.parametrize("array", ["X", "Y", "w"])
def test_a_wild_index_is_seen_by_spmm(array):
    t, arrays = topology_of(np.ones((2, 3), bool)), {"X": np.ones((3, 4)), "Y": np.ones((2, 4)), "w": np.ones(6)}
    arrays[array] = arrays[array][:-1].copy()
    with pytest.raises(IndexError):
        plain.spmm(
            t.indptr, t.indices, arrays["w"], np.ones(2), arrays["X"], arrays["Y"], 1.0, 1.0, NO_BITS, NO_BITS, np.uint64(0), 0,
            0, 1.0, 0, 2,
        )  # fmt: skip


@pytest.mark.skipif(not CHECKED, reason="ordinary builds follow a wild index")
def test_a_wild_index_is_seen_by_sweeps():
    t = topology_of(np.ones((2, 3), bool))
    with pytest.raises(IndexError):
        csr_passes.count_columns(t.indices, np.zeros(2, np.int64))


def test_this_process_is_the_ordinary_one():
    assert kernels.JIT == (os.environ.get("NUMBA_DISABLE_JIT") != "1")
