"""scikit-learn's own checks of its estimators, run over every estimator here in several settings; nothing is waived.

`python -m reliability --only estimators`. In a process of its own, for scipy learns about the array API when it starts.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from .common import Row

COMMAND = "python -m reliability --only estimators"
# Some checks train on features around 100; without standardising that needs a small learning rate.
SETTINGS = {
    "SparseMLPClassifier": {
        "as it comes": {},
        "one layer": {"hidden_layer_sizes": (20,), "learning_rate": 0.001, "batch_size": "auto", "epochs": 60},
        "static, tanh, early stopping": {
            "hidden_layer_sizes": (30,), "zeta": 0, "activation": "tanh", "batch_size": "auto", "early_stopping": True,
        },
        "thin, dropout, threads": {"hidden_layer_sizes": (60, 60), "epsilon": 5, "dropout": 0.1, "n_jobs": 2},
    },
    "SparseFeatureSelector": {
        "as it comes": {},
        "a share, small net": {"estimator": {"hidden_layer_sizes": (20,), "epochs": 5}, "n_features_to_select": 0.7, "n_jobs": 2},
    },
}  # fmt: skip
QUICK = {"SparseMLPClassifier": ["one layer"], "SparseFeatureSelector": ["a share, small net"]}
NAMES = {"SparseMLPClassifier": "scikit-learn's estimator checks", "SparseFeatureSelector": "scikit-learn's transformer checks"}
CHECKS = """
import json, sys
from sklearn.utils.estimator_checks import check_estimator
from sparselab import estimators

def made(kind, settings):
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    if "estimator" in settings:
        settings["estimator"] = made("SparseMLPClassifier", settings["estimator"])
    return getattr(estimators, kind)(**settings)

for kind, settings in json.loads(sys.argv[1]):
    for one in check_estimator(made(kind, settings), on_fail=None, on_skip=None):
        found = {key: one[key] for key in ("check_name", "status")} | {"reason": str(one["exception"])[:300]}
        print(json.dumps(found | {"estimator": kind}), flush=True)
"""


def kinds():
    """Names of the estimators there are."""
    from sparselab import estimators

    return [name for name in estimators.__all__ if hasattr(getattr(estimators, name), "get_params")]


def run_checks(kind, settings):
    """[{estimator, check_name, status, reason}] of one estimator with each of `settings` (names)."""
    jobs = [(kind, SETTINGS[kind][name]) for name in settings]
    command = [sys.executable, "-W", "ignore", "-c", CHECKS, json.dumps(jobs)]
    root = Path(__file__).parents[2]
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, timeout=1800, check=False)
    if run.returncode:
        raise RuntimeError(f"the checks did not run: {run.stderr[-2000:]}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def rows(scale=1.0):
    """Passed, failed, skipped and expected failures, a row an estimator."""
    return [row_of(kind, list(SETTINGS[kind]) if scale >= 1 else QUICK[kind]) for kind in kinds()]


def row_of(kind, settings):
    """One estimator's row: all its checks in each of `settings` (names)."""
    results = run_checks(kind, settings)
    count = Counter(one["status"] for one in results)
    figure = ", ".join(f"{count[status]} {word}" for status, word in STATUS.items())
    figure += f" ({kind}, {len(settings)} settings)"
    bad = [f"{one['check_name']}: {one['status']}" for one in results if one["status"] != "passed"]
    figure += f": {'; '.join(bad[:3])}" if bad else ""
    return Row(NAMES[kind], figure, "all passed", bool(results) and not bad, COMMAND)


STATUS = {"passed": "passed", "failed": "failed", "skipped": "skipped", "xfail": "expected failures"}
