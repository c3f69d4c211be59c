"""Many features and many labels: artificial texts, a RankMeter beside loops, its figure, and the panel of notebook 09."""

import matplotlib.text
import numpy as np
import pandas
import pytest
from scipy import sparse

import sparselab as sl
from sparselab import analysis, figures
from sparselab.experiments import both_ends
from sparselab.widgets import both_ends_panel

FIGURES = {"label_ranking"}  # tested here
PNG = b"\x89PNG"
SMALL = {"hidden": (16,), "threads": 1}


@pytest.fixture(scope="module")
def data():
    return both_ends.texts(300, 60, n=500)


@pytest.fixture(scope="module")
def ran(data):
    return both_ends.run(data, links=8, epochs=3, **SMALL)


# texts


def test_texts_have_as_many_words_as_they_should():
    data = sl.datasets.many_labels(400, 200, 50, 3, seed=1, words=20, noise=0.3)
    assert data.is_sparse
    assert data.X_train.shape == (320, 200)
    assert set(np.diff(data.y_train.indptr)) == {3}
    for X in (data.X_train, data.X_test):
        counts = np.expm1(X.data.astype(float) / data.factor)
        np.testing.assert_allclose(counts, counts.round(), atol=1e-3)
        np.testing.assert_allclose(sparse.csr_array((counts, X.indices, X.indptr), X.shape).sum(axis=1), 20, atol=1e-2)
    lengths = np.sqrt(np.square(data.X_train.toarray()).sum(axis=1))
    assert np.sqrt(np.mean(lengths**2)) == pytest.approx(10, rel=1e-3)


def test_words_of_texts_come_from_their_labels():
    data = sl.datasets.many_labels(600, 4_000, 5, 1, seed=1, words=30, noise=0.0)
    y, X = data.y_train.toarray(), data.X_train.toarray() > 0
    vocabularies = [set(np.flatnonzero(X[y[:, label] > 0].any(axis=0))) for label in range(5)]
    assert [len(words) for words in vocabularies] == [8] * 5
    assert len(set().union(*vocabularies)) > 35
    noise = sl.datasets.many_labels(600, 4_000, 5, 1, seed=1, words=30, noise=1.0)
    assert (noise.X_train[:, :400].nnz) > 0.6 * noise.X_train.nnz  # ∝ 1 / r: ln 400 / ln 4000 of all, less what occurs twice


@pytest.mark.parametrize(("bad", "named"), [({"words": -1}, "words"), ({"words": 5, "noise": 1.5}, "noise")])
def test_texts_name_a_bad_argument(bad, named):
    with pytest.raises(ValueError, match=named):
        sl.datasets.many_labels(100, 50, 20, 2, **bad)


# measuring


def precision(y, best, k):
    """P@k, sample by sample."""
    return np.mean([len(set(row[:k]) & set(np.flatnonzero(own))) / k for row, own in zip(best.tolist(), y.toarray())])


def test_a_rank_meter_measures_the_net_as_it_is(data, ran):
    experiment, meter = ran
    best = np.argsort(-sl.predict(experiment.model, data.X_test), axis=1, kind="stable")
    table = meter.to_frame()
    assert table["epoch"].tolist() == [1, 2, 3]
    for k in (1, 3, 5):
        assert table[f"P@{k}"].iloc[-1] == pytest.approx(precision(data.y_test, best, k))
    assert table["links"].tolist() == [experiment.model.n_links] * 3
    most = np.argsort(-data.y_train.toarray().sum(axis=0), kind="stable")
    assert meter.guess[3] == pytest.approx(precision(data.y_test, np.tile(most, (data.n_test, 1)), 3))
    np.testing.assert_array_equal(meter.links[0], 8)
    np.testing.assert_array_equal(meter.links[1], experiment.model.layers[-1].topology.fan_in)
    assert not np.array_equal(*meter.links)
    np.testing.assert_array_equal(meter.frequencies, data.y_train.toarray().sum(axis=0))


def test_finished_epochs_of_a_resumed_run_are_not_measured(data, ran):
    """Their records have no degrees."""
    meter, records = analysis.RankMeter(data), [record.without_degrees() for record in ran[1].history]
    assert list(meter.watch(records, ran[0].model)) == records == list(meter.history)
    assert meter.to_frame().empty


def test_watching_changes_nothing(data, ran):
    alone = both_ends.entered(data, 8, epochs=3, **SMALL)
    records = list(alone.train())
    assert records[-1].test_loss is None  # not evaluated over all labels
    assert records == list(ran[1].history)
    np.testing.assert_array_equal(alone.model.layers[0].w, ran[0].model.layers[0].w)


def test_a_net_learns_more_than_the_frequencies_with_which_it_starts(data, ran):
    meter = both_ends.run(both_ends.texts(300, 60, n=2000), hidden=(64,), epochs=5, threads=1)[1]
    assert meter.to_frame()["P@1"].iloc[-1] > 1.3 * meter.guess[1]
    start = both_ends.entered(data, 8, **SMALL).model.layers[-1].b
    assert np.array_equal(np.argsort(start, kind="stable"), np.argsort(ran[1].frequencies, kind="stable"))


