"""Pictures that the browser draws: their data against slow twins, their size, and the files that matplotlib makes of them."""

import dataclasses
import io
import json
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import sync_playwright
from shown import PNG

import sparselab as sl
from sparselab.widgets import TrainingPanel
from sparselab.widgets.pictures import cells, curves, predictions, stages
from sparselab.widgets.pictures.picture import text
from sparselab.widgets.stages import Stages

MOST_BYTES = 200_000
numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300).map(np.array)


@pytest.fixture(scope="module")
def panel():
    config = sl.ExperimentConfig(dataset="digits", hidden=(30, 20), epochs=3, threads=1)
    made = TrainingPanel(config, views=("curves", "input", "connectivity", "neurons", "topology"))
    made.run()
    return made


@pytest.fixture(scope="module")
def record(panel):
    return panel.history[-1]


def history_of(record, n):
    rng = np.random.default_rng(0)
    scores = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    new = lambda epoch: dataclasses.replace(record, epoch=epoch, seconds=0.1, **dict(zip(scores, rng.random(4).tolist())))
    return sl.History(new(epoch) for epoch in range(1, n + 1))


def size(value):
    """Bytes that are sent for a value."""
    if isinstance(value, dict):
        return sum(len(key) + size(one) for key, one in value.items())
    return (
        sum(map(size, value)) if isinstance(value, list | tuple) else len(value) if isinstance(value, bytes) else len(str(value))
    )


def array(data, kind="<f8"):
    return np.frombuffer(data, kind)


# --- curves


@given(numbers, st.integers(4, 60))
def test_thinned_values_keep_ends_and_extremes_of_every_part(y, most):
    kept = curves.thinned(y, most)
    assert len(kept) <= max(most, len(y) if len(y) <= most else 0)
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, len(y) - 1)
    assert (y[kept].min(), y[kept].max()) == (y.min(), y.max())
    if len(y) <= most:
        assert len(kept) == len(y)


@given(st.integers(1, 40), st.floats(0, 45), st.floats(0, 45))
def test_a_span_has_its_records_and_a_neighbour_on_each_side(n, one, other):
    x, (low, high) = np.arange(1.0, n + 1), sorted((one, other))
    seen = x[curves.within(x, [low, high])].tolist()
    inside = [value for value in x if low <= value < high]
    before, after = [value for value in x if value < low][-1:], [value for value in x if value >= high][:1]
    assert seen == [*before, *inside, *after]
    assert x[curves.within(x, None)].tolist() == x.tolist()


@pytest.mark.parametrize("weight", [0.6, 0.97])
def test_smoothing_is_a_mean_with_falling_weights(weight):
    y = np.random.default_rng(0).random(50)
    naive = []
    for i in range(len(y)):
        weights = [weight ** (i - j) for j in range(i + 1)]
        naive.append(sum(w * v for w, v in zip(weights, y)) / sum(weights))
    np.testing.assert_allclose(curves.smoothed(y, weight), naive, rtol=1e-10)


