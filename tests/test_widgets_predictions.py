"""Views of predictions and of one neuron, and the panel in a lecture; without a screen."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import sparse
from test_widgets import blobs, html, panel_of, picture, show, until

import sparselab as sl
from sparselab.datasets import Dataset
from sparselab.widgets import Workbench, prediction_views

VIEWS = ("predictions", "images", "neuron", "curves")


def trained(data=None, **changes):
    panel = panel_of(data, panel={"views": VIEWS}, **changes)
    panel.run()
    return panel


def figure_of(panel, name):
    return panel.views[name].draw(panel.view_model)


def test_before_a_run_there_is_a_neuron_and_no_prediction():
    panel = panel_of(panel={"views": VIEWS})
    assert show(panel, "predictions") == show(panel, "images") == b""
    assert "Press Start" in panel.screen.gallery.hints["predictions"].value
    assert show(panel, "neuron")


@pytest.mark.parametrize("as_csr", [False, True])
def test_predictions_are_those_of_the_net(as_csr):
    data = blobs()
    if as_csr:
        parts = [sparse.csr_array(one) for one in (data.X_train, data.X_test)]
        data = Dataset(parts[0], data.y_train, parts[1], data.y_test, classes=data.classes, image_shape=(4, 4))
    panel = trained(data)
    best = sl.predict(panel.model, data.X_test).argmax(axis=1)
    frame = figure_of(panel, "predictions").to_frame()
    counts = np.zeros((3, 3), int)
    for a, b in zip(data.y_test, best):
        counts[a, b] += 1
    assert frame["samples"].tolist() == counts.ravel().tolist()
    right = figure_of(panel, "images").to_frame()
    assert right["right"].tolist() == [bool(best[i] == data.y_test[i]) for i in right["sample"]]
    for name in VIEWS:
        assert show(panel, name), html(panel)


def test_without_test_samples_the_training_samples_are_predicted():
    data = blobs()
    panel = trained(Dataset(data.X_train, data.y_train, classes=data.classes, name="mine"))
    figure = figure_of(panel, "predictions")
    assert figure.to_frame()["samples"].sum() == data.n_train
    assert "training samples" in figure.get_suptitle()


@pytest.mark.parametrize("loss", ["auto", "poisson"])
def test_numbers_are_what_the_loss_says_is_predicted(loss):
    X = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    data = Dataset.from_arrays(X, np.abs(X[:, :1]), X[:20], np.abs(X[:20, :1]), task="regression")
    panel = trained(data, loss=loss, dropout=0.0)
    z = sl.predict(panel.model, data.X_test)[:, 0]
    expected = np.exp(z) if loss == "poisson" else z
    np.testing.assert_allclose(figure_of(panel, "predictions").to_frame()["predicted"], expected, rtol=1e-5)
    assert figure_of(panel, "images") is None
    assert "y = " in figure_of(panel, "neuron").axes[1].get_yticklabels()[0].get_text()


def test_several_labels_a_sample_are_no_classes():
    panel = trained(sl.datasets.many_labels(120, 16, 8, 2, seed=0), batch_size=32)
    assert show(panel, "predictions") == b""
    assert "several labels" in panel.screen.gallery.hints["predictions"].value
    assert show(panel, "neuron"), html(panel)


def test_predictions_are_computed_once_an_epoch(monkeypatch):
    panel, calls = trained(), []
    compute = prediction_views.predicted
    monkeypatch.setattr(prediction_views, "predicted", lambda *arguments: calls.append(1) or compute(*arguments))
    prediction_views._predicted.clear()
    for name in ("predictions", "images", "predictions"):
        figure_of(panel, name)
    assert calls == [1]


def test_the_slider_chooses_the_neuron_and_follows_a_net_that_shrinks():
    panel = trained()
    show(panel, "neuron")
    slider = panel.screen.neuron
    assert (slider.max, slider.layout.display) == (23, "")
    first = picture(panel, "neuron")
    slider.value = 20
    assert panel.wait(20)
    assert picture(panel, "neuron") != first
    assert figure_of(panel, "neuron").get_suptitle().startswith("neuron 20: ")
    assert slider.layout.display == ""
    show(panel, "curves")
    assert slider.layout.display == "none"
    panel.form.load(panel.form.config.replace(hidden=(8, 12)))
    panel.run()
    assert show(panel, "neuron"), html(panel)
    assert (slider.max, slider.value) == (7, 7)


def test_views_can_be_looked_at_while_neurons_are_pruned():
    panel = panel_of(panel={"views": VIEWS}, epochs=40, pruning="shrink", pruning_start=1, pruning_stop=40, pruning_every=1)
    panel.start()
    while panel.current.active:
        for number in range(3):
            panel.screen.gallery.tabs.selected_index = number
            panel.presenter.painter.request()
            panel.presenter.painter.wait(20)
            assert "cannot draw" not in html(panel), html(panel)
    assert panel.wait(60)
    assert panel.state == "finished"


# --- a lecture


@pytest.fixture(params=["panel", "page"])
def panel(request, tmp_path):
    settings = {"dataset": "digits", "hidden": (20, 10), "epochs": 100_000, "threads": 1}
    if request.param == "panel":
        made = panel_of(epochs=100_000)
    else:
        made = Workbench(sl.ExperimentConfig(**settings), folder=tmp_path / "runs").train
    yield made
    made.stop()


def test_in_a_lecture_one_button_starts_and_pauses_and_everything_stays(panel):
    screen, go = panel.screen, panel.screen.go
    before = (panel.preset, screen.gallery.visible, [control.input.value for control in panel.form.controls.values()])
    screen.lecture.value = True
    assert "sparselab-lecture" in screen.widget._dom_classes
    assert (screen.lecture.description, go.description) == ("Back", "Start")
    go.click()
    until(lambda: panel.state == "running" and len(panel.history) > 1)
    until(lambda: go.description == "Pause")
    go.click()
    until(lambda: panel.state == "paused" and go.description == "Resume")
    epochs = len(panel.history)
    screen.lecture.value = False
    assert "sparselab-lecture" not in screen.widget._dom_classes
    assert screen.lecture.description == "Lecture"
    assert panel.state == "paused"
    assert before == (panel.preset, screen.gallery.visible, [control.input.value for control in panel.form.controls.values()])
    go.click()
    until(lambda: len(panel.history) > epochs)
    panel.stop()
    until(lambda: go.description == "Start")


def test_pictures_of_a_lecture_are_made_for_a_whole_screen():
    panel = panel_of(panel={"views": ("neuron", "neurons")})
    panel.run()
    size = lambda name: Image.open(io.BytesIO(show(panel, name))).size
    before = size("neuron")
    panel.screen.lecture.value = True
    assert panel.wait(20)
    width, height = size("neuron")
    assert width > 1.5 * before[0]
    assert height == pytest.approx(640, abs=2)  # what a laptop's screen has room for
    assert size("neurons")[1] > 800  # three rows, whose words would overlap
    panel.screen.lecture.value = False
    assert panel.wait(20)
    assert size("neuron") == before