def test_bytes_follow_links_at_all_sizes():
    table = both_ends.sizes([(100, 50), (2_000, 50), (100, 1_000)], links=4, n=20, threads=1)
    assert table["links"].tolist() == [
        128 * round(2 * words / 128) + 4 * labels for words, labels in zip(table.words, table.labels)
    ]
    assert (table["times less"] > 1).all()


def test_the_meter_names_what_it_refuses(data):
    classes = sl.datasets.load("digits")
    for bad in (5, (data.X_train, data.y_train)):
        with pytest.raises(TypeError, match="data"):
            analysis.RankMeter(bad)
    with pytest.raises(ValueError, match="data"):
        analysis.RankMeter(classes)
    with pytest.raises(TypeError, match="ks = 3"):
        analysis.RankMeter(data, ks=3)
    for bad in ({"ks": ()}, {"ks": (0,)}, {"ks": (61,)}, {"n_samples": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            analysis.RankMeter(data, **bad)
    with pytest.raises(ValueError, match="links"):
        both_ends.entered(data, 17, **SMALL)


# figure


def test_the_figure_is_labelled_and_its_table_is_what_was_measured(ran, data):
    figure = figures.label_ranking(ran[1], title="labels", dataset=data)
    figure.draw_without_rendering()
    said = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert {"P@1", "P@3", "P@5", "epoch", "mean links of a label"} <= said
    table = figures.to_frame(figure)
    for k in (1, 3, 5):
        np.testing.assert_allclose(table[table.k == k].precision, ran[1].to_frame()[f"P@{k}"])
    groups = table.dropna(subset="group")
    assert groups["labels"].sum() == 60
    assert groups["samples"].is_monotonic_increasing
    assert (groups["links"] * groups["labels"]).sum() == pytest.approx(ran[0].model.nnz[-1])
    assert isinstance(table, pandas.DataFrame)


def test_the_figure_names_what_it_refuses(data):
    with pytest.raises(TypeError, match="meter"):
        figures.label_ranking(5)
    with pytest.raises(ValueError, match="meter"):
        figures.label_ranking(analysis.RankMeter(data))


# panel


@pytest.fixture
def panel():
    made = both_ends_panel(words=300, labels=60, links=8, epochs=2, n_texts=300, **SMALL)
    assert made.wait(60)
    return made


def test_a_training_ends_with_figures_and_a_table_beside_dense(panel):
    assert "Press Start" in panel.gallery.hints["ranking"].value
    assert "dense net of these sizes" in panel.glance.value
    panel.run()
    assert panel.bar.value == panel.bar.max == 2
    assert "finished" in panel.status.value
    assert bytes(panel.gallery.images["ranking"].value).startswith(PNG)
    for text in ("truly sparse", "dense equivalent", f"{300 * 16 + 16 * 60:,}"):
        assert text in panel.glance.value
    assert "–" not in panel.glance.value  # the dense net was measured
    alone = both_ends.run(both_ends.texts(300, 60, n=300), 8, epochs=2, **SMALL)[1]
    pandas.testing.assert_frame_equal(
        panel.meters[""].to_frame().drop(columns="seconds"), alone.to_frame().drop(columns="seconds")
    )
    for number, view in enumerate(panel.gallery.views):
        panel.gallery.tabs.selected_index = number
        assert panel.wait(60)
        assert bytes(panel.gallery.images[view].value).startswith(PNG)


def test_the_controls_are_what_is_trained(panel):
    panel.controls["words"].value = 1_000
    panel.controls["links"].value = 4
    panel.run()
    assert panel.current.experiment.model.sizes == (1_000, 16, 60)
    np.testing.assert_array_equal(panel.meters[""].links[0], 4)


def test_stop_and_errors_are_shown(panel, monkeypatch):
    panel.controls["epochs"].value = 50
    assert panel.start()
    assert not panel.start()
    assert "already running" in panel.notice.value
    panel.stop()
    assert panel.wait(60)
    assert "stopped" in panel.status.value

    def broken(*arguments, **settings):
        raise ValueError("no such thing")

    monkeypatch.setattr(both_ends, "entered", broken)
    panel.run()
    assert "failed" in panel.status.value
    assert "no such thing" in panel.notice.value


@pytest.mark.parametrize(
    ("bad", "message"),
    [({"words": 5}, "words"), ({"labels": 1}, "labels"), ({"links": 500}, "links"), ({"epochs": 0}, "epochs"),
     ({"n_texts": 1}, "n_texts"), ({"alpha": -1}, "alpha")],
)  # fmt: skip
def test_the_panel_names_what_it_refuses(bad, message):
    with pytest.raises(ValueError, match=message):
        both_ends_panel(**bad)
