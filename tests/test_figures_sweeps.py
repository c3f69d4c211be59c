"""Pictures of what a sweep found: the share of each setting, and the runs that none beats in score and cost."""

import models
import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab import figures
from sparselab.figures.importance_bars import explained


def epsilon_squared(values, scores):
    """Kelley's formula, run by run."""
    kinds, mean = sorted(set(values)), sum(scores) / len(scores)
    of = {kind: [s for v, s in zip(values, scores, strict=True) if v == kind] for kind in kinds}
    between = sum(len(part) * (sum(part) / len(part) - mean) ** 2 for part in of.values())
    total = sum((s - mean) ** 2 for s in scores)
    chance = (len(kinds) - 1) * (total - between) / (len(scores) - len(kinds))
    return max(0.0, (between - chance) / total)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 5]), st.integers(0, 100)), min_size=5, max_size=30))
def test_the_share_of_a_setting_is_kelley_s(runs):
    values, scores = zip(*runs, strict=True)
    share = explained(values, np.array(scores, float))
    if len(set(values)) < 2:
        assert np.isnan(share)
    elif len(set(scores)) == 1:
        assert share == 0
    else:
        assert share == pytest.approx(epsilon_squared(values, scores), abs=1e-9)


def test_noise_explains_nothing_and_a_cause_nearly_all():
    rng = np.random.default_rng(0)
    rates = rng.uniform(0, 1, 400)
    rows = [
        {"rate": rate, "noise": rng.uniform(), "rule": "ab"[int(rate > 0.5)], "accuracy": float(rate > 0.5)} for rate in rates
    ]
    table = figures.setting_importance(rows).data
    shares = dict(zip(table["setting"], table["share"], strict=True))
    assert shares["rule"] == 1
    assert shares["rate"] > 0.8  # four groups, one of which may hold both
    assert shares["noise"] < 0.05
    assert table["setting"][-1] == "noise"


def test_a_setting_with_a_run_for_each_value_is_not_judged():
    rows = [{"zeta": zeta, "accuracy": zeta} for zeta in (0.1, 0.2)] + [{"zeta": 0.3, "accuracy": None}]
    table = figures.setting_importance(rows).data
    assert np.isnan(table["share"][0])
    assert table["n"] == [2]
    with pytest.raises(ValueError, match="accuracy"):
        figures.setting_importance([{"zeta": 0.1, "accuracy": float("nan")}])


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=20), st.booleans())
def test_the_front_is_what_nobody_beats(points, highest):
    rows = [{"links": links, "accuracy": score} for links, score in points]
    sign = 1 if highest else -1
    beaten = lambda one: any(
        links <= one[0] and sign * score >= sign * one[1] and (links, score) != one for links, score in points
    )
    assert figures.pareto(rows, costs=["links"], highest=highest).data["front_links"] == [not beaten(one) for one in points]


@pytest.mark.parametrize("draw", [figures.pareto, figures.parallel_coordinates, figures.setting_importance])
@pytest.mark.parametrize(
    ("bad", "error"), [({"a": 1}, TypeError), ("ab", TypeError), ([3], TypeError), (None, TypeError), ([], ValueError)]
)
def test_rows_that_are_none_are_named(draw, bad, error):
    with pytest.raises(error, match="^rows = .*: must be dicts, one for each run, at least one of them with accuracy"):
        draw(bad)


def test_labels_that_look_alike_are_refused():
    history = sl.History(sl.train(models.net(), models.dataset(40), epochs=1, batch_size=20))
    table = pandas.DataFrame({"workers": [1, 2], "seconds": [2.0, 1.0]})
    norms = {"layer": [1], "dZ": [1.0], "dw": [1.0]}
    drawn = {"learning_curves": history, "speed_up": table, "loss_by_step": [1.0], "gradient_norms": norms}
    for name, one in drawn.items():
        draw = getattr(figures, name)
        draw({1: one, "2": one})
        with pytest.raises(ValueError, match=r"= \[1, '1'\]: must be labels whose texts differ"):
            draw({1: one, "1": one})


def test_what_has_no_cost_is_no_point():
    rows = [{"accuracy": 0.5, "links": 3, "seconds": None}]
    with pytest.raises(ValueError, match="seconds"):
        figures.pareto(rows)
    assert figures.pareto([*rows, {"accuracy": 0.4, "links": 3, "seconds": 1.0}]).data["front_links"] == [True]
