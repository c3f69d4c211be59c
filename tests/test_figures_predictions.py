"""Figures of predictions and of one neuron, against slow twins; what all figures promise is tested in test_figures."""

import re

import matplotlib.text
import numpy as np
import pandas
import pytest
import scipy.sparse

import sparselab as sl
from sparselab import figures
from sparselab.figures import confusion, mosaic, neuron_inputs, number_scatter

NAMES = np.array(["cat", "dog", "a very long name of a class"])


def texts(ax):
    return [one.get_text() for one in ax.texts]


def codes(n=200, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    return truth, np.where(rng.random(n) < 0.6, truth, rng.integers(0, classes, n))


# --- classes


@pytest.mark.parametrize("classes", [2, 3, 12, 13, 100])
def test_confusions_are_counted_as_a_loop_counts_them(classes):
    truth, predicted = codes(400, classes)
    frame = figures.confusion_matrix(truth, predicted, np.arange(classes)).to_frame()
    counts = {(str(a), str(b)): 0 for a in range(classes) for b in range(classes)}
    for a, b in zip(truth, predicted):
        counts[str(a), str(b)] += 1
    assert {(row.true, row.predicted): row.samples for row in frame.itertuples()} == counts
    for _, rows in frame.groupby("true"):
        assert rows["share"].sum() == pytest.approx(1) if rows["samples"].sum() else rows["share"].isna().all()


def test_counts_stand_in_the_cells_of_few_classes_and_beside_the_matrix_of_many():
    few = figures.confusion_matrix(*codes(), NAMES)
    shown = few.to_frame()["samples"]
    assert sorted(map(int, texts(few.axes[0]))) == sorted(shown[shown > 0])
    truth, predicted = codes(4000, 30)
    many = figures.confusion_matrix(truth, predicted)
    [listed] = texts(many.axes[1])
    frame = many.to_frame()
    wrong = frame[frame["true"] != frame["predicted"]].sort_values("samples", ascending=False)
    assert len(listed.splitlines()) == confusion.LISTED
    count = int(re.search(r": ([\d,]+) \(", listed)[1].replace(",", ""))
    assert count == wrong["samples"].iloc[0]
    assert not texts(many.axes[0])


def test_a_perfect_net_confuses_nothing():
    figure = figures.confusion_matrix(range(20), range(20))
    assert texts(figure.axes[1]) == ["none"]
    assert "20 of 20 right" in figure.get_suptitle()


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
def test_names_along_the_axes_do_not_overlap(classes):
    truth, predicted = codes(300, classes)
    figure = figures.confusion_matrix(truth, predicted, [f"class number {i}" for i in range(classes)])
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels() if label.get_text()]
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in zip(boxes, boxes[1:]))
    assert min(box.x0 for box in boxes) >= 0


def test_names_come_from_the_data_set_and_are_no_mathematics():
    data = sl.datasets.load("fashion_mnist_small").head(50, 20)
    frame = figures.confusion_matrix(data.y_test, data.y_test, dataset=data).to_frame()
    assert set(frame["true"]) == set(data.classes)
    figure = figures.confusion_matrix([0, 1], [0, 1], ["$a$", "b_{"])
    figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([], []), "truth"), (([0, 1], [0]), "predicted"), (([0.5], [0]), "truth"), (([0, 3], [0, 1], NAMES), "truth"),
        (([0, 1], [0, -1]), "predicted"), (([0], [0], 7), "classes"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_refused(arguments, word):
    with pytest.raises((TypeError, ValueError), match=word):
        figures.confusion_matrix(*arguments)


# --- numbers


def test_numbers_are_drawn_with_their_r2():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 6))
    found = truth + 0.3 * rng.normal(size=truth.shape)
    figure = figures.predicted_numbers(truth, found, dataset="x")
    frame = figure.to_frame()
    for output in range(6):
        rows = frame[frame["output"] == output]
        assert rows["true"].tolist() == truth[:, output].tolist()
        assert rows["predicted"].tolist() == found[:, output].tolist()
    r2 = 1 - ((found[:, 0] - truth[:, 0]) ** 2).sum() / ((truth[:, 0] - truth[:, 0].mean()) ** 2).sum()
    assert f"R² {r2:.3f}" in figure.axes[0].get_title()
    assert sum(ax.get_visible() for ax in figure.axes) == number_scatter.PANELS


