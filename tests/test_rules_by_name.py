"""Rules by name in configs: what each name makes, that it trains, and settings that contradict each other."""

import pickle

import numpy as np
import pytest

import sparselab as sl
from sparselab import evolution
from sparselab.experiments.config import FIELDS
from sparselab.experiments.races import entered
from sparselab.experiments.rules import IN_CONFIGS, RULES, rules_of
from sparselab.widgets.live_values import with_live_zeta

SMALL = {"dataset": "digits", "hidden": (40, 30), "epochs": 4, "batch_size": 64, "density": 0.3, "threads": 1}


def config(rule, **changes):
    falls = {"final_density": 0.1} if IN_CONFIGS[rule].falls else {}
    return sl.ExperimentConfig(**SMALL | {"rule": rule} | falls | changes)


def test_every_name_has_a_rule():
    assert sorted(FIELDS["rule"].metadata["choices"]) == sorted(IN_CONFIGS)
    assert {name.lower() for name in RULES} - set(IN_CONFIGS) == {"deepr", "pals", "importancepruning"}
    assert rules_of(config("static")) == []


@pytest.mark.parametrize("name", sorted(set(IN_CONFIGS) - {"static"}))
def test_every_rule_trains(name):
    experiment = sl.build(config(name, dense_last=True))
    (rule,) = experiment.rules
    assert type(rule) is IN_CONFIGS[name].rule
    records = list(experiment.train())
    assert np.isfinite(records[-1].train_loss)
    assert sum(sum(r.pruned) for r in records) > 0
    if IN_CONFIGS[name].falls:
        np.testing.assert_allclose(sum(records[-1].nnz[:2]) / (64 * 40 + 40 * 30), 0.1, atol=0.002)
    elif name != "srigl":
        assert records[-1].links == records[0].links
    if name == "anf":
        assert all(sum(r.pruned[1:]) == 0 for r in records)


@pytest.mark.parametrize("name", RULES)
def test_no_rule_keeps_anything_of_a_run(name):
    experiment = entered(name, 0.3, **{name: value for name, value in SMALL.items() if name != "density"})
    before = [pickle.dumps(rule) for rule in experiment.rules]
    list(experiment.train())
    assert [pickle.dumps(rule) for rule in experiment.rules] == before


def test_defaults_are_those_of_before():
    assert rules_of(sl.ExperimentConfig()) == [sl.SET(0.3)]
    assert rules_of(sl.ExperimentConfig.paper("cifar10")) == [sl.SET(0.3, new_values="initializer")]
    (rule,) = rules_of(sl.ExperimentConfig(regrowth="gradient", zeta_stop=3))
    assert type(rule) is sl.PruneRegrow


def test_timing_layers_and_stop_reach_the_rule():
    settings = {"events": "30 steps", "layers": "all", "replaces_update": True, "zeta_stop": 3, "new_values": "last"}
    (rule,) = rules_of(config("rigl", **settings))
    assert rule.timing == evolution.Timing("30 steps", 3, True)
    assert (rule.layers, rule.new_values, rule.zeta) == ("all", "last", 0.3)
    assert rules_of(config("set", events="2 epochs"))[0].timing == evolution.Timing(2)
    assert rules_of(config("rigl", zeta_stop=100))[0].until == 4  # the epochs of the training
    assert rules_of(config("gmp"))[0].zeta == 0


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rule": "rigl", "criterion": "random"}, "criterion = 'random': must be 'magnitude_within_sign' with rule = 'rigl'"),
        ({"rule": "cht", "regrowth": "gradient"}, "regrowth = 'gradient': must be 'uniform' with rule = 'cht'"),
        ({"rule": "rigl", "final_density": 0.1}, "final_density = 0.1: must be 0 with rule = 'rigl'"),
        ({"rule": "set", "final_density": 0.1}, "final_density = 0.1: must be 0 with rule = 'set'"),
        ({"rule": "gmp"}, "final_density = 0.0: must be between 0 and density = 0.3, that of the start, with rule = 'gmp'"),
        ({"rule": "granet", "final_density": 0.5}, "final_density = 0.5: must be between 0 and density = 0.3"),
        ({"rule": "chtss", "final_density": 0.1, "density": 0.0}, "final_density = 0.1: must be between 0 and density = 0"),
        ({"events": "soon"}, "events = 'soon': must be a number of epochs, or a text"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        rules_of(sl.ExperimentConfig(**SMALL | settings))


def test_a_changed_zeta_reaches_rules_that_use_it_as_it_is():
    run = type("Run", (), {})()
    for name in ("set", "rigl", "chts", "gse"):
        run.config = run.now = config(name)
        rule = with_live_zeta(rules_of(run.config)[0], run)
        run.now = config(name, zeta=0.1)
        assert rule.zeta(2) == 0.1
    run.config = config("cht")
    assert with_live_zeta(rules_of(run.config)[0], run).zeta == 0.3
