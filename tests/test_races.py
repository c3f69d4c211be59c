"""Races of rules: what a RuleMeter measures, the figures of it, the named rules, and the panel of notebook 07."""

import threading

import matplotlib.text
import models
import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from strategies import mask_of, seeds, topology_of

import sparselab as sl
from sparselab import analysis, figures
from sparselab.experiments import races, studies
from sparselab.figures import link_moves
from sparselab.widgets import race_panel

FIGURES = {"rule_race", "rule_events"}  # tested here
PNG = b"\x89PNG"
SMALL = {"hidden": (20, 12), "epochs": 4, "threads": 1, "progress": False}


def places(model):
    """{(layer, row, column)} of all links."""
    return {
        (number, j, i)
        for number, layer in enumerate(model.layers)
        for j, i in zip(layer.topology.rows.tolist(), layer.topology.indices.tolist())
    }


class Noting:
    """A rule that notes what another one left, and how often it was called."""

    def __init__(self, rule):
        self.rule, self.timing, self.seen, self.calls = rule, rule.timing, set(), []

    def __call__(self, epoch, model, *arguments):
        self.seen |= places(model)
        self.calls.append(int(epoch))
        return self.rule(epoch, model, *arguments)


# measuring


@pytest.mark.parametrize("every", [1, "1 step", "3 steps"])
def test_every_place_that_ever_had_a_link_is_counted_once(every):
    model, rule = models.net(), Noting(sl.SET(0.3, every=every))
    meter, most = (
        analysis.RuleMeter(models.dataset().X_train),
        sum(layer.topology.n_out * layer.topology.n_in for layer in model.layers),
    )
    records = sl.steps(model, models.dataset(), rules=[rule], epochs=3, batch_size=16, seed=2, threads=1)
    for record in meter.watch(records, model):
        rule.seen |= places(model)
        if isinstance(record, sl.EpochRecord):
            row = meter.to_frame().iloc[-1]
            assert row["itop_rate"] == pytest.approx(len(rule.seen) / most)
            assert row["events"] == rule.calls.count(record.epoch - 1)
            assert (row["links"], row["density"]) == (record.links, pytest.approx(record.links / most))
            spent = row["event_seconds"] * row["events"] if row["events"] else record.seconds_evolve
            assert spent == pytest.approx(record.seconds_evolve)
    assert len(meter.history) == len(meter.to_frame()) == 3
    assert meter.model is model


def test_links_within_an_epoch_are_missed_without_its_steps():
    rates = {}
    for train in (sl.train, sl.steps):
        model = models.net()
        meter = analysis.RuleMeter(models.dataset().X_train)
        options = {"rules": [sl.SET(0.3, every="1 step")], "epochs": 2, "batch_size": 16, "seed": 2, "threads": 1}
        for _ in meter.watch(train(model, models.dataset(), **options), model):
            pass
        rates[train] = meter.to_frame()["itop_rate"].iloc[-1]
    assert rates[sl.train] < rates[sl.steps]


@given(seeds)
def test_idle_neurons_are_those_that_a_loop_finds(seed):
    random = np.random.default_rng(seed)
    masks = [random.random((6, 5)) < 0.3, random.random((7, 6)) < 0.3, random.random((2, 7)) < 0.5]
    model, X = models.from_masks(masks, activation="relu"), random.standard_normal((9, 5)).astype(np.float32)
    for layer in model.layers:
        layer.b[:] = random.standard_normal(len(layer.b))
    values, expected = X.T, []
    for layer, mask in zip(model.layers[:-1], masks[1:], strict=True):
        W = layer.to_scipy().toarray()
        values = np.maximum(0, W @ values + layer.b[:, None])
        has_links = lambda j, W=W, mask=mask, t=layer.topology: t.fan_in[j] > 0 and mask[:, j].any()
        expected.append([not has_links(j) or not any(value > 0 for value in values[j]) for j in range(len(values))])
    assert [found.tolist() for found in analysis.health.idle(model, X)] == expected