def test_many_numbers_are_counted_in_hexagons():
    truth = np.random.default_rng(0).normal(size=5000)
    figure = figures.predicted_numbers(truth, truth)
    assert figure.axes[0].collections[0].get_array().sum() == 5000
    figures.predicted_numbers([np.nan, 1.0], [1.0, np.inf]).draw_without_rendering()  # a net that has diverged


@pytest.mark.parametrize(("truth", "found"), [([], []), ([1.0], [1.0, 2.0]), (["a"], ["b"]), ([[1.0]], [1.0, 2.0])])
def test_what_are_no_numbers_is_refused(truth, found):
    with pytest.raises((TypeError, ValueError), match=r"truth|predicted"):
        figures.predicted_numbers(truth, found)


# --- images


@pytest.fixture(scope="module")
def digits():
    return sl.datasets.load("digits")


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array, scipy.sparse.coo_array, pandas.DataFrame])
def test_images_are_the_first_ones_and_the_first_wrong_ones(digits, kind):
    truth = digits.y_test
    predicted = np.where(np.arange(len(truth)) % 7 == 3, (truth + 1) % 10, truth)
    figure = figures.predicted_images(kind(digits.X_test), truth, predicted, rows=1, dataset=digits)
    wrong = [i for i in range(len(truth)) if truth[i] != predicted[i]]
    frame = figure.to_frame()
    assert frame["sample"].tolist() == [*range(14), *wrong[:14]]
    assert frame["right"].tolist() == [truth[i] == predicted[i] for i in frame["sample"]]
    for ax, places in zip(figure.axes, (range(14), wrong[:14])):
        assert len(ax.images) == len(ax.lines) == 14  # each in a frame
        assert [text.startswith("✓") for text in texts(ax)] == [truth[i] == predicted[i] for i in places]
    assert texts(figure.axes[1])[0] == f"✗ {predicted[3]}\nis {truth[3]}"
    assert f"{len(wrong)}" in figure.axes[1].get_title()


def test_a_net_that_is_always_right_has_no_wrong_images(digits):
    figure = figures.predicted_images(digits.X_test[:3], digits.y_test[:3], digits.y_test[:3], dataset=digits)
    assert len(figure.axes) == 1
    assert "3 of 3 right" in figure.get_suptitle()


@pytest.mark.parametrize("shape", [(4, 6), (4, 2, 3), (3, 4, 2)])
def test_an_image_goes_from_its_darkest_to_its_brightest_value(shape):
    X = np.random.default_rng(0).normal(size=(5, 24)) * [[1], [100], [0], [1e-3], [1]]
    images = mosaic.pictures_of(X, shape, None)
    assert images.shape == (5, *shape[:2], 3)
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images[2] == 0).all()  # a single colour
    brightest = np.unravel_index(X[0].argmax(), shape)
    if len(shape) == 2:
        assert images[0][brightest].tolist() == [1, 1, 1]
    elif shape[2] == 3:
        assert images[0][brightest] == 1


def test_images_that_do_not_fit_are_refused(digits):
    with pytest.raises(ValueError, match="X"):
        figures.predicted_images(digits.X_test, [0, 1], [0, 1], dataset=digits)
    with pytest.raises(ValueError, match="X"):
        figures.predicted_images(digits.X_test[:2], [0, 1], [0, 1], (4, 4))
    with pytest.raises(ValueError, match="image_shape"):
        figures.predicted_images(digits.X_test[:2], [0, 1], [0, 1])


# --- one neuron


