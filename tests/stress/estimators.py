"""scikit-learn's own checks of its estimators, run over every estimator here in several settings.

In a process of its own, for scipy learns about the array API when it starts.
"""

import json
from collections import Counter

import pytest

from sparselab import estimators
from stress.processes import last_line

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
    "SparseMLPRegressor": {
        "as it comes": {},
        "one layer": {"hidden_layer_sizes": (20,), "learning_rate": 0.001, "epochs": 60},
        "absolute error, early stopping": {"hidden_layer_sizes": (30,), "loss": "mean_absolute_error", "early_stopping": True},
    },
    "SparseFeatureSelector": {
        "as it comes": {},
        "a share, small net": {"estimator": {"hidden_layer_sizes": (20,), "epochs": 5}, "n_features_to_select": 0.7, "n_jobs": 2},
    },
}  # fmt: skip
QUICK = {
    "SparseMLPClassifier": ["one layer"],
    "SparseMLPRegressor": ["one layer"],
    "SparseFeatureSelector": ["a share, small net"],
}
NAMES = {
    "SparseMLPClassifier": "scikit-learn's estimator checks",
    "SparseMLPRegressor": "scikit-learn's regressor checks",
    "SparseFeatureSelector": "scikit-learn's transformer checks",
}
# Mini-batches of a weighted sample are others than those of its copies; a full batch is tested in tests/test_losses_weights.py.
WAIVED = {f"check_sample_weight_equivalence_on_{kind}_data": "other mini-batches" for kind in ("dense", "sparse")}
CHECKS = (
    f"WAIVED = {WAIVED!r}"
    + """
import json, sys
from sklearn.utils.estimator_checks import check_estimator
from sparselab import estimators

def made(kind, settings):
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    if "estimator" in settings:
        settings["estimator"] = made("SparseMLPClassifier", settings["estimator"])
    return getattr(estimators, kind)(**settings)

found = []
for kind, settings in json.loads(sys.argv[1]):
    for one in check_estimator(made(kind, settings), on_fail=None, on_skip=None, expected_failed_checks=WAIVED):
        said = {key: one[key] for key in ("check_name", "status")} | {"reason": str(one["exception"])[:300]}
        found.append(said | {"estimator": kind})
print(json.dumps(found))
"""
)
KINDS = [name for name in estimators.__all__ if hasattr(getattr(estimators, name), "get_params")]


def run_checks(kind, settings):
    """[{estimator, check_name, status, reason}] of one estimator with each of `settings` (names)."""
    jobs = [(kind, SETTINGS[kind][name]) for name in settings]
    return last_line(CHECKS, json.dumps(jobs), timeout=1800, SCIPY_ARRAY_API="1", PYTHONWARNINGS="ignore")


@pytest.mark.parametrize("kind", KINDS)
def test_checks_of_scikit_learn(kind, stress):
    settings = list(SETTINGS[kind]) if stress.full else QUICK[kind]
    results = run_checks(kind, settings)
    count = Counter(one["status"] for one in results)
    figure = ", ".join(f"{count[status]} {word}" for status, word in STATUS.items())
    bad = [f"{one['check_name']}: {one['status']}" for one in results if one["status"] not in ("passed", "xfail")]
    stress.row(
        NAMES[kind],
        f"{figure} ({kind}, {len(settings)} settings)",
        "all passed, but for weights as copies in mini-batches",
        results and not bad,
    )
    assert bad == []


STATUS = {"passed": "passed", "failed": "failed", "skipped": "skipped", "xfail": "expected failures"}