def test_finished_epochs_of_a_resumed_run_are_not_measured(tmp_path):
    data, options = models.dataset(), {"rules": [sl.SET(0.3)], "batch_size": 16, "seed": 2, "checkpoint": tmp_path}
    list(sl.train(models.net(), data, epochs=2, **options))
    meter, model = analysis.RuleMeter(data.X_train), models.net()
    records = list(meter.watch(sl.train(model, data, epochs=4, **options), model))
    assert [record.epoch for record in records] == [record.epoch for record in meter.history] == [1, 2, 3, 4]
    table = meter.to_frame()
    assert table["epoch"].tolist() == [3, 4]
    assert table["idle"].iloc[-1] == sum(map(np.count_nonzero, analysis.health.idle(model, data.X_train)))


def test_a_meter_refuses_what_is_no_training():
    meter, model = analysis.RuleMeter(models.dataset().X_train), models.net()
    with pytest.raises(TypeError, match="model"):
        next(meter.watch([], None))
    with pytest.raises(TypeError, match="records"):
        next(meter.watch([5], model))
    assert meter.to_frame().empty
    assert list(meter.to_frame().columns) == list(analysis.rule_meter.COLUMNS)


# rules by name


@pytest.fixture(scope="module")
def meters():
    return races.run(["static", "SET", "GMP", "ImportancePruning"], 0.2, dataset="digits", seeds=2, **SMALL)


def test_every_rule_runs_and_ends_with_links_where_it_should():
    found = races.run(list(races.RULES), 0.2, dataset="digits", **SMALL)
    table = races.results(found)
    assert list(table.index) == list(races.RULES)
    links = table["links"].drop(["PALS", "ImportancePruning"])
    assert (abs(links / links["static"] - 1) < 0.1).all()  # SRigL divides them equally
    assert links.drop(["SRigL", "GMP", "GraNet", "CHTss"]).nunique() == 1
    assert table.loc["PALS", "links"] > table.loc["static", "links"] > table.loc["ImportancePruning", "links"]
    assert np.isnan(table.loc["static", "event_ms"])
    assert (table["event_ms"].drop("static") > 0).all()
    assert (table["accuracy"] > 0.2).all()


@pytest.mark.parametrize("seeds", [["one"], [0, 0], 0])
def test_seeds_are_checked_before_anything_runs(seeds):
    for run in (lambda: races.run(["SET"], seeds=seeds), lambda: studies.compare({"a": {}}, seeds=seeds)):
        with pytest.raises((TypeError, ValueError), match="^seeds"):
            run()


def test_the_table_holds_the_last_epoch_of_all_seeds(meters):
    row, each = races.results(meters).loc["SET"], meters["SET"]
    scores = [meter.history[-1].test_accuracy for meter in each]
    assert (row["lowest"], row["highest"], row["n"]) == (
        pytest.approx(min(scores), abs=1e-4),
        pytest.approx(max(scores), abs=1e-4),
        2,
    )
    assert scores[0] != scores[1]
    tried = [meter.tracker.to_frame().iloc[-1]["itop_rate"] for meter in each]
    assert row["itop"] == pytest.approx(100 * np.mean(tried), abs=0.06)


def test_static_and_set_begin_with_the_same_net(meters):
    first = {name: each[0].history[0] for name, each in meters.items()}
    assert first["static"] == first["SET"]
    assert meters["static"][0].to_frame()["itop_rate"].nunique() == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"names": ["set"]}, "rule = 'set'"), ({"density": 0.0}, "density = 0.0"), ({"epochs": 1}, "epochs = 1"),
        ({"seeds": 0}, "seeds"), ({"names": ["SET", "SET"]}, r"names = \['SET', 'SET'\]"),
    ],
)  # fmt: skip
def test_a_race_names_what_it_refuses(bad, message):
    with pytest.raises(ValueError, match=message):
        races.run(**{"names": ["SET"], "dataset": "digits"} | SMALL | bad)


def test_the_held_out_samples_of_pals_are_not_trained_on():
    data = sl.datasets.load("digits")
    experiment = races.entered("PALS", data=data, epochs=2)
    assert experiment.data.n_train + len(experiment.rules[0].held_out[1]) == data.n_train
    assert (experiment.rules[0].held_out[0] == data.X_train[experiment.data.n_train :]).all()


# figures