@pytest.mark.parametrize(("runs", "choices"), [(1, {}), (6, {}), (8, {"smoothing": 0.9}), (2, {"span": [100, 400]})])
def test_ten_thousand_records_are_few_bytes_and_soon_ready(record, runs, choices):
    history = history_of(record, 10_000 // runs)
    start = time.process_time()
    value = curves.content({f"run {i}": history for i in range(runs)}, choices)
    assert time.process_time() - start < 1
    assert size(value) < MOST_BYTES
    assert len(value["lines"]) == 4 * runs
    assert value["ends"] == [1.0, 10_000 // runs]


def test_points_are_records_as_they_are_and_a_span_shows_all_of_its_own(record):
    history = history_of(record, 5000)
    scores = {(r.epoch, r.test_loss) for r in history}
    whole, near = (curves.content({"": history}, choices)["lines"] for choices in ({}, {"span": [1000, 1500]}))
    loss = lambda lines: next(line for line in lines if (line["metric"], line["part"]) == ("loss", "test"))
    for lines in (whole, near):
        assert set(zip(array(loss(lines)["x"]), array(loss(lines)["y"]))) <= scores
    assert len(array(loss(whole)["x"])) < 5000
    assert set(range(1000, 1501)) <= set(array(loss(near)["x"]).astype(int))


def test_the_summary_names_the_last_scores(record):
    value = curves.content({"a": history_of(record, 3), "b": history_of(record, 4)}, {}, "seconds")
    assert "against training time (s)" in value["summary"]
    assert "b after epoch 4: train loss 0." in value["summary"]
    assert value["runs"] == ["a", "b"]


def test_a_regression_has_r2_and_no_accuracy(record):
    record = dataclasses.replace(record, train_accuracy=None, test_accuracy=None, test_r2=0.5)
    value = curves.content({"": [record]}, {})
    assert [name for name, _ in value["metrics"]] == ["loss", "r2"]
    unknown = {f"{part}_{name}": None for part in ("train", "test") for name in ("loss", "accuracy")} | {"test_r2": None}
    assert curves.content({"": [dataclasses.replace(record, **unknown)]}, {}) is None


# --- cells


def dense_of(topology, weights):
    found = np.full(topology.shape, np.nan)
    for row in range(topology.n_out):
        for slot in range(topology.indptr[row], topology.indptr[row + 1]):
            found[row, topology.indices[slot]] = weights[slot]
    return found


@pytest.mark.parametrize(("shape", "window"), [
    ((30, 20), None), ((30, 20), [3, 17, 2, 19]), ((300, 500), [5, 290, 7, 333]), ((300, 500), None),
    ((300, 500), [100, 164, 30, 94]),
])  # fmt: skip
def test_links_are_counted_as_a_loop_counts_them(shape, window):
    topology = sl.erdos_renyi(*shape, density=0.1, seed=0)
    weights = np.random.default_rng(1).normal(size=topology.nnz).astype(np.float32)
    value = cells.link_content(topology, weights, "layer 1", {"window": window, "of": "layer 1"})
    dense, found, fan_in = (
        dense_of(topology, weights),
        {name: array(data, "<f4") for name, data in value["cells"]},
        topology.fan_in,
    )
    top, bottom, left, right = window or (0, shape[0], 0, shape[1])
    rows, columns = value["rows"], value["columns"]
    ranges = lambda axis: [range(i, min(axis["end"], i + axis["step"])) for i in range(axis["first"], axis["end"], axis["step"])]
    assert (rows["first"], rows["end"], columns["first"], columns["end"]) == (top, bottom, left, right)
    links = [[int((~np.isnan(dense[np.ix_(r, c)])).sum()) for c in ranges(columns)] for r in ranges(rows)]
    assert found["links"].reshape(rows["count"], columns["count"]).tolist() == links
    np.testing.assert_allclose(
        array(rows["details"][0][1], "<f4"), [np.mean([fan_in[i] for i in r]) for r in ranges(rows)], rtol=1e-6
    )
    assert ("weight" in found) == (rows["step"] == columns["step"] == 1)
    if "weight" in found:
        np.testing.assert_array_equal(found["weight"].reshape(bottom - top, right - left), dense[top:bottom, left:right])
    assert size(value) < MOST_BYTES


def test_a_link_is_here_since_it_was_there_for_good():
    known = [(2 * epoch, layers[0]) for epoch, layers in topologies(6)]
    found = cells.grown_after(known, (30, 64), slice(3, 20), slice(10, 40))
    for (row, column), since in np.ndenumerate(found):
        link, wanted = (row + 3, column + 10), None
        for epoch, topology in reversed(known):
            if link not in links_of(topology):
                break
            wanted = epoch
        assert (np.isnan(since) and wanted is None) or since == wanted
    first = sl.erdos_renyi(31, 64, density=0.2, seed=0)
    assert np.nanmin(cells.grown_after([(0, first), (1, known[-1][1])], (30, 64), slice(0, 30), slice(0, 64))) == 1


@pytest.mark.parametrize("channels", [(), (3,)])
def test_who_sees_a_pixel_and_what_else_they_see(channels):
    shape = (4, 5, *channels)
    layer = sl.SparseMLP.create((int(np.prod(shape)), 30, 2), density=0.3, seed=0).layers[0]
    W = layer.to_scipy().toarray().reshape(30, *shape, *([1] if not channels else [])).astype(np.float32)
    value = cells.receptive_fields(layer, [2, 9], shape)  # the last column: the others are none
    strongest = np.abs(W[:, 2, 4]).max(axis=1)
    order = [neuron for neuron in np.argsort(-strongest, kind="stable") if strongest[neuron]]
    assert value["neurons"] == order[:8]
    assert f"{len(order)} hidden neurons" in value["title"]
    assert value["shape"] == [4, 5]
    shown = np.frombuffer(value["values"], "<f4").reshape(-1, 4, 5)
    np.testing.assert_allclose(shown, W[order[:8]].sum(axis=3), rtol=1e-6)
    empty = sl.SparseLinear(sl.Topology.from_links(2, 20, [0], [3]), np.ones(1, np.float32), np.zeros(2, np.float32))
    assert cells.receptive_fields(empty, (0, 0), (4, 5))["neurons"] == []


def test_a_window_of_another_layer_and_one_outside_do_not_hold():
    topology = sl.erdos_renyi(30, 20, density=0.2, seed=0)
    end = lambda choices: cells.link_content(topology, np.zeros(topology.nnz), "layer 2", choices)["rows"]["end"]
    assert end({"window": [0, 5, 0, 5], "of": "layer 1"}) == 30
    assert end({"window": [0, 5, 0, 5], "of": "layer 2"}) == 5
    assert end({"window": [28, 500, -7, 5], "of": "layer 2"}) == 30
    assert end({"window": [99, 500, 99, 500], "of": "layer 2"}) == 30
    assert end({"window": [-9, -3, 0, 5], "of": "layer 2"}) == 1


def test_pixels_are_summed_over_the_channels():
    data = SimpleNamespace(name="colours", image_shape=(2, 3, 2))
    value = cells.input_content(np.arange(12), data, title="before training", strength=np.ones(12))
    assert [array(data, "<f4").tolist() for _, data in value["cells"]] == [[1, 5, 9, 13, 17, 21], [2] * 6]
    assert "21 at row 1, column 2" in value["summary"]


# --- stages


def topologies(n=5):
    """Stages of a net 64-30-10."""
    layer = lambda n_out, n_in, epoch: sl.erdos_renyi(n_out, n_in, density=0.2, seed=epoch)
    return [(epoch, (layer(30, 64, epoch), layer(10, 30, epoch))) for epoch in range(n)]


def links_of(topology):
    ends = topology.indptr
    return {(row, int(column)) for row in range(topology.n_out) for column in topology.indices[ends[row] : ends[row + 1]]}


@pytest.mark.parametrize(("number", "shape"), [(0, (8, 8)), (0, None), (1, (8, 8))])
def test_what_went_and_came_is_what_sets_of_links_say(number, shape):
    known = topologies()
    value = stages.content(known, number, {"stage": 3}, shape)
    old, new = (links_of(known[index][1][number]) for index in (2, 3))
    codes = np.frombuffer(value["codes"], np.uint8).reshape(value["tiles"])
    flat = codes.reshape(len(codes), -1) if number == 0 and shape else codes[0]
    for (row, column), code in np.ndenumerate(flat):
        kinds = {(True, True): 1, (False, True): 2, (True, False): 3, (False, False): 0}
        assert code == kinds[(row, column) in old, (row, column) in new]
    assert f"{len(old - new)} pruned, {len(new - old)} grown" in value["title"]
    assert value["map"] == ([8, 8] if number == 0 and shape else [])
    assert size(value) < MOST_BYTES


def test_the_strongest_neurons_come_first_where_that_was_chosen():
    known, strength = topologies(), np.random.default_rng(0).permutation(30)
    by_place = stages.content(known, 0, {}, (8, 8), strength)
    value = stages.content(known, 0, {"order": "strength"}, (8, 8), strength)
    assert by_place["numbers"] == list(range(24))
    assert value["numbers"] == sorted(range(30), key=lambda neuron: -strength[neuron])[:24]
    codes = np.frombuffer(value["codes"], np.uint8).reshape(24, 64)
    for tile, neuron in zip(codes, value["numbers"], strict=True):
        assert set(np.flatnonzero(tile % 3)) == {column for row, column in links_of(known[-1][1][0]) if row == neuron}
    for unknown in (None, strength[:9]):  # those of another net
        assert stages.content(known, 0, {"order": "strength"}, (8, 8), unknown)["numbers"] == by_place["numbers"]


def test_the_last_stage_is_shown_unless_one_is_chosen_and_none_lies_outside():
    known = topologies()
    index = lambda **choices: stages.content(known, 0, choices, (8, 8))["index"]
    assert [index(), index(stage=None), index(stage=2), index(stage=99), index(stage=-5)] == [4, 4, 2, 4, 0]
    assert "before training" in stages.content(known, 0, {"stage": 0})["title"]


def test_layers_that_lose_neurons_are_shown_without_comparison():
    known = [topologies(1)[0], (1, (sl.erdos_renyi(20, 64, density=0.2, seed=0),))]
    value = stages.content(known, 0, {}, (8, 8))
    assert "64 → 20 neurons" in value["title"]
    assert set(value["codes"]) == {0, 1}


def test_a_gif_has_a_frame_for_each_stage():
    known = topologies(7)
    image = Image.open(io.BytesIO(stages.gif(known, 0, (8, 8))))
    assert (image.format, image.n_frames) == ("GIF", 7)
    corner = Image.open(io.BytesIO(stages.gif(known, 1)))
    assert corner.n_frames == 7


def test_stages_need_no_more_than_their_share_of_memory(monkeypatch):
    monkeypatch.setattr("sparselab.widgets.stages.MOST_BYTES", 20_000)
    kept = Stages()
    for epoch, layers in topologies(60):
        kept.add(epoch, layers)
        assert kept.n_bytes <= 20_000
        assert kept[0][0] == 0
        assert kept[-1][0] == epoch
    assert len(kept) > 3
    same = Stages()
    for epoch in range(100):
        same.add(epoch, layers)  # static: these are the same
    assert len(same) == 100


# --- in a panel


def test_what_was_chosen_in_a_picture_changes_its_data(panel):
    image = panel.screen.gallery.images["curves"]
    panel.screen.gallery.tabs.selected_index = 0
    assert panel.wait(20)
    assert all(line["smooth"] == [] for line in image.value["lines"])
    image.choices = {"smoothing": 0.9}
    assert panel.wait(20)
    assert all(len(line["smooth"]) == 1 for line in image.value["lines"])
    image.choices = {}


@pytest.mark.parametrize("number", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3)), 4])
def test_every_picture_is_saved_as_a_file(panel, number):
    gallery = panel.screen.gallery
    gallery.tabs.selected_index = number
    assert panel.wait(20)
    for suffix, start in (("png", PNG), ("pdf", b"%PDF"), ("csv", (b"run,", b"row,", b"layer,", b"epoch,"))):
        name, data = gallery.file(suffix)
        assert name == f"{gallery.visible}.{suffix}"
        assert data.startswith(start)
    with pytest.raises(ValueError, match="suffix = 'exe'"):
        gallery.file("exe")
    if gallery.visible == "topology":
        assert gallery.file("gif")[1].startswith(b"GIF8")
        assert gallery.downloads[0].suffixes == ["png", "pdf", "csv", "gif"]
    else:
        assert gallery.downloads[0].suffixes == ["png", "pdf", "csv"]


