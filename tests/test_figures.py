"""Every figure is made from a real (tiny) run: its table must repeat the records, its axes must say what they show.

Looks are judged by eye; what can be tested is words, numbers, files, and that no global state of matplotlib is touched.
"""

import math
import subprocess
import sys
import threading
from dataclasses import replace

import matplotlib
import matplotlib.figure
import numpy as np
import pandas
import pytest
import test_both_ends
import test_figures_analysis
import test_figures_parallel
import test_figures_pruning
import test_races
from PIL import Image

import sparselab as sl
from sparselab import figures
from sparselab.checkpoints.records import RECORD_PHASES
from sparselab.figures import activation_curves, cost_bars, degrees, legends, link_density, style
from sparselab.kernels.binning import links_per_bin
from sparselab.nn import summary
from sparselab.training import memory

SIZES = (64, 40, 30, 10)
SCALE = {"neurons": [10**4, 10**6], "step_seconds": [0.01, 1.0], "evolve_seconds": [0.02, 2.0], "peak_gib": [0.2, 0.6]}


def small_run(seed=0, epochs=3, sizes=SIZES):
    data = sl.datasets.load("digits").head(300, 100)
    model = sl.SparseMLP.create(sizes, epsilon=6, seed=seed)
    records = sl.train(model, data, rules=[sl.SET(0.3)], epochs=epochs, seed=seed, threads=1)
    return model, sl.History(records)


@pytest.fixture(scope="module")
def data():
    return sl.datasets.load("digits").head(300, 100)


@pytest.fixture(scope="module")
def run():
    return small_run()


@pytest.fixture(scope="module")
def model(run):
    return run[0]


@pytest.fixture(scope="module")
def history(run):
    return run[1]


@pytest.fixture(scope="module")
def norms(model, data):
    return figures.gradient_norm_per_layer(model, data.X_train, data.y_train, n_samples=100)


@pytest.fixture(scope="module")
def makers(model, history, norms, data):
    """A call for every public figure, most of them in two variants."""
    cost = {"links": 1, "bytes": 100.0, "seconds": None}
    return {
        "learning_curves": lambda: figures.learning_curves(history, dataset=data),
        "learning_curves of seeds": lambda: figures.learning_curves({"SET": [history, history[:2]], "x": history}, x="seconds"),
        "connectivity": lambda: figures.connectivity(model, bins=16),
        "connectivity of a layer": lambda: figures.connectivity(model.layers[0].topology),
        "input_map": lambda: figures.input_map(model, (8, 8), title="after training", dataset=data),
        "input_maps": lambda: figures.input_maps(history, dataset=data),
        "degree_histograms": lambda: figures.degree_histograms(model),
        "degree_histograms, log": lambda: figures.degree_histograms(history[-1], log=True),
        "links_and_neurons": lambda: figures.links_and_neurons(history),
        "links_and_neurons, stacked": lambda: figures.links_and_neurons(history, stacked=True),
        "topology_stages": lambda: figures.topology_stages({0: model.layers[0].topology}, dataset=data),
        "activation_functions": lambda: figures.activation_functions(["all_relu", sl.ReLU(), "tanh"], 3),
        "gradient_norms": lambda: figures.gradient_norms({"a": norms, "b": norms}, dataset=data),
        "phases": lambda: figures.phases(history),
        "phases, mean": lambda: figures.phases({"one": history, "two": [history, history]}),
        "memory": lambda: figures.memory(model),
        "weights_histogram": lambda: figures.weights_histogram(model),
        "parallel_coordinates": lambda: figures.parallel_coordinates(
            [{"zeta": 0.1, "rule": "set", "accuracy": 0.8}] * 2, dataset=data
        ),
        "setting_importance": lambda: figures.setting_importance(
            [{"zeta": z, "rule": r, "accuracy": z} for z in (0.1, 0.2) for r in ("set", "static")], dataset=data
        ),
        "pareto": lambda: figures.pareto([{"accuracy": 0.8, "links": 9, "seconds": 2.0}] * 2, dataset=data),
        "scale": lambda: figures.scale(pandas.DataFrame(SCALE)),
        "loss_by_step": lambda: figures.loss_by_step({"a": [1.0, 0.5], "b": [1.1]}, dataset=data),
        "memory_plan": lambda: figures.memory_plan(sl.estimate_memory((100, 200, 2), epsilon=2), available=10**6),
        "confusion_matrix": lambda: figures.confusion_matrix(data.y_test, data.y_test[::-1], dataset=data),
        "confusion_matrix, many": lambda: figures.confusion_matrix(np.arange(30), np.arange(30)[::-1], title="after epoch 3"),
        "predicted_numbers": lambda: figures.predicted_numbers(np.arange(9.0).reshape(3, 3), np.ones((3, 3)), dataset=data),
        "predicted_images": lambda: figures.predicted_images(data.X_test, data.y_test, data.y_test[::-1], dataset=data),
        "one_neuron": lambda: figures.one_neuron(model, 3, data.X_test, data.y_test, dataset=data),
        "one_neuron, bars": lambda: figures.one_neuron(model, 3, data.X_test, title="after training"),
        "compare_costs": lambda: figures.compare_costs(cost, {"links": 12, "bytes": 50.0, "seconds": 3.0}),
    }