def words(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_the_race_is_labelled_and_its_table_is_what_was_measured(meters):
    figure = figures.rule_race(meters, title="a race", dataset="digits")
    said = words(figure)
    for text in (*meters, "test accuracy", "ITOP rate, %", "idle neurons, %", "time per event (ms, log scale)", "no events"):
        assert text in said
    table = figures.to_frame(figure)
    rows = table[(table.rule == "GMP") & (table.seed == 1)]
    expected = meters["GMP"][1].to_frame()
    for name in ("epoch", "test_accuracy", "links", "itop_rate", "events"):
        assert rows[name].tolist() == pytest.approx(expected[name].tolist(), nan_ok=True)
    assert rows.idle.tolist() == pytest.approx((expected.idle / expected.neurons).tolist())
    degrees, found = meters["SET"][0].history[-1].fan_out[0], table[(table.rule == "SET") & table.degree.notna()]
    assert found.at_least.tolist() == pytest.approx([100 * np.mean(degrees >= k) for k in found.degree])
    assert figures.png_bytes(figure).startswith(PNG)
    assert len({len(values) for values in figure.data.values()}) == 1


def test_a_race_of_one_rule_without_events_can_be_drawn():
    meters = races.run(["static"], 0.2, dataset="digits", **SMALL | {"epochs": 2})
    assert figures.png_bytes(figures.rule_race({"$x_": meters["static"][0]}, side="in", layer=3))


def test_nothing_is_cut_off(meters):
    for figure in (figures.rule_race(meters), figures.rule_events(races.events(["SET", "RigL"], epochs=4))):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for ax in figure.axes:
            for text in (ax.xaxis.label, ax.yaxis.label, ax.title):
                box = text.get_window_extent(canvas.get_renderer())
                inside = min(box.x0, box.y0) >= -1 and box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
                assert inside or not text.get_text() or not ax.get_visible(), text.get_text()


def test_the_race_figure_names_what_it_refuses(meters):
    for bad in ([], {"a": 5}, {"a": meters["SET"][0].history}):
        with pytest.raises(TypeError, match="meters"):
            figures.rule_race(bad)
    for bad in ({}, {"a": []}, {"a": analysis.RuleMeter(np.zeros((2, 3)))}):
        with pytest.raises(ValueError, match="meters"):
            figures.rule_race(bad)
    with pytest.raises(ValueError, match="side"):
        figures.rule_race(meters, side="up")
    with pytest.raises(ValueError, match="layer"):
        figures.rule_race(meters, layer=4)


def test_studies_name_labels_that_look_alike():
    with pytest.raises(ValueError, match=r"variants = \[1, '1'\]"):
        studies.compare({1: {}, "1": {}})
    with pytest.raises(ValueError, match=r"workers = \[2, 2\]"):
        studies.simulate([2, 2], dataset="digits")


@given(st.integers(1, 7), st.integers(1, 7), seeds)
def test_states_of_links_are_those_of_sets(n_out, n_in, seed):
    random = np.random.default_rng(seed)
    before, after = (topology_of(random.random((n_out, n_in)) < 0.4) for _ in range(2))
    old, new = (set(zip(t.rows.tolist(), t.indices.tolist())) for t in (before, after))
    image = link_moves.states(before, after)
    kinds = {1: old & new, 2: old - new, 3: new - old}
    for number, expected in kinds.items():
        assert set(map(tuple, np.argwhere(image == number).tolist())) == expected


def test_events_of_rules_are_drawn_with_their_counts():
    changes = races.events(list(races.RULES), epochs=4)
    figure = figures.rule_events(changes, title="events")
    said, table = words(figure), figures.to_frame(figure)
    assert "static: −0 +0" in said
    for rule, (before, after) in changes.items():
        gone = int((mask_of(before) & ~mask_of(after)).sum())
        assert any(text.startswith(f"{rule}: −{gone} +") for text in said)
        assert (table[table.rule == rule].state == "goes").sum() == gone
    assert (table[table.rule == "GMP"].state == "goes").sum() > 0
    assert (table[table.rule == "GMP"].state == "comes").sum() == 0


def test_the_event_figure_names_what_it_refuses():
    small, other, large = (topology_of(np.ones(shape, bool)) for shape in ((2, 3), (3, 2), (50, 60)))
    for bad in (5, {"a": small}, {"a": (small, None)}):
        with pytest.raises(TypeError, match="changes"):
            figures.rule_events(bad)
    for bad in ({}, {"a": (small, other)}, {"a": (large, large)}, {str(n): (small, small) for n in range(17)}):
        with pytest.raises(ValueError, match="changes"):
            figures.rule_events(bad)
    assert isinstance(figures.to_frame(figures.rule_events({"a": (small, small)})), pandas.DataFrame)


# panel


@pytest.fixture
def panel():
    made = race_panel(["static", "SET"], density=0.2, epochs=3, dataset="digits", hidden=(20,), threads=1)
    assert made.wait(60)
    return made


def test_a_race_ends_with_curves_and_a_table_beside_dense(panel):
    assert "Press Start" in panel.gallery.hints["race"].value
    panel.run()
    assert panel.bar.value == panel.bar.max == 6
    assert "finished" in panel.status.value
    assert bytes(panel.gallery.images["race"].value).startswith(PNG)
    for text in ("static", "SET", "dense equivalent", "ITOP rate", "bytes in training"):
        assert text in panel.glance.value
    assert "…" not in panel.glance.value  # the dense net was measured
    alone = races.run(["SET"], 0.2, dataset="digits", hidden=(20,), epochs=3, threads=1, progress=False)["SET"][0]
    assert list(panel.meters["SET"].history) == list(alone.history)


def test_the_picture_of_events_follows_the_chosen_rules(panel):
    panel.gallery.tabs.selected_index = 1
    assert panel.wait(60)
    first = bytes(panel.gallery.images["event"].value)
    panel.controls["rules"].value = ("GMP",)
    assert panel.wait(60)
    assert first.startswith(PNG)
    assert bytes(panel.gallery.images["event"].value) != first
    panel.controls["rules"].value = ()
    assert panel.wait(60)
    assert "Choose a rule" in panel.gallery.hints["event"].value
    assert not panel.start()
    assert "choose at least one rule" in panel.notice.value


def test_stop_ends_the_race_and_keeps_what_was_measured(panel, monkeypatch):
    reached, go_on, real = threading.Event(), threading.Event(), races.entered

    def slow(name, *arguments, **settings):
        if name == "SET":
            reached.set()
            assert go_on.wait(60)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(races, "entered", slow)
    assert panel.start()
    assert not panel.start()
    assert "already running" in panel.notice.value
    assert reached.wait(60)
    assert not panel.stop()
    go_on.set()
    assert panel.stop(60)
    assert panel.wait(60)
    assert "stopped" in panel.status.value
    assert len(panel.meters["static"].history) == 3
    assert "static" in panel.glance.value
    assert "dense equivalent" not in panel.glance.value


def test_a_new_panel_stops_the_race_of_the_one_before(panel):
    panel.controls["epochs"].value = 100
    assert panel.start()
    race_panel(["SET"], dataset="digits")
    assert panel.wait(60)
    assert "stopped" in panel.status.value


def test_a_panel_made_again_finds_its_race():
    make = lambda: race_panel(["static", "SET"], dataset="digits", epochs=500, hidden=(20,))
    first = make()
    assert first.start()
    try:
        assert make() is first
    finally:
        first.stop()
    assert make() is not first
    assert first.wait(60)


def test_an_error_of_a_training_is_shown(panel, monkeypatch):
    def broken(*arguments, **settings):
        raise ValueError("no such thing")

    monkeypatch.setattr(races, "entered", broken)
    assert panel.start()
    assert panel.wait(60)
    assert "failed" in panel.status.value
    assert "no such thing" in panel.notice.value


@pytest.mark.parametrize(
    ("bad", "message"),
    [({"rules": ["set"]}, "rule"), ({"density": 0.9}, "density"), ({"epochs": 1}, "epochs"), ({"alpha": -1}, "alpha")],
)  # fmt: skip
def test_the_panel_names_what_it_refuses(bad, message):
    with pytest.raises(ValueError, match=message):
        race_panel(**bad)
