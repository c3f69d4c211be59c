"""Two trainings at once in two Python threads, under each of numba's threading layers: no abort, and the same bits."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import models
import pytest
from stress import environment

from sparselab import kernels
from sparselab.evolution import SET
from sparselab.nn.optimizers import MomentumSGD

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not kernels.JIT, reason="about compiled code")


def fingerprints(at_once):
    """Four trainings, two engines, one after the other or at once."""
    found = [None] * 4

    def work(k):
        found[k] = models.run(
            models.net(dropout=0.3, seed=k), models.dataset(501), optimizer=MomentumSGD(0.05), rules=[SET(0.3)], epochs=3,
            threads=2, batch_size=300, seed=k, loss=[None, "mean_squared_error"][k % 2],
        )[1]  # fmt: skip

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
        if not at_once:
            thread.join()
    for thread in threads:
        thread.join(60)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_two_trainings_at_once_under(layer):
    child = subprocess.run(
        [sys.executable, "-c", "import json, test_threading_layers as t; print(json.dumps(t.fingerprints(True)))"],
        cwd=ROOT, env=os.environ | {"NUMBA_THREADING_LAYER": layer, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr[-2000:]
    assert json.loads(child.stdout.splitlines()[-1]) == fingerprints(False)


@pytest.mark.slow
def test_one_result_for_all_layers_and_numbers_of_threads():
    assert environment.good_layers(environment.threading_layers())