@pytest.fixture(scope="module")
def net():
    return sl.SparseMLP.create((64, 30, 10), density=0.2, seed=0)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_a_neuron_is_its_row_of_the_dense_matrix(net, digits, kind):
    dense = net.layers[0].to_scipy().toarray()
    net.layers[0].b[7] = 0.25
    z = digits.X_test.astype(float) @ dense[7] + 0.25
    figure = figures.one_neuron(net, 7, kind(digits.X_test), digits.y_test, dataset=digits)
    frame = figure.to_frame()
    weights = frame[frame["kind"] == "weight"].set_index("number")["value"]
    assert {i: w for i, w in enumerate(dense[7]) if w} == pytest.approx(weights.to_dict())
    samples = frame[frame["kind"] == "sample"]
    best = sorted(range(len(z)), key=lambda i: -z[i])[: neuron_inputs.SAMPLES]
    assert samples["number"].tolist() == best
    np.testing.assert_allclose(samples["value"], z[best], rtol=1e-5)
    assert f"{np.count_nonzero(dense[7])} links in, {net.layers[1].topology.fan_out[7]} out" in figure.get_suptitle()
    shown = figure.axes[0].images[0].get_array()
    assert (~np.ma.getmaskarray(shown)).ravel().nonzero()[0].tolist() == dense[7].nonzero()[0].tolist()
    assert texts(figure.axes[1])[0].startswith(f"{digits.y_test[best[0]]}\n")


def test_without_images_the_strongest_inputs_are_bars(net, digits):
    figure = figures.one_neuron(net, 3, digits.X_test)
    row = net.layers[0].to_scipy().toarray()[3]
    order = sorted(np.flatnonzero(row), key=lambda i: -abs(row[i]))[: neuron_inputs.BARS]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [f"input {i}" for i in order]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx(row[order].tolist())


def test_channels_of_a_pixel_are_added_and_a_neuron_without_links_is_shown():
    topology = sl.Topology.from_links(2, 12, [0, 0], [0, 1])
    layer = sl.SparseLinear(topology, np.float32([2, -0.5]), np.zeros(2, np.float32))
    model = sl.SparseMLP([layer], sl.ReLU())
    image = figures.one_neuron(model, 0, np.ones((1, 12)), image_shape=(2, 3, 2)).axes[0].images[0].get_array()
    assert image.compressed().tolist() == [1.5]
    for shape in (None, (3, 4)):
        figures.one_neuron(model, 1, np.ones((1, 12)), image_shape=shape).draw_without_rendering()


@pytest.mark.parametrize(
    ("arguments", "options", "word"),
    [((30, np.ones((2, 64))), {}, "number"), ((-1, np.ones((2, 64))), {}, "number"), ((0, np.ones((2, 63))), {}, "X"),
     ((0, np.ones((2, 64)), [1]), {}, "labels"), ((0, np.ones((2, 64))), {"image_shape": 8}, "image_shape")],
)  # fmt: skip
def test_wrong_arguments_of_a_neuron_are_named(net, arguments, options, word):
    with pytest.raises((TypeError, ValueError), match=word):
        figures.one_neuron(net, *arguments, **options)


def test_words_of_a_mosaic_do_not_leave_the_figure(digits):
    wrong = (digits.y_test + 1) % 10
    figure = figures.predicted_images(digits.X_test, digits.y_test, wrong, (8, 8), [f"a class called {i}" for i in range(10)])
    figure.draw_without_rendering()
    for text in figure.findobj(matplotlib.text.Text):
        box, on_axis = text.get_window_extent(), re.fullmatch(r"[−\d.]*", text.get_text())  # axes without axes have such words
        assert on_axis or (box.y0 >= -1 and box.x0 >= -1 and box.x1 <= figure.bbox.width + 1), text.get_text()


def test_r_squared_is_that_of_the_points_that_are_drawn():
    predicted = np.arange(100.0)
    truth = predicted.copy()
    truth[7] = np.nan
    assert figures.predicted_numbers(truth, predicted).axes[0].get_title() == "R² 1.000"