def words(figure):
    """Everything that is written in a figure."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def close(column, expected):
    assert np.allclose(np.array(column, float), np.array(expected, float), equal_nan=True)


# what all of them promise


def test_every_public_figure_is_tried_here(makers):
    no_figures = {"TableFigure", "png_bytes", "save_figure", "to_frame", "gradient_norm_per_layer"}
    elsewhere = test_figures_analysis.FIGURES | test_figures_parallel.FIGURES | test_figures_pruning.FIGURES
    elsewhere |= test_races.FIGURES | test_both_ends.FIGURES | {"twin_curves"}  # the last one in test_widgets_twins
    assert {name.split()[0].strip(",") for name in makers} == set(figures.__all__) - no_figures - elsewhere


def test_every_figure_is_labelled_and_has_a_table(makers):
    for name, make in makers.items():
        figure = make()
        assert isinstance(figure, matplotlib.figure.Figure)
        panels = [ax for ax in figure.axes if ax.get_visible() and ax.get_label() != "<colorbar>"]
        for side in ("x", "y"):
            said = [getattr(ax, f"get_{side}label")() or ax.get_title() for ax in panels]
            assert any(said), f"{name}: nothing is said along {side}"
        assert len({len(values) for values in figure.data.values()}) == 1, name
        assert len(figures.to_frame(figure)) > 0, name


@pytest.mark.slow
def test_every_figure_can_be_saved(makers, tmp_path):
    for name, make in makers.items():
        figure = make()
        paths = figures.save_figure(figure, tmp_path / name / "figure.v1")
        assert [path.name for path in paths] == ["figure.v1.pdf", "figure.v1.png", "figure.v1.csv"]
        frame = figures.to_frame(figure)
        assert list(pandas.read_csv(paths[2]).columns) == list(frame.columns)
        assert len(pandas.read_csv(paths[2])) == len(frame) > 0
        assert Image.open(paths[1]).width == pytest.approx(150 * figure.get_figwidth(), abs=1)
        assert b"/Subtype /Type3" not in paths[0].read_bytes(), "fonts must be embedded as TrueType"


def test_words_are_large_enough_and_never_tex(makers):
    with matplotlib.rc_context({"text.usetex": True}):
        made = {name: make() for name, make in makers.items()}
    for name, figure in made.items():
        texts = figure.findobj(matplotlib.text.Text)
        assert all(text.get_fontsize() >= 9 for text in texts if text.get_text()), name
        assert not any(text.get_usetex() for text in texts if text.get_text()), name


def test_settings_of_matplotlib_neither_change_nor_matter(makers):
    before = dict(matplotlib.rcParams)
    plain = figures.png_bytes(makers["learning_curves"]())
    with matplotlib.rc_context({"font.size": 20, "text.color": "red", "axes.facecolor": "black", "axes.grid": True}):
        inside = dict(matplotlib.rcParams)
        assert figures.png_bytes(makers["learning_curves"]()) == plain
        assert dict(matplotlib.rcParams) == inside
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_figures_can_be_drawn_in_threads(makers, tmp_path):
    before, failures = dict(matplotlib.rcParams), []
    alone = figures.png_bytes(makers["gradient_norms"]())

    def work(number):
        try:
            figure = makers["gradient_norms"]()
            assert figures.png_bytes(figure) == alone
            figures.save_figure(figure, tmp_path / str(number))
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_pyplot_is_never_loaded_and_matplotlib_only_on_first_use(tmp_path):
    code = f"""
