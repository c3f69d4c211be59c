"""The workbench as a user meets it: notebook 08 in a real JupyterLab, one kernel for all tests of this file, in this order.

`pytest -s` prints the latencies; SPARSELAB_SHOTS=folder keeps a screenshot of each tab.
"""

import json
import os
import re
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from browsing import CURVE, CUT_OFF, ROOT, SIZE, browsing, open_notebook, serving, source, status, until
from messy_tables import FEATURES, write_messy
from PIL import Image
from stress.processes import command_line

playwright = pytest.importorskip("playwright.sync_api")
NOTEBOOK = "08_workbench.ipynb"
FIRST = ("learning_rate", "zeta", "epochs")  # controls above the folds

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def page(browser_path, tmp_path_factory):
    """Notebook 08 with the page on it, small nets, and what the console complains about as `page.complaints`."""
    folder, before = tmp_path_factory.mktemp("lab"), os.environ.get("SPARSELAB_FAST")
    os.environ["SPARSELAB_FAST"] = "1"
    try:
        with serving(folder, NOTEBOOK) as lab, browsing(browser_path) as page:
            keep_runs(folder)
            page.complaints = []
            page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            open_notebook(page, lab, NOTEBOOK)
            show(page)
            page.set_default_timeout(20_000)
            yield page
    finally:
        os.environ.pop("SPARSELAB_FAST") if before is None else os.environ.update(SPARSELAB_FAST=before)


def keep_runs(folder):
    """Let the notebook save its runs where another kernel finds them."""
    path = folder / "root/notebooks" / NOTEBOOK
    text = path.read_text(encoding="utf-8")
    assert "tempfile.mkdtemp() if fast" in text
    path.write_text(text.replace("tempfile.mkdtemp() if fast", "'kept' if fast"), encoding="utf-8")