def test_a_download_is_answered_with_a_file_or_with_what_is_wrong(panel, monkeypatch):
    (downloads,), sent = panel.screen.gallery.downloads, []
    monkeypatch.setattr(downloads, "send", lambda content, buffers=(): sent.append((content, buffers)))
    for message in ({"suffix": "csv"}, {"suffix": "exe"}):
        downloads._handle_custom_msg(message, [])
    (good, [data]), (bad, _) = sent
    assert good["name"].endswith(".csv")
    assert data.count(b"\n") > 1
    assert "exe" in bad["error"]


def test_the_scripts_are_whole_and_need_no_network():
    script = text("common.js", "curves.js", "cells.js", "stages.js", "picture.js")
    assert script.count("export default") == 1
    assert re.findall(r"\w+://[^\"]*", script) == ["http://www.w3.org/2000/svg"]  # a name, which is not fetched
    assert "import(" not in script + text("downloads.js", "lecture.js", "names.js", "room.js", "style.css")


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 12.0), (2.3, 2.3 + 4e-16), (-1e17, -1e17 + 16), (7.0, 7.0)])
def test_an_axis_has_few_ticks_in_ascending_order(low, high):
    """Also where its ends are neighbouring numbers, as of a loss that does not move but for rounding."""
    script = f"{text('common.js')}\nconsole.log(JSON.stringify(ticks({low!r}, {high!r}, 6)));"
    node, _ = compute_driver_executable()
    said = subprocess.run([node, "-e", script], capture_output=True, text=True, timeout=20, check=True).stdout
    found = [float(tick) for tick in json.loads(said)]
    assert len(found) <= 16
    assert found == sorted(found)
    if high - low > 0.1:
        assert len(found) >= 3
        assert low <= min(found) <= max(found) <= high


