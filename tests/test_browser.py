"""The newcomer's path in a real browser: JupyterLab opens on 00, two clicks, and a curve moves.

On 04 a threshold is dragged, on 05 workers train.

What only shows here: callbacks that come through the front end while a training runs, pictures that arrive, keys on a slider.
"""

import os
import time
from pathlib import Path

import pytest
from browsing import CURVE, CUT_OFF, SIZE, browsing, open_notebook, serving, source, status, until

NOTEBOOK, PRUNING, PARALLEL = "00_start_here.ipynb", "04_importance_pruning.ipynb", "05_parallel_training.ipynb"
RULES = "07_rules.ipynb"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def lab(tmp_path):
    with serving(tmp_path, NOTEBOOK, PRUNING, PARALLEL, RULES) as url:
        yield url


@pytest.fixture
def page(browser_path):
    with browsing(browser_path) as page:
        yield page


@pytest.fixture
def fast(monkeypatch):
    """Kernels of small sizes; to be asked for before `lab`."""
    monkeypatch.setenv("SPARSELAB_FAST", "1")


def test_two_clicks_to_a_moving_curve(lab, page):
    opened = time.monotonic()
    open_notebook(page, lab, NOTEBOOK)
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")  # click 1: run the first cell

    page.locator(".sparselab-start").click()  # click 2: Start
    page.locator(CURVE).wait_for(state="visible")
    first = source(page)
    until(lambda: source(page) != first, "a second picture")
    print(f"\nseconds from opening to the first moving curve: {time.monotonic() - opened:.1f}")
    assert "running" in status(page)

    assert "learning rate 0.01 " in status(page)
    page.locator(".sparselab-learning_rate .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    spent = until(lambda: "learning rate 0.0112 " in status(page), "the new learning rate")
    print(f"seconds until the slider's value reached the training: {spent:.2f}")

    page.locator(".sparselab-stop").click()
    spent = until(lambda: status(page).split()[1] == "stopped", "stopped")
    print(f"seconds until Stop was answered: {spent:.2f}")
    assert spent < 2
    assert page.locator(".sparselab-panel details").count() == 0  # no error
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        page.screenshot(path=str(Path(folder) / "browser.png"))


@pytest.mark.slow
def test_a_threshold_is_dragged_and_a_net_shrinks(fast, lab, page):
    open_notebook(page, lab, PRUNING)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()

    picture = page.locator(".sparselab-view-trade-off").first  # the one of the threshold panel stands first
    picture.wait_for(state="visible")
    first, table = picture.get_attribute("src"), page.locator(".sparselab-panel").first.locator("table").inner_text()
    page.locator(".sparselab-amount .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    spent = until(lambda: picture.get_attribute("src") != first, "the mark at another place")
    print(f"\nseconds until the mark had moved: {spent:.2f}")
    until(lambda: page.locator(".sparselab-panel").first.locator("table").inner_text() != table, "another table")

    assert "50-50 → 20-20" in page.locator(".sparselab-plan").inner_text()
    page.locator(".sparselab-start").click()
    until(lambda: status(page).split()[1] == "finished", "the end of the training", 60)
    until(lambda: "784-20-20-10" in page.locator(".sparselab-glance").inner_text(), "the smaller net")
    assert page.locator(".sparselab-panel details").count() == 0  # no error
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        page.locator(".sparselab-panel").last.screenshot(path=str(Path(folder) / "pruning_panel.png"))


@pytest.mark.slow
def test_workers_train_and_what_they_did_is_seen(fast, lab, page):
    open_notebook(page, lab, PARALLEL)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()

    page.locator(".sparselab-plan").wait_for(timeout=120_000)
    plan = lambda: page.locator(".sparselab-plan").inner_text()
    assert "2 workers send gradients to one shared net; workers do not wait" in plan()
    page.locator(".sparselab-synchronous input").check()
    until(lambda: "wait for each other at every step" in plan(), "the plan of the other phase 1")
    page.locator(".sparselab-start").click()
    until(lambda: status(page).split()[1] == "finished", "the end of the training", 60)
    for title, name in (("timeline", "workers"), ("staleness", "staleness"), ("average", "average")):
        page.locator(".lm-TabBar-tab", has_text=title).first.click()
        page.locator(f".sparselab-view-{name}").wait_for(state="visible")
    assert page.locator(".sparselab-panel details").count() == 0  # no error
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        page.locator(".sparselab-panel").last.screenshot(path=str(Path(folder) / "parallel_panel.png"))


@pytest.mark.slow
def test_a_wide_table_fits_a_narrow_window(fast, lab, page):
    open_notebook(page, lab, RULES)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()

    page.locator(".sparselab-start").click(timeout=120_000)
    panel = page.locator(".sparselab-panel").last
    panel.locator("td", has_text="dense equivalent").wait_for()
    for width in (900, 1366, 1920):
        page.set_viewport_size(SIZE | {"width": width})
        until(lambda: panel.evaluate(CUT_OFF) == [], f"a panel of which nothing is cut off at {width}", 5)