def show(page):
    """Run the cells up to the page, which comes to the top of the window."""
    cells = json.loads((ROOT / "notebooks" / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    first = next(number for number, cell in enumerate(cells) if cell["cell_type"] == "code")
    last = next(number for number, cell in enumerate(cells) if "widgets.workbench(" in "".join(cell["source"]))
    page.locator(".jp-CodeCell .cm-content").first.click()
    for _ in range(last - first + 1):
        page.keyboard.press("Shift+Enter")
    page.locator(".sparselab-start").wait_for()
    to_top(page)


def to_top(page):
    """The page at the top of the window, and staying there: JupyterLab scrolls to the next cell when the last one has run."""
    one, places = page.locator(".sparselab-page"), [None]
    while places[-1] is None or places[-2:] != [places[-1]] * 2:
        one.evaluate("one => one.scrollIntoView()")
        time.sleep(0.3)
        places.append(one.bounding_box()["y"])


def go_to(page, tab):
    page.locator(".sparselab-pages > .lm-TabBar .lm-TabBar-tab", has_text=tab).click()


def view(page, title):
    """Open the view of this title in the tab Train."""
    page.locator(".sparselab-tabs .lm-TabBar-tab:visible", has_text=title).click()
    page.locator(f".sparselab-view-{title}").wait_for(state="visible")


def open_fold(page, title, inside):
    """Open a fold with this part in it."""
    page.locator(".sparselab-groups .sparselab-fold-head", has_text=title).click()
    page.locator(inside).wait_for(state="visible")


def shot(page, name):
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        to_top(page)
        page.screenshot(path=str(Path(folder) / f"workbench_{name}.png"))


def state(page):
    return status(page).split()[1]


def start(page):
    page.locator(".sparselab-start").click()
    until(lambda: state(page) == "running", "the training")


def stop(page):
    page.locator(".sparselab-stop").click()
    return until(lambda: state(page) == "stopped", "the end")


def epoch(page):
    return int(status(page).split(" epoch ")[1].split()[0])


def test_the_page_fits_a_laptop_and_the_curve_moves(page):
    go_to(page, "Train")
    start(page)
    page.locator(CURVE).wait_for(state="visible")
    first = source(page)
    spent = until(lambda: source(page) != first, "a second picture")
    print(f"\nseconds from one picture to the next: {spent:.2f}")
    page.locator(".sparselab-price", has_text="an epoch").wait_for()  # it is measured first
    to_top(page)
    for part in (
        ".sparselab-start",
        ".sparselab-stop",
        ".sparselab-learning_rate",
        ".sparselab-groups",
        ".sparselab-price",
        CURVE,
    ):
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0, part
        assert box["y"] + box["height"] <= 768 - 24, part  # the bar at the bottom
    shot(page, "train")


def test_a_slider_arrives_in_the_running_training(page):
    page.locator(".sparselab-learning_rate .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    spent = until(lambda: "learning rate 0.0112 " in status(page), "the new learning rate")
    print(f"\nseconds until the slider's value reached the training: {spent:.2f}")
    assert spent < 1


LETTERS = """panel => [...panel.querySelectorAll("*")].filter(one =>
    [...one.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())
    && one.checkVisibility({opacityProperty: true, visibilityProperty: true}) && !one.closest("style, .sparselab-pulse")
).map(one => [one.textContent, parseFloat(getComputedStyle(one).fontSize) * one.currentCSSZoom])"""


def test_a_lecture_has_one_picture_one_button_and_large_words(page):
    lecture = page.locator(".sparselab-lecture")
    page.locator(".sparselab-lecture-button button").click()
    lecture.wait_for()
    page.locator(CURVE).wait_for(state="visible")
    until(lambda: lecture.evaluate("panel => panel.querySelector('.sparselab-curves').currentCSSZoom > 2"), "large pictures")
    assert lecture.locator(".widget-button:visible").all_inner_texts() == ["Pause", "Back"]
    letters = lecture.evaluate(LETTERS)
    assert {text for text, _ in letters} > {"Pause", "Back", "epoch"}
    assert [text for text, pixels in letters if pixels < 24] == []
    box = page.locator(CURVE).bounding_box()
    assert box["width"] > 900
    assert box["y"] + box["height"] <= 768
    shot(page, "lecture")
    page.locator(".sparselab-go", has_text="Pause").click()
    until(lambda: state(page) == "paused", "the pause")
    page.locator(".sparselab-lecture-button", has_text="Back").click()
    lecture.wait_for(state="detached")
    page.locator(".sparselab-groups").wait_for(state="visible")
    page.locator(".sparselab-lecture-button button").click()
    lecture.wait_for()
    assert page.evaluate("document.fullscreenElement.classList.contains('sparselab-panel')")
    page.evaluate("document.exitFullscreen()")  # as Esc does
    lecture.wait_for(state="detached")
    assert state(page) == "paused"
    page.locator(".sparselab-pause").click()
    until(lambda: state(page) == "running", "it goes on")


def test_pause_step_stop(page):
    page.locator(".sparselab-pause").click()
    until(lambda: state(page) == "paused", "the pause")
    before = status(page)
    time.sleep(0.3)
    assert status(page) == before
    page.locator(".sparselab-step").click()
    until(lambda: status(page) != before, "one step")
    assert state(page) == "paused"
    page.locator(".sparselab-pause").click()
    until(lambda: state(page) == "running", "it goes on")
    reached = epoch(page)
    until(lambda: epoch(page) > reached, "an epoch more")
    spent = stop(page)
    print(f"\nseconds until Stop was answered: {spent:.2f}")
    assert spent < 1


def test_the_epoch_slider_changes_the_image(page):
    page.locator(".lm-TabBar-tab", has_text="input map").click()
    image = ".sparselab-view-input-map"
    page.locator(f"{image} canvas").wait_for(state="visible")
    first = source(page, image)
    page.locator(".sparselab-timeline .noUi-handle").focus()
    page.keyboard.press("ArrowLeft")
    spent = until(lambda: source(page, image) != first, "the map of another epoch")
    print(f"\nseconds until the picture of another epoch: {spent:.2f}")
    shot(page, "input")
    page.locator(".lm-TabBar-tab", has_text="curves").click()


def test_a_curve_tells_its_values_and_is_zoomed_by_keys_and_by_the_mouse(page):
    curves, told = page.locator(f"{CURVE} svg.sparselab-curves"), page.locator(f"{CURVE} .sparselab-readout")
    assert "test accuracy" in curves.get_attribute("aria-label")
    curves.focus()
    page.keyboard.press("ArrowRight")
    playwright.expect(told).to_contain_text(re.compile(r"epoch \d.*train: \d.*test: \d"))
    see_all = page.locator(CURVE).get_by_role("button", name="all", exact=True)
    playwright.expect(see_all).to_be_disabled()
    page.keyboard.press("+")
    playwright.expect(see_all).to_be_enabled()
    see_all.click()
    playwright.expect(see_all).to_be_disabled()
    box = curves.bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 100)
    playwright.expect(told).to_contain_text("test")
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 100)
    page.mouse.up()
    playwright.expect(see_all).to_be_enabled()
    shot(page, "zoom")
    page.locator(CURVE).get_by_role("button", name="log").click()
    page.locator(CURVE).get_by_label("smoothing").select_option("much")
    playwright.expect(page.locator(f"{CURVE} .sparselab-behind").first).to_be_attached()
    page.locator(CURVE).get_by_role("button", name="train").click()
    playwright.expect(page.locator(f"{CURVE} .sparselab-behind")).to_have_count(2)  # test loss and test accuracy
    page.locator(CURVE).get_by_role("button", name="train").click()
    page.locator(CURVE).get_by_label("smoothing").select_option("none")
    page.locator(CURVE).get_by_role("button", name="log").click()
    see_all.click()


@pytest.mark.parametrize("suffix", ["png", "pdf", "csv"])
def test_a_picture_is_saved_as_a_file(page, suffix):
    with page.expect_download() as download:
        page.locator(".sparselab-downloads").get_by_role("button", name=f"as {suffix.upper()}").first.click()
    assert download.value.suggested_filename == f"curves.{suffix}"
    start = Path(download.value.path()).read_bytes()[:4]
    assert start == {"png": b"\x89PNG", "pdf": b"%PDF", "csv": b"run,"}[suffix]


def test_links_and_pixels_tell_what_they_are(page):
    page.locator(".lm-TabBar-tab", has_text="input map").click()
    pixels = page.locator(".sparselab-view-input-map")
    page.locator(".sparselab-timeline .noUi-handle").wait_for()
    page.locator(".sparselab-timeline .noUi-handle").focus()
    page.keyboard.press("ArrowRight")  # the net as it is now
    playwright.expect(pixels).to_contain_text("which neurons see it?")
    pixels.locator("canvas").hover()
    playwright.expect(pixels.locator(".sparselab-readout")).to_contain_text(re.compile(r"row 1[34], column 1[34]links: "))
    pixels.locator("canvas").first.click()
    fields = pixels.locator(".sparselab-fields")
    playwright.expect(fields).to_contain_text(re.compile(r"row 1[34], column 1[34]: \d+ hidden neurons see it"))
    assert fields.locator("canvas").count() > 0
    shot(page, "fields")
    page.keyboard.press("Enter")  # the pixel under the cursor again
    playwright.expect(fields).to_be_hidden()
    page.locator(".lm-TabBar-tab", has_text="connectivity").click()
    links = page.locator(".sparselab-view-connectivity")
    links.locator("canvas").focus()
    page.keyboard.press("ArrowDown")
    for _ in range(3):
        before = source(page, ".sparselab-view-connectivity")
        page.keyboard.press("+")
        until(lambda before=before: source(page, ".sparselab-view-connectivity") != before, "fewer links")
    page.keyboard.press("ArrowRight")
    playwright.expect(links.locator(".sparselab-readout")).to_contain_text(re.compile("output neuron .*fan-in: .*fan-out: "))
    shot(page, "links")
    page.locator(".lm-TabBar-tab", has_text="curves").click()


def test_links_go_and_come_when_they_are_played(page):
    page.locator(".sparselab-pages .lm-TabBar-tab", has_text="topology").click()
    picture = page.locator(".sparselab-view-topology")
    title = picture.locator(".sparselab-picture-title")
    playwright.expect(title).to_contain_text(re.compile(r"after epoch .*[1-9][\d,]* pruned, [1-9][\d,]* grown"))
    picture.get_by_label("order of the neurons").select_option("strength")
    playwright.expect(picture).to_contain_text("hidden neurons of largest weight")
    scrub = picture.get_by_role("slider", name="event of evolution")
    scrub.focus()
    page.keyboard.press("Home")
    playwright.expect(title).to_contain_text("before training")
    picture.get_by_role("button", name="Play").click()
    playwright.expect(title).to_contain_text(re.compile(r"after epoch [1-9]\d*: "))
    picture.get_by_role("button", name="Pause").click()
    shot(page, "topology")
    with page.expect_download() as download:
        page.locator(".sparselab-downloads").get_by_role("button", name="as GIF").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"GIF8"
    page.locator(".lm-TabBar-tab", has_text="curves").click()


def test_the_dense_twin_is_trained_and_drawn_beside_the_net(page):
    switch = page.locator(".sparselab-twin input").first
    switch.check()
    start(page)
    twin = page.locator(CURVE).get_by_role("button", name="dense twin")
    playwright.expect(twin).to_be_visible()
    page.locator(".lm-TabBar-tab", has_text="bytes").click()
    playwright.expect(page.locator(".sparselab-view-bytes").get_by_role("button", name="dense twin")).to_be_visible()
    stop(page)
    shot(page, "bytes")
    switch.uncheck()
    page.locator(".lm-TabBar-tab", has_text="curves").click()


def test_sliders_have_names_and_values_for_screen_readers(page):
    slider = page.get_by_role("slider", name="learning rate")
    playwright.expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d"))
    assert page.locator(".sparselab-learning_rate .widget-readout").first.inner_text() == slider.get_attribute("aria-valuetext")
    unnamed = "page => [...page.querySelectorAll('.noUi-handle')].filter(one => !one.ariaLabel).length"
    until(lambda: page.locator(".sparselab-page").evaluate(unnamed) == 0, "names of all sliders")
    for role, name in (("combobox", "speed"), ("slider", "epoch"), ("img", re.compile("^Learning curves"))):
        assert page.get_by_role(role, name=name).count() > 0, (role, name)


def test_a_fold_opens_before_the_kernel_knows(page):
    press = "head => { head.click(); return getComputedStyle(head.nextElementSibling).display; }"  # nothing comes in between
    head = page.locator(".sparselab-groups .sparselab-fold-head", has_text="Parallel")
    assert head.evaluate(press) != "none"
    playwright.expect(head).to_have_attribute("aria-expanded", "true")
    assert head.evaluate(press) == "none"
    playwright.expect(head).to_have_attribute("aria-expanded", "false")
    open_fold(page, "Data", ".sparselab-own-file input")  # as it was


def test_two_starts_at_once(page):
    page.locator(".sparselab-start").evaluate("button => { button.click(); button.click(); }")
    page.locator(".sparselab-message", has_text="already running").wait_for()
    stop(page)


def test_bad_input_is_shown_beside_the_field_and_nothing_starts(page):
    before = status(page)
    field = page.locator(".sparselab-own-file input")
    field.fill("no/such/<b>file</b>.csv")
    field.press("Enter")
    fault = page.locator(".sparselab-own-fault")
    fault.get_by_text("existing file").wait_for()
    assert fault.locator("b").count() == 0
    open_fold(page, "Net", ".sparselab-hidden input")
    widths = page.locator(".sparselab-hidden input")
    widths.fill("100, -3")
    widths.press("Enter")
    page.locator(".sparselab-form", has_text="hidden[1] = -3").wait_for()
    page.locator(".sparselab-start").click()
    page.locator(".sparselab-message", has_text="hidden[1] = -3").wait_for()
    assert status(page) == before
    shot(page, "fault")
    widths.fill("50, 50")
    widths.press("Enter")
    field.fill("")
    field.press("Enter")


@pytest.mark.parametrize("width", [900, 1024, 1366, 1920])  # 900: a laptop's at a zoom of 150 %
def test_nothing_is_cut_off(page, width):
    page.set_viewport_size({"width": width, "height": 768})
    try:
        for tab in ("Data", "Sweep", "Compare", "Runs", "Train"):
            go_to(page, tab)
            time.sleep(0.3)
            assert page.locator(".sparselab-page").evaluate(CUT_OFF) == [], tab
        shot(page, f"train_{width}")
        view(page, "clock")  # its axes have the longest titles
        until(lambda: "training time (s)" in page.locator(".sparselab-view-clock").inner_text(), "the picture")
        assert page.locator(".sparselab-page").evaluate(CUT_OFF) == []
        if width == 900:  # pictures and controls are one column: the form need not scroll by itself
            assert page.locator(".sparselab-groups").evaluate("one => one.scrollHeight <= one.clientHeight + 1")
    finally:
        view(page, "curves")
        page.set_viewport_size(SIZE)


@pytest.mark.parametrize("width", [900, 1366])
def test_a_lecture_shows_a_whole_figure(page, width):
    height = 700
    view(page, "costs")
    page.set_viewport_size({"width": width, "height": height})
    page.locator(".sparselab-lecture-button button").click()
    page.locator(".sparselab-lecture").wait_for()
    try:
        figure = page.locator(".sparselab-view-costs")
        until(lambda: figure.bounding_box()["width"] > 0.9 * width, "the large picture")
        frame = page.locator(".sparselab-lecture .sparselab-tabs").bounding_box()
        assert frame["y"] + frame["height"] <= height
        assert figure.bounding_box()["height"] > 0.6 * height
    finally:
        page.locator(".sparselab-lecture-button button").click()
        page.locator(".sparselab-lecture").wait_for(state="detached")
        page.set_viewport_size(SIZE)
        view(page, "curves")


@pytest.mark.parametrize(("theme", "dark"), [("JupyterLab Dark", True), ("JupyterLab Light", False)])
def test_figures_have_the_ground_of_the_theme(page, theme, dark):
    view(page, "costs")
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName == theme", arg=theme)

    def ground_and_ink():
        pixels = np.asarray(Image.open(BytesIO(page.locator(".sparselab-view-costs").screenshot())).convert("L"))
        return [int(np.percentile(pixels, share)) for share in ((50, 99.9) if dark else (50, 0.1))]

    until(lambda: np.ptp(ground_and_ink()) > 120, "the figure")
    assert ground_and_ink()[0] < 60 if dark else ground_and_ink()[0] > 240
    view(page, "curves")


# Words whose colour has a contrast below 4.5 : 1 to what is behind them (WCAG 2.1, 1.4.3); what is switched off does not count.
FAINT = """page => {
    const numbers = colour => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
    const ground = one => one ? over(numbers(getComputedStyle(one).backgroundColor), ground(one.parentElement)) : [255, 255, 255];
    const linear = v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const contrast = one => {
        const below = ground(one), word = over(numbers(getComputedStyle(one).color), below);
        const [a, b] = [light(word), light(below)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    };
    const words = one => [...one.childNodes].some(node => node.nodeType == 3 && node.textContent.trim());
    const off = one => one.closest(":disabled, [aria-hidden], option, style") || !one.getBoundingClientRect().height;
    return [...page.querySelectorAll("*")].filter(one => words(one) && !off(one) && contrast(one) < 4.5)
        .map(one => [one.className, one.textContent.trim(), contrast(one)]);
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light"])
def test_words_can_be_read_in_every_theme(page, theme):
    def faint():
        return page.locator(".sparselab-page").evaluate(FAINT)

    def none_is_faint():  # colours change over a while, which is long where other work runs
        for _ in range(100):
            if not faint():
                break
            time.sleep(0.1)
        assert faint() == []

    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName == theme", arg=theme)
    for tab in ("Data", "Sweep", "Compare", "Runs", "Train"):
        go_to(page, tab)
        none_is_faint()
    start(page)
    none_is_faint()
    stop(page)
    shot(page, theme.split()[-1].lower())


def test_the_keyboard_opens_a_fold_and_the_first_sliders_keep_their_height(page):
    heights = lambda: [page.locator(f".sparselab-{name}").first.bounding_box()["height"] for name in FIRST]
    before = heights()
    page.locator(".sparselab-epochs .noUi-handle").first.focus()
    head = page.locator(".sparselab-fold-head", has_text="Parallel")
    for _ in range(60):
        page.keyboard.press("Tab")
        if head.evaluate("head => head == document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.locator(".sparselab-workers").wait_for(state="visible")
    assert heights() == before
    assert min(before) > 25
    page.keyboard.press("Enter")
    page.locator(".sparselab-workers").wait_for(state="hidden")


def test_a_sweep_of_four_runs(page):
    go_to(page, "Sweep")
    page.locator(".sparselab-sweep-start").click()
    page.locator(".sparselab-sweep-status", has_text="finished · 4 of 4 runs").wait_for()
    page.locator(".sparselab-view-band").wait_for(state="visible")
    rows = page.locator(".sparselab-sweep-table tr", has=page.get_by_role("cell", name="2", exact=True))
    until(lambda: rows.count() == 2, "two settings with two seeds each")
    shot(page, "sweep")
    page.locator(".lm-TabBar-tab", has_text="parallel coordinates").click()
    page.locator(".sparselab-view-lines").wait_for(state="visible")
    shot(page, "lines")
    for title, name in (("importance", "importance"), ("Pareto", "pareto")):
        page.locator(".sparselab-pages .lm-TabBar-tab", has_text=title).click()
        page.locator(f".sparselab-view-{name}").wait_for(state="visible")
        shot(page, name)


def test_two_runs_are_compared(page):
    go_to(page, "Compare")
    runs = page.locator(".sparselab-compare .sparselab-runs select")
    runs.select_option(index=[0, 2])  # of the four runs of the sweep, the latest first
    image = page.locator(".sparselab-view-compared")
    image.wait_for(state="visible")
    to_top(page)
    box = image.bounding_box()
    assert box["y"] + box["height"] <= 768 - 24
    page.locator(".sparselab-differences", has_text="epsilon").wait_for()
    shot(page, "compare")


def test_mean_and_band_over_seeds_by_one_click(page):
    go_to(page, "Runs")
    page.locator(".sparselab-kept .sparselab-runs select").select_option(index=0)  # the last of the sweep, which has two seeds
    page.locator(".sparselab-run-over-seeds").click()
    page.locator(".sparselab-view-over-seeds").wait_for(state="visible")
    shot(page, "seeds")


def test_the_best_of_the_sweep_is_trained_longer(page):
    go_to(page, "Sweep")
    page.locator(".sparselab-longer").click()
    page.locator(".sparselab-start").wait_for(state="visible")  # the tab Train
    until(lambda: state(page) == "finished", "the end")  # what ran before was stopped


# Width of the longest line of a list, and of the room for it.
WIDTHS = """select => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = getComputedStyle(select.options[0]).font;
    return [Math.max(...[...select.options].map(one => pen.measureText(one.text).width)), select.clientWidth];
}"""


def test_every_column_of_the_runs_is_seen_beside_the_file_browser(page):
    assert page.locator(".jp-FileBrowser").is_visible()
    go_to(page, "Runs")
    runs = page.locator(".sparselab-kept .sparselab-runs select")
    notes = {name: page.locator(f".sparselab-run-{name} input") for name in ("group", "tags")}
    until(lambda: "20/20" in runs.locator("option").first.inner_text(), "the run that was trained longer")
    runs.select_option(index=0)
    until(lambda: notes["group"].is_enabled() and notes["group"].input_value() == "", "its notes")
    for one in notes.values():
        one.fill("a-name that is rather long")
        one.press("Enter")
    until(lambda: runs.locator("option").first.inner_text().count("a-name") == 2, "both in the list")
    longest, room = runs.evaluate(WIDTHS)
    print(f"\npixels of a line and of the list: {longest:.0f}, {room}")
    assert longest < room - 4
    shot(page, "runs")


ROOM = """list => {
    const head = list.querySelector(".sparselab-runs-head pre"), select = list.querySelector("select");
    const scroller = list.querySelector(".sparselab-scroll"), right = one => one.getBoundingClientRect().right;
    const bar = one => one.scrollWidth - one.clientWidth, notebook = document.querySelector(".jp-Notebook");
    return {head: bar(head), scroller: bar(scroller), beyond: right(select) - Math.min(right(scroller), right(notebook))};
}"""


@pytest.mark.parametrize("width", [900, 1366, 1920])
@pytest.mark.parametrize(("tab", "part"), [("Runs", ".sparselab-kept"), ("Compare", ".sparselab-compare")])
def test_a_list_of_runs_fits_every_window(page, tab, part, width):
    page.set_viewport_size({"width": width, "height": 768})
    try:
        go_to(page, tab)
        one = page.locator(part)
        select, head = one.locator(".sparselab-runs select"), one.locator(".sparselab-runs-head")
        spare = lambda: (lambda sizes: sizes[1] - sizes[0])(select.evaluate(WIDTHS))
        until(lambda: 4 < spare(), "lines that fit")
        told = lambda: head.inner_text() + one.locator(".sparselab-filter ~ .widget-html").inner_text()
        until(lambda: width == 900 or "narrow" not in told(), "all columns")  # the list is written anew when its room is known
        until(lambda: max(one.evaluate(ROOM).values()) <= 1, "lines that are not cut off")
        names = ("run", "group", "tags", "state", "accuracy", "loss", "links", "time")
        assert [name for name in names if name not in told()] == []
        shot(page, f"{tab.lower()}_{width}")
    finally:
        page.set_viewport_size(SIZE)


def test_a_run_is_deleted_and_comes_back(page):
    go_to(page, "Runs")
    runs = page.locator(".sparselab-kept .sparselab-runs select")
    count = runs.locator("option").count()
    runs.select_option(index=0)
    page.locator(".sparselab-run-delete").click()
    until(lambda: runs.locator("option").count() == count - 1, "a line less")
    page.locator(".sparselab-run-undo").click()
    until(lambda: runs.locator("option").count() == count, "the line again")


DROP = """tab => {
    const data = new DataTransfer();
    data.items.add(new File(["a;b;y\\n" + "1,5;2;u\\n2,5;4;v\\n".repeat(20)], "dropped.csv"));
    for (const kind of ["dragover", "drop"])
        tab.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def test_a_file_is_dropped(page):
    go_to(page, "Data")
    page.locator(".sparselab-data").evaluate(DROP)
    page.locator(".sparselab-data-about", has_text="40 rows, 3 columns").wait_for()
    assert page.locator(".sparselab-data-file input").input_value().endswith("uploads/dropped.csv")
    assert page.locator(".sparselab-over").count() == 0


def test_from_a_messy_file_to_a_trained_net_in_four_actions(page, tmp_path):
    path = write_messy(tmp_path / "shop.csv")
    begin = time.monotonic()
    go_to(page, "Data")  # 1
    with page.expect_file_chooser() as chooser:
        page.locator(".sparselab-upload").click()  # 2
    chooser.value.set_files(path)  # 3
    page.locator(".sparselab-data-classes", has_text="sick").wait_for()
    assert page.locator(".sparselab-data-target select").evaluate("one => one.selectedOptions[0].text") == "result"
    assert page.locator(".sparselab-data-features select").evaluate("one => one.selectedOptions.length") == len(FEATURES)
    for reason in ("identifier", "dates", "constant"):
        assert page.locator(".sparselab-data-left-out", has_text=reason).count() == 1
    assert page.locator(".sparselab-page").evaluate(CUT_OFF) == []
    shot(page, "data")
    page.locator(".sparselab-data-start").click()  # 4
    page.locator(".sparselab-glance", has_text="shop (source: local), 95 + 24 samples").wait_for()
    until(lambda: state(page) == "finished", "the end")
    print(f"\nseconds from the file to the trained net: {time.monotonic() - begin:.1f}")
    shot(page, "data_trained")
    go_to(page, "Data")
    field = page.locator(".sparselab-data-file input")
    field.fill("no/such/<b>file</b>.csv")
    field.press("Enter")
    fault = page.locator(".sparselab-data-fault-file")
    fault.get_by_text("existing file").wait_for()
    assert fault.locator("b").count() == 0
    playwright.expect(page.locator(".sparselab-data-start")).to_be_disabled()


def kernels():
    return [one for one in psutil.Process().children(recursive=True) if "ipykernel" in command_line(one)]


def restart(page):
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").click()
    page.locator('.lm-Menu-item[data-command="kernelmenu:restart"]').click()
    page.locator(".jp-Dialog button", has_text="Restart").click()


def test_a_restart_of_the_kernel_leaves_nothing(page):
    go_to(page, "Runs")  # the settings of the first run, which was long
    runs = page.locator(".sparselab-kept .sparselab-runs select")
    runs.select_option(index=runs.locator("option").count() - 1)
    page.locator(".sparselab-run-open").click()
    playwright.expect(page.locator(".sparselab-runs-message")).to_contain_text("is open", timeout=20_000)
    go_to(page, "Train")
    open_fold(page, "Parallel", ".sparselab-workers")
    workers = page.locator(".sparselab-workers .noUi-handle")
    workers.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".sparselab-backend select").select_option("processes")
    start(page)
    (kernel,) = kernels()
    family = [kernel, *kernel.children(recursive=True)]
    assert len(family) > 1
    shared = {place.path for one in family for place in one.memory_maps() if place.path.startswith("/dev/shm/")}
    restart(page)
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    until(lambda: not any(map(os.path.exists, shared)), "the end of the shared memory")


def test_the_console_had_nothing_to_complain_about(page):
    assert page.complaints == []