SHOW = """value => {
    const data = (hex) => new DataView(Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16)).buffer);
    const decoded = (one) => {
        if (Array.isArray(one)) return one.map(decoded);
        if (!one || typeof one !== "object") return one;
        return "hex" in one ? data(one.hex) : Object.fromEntries(Object.entries(one).map(([key, of]) => [key, decoded(of)]));
    };
    const state = window.state = { value: decoded(value), choices: {} };
    const model = { get: (name) => state[name], set: (name, to) => { state[name] = to; }, save_changes() {}, on() {}, off() {} };
    document.body.replaceChildren(document.createElement("div"));
    window.picture.render({ model, el: document.body.firstChild });
}"""


def as_hex(value):
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {key: as_hex(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_hex(one) for one in value]
    return {"hex": value.hex()} if isinstance(value, bytes) else value


@pytest.mark.slow
@pytest.mark.browser
def test_a_drag_that_the_browser_takes_over_selects_nothing_and_a_single_stage_is_not_played(record, browser_path):
    topology = sl.erdos_renyi(30, 20, density=0.2, seed=0)
    shown = {
        "canvas": cells.link_content(topology, np.ones(topology.nnz, np.float32), "layer 1", {}),
        "svg.sparselab-curves": curves.content({"": history_of(record, 5)}, {}),
    }
    script = text("common.js", "curves.js", "cells.js", "stages.js", "picture.js").replace("export default", "window.picture =")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser_path) as browser:
        page = browser.new_page()
        page.set_content("<body></body>")
        page.add_script_tag(content=script)
        for name, value in shown.items():
            page.evaluate(SHOW, as_hex(value))
            picture = page.locator(name).first
            picture.wait_for()
            box = picture.bounding_box()
            x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 3
            page.mouse.move(x, y)
            page.mouse.down()
            picture.dispatch_event("pointercancel")
            page.mouse.move(x + 60, y + 60)
            page.mouse.up()
            assert page.evaluate("state.choices") == {}, name
        page.evaluate(SHOW, as_hex(stages.content([(0, [topology])], 0, {})))
        assert page.locator(".sparselab-play").is_disabled()