import sys
import sparselab as sl
from sparselab import figures
assert "matplotlib" not in sys.modules
model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
history = sl.History(sl.train(model, sl.datasets.load("digits").head(100), epochs=1, threads=1))
figures.save_figure(figures.learning_curves(history), {str(tmp_path / "curves")!r})
assert figures.connectivity(model)._repr_png_()[1:4] == b"PNG"
assert "matplotlib.pyplot" not in sys.modules and "IPython" not in sys.modules
assert not sys.modules["matplotlib._pylab_helpers"].Gcf.figs
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": ""})
    assert done.returncode == 0, done.stderr


def test_a_figure_shows_itself_in_a_notebook_without_pyplot(history):
    formatters = pytest.importorskip("IPython.core.formatters")
    assert formatters.PNGFormatter()(figures.learning_curves(history))[1:4] == b"PNG"


def test_to_frame_wants_a_figure_of_ours():
    with pytest.raises(TypeError, match="figure = .*sparselab.figures"):
        figures.to_frame(matplotlib.figure.Figure())


@pytest.mark.parametrize("name", ["learning_curves", "links_and_neurons", "phases", "input_maps"])
def test_an_empty_or_foreign_history_is_refused(name):
    for bad, error in ((sl.History(), ValueError), ([], ValueError), ("history", TypeError), ([1, 2], TypeError)):
        with pytest.raises(error, match="at least one epoch"):
            getattr(figures, name)(bad)


def test_one_record_is_enough(history):
    for make in (figures.learning_curves, figures.links_and_neurons, figures.phases):
        assert figures.png_bytes(make(history[:1]))
        assert figures.png_bytes(make(history[0]))
    assert len(set(figures.input_maps(history[:1], (8, 8)).data["epoch"])) == 1


# learning curves