@pytest.mark.slow
def test_without_anywidget_matplotlib_draws():
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from sparselab.widgets import layer_panel\n"
        "panel = layer_panel(20, 30); panel.wait(60)\n"
        "print(bytes(panel.gallery.images['connectivity'].value)[1:4], panel.gallery.downloads)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "b'PNG' []", done.stderr


# --- predictions


@pytest.mark.parametrize("classes", [2, 12, 100])
def test_confusions_are_counted_for_the_browser_as_a_loop_counts_them(classes):
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, classes, 500), rng.integers(0, classes, 500)
    names = [f"a class with a long name, {i}" for i in range(classes)]
    value = predictions.class_content(truth, found, names, "test samples")
    counts = np.zeros((classes, classes))
    for a, b in zip(truth, found):
        counts[a, b] += 1
    sent = {name: array(data, "<f4").reshape(classes, classes) for name, data in value["cells"]}
    np.testing.assert_array_equal(sent["samples"], counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(sent["share of the true class"], share, atol=1e-4)
    assert value["words"] == ([f"{n:.0f}" if n else "" for n in counts.ravel()] if classes <= 12 else [])
    assert len(value["notes"]) == (0 if classes <= 12 else 11)
    assert f"{np.trace(counts):.0f} of 500 right" in value["title"]
    assert max(map(len, value["rows"]["labels"])) <= 13
    assert size(value) < MOST_BYTES


def test_numbers_lie_in_the_bins_of_both():
    truth = np.array([[0.0], [1.0], [1.0], [4.0], [np.nan]])
    found = np.array([[0.0], [1.1], [0.9], [np.inf], [1.0]])
    value = predictions.number_content(truth, found, "test samples")
    counts = array(value["cells"][0][1], "<f4").reshape(24, 24)
    assert counts.sum() == 3
    assert counts[-1, 0] == 1  # 0 and 0: bottom left
    places = np.argwhere(counts).tolist()
    centres = [(float(value["columns"]["labels"][column]), float(value["rows"]["labels"][row])) for row, column in places]
    assert all(abs(a - b) < 0.15 for a, b in centres)
    perfect = predictions.number_content(truth[:3], truth[:3], "x")
    assert "R² 1.000" in perfect["title"]
    assert np.count_nonzero(np.fliplr(array(perfect["cells"][0][1], "<f4").reshape(24, 24)).diagonal()) == 2