def test_learning_curves_repeat_the_records(history):
    table = figures.learning_curves(history).data
    for name in ("epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        close(table[name], history[name])
    close(table["seconds"], np.cumsum(history["seconds"]))
    assert set(table["n"]) == {1}


@pytest.mark.parametrize("band", ["range", "std"])
def test_bands_over_seeds(history, band):
    other = small_run(seed=1)[1][:2]
    figure = figures.learning_curves({"SET": [history, other]}, band=band)
    frame = figures.to_frame(figure)
    assert list(frame.n) == [2, 2, 1]
    pair = np.array([history["test_loss"][:2], other["test_loss"]])
    close(frame.test_loss[:2], pair.mean(axis=0))
    low = pair.min(axis=0) if band == "range" else pair.mean(axis=0) - pair.std(axis=0, ddof=1)
    close(frame.test_loss_low[:2], low)
    assert frame.test_loss_low[2] == frame.test_loss_high[2] == history[2].test_loss
    assert "SET (n = 1–2)" in words(figure)


def test_values_that_are_none_leave_gaps_and_regressions_have_no_accuracy(history):
    gaps = sl.History(replace(r, test_loss=None, test_accuracy=None) if r.epoch == 2 else r for r in history)
    assert np.isnan(figures.learning_curves(gaps).data["test_loss"]).tolist() == [False, True, False]
    regression = sl.History(replace(r, train_accuracy=None, test_accuracy=None) for r in history)
    assert len(figures.learning_curves(regression).axes) == 1
    assert "test" not in words(figures.learning_curves([replace(r, test_loss=None, test_accuracy=None) for r in history]))


def test_names_from_outside_are_shown_as_they_are(history):
    names = ["$x_1^{", "a$b$c", "<b>bold</b> & co", "_hidden", "", 0.3, "x" * 200, "two\nlines", r"back\$slash"]
    figure = figures.learning_curves({name: history for name in names}, dataset="what $_", title="$$ \\frac{")
    assert figures.png_bytes(figure)
    shown = "\n".join(words(figure)).replace(r"\$", "$")
    for name in ("$x_1^{", "a$b$c", "<b>bold</b> & co", "_hidden", "0.3", "two lines", r"back\$slash", "what $_"):
        assert name in shown
    assert [*dict.fromkeys(figure.data["run"])] == [str(name) for name in names]


def test_datasets_are_named_with_their_source(data, history):
    said = words(figures.learning_curves(history, dataset=data, title="SET"))
    assert "SET · digits (source: embedded)" in said


def test_wrong_words_are_refused(history):
    with pytest.raises(ValueError, match="x = 'epochs'.*did you mean 'epoch'"):
        figures.learning_curves(history, x="epochs")
    with pytest.raises(ValueError, match="band"):
        figures.learning_curves(history, band="sem")


# connectivity


def naive_counts(topology, height, width, shape):
    counts = np.zeros(shape, int)
    for row in range(topology.n_out):
        for column in topology.indices[topology.indptr[row] : topology.indptr[row + 1]]:
            counts[row // height, int(column) // width] += 1
    return counts


@pytest.mark.parametrize(("n_out", "n_in", "bins"), [(5, 7, 16), (100, 37, 8), (64, 64, 64), (1, 300, 256), (301, 2, 256)])
def test_binning_is_its_naive_twin(n_out, n_in, bins):
    topology = sl.erdos_renyi(n_out, n_in, density=0.3, seed=1)
    image = link_density.density(topology, bins)
    height, width = math.ceil(n_out / bins), math.ceil(n_in / bins)
    assert (image["links"] == naive_counts(topology, height, width, image["links"].shape)).all()
    assert max(image["links"].shape) <= bins
    assert image["links"].sum() == topology.nnz
    assert image["possible"].sum() == n_out * n_in
    assert (image["links"] <= image["possible"]).all()


def test_the_kernel_adds_to_what_is_there():
    out = np.full((1, 2), 10)
    links_per_bin(np.array([0, 3]), np.array([0, 2, 3], np.int32), 1, 2, out)
    assert out.tolist() == [[11, 12]]


def test_layers_with_more_than_2_to_the_32_places():
    n = 2**31 - 1
    topology = sl.Topology.from_links(3, n, [0, 1, 2, 2], [0, n // 2, 0, n - 1])
    image = link_density.density(topology, 4)
    assert image["links"].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 1]]
    assert image["possible"].sum() == 3 * n
    square = sl.Topology.from_links(70_000, 70_000, [0, 69_999], [69_999, 69_999])
    assert link_density.density(square, 2)["links"].tolist() == [[0, 1], [0, 1]]
    assert link_density.density(square, 2)["possible"].sum() == 70_000**2
    assert figures.png_bytes(figures.connectivity(square))


def test_small_layers_show_single_links_and_empty_ones_nothing():
    topology = sl.erdos_renyi(5, 4, density=0.5, seed=0)
    frame = figures.to_frame(figures.connectivity(topology, bins=2))
    links = {(row.output, row.input) for row in frame.itertuples() if row.links}
    assert links == set(zip(topology.rows.tolist(), topology.indices.tolist(), strict=True))
    assert (frame.possible == 1).all()
    empty = sl.Topology.from_links(100, 90, np.zeros(0, int), np.zeros(0, int))
    assert sum(figures.connectivity(empty).data["links"]) == 0
    assert figures.png_bytes(figures.connectivity(empty))
    assert figures.png_bytes(figures.degree_histograms(empty, log=True))


def test_connectivity_of_a_model_has_a_panel_a_layer(model):
    figure = figures.connectivity(model)
    frame = figures.to_frame(figure)
    assert frame.groupby("layer").links.sum().tolist() == list(model.nnz)
    assert sum("output neuron" in text for text in words(figure)) == 3
    with pytest.raises(TypeError, match="source"):
        figures.connectivity("model")


# input maps and degrees


def test_input_map_is_the_fan_out(model, history):
    for source in (model, model.layers[0].topology, history[-1], history[-1].fan_out[0]):
        table = figures.input_map(source, (8, 8)).data
        assert (np.array(table["links"]) == model.layers[0].topology.fan_out).all()
    assert (table["row"][9], table["column"][9]) == (1, 1)


def test_channels_of_a_pixel_are_added():
    assert figures.input_map(np.arange(12), (2, 2, 3)).data["links"].tolist() == [3, 12, 21, 30]


@pytest.mark.parametrize("shape", [(8, 9), None, 64, (64,), (8, 8.0), (2, 2, 4, 4)])
def test_shapes_that_do_not_fit_are_refused(model, shape):
    with pytest.raises((ValueError, TypeError), match="image_shape"):
        figures.input_map(model, shape)


def test_input_maps_share_one_scale(history):
    figure = figures.input_maps(history, (8, 8), epochs=(1, 3))
    assert {shown.get_clim() for ax in figure.axes for shown in ax.get_images() if ax.get_title()} == {
        (0, max(history[i].fan_out[0].max() for i in (0, 2)))
    }
    frame = figures.to_frame(figure)
    assert (frame[frame.epoch == 3].links.to_numpy() == history[2].fan_out[0]).all()
    with pytest.raises(ValueError, match="epochs"):
        figures.input_maps(history, (8, 8), epochs=(1, 9))


def test_records_without_degrees_say_so(history):
    bare = sl.History.from_json(history.to_json())
    for make in (figures.degree_histograms, lambda record: figures.input_map(record, (8, 8))):
        with pytest.raises(ValueError, match="take the model instead"):
            make(bare[0])
    with pytest.raises(ValueError, match="epoch 1 has no fan_in"):
        figures.input_maps(bare, (8, 8))


@pytest.mark.parametrize("log", [False, True])
def test_degree_histograms_count_every_neuron(model, history, log):
    frame = figures.to_frame(figures.degree_histograms(model, log=log))
    assert frame.equals(figures.to_frame(figures.degree_histograms(history[-1], log=log)))
    for (layer, side), part in frame.groupby(["layer", "side"]):
        topology = model.layers[layer - 1].topology
        values = topology.fan_in if side == "in" else topology.fan_out
        assert part.neurons.sum() == np.count_nonzero(values) if log else len(values)
        for row in part.itertuples():
            assert row.neurons == np.count_nonzero((values >= row.first) & (values <= row.last))


@pytest.mark.parametrize(("n", "p"), [(20, 0.3), (7, 1.0), (500, 0.01)])
def test_the_random_layer_is_binomial(n, p):
    values = np.array([round(n * p)] * 4)
    table = degrees.distribution(values, n)
    exact = [sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(r["first"], min(n, r["last"]) + 1)) for r in table]
    close([row["random_share"] for row in table], exact)


def test_a_random_layer_looks_random():
    table = degrees.distribution(sl.erdos_renyi(20_000, 5_000, density=0.01, seed=0).fan_in, 5_000)
    assert max(abs(row["share"] - row["random_share"]) for row in table) < 0.01


# links, activations, gradients


def test_links_and_neurons_repeat_the_records(history):
    frame = figures.to_frame(figures.links_and_neurons(history))
    for name in ("nnz", "grown", "pruned"):
        expected = [value for record in history for value in getattr(record, name)]
        close(frame["links" if name == "nnz" else name], expected)
    close(frame.active_neurons, [value for record in history for value in (*record.active_neurons, np.nan)])


def test_a_net_without_hidden_layers_has_no_panel_of_neurons():
    model, history = small_run(sizes=(64, 10), epochs=1)
    assert len(figures.links_and_neurons(history).axes) == 2
    assert figures.png_bytes(figures.memory(model))
    assert figures.png_bytes(figures.weights_histogram(model))


def test_all_relu_alternates():
    frame = figures.to_frame(figures.activation_functions(sl.AllReLU(0.6), 4))
    left = frame[frame.z == -3.0]
    close(left.f, [1.8, -1.8, 1.8, -1.8])
    close(left.slope, [-0.6, 0.6, -0.6, 0.6])
    close(frame[frame.z == 3.0].f, [3] * 4)


def test_activations_of_the_same_name_stay_apart():
    class Square:
        def forward(self, Z):
            return Z**2

        def gradient(self, Z):
            return 2 * Z

    assert list(activation_curves.named([Square(), Square(), "relu"])) == ["Square #1", "Square #2", "ReLU"]
    assert list(activation_curves.named({"mine": Square(), "it's": "relu"})) == ["mine", "it's"]
    with pytest.raises(ValueError, match="activations"):
        activation_curves.named([])


def dense_gradients(model, X, y):
    """Norms of dZ and of dw on links, by plain dense arithmetic."""
    values, slopes = [X.T.astype(float)], [1]
    for number, layer in enumerate(model.layers, 1):
        Z = layer.to_scipy().toarray().astype(float) @ values[-1] + layer.b[:, None]
        left = -model.activation.alpha if number % 2 else model.activation.alpha
        slopes.append(np.where(Z > 0, 1, left))
        values.append(np.where(Z > 0, Z, left * Z) if number < len(model.layers) else Z)
    exp = np.exp(values[-1] - values[-1].max(axis=0))
    dZ, found = (exp / exp.sum(axis=0) - np.eye(len(exp))[:, y]) / len(y), []
    for number in reversed(range(len(model.layers))):
        layer = model.layers[number]
        dw = (dZ @ values[number].T)[layer.topology.rows, layer.topology.indices]
        found.insert(0, (np.linalg.norm(dZ), np.linalg.norm(dw)))
        dZ = (layer.to_scipy().toarray().T @ dZ) * slopes[number]
    return np.array(found).T


def test_gradient_norms_are_those_of_dense_arithmetic(model, data, norms):
    dZ, dw = dense_gradients(model, data.X_train[:100], data.y_train[:100])
    assert np.allclose(norms["dZ"], dZ, rtol=1e-4)
    assert np.allclose(norms["dw"], dw, rtol=1e-4)
    assert norms["links"] == list(model.nnz)
    assert norms["layer"] == [1, 2, 3]


def test_gradient_norms_draw_zeros_and_refuse_what_they_cannot_read(norms, model, data):
    dead = {**norms, "dw": [0.0, *norms["dw"][1:]]}
    assert figures.png_bytes(figures.gradient_norms({**norms, "dw": [0.0] * 3}))
    assert "0" in words(figures.gradient_norms(dead))
    assert figures.gradient_norms(dead).data["dw"][0] == 0
    for bad in ({}, {"a": 1}, [1], {"layer": [1]}):
        with pytest.raises((TypeError, ValueError), match="norms"):
            figures.gradient_norms(bad)
    with pytest.raises(ValueError, match="y has 5 entries"):
        figures.gradient_norm_per_layer(model, data.X_train, data.y_train[:5])


# costs


def test_phases_add_up_to_the_clock(history):
    frame = figures.to_frame(figures.phases(history))
    for phase in RECORD_PHASES:
        close(frame[phase], history[f"seconds_{phase}"])
    close(frame.seconds, history["seconds"])
    spent = frame[[phase for phase in RECORD_PHASES if phase != "evaluate"]].sum(axis=1)
    close(frame.other, np.maximum(0, frame.seconds - spent))
    mean = figures.to_frame(figures.phases(history, mean=True))
    assert mean.backward[0] == pytest.approx(np.mean(history["seconds_backward"]))
    assert len(mean) == 1


def test_memory_is_the_summary(model):
    frame = figures.to_frame(figures.memory(model))
    assert frame.to_dict("records") == summary.rows(model)


def test_weights_are_all_counted(model):
    frame = figures.to_frame(figures.weights_histogram(model))
    assert frame.groupby("layer").links.sum().tolist() == list(model.nnz)
    broken = sl.SparseMLP.create(SIZES, epsilon=6, seed=0)
    broken.layers[1].w[:2] = np.nan, np.inf
    figure = figures.weights_histogram(broken)
    assert figures.to_frame(figure).groupby("layer").links.sum().tolist()[1] == broken.nnz[1] - 2
    assert any("2 not finite" in text for text in words(figure))


@pytest.mark.parametrize(
    ("ours", "dense", "text"),
    [(10, 1000, "100× less"), (1, 1.7, "1.7× less"), (20, 10, "2× more"), (5, 5, "equal"), (0, 5, ""), (1, math.nan, "")],
)
def test_ratios_in_words(ours, dense, text):
    assert cost_bars.ratio(ours, dense) == text


def test_compare_costs_writes_numbers_and_ratios():
    ours = {"links": 12_345, "bytes": 2048, "seconds": 0.5, "extra": 1}
    figure = figures.compare_costs(ours, {"seconds": None, "links": 305_000, "bytes": 4096})
    said = words(figure)
    assert {"12,345\n25× less", "305,000", "2.0 KiB\n2× less", "500 ms", "not\nmeasured"} <= set(said)
    assert figure.data["quantity"] == ["links", "bytes", "seconds"]
    assert figure.data["ours"] == [12_345, 2048, 0.5]
    with pytest.raises(ValueError, match="dense = .*shares names"):
        figures.compare_costs({"links": 1}, {"seconds": 1})
    with pytest.raises(ValueError, match="ours"):
        figures.compare_costs({"links": math.nan}, {"links": 1})


def test_legends_fit_their_figure():
    assert legends.entries_width(["a", "bb", "ccc"], 3) < legends.entries_width(["a", "bb", "c" * 30], 3)
    assert style.look(0) != style.look(7) != style.look(14)
    assert len({tuple(style.look(number).values()) for number in range(56)}) == 56


def test_a_memory_plan_draws_every_byte_of_the_estimate():
    plans = {str(plan): sl.estimate_memory((300, 400, 2), epsilon=3, n_samples=50, plan=plan) for plan in memory.PLANS}
    frame = figures.memory_plan(plans, available=10**9).to_frame()
    assert frame.groupby("plan")["bytes"].sum().to_dict() == {label: one.total for label, one in plans.items()}
    assert "transposed index" not in set(frame[frame["plan"] == str(memory.PLANS[-1])]["part"])
    drawn = sum(patch.get_width() for patch in figures.memory_plan(plans).axes[0].patches)
    assert drawn == pytest.approx(sum(one.total for one in plans.values()) / 2**10)


@pytest.mark.parametrize("wrong", [{}, 3, {"a": 1}, None])
def test_a_memory_plan_takes_estimates_only(wrong):
    with pytest.raises(TypeError, match="plans"):
        figures.memory_plan(wrong)


@pytest.mark.parametrize("wrong", [[], {"a": []}, [[1.0]]])
def test_a_loss_a_step(wrong):
    with pytest.raises(ValueError, match="losses"):
        figures.loss_by_step(wrong)
    frame = figures.loss_by_step([0.5, 0.25]).to_frame()
    assert frame["loss"].tolist() == [0.5, 0.25]
    assert frame["step"].tolist() == [1, 2]


def test_every_line_of_parallel_coordinates_is_seen_on_white_and_on_its_negative():
    rows = [{"zeta": zeta, "accuracy": zeta} for zeta in np.linspace(0.1, 0.9, 9)]
    colours = [matplotlib.colors.to_rgb(line.get_color()) for line in figures.parallel_coordinates(rows).axes[0].lines[:9]]
    light = np.array(colours) @ [0.2126, 0.7152, 0.0722]
    assert light.max() < 0.7
    assert len(set(colours)) == 9
